"""Crop one layer of every stack of people's maps into one store."""

from strainprint.dataset.stacks import write_layer_crops
from strainprint.workflow import job_log

with job_log(snakemake):
    manifest, maps = snakemake.input.external
    write_layer_crops(
        manifest,
        maps,
        snakemake.output.crops,
        snakemake.output.manifest,
        layer=snakemake.params.layer,
        study=snakemake.params.study,
        scalar=snakemake.params.scalar,
        range_floor=snakemake.params.range_floor,
        aspect=snakemake.params.aspect,
        crop_px=snakemake.params.crop_px,
        scales=snakemake.params.scales,
    )
