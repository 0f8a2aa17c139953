"""Ask the authors' network about the pictures of one parameter set."""

from strainprint.calibration.judge import judge_sample
from strainprint.workflow import job_log

with job_log(snakemake):
    judge_sample(
        snakemake.input.maps,
        snakemake.input.pictures,
        snakemake.input.get("weights", []),
        snakemake.output.judged,
    )
