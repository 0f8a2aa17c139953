"""Fit an ensemble's temperature and conformal threshold on the validation maps."""

from strainprint.networks.calibration import calibrate_ensemble
from strainprint.workflow import job_log

with job_log(snakemake):
    calibrate_ensemble(
        snakemake.input.predictions,
        snakemake.input.manifest,
        snakemake.output.calibration,
        level=snakemake.params.level,
    )
