"""Stacks: people's maps that are layers of one input, where the table of their maps has such.

They are drawn and cropped as the strictest study is. A {variant} is `stack`, which sees all layers,
or one layer alone, to compare with.

crop_layer    people's maps → results/experiments/stacks/crops/layer-N.zarr + .json
fit_stacks    crops of the layers → results/experiments/stacks/networks/{variant}/
judge_stacks  predictions of stacks whose prior strain is known → results/experiments/stacks/
"""

STACK_PREDICTIONS = expand(Paths.stack_predictions, variant=STACKS)
STACK_SUMMARIES = (
    [filled(Paths.experiment_summary, experiment="stacks")] if STACKS_TEST else []
)


rule crop_layer:
    input:
        external=EXTERNAL,
    output:
        crops=directory(Paths.layer_crops),
        manifest=Paths.layer_crops_manifest,
    log:
        log_path("crop_layer", "variant"),
    benchmark:
        benchmark_path("crop_layer", "variant")
    wildcard_constraints:
        variant=r"layer-\d+",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("crop_layer"),
        layer=lambda wildcards: int(wildcards.variant.removeprefix("layer-")),
        study=STRICT["study"],
        scalar=config["studies"][STRICT["study"]]["scalar"],
        range_floor=config["studies"][STRICT["study"]]["range_floor"],
        aspect=config["studies"][STRICT["study"]]["aspect"],
        crop_px=config["dataset"]["crop_px"],
        scales=config["dataset"]["scales"],
    script:
        "../scripts/crop_layer.py"


rule fit_stacks:
    input:
        external=Paths.external_manifest,
        crops=ancient(
            lambda wildcards: expand(
                Paths.layer_crops, variant=STACKS[wildcards.variant]
            )
        ),
        crops_manifests=lambda wildcards: expand(
            Paths.layer_crops_manifest, variant=STACKS[wildcards.variant]
        ),
    output:
        weights=Paths.stack_weights,
        history=Paths.stack_history,
        training=Paths.stack_training,
        calibration=Paths.stack_calibration,
        predictions=Paths.stack_predictions,
    log:
        log_path("fit_stacks", "variant"),
    benchmark:
        benchmark_path("fit_stacks", "variant")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        **training_resources(config),
    params:
        **device_params(config),
        code=code("fit_stacks"),
        training=fitted_training(config, "stacks"),
        train_fraction=config["dataset"]["train_fraction"],
        level=config["report"]["conformal_level"],
    script:
        "../scripts/fit_stacks.py"


rule judge_stacks:
    input:
        external=Paths.external_manifest,
        predictions=STACK_PREDICTIONS,
        calibrations=expand(Paths.stack_calibration, variant=STACKS),
    output:
        table=filled(Paths.experiment_table, experiment="stacks"),
        summary=filled(Paths.experiment_summary, experiment="stacks"),
    log:
        log_path("judge_stacks"),
    benchmark:
        benchmark_path("judge_stacks")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("judge_stacks"),
        models=[
            (
                f"the stack of {len(layers)} layers"
                if variant == "stack"
                else f"{variant.replace('-', ' ')} alone"
            )
            for variant, layers in STACKS.items()
        ],
        seed=config["seed"],
        resamples=config["report"]["bootstrap_samples"],
        settings={"study": STRICT["study"], "network": LEAD, "seed": FIRST_SEED},
    script:
        "../scripts/judge_stacks.py"
