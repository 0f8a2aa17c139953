"""Measure the specimens of one parameter set."""

from strainprint.calibration.sample import measure_sample
from strainprint.workflow import job_log

with job_log(snakemake):
    measure_sample(
        snakemake.input.states,
        snakemake.output.specimens,
        snakemake.output.maps,
        snakemake.output.pairs,
        snakemake.output.pictures,
    )
