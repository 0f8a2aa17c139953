"""Classify the maps by their correlations, and by their shape alone."""

from strainprint.baseline.forest import classify_correlations
from strainprint.workflow import job_log

with job_log(snakemake):
    classify_correlations(
        snakemake.input.manifest,
        snakemake.input.split,
        snakemake.input.correlations,
        snakemake.input.correlations_manifest,
        snakemake.output.predictions,
        snakemake.output.shape_predictions,
        snakemake.output.cross_validation,
        snakemake.output.variants,
        snakemake.output.variant_predictions,
        snakemake.output.metrics,
        seed=snakemake.params.seed,
        inputs=snakemake.params.inputs,
        windows=snakemake.params.windows,
        classifiers=snakemake.params.classifiers,
        components=snakemake.params.components,
        trees=snakemake.params.trees,
        folds=snakemake.params.folds,
    )
