"""Deal the maps of a study out to train, validation and test."""

from strainprint.dataset.splits import build_split
from strainprint.workflow import job_log

with job_log(snakemake):
    build_split(
        snakemake.input.manifest,
        snakemake.output.split,
        split=snakemake.wildcards.split,
        seed=snakemake.params.seed,
        test_fraction=snakemake.params.test_fraction,
        train_fraction=snakemake.params.train_fraction,
    )
