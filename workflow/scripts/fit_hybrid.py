"""Train a network that sees correlations beside the picture, and ask it about every map."""

from pathlib import Path

from strainprint.experiments.beyond import fit_classifier
from strainprint.workflow import granted_device, job_log

with job_log(snakemake):
    fit_classifier(
        snakemake.input.manifest,
        snakemake.input.split,
        [(snakemake.input.crops, snakemake.input.crops_manifest)],
        snakemake.output.predictions,
        correlations=(snakemake.input.correlations, snakemake.input.correlations_manifest),
        training=snakemake.params.training,
        checkpoint_dir=Path(snakemake.output.predictions).parent / "checkpoint",
        code=snakemake.params.code,
        crops_memory_gb=snakemake.resources.crops_mb / 1000,
        device=granted_device(snakemake),
        threads=snakemake.params.threads,
    )
