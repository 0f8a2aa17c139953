"""Networks: trained side by side, one job per network and seed, then asked about every map.

train       crops, split → weights.safetensors, history.csv, training.json
infer       weights, crops → predictions.csv, features.npy, metrics.json
ensemble    predictions of every network and seed → results/{study}/{split}/ensemble/
calibrate   the ensemble's validation maps → results/{study}/{split}/ensemble/calibration.json
explain     weights and crops of the lead network's first seed, where the config says so
            → results/{study}/{split}/explanations/
"""

TRAINED = {"network": config["run"]["networks"], "seed": config["run"]["seeds"]}

# The one network that figures show and whose features find neighbours.
LEAD_TRAINING = {"network": lead_network(config), "seed": config["run"]["seeds"][0]}


rule train:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        crops=ancient(Paths.crops),
        crops_manifest=Paths.crops_manifest,
        external=TRAINING_EXTERNAL,
    output:
        weights=Paths.weights,
        history=Paths.history,
        training=Paths.training,
    log:
        log_path("train", "study", "split", "network", "seed"),
    benchmark:
        benchmark_path("train", "study", "split", "network", "seed")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        **training_resources(config),
    params:
        **training_params(config),
        **device_params(config),
        code=code("train"),
        config_seed=config["seed"],
        precision=config["training"]["precision"],
        noise_grey_levels=config["training"]["noise_grey_levels"],
        least_contrast=config["training"]["least_contrast"],
    script:
        "../scripts/train.py"


rule infer:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        crops=ancient(Paths.crops),
        crops_manifest=Paths.crops_manifest,
        weights=Paths.weights,
        training=Paths.training,
    output:
        predictions=Paths.network_predictions,
        features=Paths.network_features,
        metrics=Paths.network_metrics,
    log:
        log_path("infer", "study", "split", "network", "seed"),
    benchmark:
        benchmark_path("infer", "study", "split", "network", "seed")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        gpu=1,
        mem_mb=network_mb(config),
        # A resource: it changes no result, so another value trains nothing again.
        crops_mb=crops_mb(config),
        runtime=120,
    params:
        **device_params(config),
        code=code("infer"),
    script:
        "../scripts/infer.py"


rule ensemble:
    input:
        predictions=expand(Paths.network_predictions, **TRAINED, allow_missing=True),
    output:
        predictions=Paths.ensemble_predictions,
        metrics=Paths.ensemble_metrics,
    log:
        log_path("ensemble", "study", "split"),
    benchmark:
        benchmark_path("ensemble", "study", "split")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("ensemble"),
    script:
        "../scripts/ensemble.py"


rule calibrate:
    input:
        predictions=Paths.ensemble_predictions,
        manifest=Paths.manifest,
    output:
        calibration=Paths.calibration,
    log:
        log_path("calibrate", "study", "split"),
    benchmark:
        benchmark_path("calibrate", "study", "split")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("calibrate"),
        level=config["report"]["conformal_level"],
    script:
        "../scripts/calibrate.py"


rule explain:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        crops=ancient(Paths.crops),
        crops_manifest=Paths.crops_manifest,
        weights=expand(Paths.weights, **LEAD_TRAINING, allow_missing=True),
        training=expand(Paths.training, **LEAD_TRAINING, allow_missing=True),
    output:
        pictures=Paths.explained_pictures,
        randomization=Paths.randomization,
        deletion=Paths.deletion,
        manifest=Paths.explanations,
    log:
        log_path("explain", "study", "split"),
    benchmark:
        benchmark_path("explain", "study", "split")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        gpu=1,
        mem_mb=network_mb(config),
        runtime=120,
    params:
        **device_params(config),
        code=code("explain"),
        config_seed=config["seed"],
        maps=config["report"]["explained_maps"],
        filter_px=config["report"]["filter_px"],
        filter_steps=config["report"]["filter_steps"],
    script:
        "../scripts/explain.py"
