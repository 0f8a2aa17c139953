"""Report: every table and figure of the paper with intervals, and one self-contained page.

tables     predictions, curves, maps → results/{study}/{split}/report/tables/*.csv
figures    the same, features → results/{study}/{split}/report/figures/*.svg, *.png
drawings   the workflow's rules, the networks' modules → results/drawings/figures/
page       all of them → results/report.html
"""

# One value of each wildcard: for drawing the flow of the rules.
SAMPLE = {
    "study": config["run"]["studies"][0],
    "split": config["run"]["splits"][-1],
    "subset": subset_names(config)[0],
    "shard": shard_names(config)[0],
    **LEAD_TRAINING,
}


# For captions: of what changes a result.
CONFIG_DIGEST = config_digest(config_of_results(config))


rule tables:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        maps=SHARD_MAPS,
        maps_manifests=SHARD_MANIFESTS,
        predictions=expand(Paths.network_predictions, **TRAINED, allow_missing=True),
        ensemble=Paths.ensemble_predictions,
        baseline=Paths.baseline_predictions,
        baseline_variants=Paths.baseline_variants,
        variant_predictions=Paths.baseline_variant_predictions,
        shape=Paths.shape_predictions,
        curves=Paths.curves,
        strengths=Paths.strengths,
        bands=Paths.curve_bands,
        curve_errors=Paths.curve_errors,
        neighbours=Paths.neighbours,
        explanations=lambda wildcards: explanations_of(config, **wildcards),
    output:
        tables=report(
            directory(Paths.tables),
            patterns=["{name}.csv"],
            caption="../report/table.rst",
            category="Tables",
            subcategory="{study}, {split}",
            labels={"table": "{name}"},
        ),
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
        origin=lambda wildcards, output: TableOrigin(output.tables, CONFIG_DIGEST),
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
        figures=report(
            directory(Paths.figures),
            patterns=["{name}.svg"],
            caption="../report/figure.rst",
            category="Figures",
            subcategory="{study}, {split}",
            labels={"figure": "{name}"},
        ),
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
        captions=lambda wildcards, output: Captions(output.manifest),
        config_digest=CONFIG_DIGEST,
        seed=config["seed"],
        bootstrap_samples=config["report"]["bootstrap_samples"],
        scalar=lambda wildcards: config["studies"][wildcards.study]["scalar"],
        range_floor=lambda wildcards: config["studies"][wildcards.study]["range_floor"],
        aspect=lambda wildcards: config["studies"][wildcards.study]["aspect"],
        crop_px=config["dataset"]["crop_px"],
        scales=config["dataset"]["scales"],
    script:
        "../scripts/figures.py"


rule drawings:
    output:
        drawings=report(
            directory(Paths.drawings),
            patterns=["{name}.svg"],
            caption="../report/drawing.rst",
            category="Method",
            labels={"figure": "{name}"},
        ),
        manifest=Paths.drawings_manifest,
    log:
        log_path("drawings"),
    benchmark:
        benchmark_path("drawings")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=10,
    params:
        code=code("drawings"),
        captions=lambda wildcards, output: Captions(output.manifest),
        config_digest=CONFIG_DIGEST,
        # only when a job asks are all rules known
        flow=lambda wildcards: rule_flow(workflow.rules, "page", SAMPLE),
        networks=config["run"]["networks"],
        lead=lead_network(config),
        n_classes=len(class_names(config)),
        crop_px=config["dataset"]["crop_px"],
    script:
        "../scripts/drawings.py"


rule page:
    input:
        drawings=Paths.drawings_manifest,
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
        experiments=EXPERIMENT_SUMMARIES + STACK_SUMMARIES,
    output:
        page=report(
            Paths.page,
            caption="../report/page.rst",
            category="Page",
            labels={"page": "all studies and splits"},
        ),
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
        config=config_of_results(config),
    script:
        "../scripts/page.py"
