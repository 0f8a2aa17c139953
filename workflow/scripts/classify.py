"""Classify people's own maps with every network of a study and split."""

from pathlib import Path

from strainprint.networks.classify import classify_external
from strainprint.workflow import job_log

with job_log(snakemake):
    manifest, maps = snakemake.input.external
    classify_external(
        manifest,
        maps,
        [Path(weights).parent for weights in snakemake.input.weights],
        snakemake.output.predictions,
        device="cpu",
        threads=snakemake.params.threads,
    )
