"""Train a network whose channels are layers of people's stacks, and ask it about every stack."""

from pathlib import Path

from strainprint.experiments.stacks import fit_stacks
from strainprint.workflow import granted_device, job_log

with job_log(snakemake):
    fit_stacks(
        snakemake.input.external,
        list(zip(snakemake.input.crops, snakemake.input.crops_manifests, strict=True)),
        Path(snakemake.output.weights).parent,
        train_fraction=snakemake.params.train_fraction,
        level=snakemake.params.level,
        training=snakemake.params.training,
        code=snakemake.params.code,
        crops_memory_gb=snakemake.resources.crops_mb / 1000,
        device=granted_device(snakemake),
        threads=snakemake.params.threads,
    )
