"""Baseline: two-point correlations, principal components, tuned classifiers; and shape alone.

correlate    table and maps → results/{study}/correlations/correlations.zarr + .json
forest       correlations, split → results/{study}/{split}/baseline/
"""


rule correlate:
    input:
        manifest=Paths.manifest,
        maps=SHARD_MAPS,
        maps_manifests=SHARD_MANIFESTS,
    output:
        correlations=directory(Paths.correlations),
        manifest=Paths.correlations_manifest,
    log:
        log_path("correlate", "study"),
    benchmark:
        benchmark_path("correlate", "study")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code("correlate"),
        scalar=lambda wildcards: config["studies"][wildcards.study]["scalar"],
        range_floor=lambda wildcards: config["studies"][wildcards.study]["range_floor"],
        max_lag_nm=config["baseline"]["max_lag_nm"],
    script:
        "../scripts/correlate.py"


rule forest:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        correlations=ancient(Paths.correlations),
        correlations_manifest=Paths.correlations_manifest,
    output:
        predictions=Paths.baseline_predictions,
        shape_predictions=Paths.shape_predictions,
        metrics=Paths.baseline_metrics,
        cross_validation=Paths.cross_validation,
        variants=Paths.baseline_variants,
        variant_predictions=Paths.baseline_variant_predictions,
    log:
        log_path("forest", "study", "split"),
    benchmark:
        benchmark_path("forest", "study", "split")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=120,
    params:
        code=code("forest"),
        seed=config["seed"],
        inputs=config["baseline"]["inputs"],
        windows=config["baseline"]["windows"],
        classifiers=config["baseline"]["classifiers"],
        components=config["baseline"]["components"],
        trees=config["baseline"]["trees"],
        folds=config["baseline"]["folds"],
    script:
        "../scripts/forest.py"
