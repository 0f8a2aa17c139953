"""Look into one trained network: filters, saliency, and the checks of both."""

from pathlib import Path

from strainprint.networks.explain import explain_network
from strainprint.workflow import granted_device, job_log

with job_log(snakemake):
    explain_network(
        network_dir=Path(snakemake.input.weights[0]).parent,
        crops_zarr=snakemake.input.crops,
        crops_json=snakemake.input.crops_manifest,
        manifest_csv=snakemake.input.manifest,
        split_csv=snakemake.input.split,
        out_dir=Path(snakemake.output.manifest).parent,
        maps=snakemake.params.maps,
        filter_px=snakemake.params.filter_px,
        filter_steps=snakemake.params.filter_steps,
        config_seed=snakemake.params.config_seed,
        device=granted_device(snakemake),
        threads=snakemake.params.threads,
    )
