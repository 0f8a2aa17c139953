"""Judge networks of people's stacks by the stacks whose prior strain is known."""

from strainprint.experiments.stacks import judge_stacks
from strainprint.workflow import job_log

with job_log(snakemake):
    models = zip(snakemake.input.predictions, snakemake.input.calibrations, strict=True)
    judge_stacks(
        snakemake.input.external,
        dict(zip(snakemake.params.models, models, strict=True)),
        snakemake.output.table,
        snakemake.output.summary,
        seed=snakemake.params.seed,
        resamples=snakemake.params.resamples,
        settings=snakemake.params.settings,
    )
