"""Predict the stress-strain curves of the small-reload test maps."""

from strainprint.curves.prediction import predict_curves
from strainprint.workflow import RESULTS, job_log

with job_log(snakemake):
    predict_curves(
        snakemake.input.manifest,
        snakemake.input.split,
        RESULTS,
        snakemake.input.features,
        snakemake.input.correlations,
        snakemake.input.correlations_manifest,
        snakemake.output.neighbours,
        snakemake.output.curves,
        snakemake.output.bands,
        snakemake.output.errors,
        snakemake.output.metrics,
        youngs_modulus_gpa=snakemake.params.youngs_modulus_gpa,
        poissons_ratio=snakemake.params.poissons_ratio,
        neighbours=snakemake.params.neighbours,
    )
