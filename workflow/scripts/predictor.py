"""Gather the networks of a study and split, and what they teach of doubt, into a predictor."""

from pathlib import Path

from strainprint.prediction.predictor import build_predictor
from strainprint.workflow import RESULTS, job_log

with job_log(snakemake):
    lead = Path(snakemake.input.lead_features).parent
    networks = [Path(weights).parent for weights in snakemake.input.weights]
    build_predictor(
        sorted(networks, key=lambda directory: directory != lead),
        snakemake.input.lead_features,
        snakemake.input.predictions,
        snakemake.input.calibration,
        snakemake.input.manifest,
        snakemake.input.split,
        RESULTS,
        Path(snakemake.output.predictor).parent,
        neighbours=snakemake.params.neighbours,
    )
