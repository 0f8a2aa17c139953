"""Ask one trained network about every map of a study."""

from pathlib import Path

from strainprint.networks.inference import infer_network
from strainprint.workflow import granted_device, job_log

with job_log(snakemake):
    infer_network(
        directory=Path(snakemake.input.weights).parent,
        crops_zarr=snakemake.input.crops,
        crops_json=snakemake.input.crops_manifest,
        manifest_csv=snakemake.input.manifest,
        split_csv=snakemake.input.split,
        crops_memory_gb=snakemake.resources.crops_mb / 1000,
        device=granted_device(snakemake),
        threads=snakemake.params.threads,
    )
