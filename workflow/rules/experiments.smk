"""Experiments: costlier questions that the config asks for by name, each with a table of its own.

snakemake --cores all experiments makes them without the report. They are asked of the strictest
study and split that the config runs. A {variant} is a training that differs from the usual one in
its split or its settings.

gather_calibrations  every study's and split's → results/experiments/calibration/ (always made)
train_variant        as train → results/experiments/{experiment}/networks/{variant}/…
infer_variant        as infer, into the same folder
judge_noise          networks trained with and without noise → results/experiments/noise/
compare_models       predictions of several models → results/experiments/{experiment}/
draw_split           table → results/experiments/seeds/splits/{variant}.csv
judge_draws          predictions on every split drawn → results/experiments/seeds/
crop_channel         as crop, of one strain component → results/experiments/channels/{study}/crops/
fit_channels         crops of every channel → results/experiments/channels/predictions.csv
fit_hybrid           crops, correlations → results/experiments/hybrid/predictions.csv
{X}_ladder           as X, with many prior strains → results/experiments/regression/
regress_strain       those → results/experiments/regression/
split_leaving_out    table → results/experiments/leave_out/splits/{variant}.csv
leave_out            predictions without each group → results/experiments/leave_out/
instrument           every instrument's study, made by the usual rules → results/experiments/instrument/
simulate_twin        as simulate, sources and obstacles shifted → results/experiments/twins/specimens/
measure_twin         as measure → results/experiments/twins/maps/
twins                those beside the specimens → results/experiments/twins/
"""

STRICT = strict_dataset(config)
LEAD = lead_network(config)
# The calibration costs nothing and is always there.
EXPERIMENT_SUMMARIES = expand(
    Paths.experiment_summary, experiment=["calibration", *config["experiments"]]
)
RUN = [
    [study, split]
    for study in config["run"]["studies"]
    for split in config["run"]["splits"]
]
# The strict study as the simulator knows it, then as each instrument sees it, by its study's name.
SEEN_BY = {STRICT["study"]: ("none", 0.0)} | {
    study: (
        how["instrument"],
        config["maps"]["instruments"][how["instrument"]]["noise_px"],
    )
    for study, how in instrument_studies(config).items()
}
# Called with a pattern: the file of the study and split that experiments are asked of.
of_strict = partial(filled, **STRICT)
of_leave_out = partial(filled, experiment="leave_out")
FIRST_SEED = config["run"]["seeds"][0]
ASKED = config["experiment_settings"]
# What is written into each experiment's summary.
BY_LEAD = {**STRICT, "network": LEAD, "seed": FIRST_SEED}


rule gather_calibrations:
    input:
        calibrations=[
            filled(Paths.calibration, study=study, split=split) for study, split in RUN
        ],
    output:
        table=filled(Paths.experiment_table, experiment="calibration"),
        summary=filled(Paths.experiment_summary, experiment="calibration"),
    log:
        log_path("gather_calibrations"),
    benchmark:
        benchmark_path("gather_calibrations")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("gather_calibrations"),
        names=RUN,
        seed=config["seed"],
        resamples=config["report"]["bootstrap_samples"],
    script:
        "../scripts/gather_calibrations.py"


use rule train as train_variant with:
    input:
        manifest=of_strict(Paths.manifest),
        split=lambda wildcards: split_of_variant(config, **wildcards),
        crops=of_strict(Paths.crops),
        crops_manifest=of_strict(Paths.crops_manifest),
        external=TRAINING_EXTERNAL,
    output:
        weights=Paths.variant_weights,
        history=Paths.variant_history,
        training=Paths.variant_training,
    log:
        log_path("train_variant", "experiment", "variant", "network", "seed"),
    benchmark:
        benchmark_path("train_variant", "experiment", "variant", "network", "seed")
    params:
        noise_grey_levels=lambda wildcards: training_of_variant(
            config, "noise_grey_levels", wildcards.experiment
        ),
        least_contrast=lambda wildcards: training_of_variant(
            config, "least_contrast", wildcards.experiment
        ),


use rule infer as infer_variant with:
    input:
        manifest=of_strict(Paths.manifest),
        split=lambda wildcards: split_of_variant(config, **wildcards),
        crops=of_strict(Paths.crops),
        crops_manifest=of_strict(Paths.crops_manifest),
        weights=Paths.variant_weights,
        training=Paths.variant_training,
    output:
        predictions=Paths.variant_predictions,
        features=Paths.variant_features,
        metrics=Paths.variant_metrics,
    log:
        log_path("infer_variant", "experiment", "variant", "network", "seed"),
    benchmark:
        benchmark_path("infer_variant", "experiment", "variant", "network", "seed")


rule split_leaving_out:
    input:
        manifest=of_strict(Paths.manifest),
    output:
        split=of_leave_out(Paths.variant_split),
    log:
        log_path("split_leaving_out", "variant"),
    benchmark:
        benchmark_path("split_leaving_out", "variant")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("split_leaving_out"),
        seed=config["seed"],
        train_fraction=config["dataset"]["train_fraction"],
    script:
        "../scripts/split_leaving_out.py"


rule leave_out:
    input:
        manifest=of_strict(Paths.manifest),
        groups=expand(
            Paths.variant_predictions,
            experiment="leave_out",
            variant=groups_to_leave_out(config),
            network=LEAD,
            seed=FIRST_SEED,
        ),
        standard=of_strict(Paths.network_predictions, network=LEAD, seed=FIRST_SEED),
    output:
        table=of_leave_out(Paths.experiment_table),
        summary=of_leave_out(Paths.experiment_summary),
    log:
        log_path("leave_out"),
    benchmark:
        benchmark_path("leave_out")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("leave_out"),
        groups=groups_to_leave_out(config),
        seed=config["seed"],
        resamples=config["report"]["bootstrap_samples"],
        settings=BY_LEAD,
    script:
        "../scripts/leave_out.py"


rule judge_noise:
    input:
        manifest=of_strict(Paths.manifest),
        split=of_strict(Paths.split),
        maps=[filled(path, **STRICT) for path in SHARD_MAPS],
        maps_manifests=[filled(path, **STRICT) for path in SHARD_MANIFESTS],
        plain=of_strict(Paths.weights, network=LEAD, seed=FIRST_SEED),
        plain_training=of_strict(Paths.training, network=LEAD, seed=FIRST_SEED),
        augmented=filled(
            Paths.variant_weights,
            experiment="noise",
            variant="augmented",
            network=LEAD,
            seed=FIRST_SEED,
        ),
        augmented_training=filled(
            Paths.variant_training,
            experiment="noise",
            variant="augmented",
            network=LEAD,
            seed=FIRST_SEED,
        ),
    output:
        table=filled(Paths.experiment_table, experiment="noise"),
        summary=filled(Paths.experiment_summary, experiment="noise"),
    log:
        log_path("judge_noise"),
    benchmark:
        benchmark_path("judge_noise")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        gpu=1,
        mem_mb=3000,
        runtime=240,
    params:
        **device_params(config),
        code=code("judge_noise"),
        grey_levels=ASKED["noise_grey_levels"],
        displacement_nm=ASKED["noise_displacement_nm"],
        seed=config["seed"],
        resamples=config["report"]["bootstrap_samples"],
        settings={
            **BY_LEAD,
            "training_noise_grey_levels": ASKED["noise_training_grey_levels"],
        },
    script:
        "../scripts/judge_noise.py"


rule compare_models:
    input:
        manifest=of_strict(Paths.manifest),
        predictions=lambda wildcards: [
            path
            for members in compared_models(config, wildcards.experiment).values()
            for path in members
        ],
    output:
        table=Paths.experiment_table,
        summary=Paths.experiment_summary,
    log:
        log_path("compare_models", "experiment"),
    benchmark:
        benchmark_path("compare_models", "experiment")
    wildcard_constraints:
        experiment="ensembles|crop_filter|channels|hybrid",
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("compare_models"),
        models=lambda wildcards: compared_models(config, wildcards.experiment),
        seed=config["seed"],
        resamples=config["report"]["bootstrap_samples"],
        settings=lambda wildcards: {
            **STRICT,
            "seed": FIRST_SEED,
            **(
                {"least_contrast": ASKED["crop_filter_least_contrast"]}
                if wildcards.experiment == "crop_filter"
                else {}
            ),
        },
    script:
        "../scripts/compare_models.py"


rule draw_split:
    input:
        manifest=of_strict(Paths.manifest),
    output:
        split=filled(Paths.variant_split, experiment="seeds"),
    log:
        log_path("draw_split", "variant"),
    benchmark:
        benchmark_path("draw_split", "variant")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("draw_split"),
        seed=config["seed"],
        test_fraction=config["dataset"]["test_fraction"],
        train_fraction=config["dataset"]["train_fraction"],
    script:
        "../scripts/draw_split.py"


rule judge_draws:
    input:
        predictions=[
            filled(
                Paths.variant_predictions,
                experiment="seeds",
                variant=f"draw-{draw}",
                network=network,
                seed=seed,
            )
            for draw, network, seed in drawn_trainings(config)
        ],
    output:
        table=filled(Paths.experiment_table, experiment="seeds"),
        summary=filled(Paths.experiment_summary, experiment="seeds"),
    log:
        log_path("judge_draws"),
    benchmark:
        benchmark_path("judge_draws")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("judge_draws"),
        trainings=[list(one) for one in drawn_trainings(config)],
        lead=LEAD,
        settings={"study": STRICT["study"], "split": "specimen"},
    script:
        "../scripts/judge_draws.py"


use rule crop as crop_channel with:
    output:
        crops=directory(Paths.channel_crops),
        manifest=Paths.channel_crops_manifest,
    log:
        log_path("crop_channel", "study", "variant"),
    benchmark:
        benchmark_path("crop_channel", "study", "variant")
    params:
        scalar=lambda wildcards: wildcards.variant,
        other_scalar=True,


rule fit_channels:
    input:
        manifest=of_strict(Paths.manifest),
        split=of_strict(Paths.split),
        crops=expand(of_strict(Paths.channel_crops), variant=ASKED["channels"]),
        crops_manifests=expand(
            of_strict(Paths.channel_crops_manifest), variant=ASKED["channels"]
        ),
    output:
        predictions=filled(Paths.fitted_predictions, experiment="channels"),
    log:
        log_path("fit_channels"),
    benchmark:
        benchmark_path("fit_channels")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        **training_resources(config),
    params:
        **device_params(config),
        code=code("fit_channels"),
        training=fitted_training(config, "channels"),
    script:
        "../scripts/fit_channels.py"


rule fit_hybrid:
    input:
        manifest=of_strict(Paths.manifest),
        split=of_strict(Paths.split),
        crops=of_strict(Paths.crops),
        crops_manifest=of_strict(Paths.crops_manifest),
        correlations=of_strict(Paths.correlations),
        correlations_manifest=of_strict(Paths.correlations_manifest),
    output:
        predictions=filled(Paths.fitted_predictions, experiment="hybrid"),
    log:
        log_path("fit_hybrid"),
    benchmark:
        benchmark_path("fit_hybrid")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        **training_resources(config),
    params:
        **device_params(config),
        code=code("fit_hybrid"),
        training=fitted_training(config, "hybrid"),
    script:
        "../scripts/fit_hybrid.py"


use rule simulate as simulate_ladder with:
    output:
        states=Paths.ladder_states,
        manifest=Paths.ladder_states_manifest,
    log:
        log_path("simulate_ladder", "subset", "shard"),
    benchmark:
        benchmark_path("simulate_ladder", "subset", "shard")
    params:
        specimens=lambda wildcards: ladder_shard_size(config, wildcards.shard),
        prior_strains=ladder_strains(config),
        paths={},


use rule measure as measure_ladder with:
    input:
        states=Paths.ladder_states,
        manifest=Paths.ladder_states_manifest,
    output:
        maps=directory(Paths.ladder_maps),
        manifest=Paths.ladder_maps_manifest,
    log:
        log_path("measure_ladder", "study", "subset", "shard"),
    benchmark:
        benchmark_path("measure_ladder", "study", "subset", "shard")


use rule manifest as manifest_ladder with:
    input:
        maps_manifests=expand(
            Paths.ladder_maps_manifest, **ladder_shards(config), allow_missing=True
        ),
    output:
        manifest=Paths.ladder_manifest,
    log:
        log_path("manifest_ladder", "study"),
    benchmark:
        benchmark_path("manifest_ladder", "study")
    params:
        classes=[f"{strain:g}" for strain in ladder_strains(config)],


use rule crop as crop_ladder with:
    input:
        manifest=Paths.ladder_manifest,
        maps=expand(Paths.ladder_maps, **ladder_shards(config), allow_missing=True),
        maps_manifests=expand(
            Paths.ladder_maps_manifest, **ladder_shards(config), allow_missing=True
        ),
    output:
        crops=directory(Paths.ladder_crops),
        manifest=Paths.ladder_crops_manifest,
    log:
        log_path("crop_ladder", "study"),
    benchmark:
        benchmark_path("crop_ladder", "study")


use rule split as split_ladder with:
    input:
        manifest=Paths.ladder_manifest,
    output:
        split=Paths.ladder_split,
    log:
        log_path("split_ladder", "study", "split"),
    benchmark:
        benchmark_path("split_ladder", "study", "split")


rule regress_strain:
    input:
        manifest=of_strict(Paths.ladder_manifest),
        split=filled(Paths.ladder_split, study=STRICT["study"], split="specimen"),
        crops=of_strict(Paths.ladder_crops),
        crops_manifest=of_strict(Paths.ladder_crops_manifest),
    output:
        table=filled(Paths.experiment_table, experiment="regression"),
        summary=filled(Paths.experiment_summary, experiment="regression"),
    log:
        log_path("regress_strain"),
    benchmark:
        benchmark_path("regress_strain")
    conda:
        ENVIRONMENT
    threads: config["training"]["threads"]
    resources:
        **training_resources(config),
    params:
        **device_params(config),
        code=code("regress_strain"),
        unseen=ASKED["regression_unseen_strains"],
        level=config["report"]["conformal_level"],
        training=fitted_training(config, "regression"),
        resamples=config["report"]["bootstrap_samples"],
        settings={**BY_LEAD, "split": "specimen"},
    script:
        "../scripts/regress_strain.py"


rule instrument:
    input:
        manifests=expand(Paths.manifest, study=SEEN_BY),
        crops_manifests=expand(Paths.crops_manifest, study=SEEN_BY),
        predictions=expand(
            Paths.network_predictions,
            study=SEEN_BY,
            split=STRICT["split"],
            network=LEAD,
            seed=config["run"]["seeds"][0],
        ),
    output:
        table=filled(Paths.experiment_table, experiment="instrument"),
        summary=filled(Paths.experiment_summary, experiment="instrument"),
    log:
        log_path("instrument"),
    benchmark:
        benchmark_path("instrument")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("instrument"),
        instruments=[list(of_study) for of_study in SEEN_BY.values()],
        seed=config["seed"],
        resamples=config["report"]["bootstrap_samples"],
        settings={**STRICT, "network": LEAD, "seed": config["run"]["seeds"][0]},
    script:
        "../scripts/instrument.py"


TWINS = twin_shards(config)


use rule simulate as simulate_twin with:
    output:
        states=Paths.twin_states,
        manifest=Paths.twin_states_manifest,
    log:
        log_path("simulate_twin", "subset", "shard"),
    benchmark:
        benchmark_path("simulate_twin", "subset", "shard")
    params:
        twin_shift_nm=twin_shift_nm(config),


use rule measure as measure_twin with:
    input:
        states=Paths.twin_states,
        manifest=Paths.twin_states_manifest,
    output:
        maps=directory(Paths.twin_maps),
        manifest=Paths.twin_maps_manifest,
    log:
        log_path("measure_twin", "study", "subset", "shard"),
    benchmark:
        benchmark_path("measure_twin", "study", "subset", "shard")


rule twins:
    input:
        manifest=of_strict(Paths.manifest),
        maps=expand(of_strict(Paths.maps), **SHARDS),
        twin_maps=expand(of_strict(Paths.twin_maps), **TWINS),
        twin_manifests=expand(of_strict(Paths.twin_maps_manifest), **TWINS),
        weights=expand(of_strict(Paths.weights), **TRAINED),
        training=expand(of_strict(Paths.training), **TRAINED),
        ensemble=of_strict(Paths.ensemble_predictions),
        curves=of_strict(Paths.curves),
    output:
        table=filled(Paths.experiment_table, experiment="twins"),
        summary=filled(Paths.experiment_summary, experiment="twins"),
    log:
        log_path("twins"),
    benchmark:
        benchmark_path("twins")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("twins"),
        scalar=config["studies"][STRICT["study"]]["scalar"],
        range_floor=config["studies"][STRICT["study"]]["range_floor"],
        seed=config["seed"],
        resamples=config["report"]["bootstrap_samples"],
        settings={
            **STRICT,
            "shift_burgers_vectors": config["experiment_settings"][
                "twins_shift_burgers"
            ],
        },
    script:
        "../scripts/twins.py"
