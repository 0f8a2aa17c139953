"""Deal the maps of a study out so that one group of specimens tests."""

from strainprint.experiments.leave_out import split_leaving_out
from strainprint.workflow import job_log

with job_log(snakemake):
    split_leaving_out(
        snakemake.input.manifest,
        snakemake.output.split,
        name=snakemake.wildcards.variant,
        seed=snakemake.params.seed,
        train_fraction=snakemake.params.train_fraction,
    )
