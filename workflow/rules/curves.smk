"""Curves: stress-strain curves predicted from small-reload maps.

neighbours    features of the lead network's first seed, correlations, curves of the training maps
              → results/{study}/{split}/curves/
strengths     the first load of every specimen → results/specimens/strengths.csv
"""

LEAD_FEATURES = expand(
    Paths.network_features,
    network=lead_network(config),
    seed=config["run"]["seeds"][0],
    allow_missing=True,
)[0]


rule neighbours:
    input:
        manifest=Paths.manifest,
        split=Paths.split,
        features=LEAD_FEATURES,
        correlations=ancient(Paths.correlations),
        correlations_manifest=Paths.correlations_manifest,
        maps=SHARD_MAPS,
        maps_manifests=SHARD_MANIFESTS,
    output:
        neighbours=Paths.neighbours,
        curves=Paths.curves,
        bands=Paths.curve_bands,
        errors=Paths.curve_errors,
        metrics=Paths.curve_metrics,
    log:
        log_path("neighbours", "study", "split"),
    benchmark:
        benchmark_path("neighbours", "study", "split")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=3000,
        runtime=60,
    params:
        code=code("neighbours"),
        youngs_modulus_gpa=config["specimens"]["material"]["youngs_modulus_gpa"],
        poissons_ratio=config["specimens"]["material"]["poissons_ratio"],
        neighbours=config["curves"]["neighbours"],
    script:
        "../scripts/neighbours.py"


rule strengths:
    input:
        states=expand(Paths.states, **SHARDS),
        manifests=expand(Paths.states_manifest, **SHARDS),
    output:
        strengths=Paths.strengths,
    log:
        log_path("strengths"),
    benchmark:
        benchmark_path("strengths")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=60,
    params:
        code=code("strengths"),
    script:
        "../scripts/strengths.py"
