"""Average what every network of one study and split says."""

from strainprint.networks.ensemble import average_predictions
from strainprint.workflow import job_log

with job_log(snakemake):
    average_predictions(
        snakemake.input.predictions,
        snakemake.output.predictions,
        snakemake.output.metrics,
    )
