"""List the maps of a study in one table."""

from strainprint.dataset.manifest import build_manifest
from strainprint.workflow import RESULTS, job_log

with job_log(snakemake):
    build_manifest(
        snakemake.input.maps_manifests,
        RESULTS,
        snakemake.output.manifest,
        classes=snakemake.params.classes,
        scalar=snakemake.params.scalar,
        range_floor=snakemake.params.range_floor,
    )
