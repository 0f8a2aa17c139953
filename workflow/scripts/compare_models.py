"""Compare the models of one experiment map by map."""

from strainprint.experiments.compare import compare_models
from strainprint.workflow import job_log

with job_log(snakemake):
    compare_models(
        snakemake.input.manifest,
        snakemake.params.models,
        snakemake.output.table,
        snakemake.output.summary,
        name=snakemake.wildcards.experiment,
        seed=snakemake.params.seed,
        resamples=snakemake.params.resamples,
        settings=snakemake.params.settings,
    )
