"""Judge the networks that never saw a width or a number of slip systems."""

from strainprint.experiments.leave_out import leave_out
from strainprint.workflow import job_log

with job_log(snakemake):
    leave_out(
        snakemake.input.manifest,
        dict(zip(snakemake.params.groups, snakemake.input.groups, strict=True)),
        snakemake.input.standard,
        snakemake.output.table,
        snakemake.output.summary,
        seed=snakemake.params.seed,
        resamples=snakemake.params.resamples,
        settings=snakemake.params.settings,
    )
