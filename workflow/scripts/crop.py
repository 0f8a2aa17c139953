"""Crop every map of a study into one store."""

from strainprint.dataset.store import write_crops
from strainprint.workflow import RESULTS, job_log

with job_log(snakemake):
    write_crops(
        snakemake.input.manifest,
        RESULTS,
        snakemake.output.crops,
        snakemake.output.manifest,
        study=snakemake.wildcards.study,
        scalar=snakemake.params.scalar,
        range_floor=snakemake.params.range_floor,
        aspect=snakemake.params.aspect,
        crop_px=snakemake.params.crop_px,
        scales=snakemake.params.scales,
        other_scalar=snakemake.params.get("other_scalar", False),
    )
