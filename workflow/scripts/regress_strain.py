"""Fit a network to the logarithm of the prior strain and judge it, also at strains never seen."""

from pathlib import Path

from strainprint.experiments.regression import regress_strain
from strainprint.workflow import granted_device, job_log

with job_log(snakemake):
    regress_strain(
        snakemake.input.manifest,
        snakemake.input.split,
        snakemake.input.crops,
        snakemake.input.crops_manifest,
        snakemake.output.table,
        snakemake.output.summary,
        unseen=snakemake.params.unseen,
        level=snakemake.params.level,
        training=snakemake.params.training,
        resamples=snakemake.params.resamples,
        checkpoint_dir=Path(snakemake.output.summary).parent / "checkpoint",
        code=snakemake.params.code,
        crops_memory_gb=snakemake.resources.crops_mb / 1000,
        device=granted_device(snakemake),
        threads=snakemake.params.threads,
        settings=snakemake.params.settings,
    )
