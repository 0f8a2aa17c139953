"""Classify people's own maps with the predictor of a study and split."""

from pathlib import Path

from strainprint.prediction.classify import Judge, classify_external
from strainprint.workflow import job_log

with job_log(snakemake):
    judge = Judge.load(
        [],
        Path(snakemake.input.predictor).parent,
        device="cpu",
        threads=snakemake.params.threads,
    )
    manifest, maps = snakemake.input.external
    classify_external(manifest, maps, judge, snakemake.output.predictions, snakemake.output.curves)
