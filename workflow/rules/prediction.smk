"""Prediction: what a study and split can say of a map from anywhere, and of people's own maps.

predictor   all networks and seeds, with what their validation and training maps teach of doubt
            → results/{study}/{split}/predictor/
classify    people's own maps, where the config names a table of them
            → results/{study}/{split}/external/predictions.csv, curves.csv
"""

DATASETS = {"study": config["run"]["studies"], "split": config["run"]["splits"]}
PREDICTORS = expand(Paths.predictor, **DATASETS)
# Asked for only where the config names people's maps.
PREDICTED_EXTERNAL = (
    expand(Paths.external_predictions, **DATASETS) if PREDICTS_MAPS else []
)


rule predictor:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        maps=SHARD_MAPS,
        maps_manifests=SHARD_MANIFESTS,
        lead_features=LEAD_FEATURES,
        predictions=Paths.ensemble_predictions,
        calibration=Paths.calibration,
        weights=expand(Paths.weights, **TRAINED, allow_missing=True),
        training=expand(Paths.training, **TRAINED, allow_missing=True),
    output:
        predictor=Paths.predictor,
        references=Paths.predictor_references,
    log:
        log_path("predictor", "study", "split"),
    benchmark:
        benchmark_path("predictor", "study", "split")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=30,
    params:
        code=code("predictor"),
        neighbours=config["curves"]["neighbours"],
    script:
        "../scripts/predictor.py"


rule classify:
    input:
        external=EXTERNAL,
        predictor=Paths.predictor,
        references=Paths.predictor_references,
        weights=expand(Paths.weights, **TRAINED, allow_missing=True),
        training=expand(Paths.training, **TRAINED, allow_missing=True),
    output:
        predictions=Paths.external_predictions,
        curves=Paths.external_curves,
    log:
        log_path("classify", "study", "split"),
    benchmark:
        benchmark_path("classify", "study", "split")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("classify"),
        threads=config["training"]["threads"],
    script:
        "../scripts/classify.py"
