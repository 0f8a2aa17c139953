"""Judge networks and ensembles over several splits and seeds."""

from strainprint.experiments.draws import judge_draws
from strainprint.workflow import job_log

with job_log(snakemake):
    trainings = [tuple(one) for one in snakemake.params.trainings]
    judge_draws(
        dict(zip(trainings, snakemake.input.predictions, strict=True)),
        snakemake.output.table,
        snakemake.output.summary,
        lead=snakemake.params.lead,
        settings=snakemake.params.settings,
    )
