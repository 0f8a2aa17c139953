"""Draw the figures of the calibration."""

from strainprint.calibration.figures import draw_comparison
from strainprint.workflow import job_log

with job_log(snakemake):
    draw_comparison(
        snakemake.input.tables,
        dict(zip(snakemake.params.trials, snakemake.input.pictures, strict=True)),
        snakemake.output.figures,
        snakemake.output.manifest,
        exponent=snakemake.params.exponent,
    )
