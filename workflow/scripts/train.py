"""Train one network; a training cut short goes on from its last epoch."""

from pathlib import Path

from strainprint.networks.training import train_network
from strainprint.workflow import granted_device, job_log

with job_log(snakemake):
    directory = Path(snakemake.output.weights).parent
    external, external_maps = snakemake.input.get("external") or (None, None)
    train_network(
        crops_zarr=snakemake.input.crops,
        crops_json=snakemake.input.crops_manifest,
        manifest_csv=snakemake.input.manifest,
        split_csv=snakemake.input.split,
        external_json=external,
        external_dir=external_maps,
        directory=directory,
        checkpoint_dir=directory / "checkpoint",
        code=snakemake.params.code,
        architecture=snakemake.wildcards.network,
        config_seed=snakemake.params.config_seed,
        seed=int(snakemake.wildcards.seed),
        batch_size=snakemake.params.batch_size,
        learning_rate=snakemake.params.learning_rate,
        max_epochs=snakemake.params.max_epochs,
        patience=snakemake.params.patience,
        batch_norm_momentum=snakemake.params.batch_norm_momentum,
        l2_penalty=snakemake.params.l2_penalty,
        adam_beta1=snakemake.params.adam_beta1,
        adam_beta2=snakemake.params.adam_beta2,
        adam_epsilon=snakemake.params.adam_epsilon,
        precision=snakemake.params.precision,
        crops_per_map_per_epoch=snakemake.params.crops_per_map_per_epoch,
        noise_grey_levels=snakemake.params.noise_grey_levels,
        least_contrast=snakemake.params.least_contrast,
        crops_memory_gb=snakemake.resources.crops_mb / 1000,
        device=granted_device(snakemake),
        threads=snakemake.params.threads,
    )
