"""Report: every table and figure of the paper with intervals, and one self-contained page.

tables     predictions, curves, maps → results/{study}/{split}/report/tables/*.csv
figures    the same, features → results/{study}/{split}/report/figures/*.svg, *.png
page       all of them → results/report.html
"""


rule tables:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        maps=SHARD_MAPS,
        maps_manifests=SHARD_MANIFESTS,
        predictions=expand(Paths.network_predictions, **TRAINED, allow_missing=True),
        ensemble=Paths.ensemble_predictions,
        baseline=Paths.baseline_predictions,
        shape=Paths.shape_predictions,
        curves=Paths.curves,
        strengths=Paths.strengths,
        bands=Paths.curve_bands,
        curve_errors=Paths.curve_errors,
        neighbours=Paths.neighbours,
        explanations=lambda wildcards: explanations_of(config, **wildcards),
    output:
        tables=directory(Paths.tables),
        manifest=Paths.tables_manifest,
    log:
        log_path("tables", "study", "split"),
    benchmark:
        benchmark_path("tables", "study", "split")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        code=code("tables"),
        seed=config["seed"],
        bootstrap_samples=config["report"]["bootstrap_samples"],
    script:
        "../scripts/tables.py"


rule figures:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        maps=SHARD_MAPS,
        maps_manifests=SHARD_MANIFESTS,
        predictions=expand(Paths.network_predictions, **TRAINED, allow_missing=True),
        histories=expand(Paths.history, **TRAINED, allow_missing=True),
        features=LEAD_FEATURES,
        ensemble=Paths.ensemble_predictions,
        baseline=Paths.baseline_predictions,
        shape=Paths.shape_predictions,
        curves=Paths.curves,
        strengths=Paths.strengths,
        bands=Paths.curve_bands,
        curve_errors=Paths.curve_errors,
        explanations=lambda wildcards: explanations_of(config, **wildcards),
    output:
        figures=directory(Paths.figures),
        manifest=Paths.figures_manifest,
    log:
        log_path("figures", "study", "split"),
    benchmark:
        benchmark_path("figures", "study", "split")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        code=code("figures"),
        scalar=lambda wildcards: config["studies"][wildcards.study]["scalar"],
    script:
        "../scripts/figures.py"


rule page:
    input:
        tables=expand(
            Paths.tables_manifest,
            study=config["run"]["studies"],
            split=config["run"]["splits"],
        ),
        figures=expand(
            Paths.figures_manifest,
            study=config["run"]["studies"],
            split=config["run"]["splits"],
        ),
        experiments=EXPERIMENT_SUMMARIES,
    output:
        page=Paths.page,
    log:
        log_path("page"),
    benchmark:
        benchmark_path("page")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("page"),
        seeds=config["run"]["seeds"],
        threads=config["training"]["threads"],
        studies=lambda wildcards: {
            study: config["studies"][study] for study in config["run"]["studies"]
        },
        assumptions=assumptions(config, SCHEMA),
        run_facts=installed_versions(),
    script:
        "../scripts/page.py"
