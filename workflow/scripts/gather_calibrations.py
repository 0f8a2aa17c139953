"""Lay the calibrations of every study and split side by side."""

from strainprint.experiments.calibration import gather_calibrations
from strainprint.workflow import job_log

with job_log(snakemake):
    names = [tuple(name) for name in snakemake.params.names]
    gather_calibrations(
        dict(zip(names, snakemake.input.calibrations, strict=True)),
        snakemake.output.table,
        snakemake.output.summary,
        seed=snakemake.params.seed,
        resamples=snakemake.params.resamples,
    )
