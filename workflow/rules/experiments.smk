"""Experiments: costlier questions that the config asks for by name, each with a table of its own.

snakemake --cores all experiments makes them without the report. They are asked of the strictest
study and split that the config runs. A {variant} is a training that differs from the usual one in
its split or its settings.

gather_calibrations  every study's and split's → results/experiments/calibration/ (always made)
train_variant        as train → results/experiments/{experiment}/networks/{variant}/…
infer_variant        as infer, into the same folder
split_leaving_out    table → results/experiments/leave_out/splits/{variant}.csv
leave_out            predictions without each group → results/experiments/leave_out/table.csv + .json
instrument           every instrument's study, made by the usual rules → results/experiments/instrument/
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
    script:
        "../scripts/gather_calibrations.py"


use rule train as train_variant with:
    input:
        manifest=of_strict(Paths.manifest),
        split=lambda wildcards: split_of_variant(config, **wildcards),
        crops=ancient(of_strict(Paths.crops)),
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


use rule infer as infer_variant with:
    input:
        manifest=of_strict(Paths.manifest),
        split=lambda wildcards: split_of_variant(config, **wildcards),
        crops=ancient(of_strict(Paths.crops)),
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
            seed=config["run"]["seeds"][0],
        ),
        standard=of_strict(
            Paths.network_predictions, network=LEAD, seed=config["run"]["seeds"][0]
        ),
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
        settings={**STRICT, "network": LEAD, "seed": config["run"]["seeds"][0]},
    script:
        "../scripts/leave_out.py"


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
