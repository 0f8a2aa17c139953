"""Data set: one table, one crop store and one table per split for each study.

manifest    every shard's map manifest → results/{study}/dataset/manifest.csv
crop        table and maps → results/{study}/dataset/crops.zarr + crops.json
split       table → results/{study}/dataset/splits/{split}.csv
"""

SHARDS = {"subset": subset_names(config), "shard": shard_names(config)}
# Stores count by their manifests alone (`ancient`): one that was damaged and made anew, the same to
# the bit, runs nothing after it.
SHARD_MAPS = ancient(expand(Paths.maps, **SHARDS, allow_missing=True))
SHARD_MANIFESTS = expand(Paths.maps_manifest, **SHARDS, allow_missing=True)


rule manifest:
    input:
        maps_manifests=SHARD_MANIFESTS,
    output:
        manifest=Paths.manifest,
    log:
        log_path("manifest", "study"),
    benchmark:
        benchmark_path("manifest", "study")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("manifest"),
        scalar=lambda wildcards: config["studies"][wildcards.study]["scalar"],
        range_floor=lambda wildcards: config["studies"][wildcards.study]["range_floor"],
        classes=class_names(config),
    script:
        "../scripts/manifest.py"


rule crop:
    input:
        manifest=Paths.manifest,
        maps=SHARD_MAPS,
        maps_manifests=SHARD_MANIFESTS,
    output:
        crops=directory(Paths.crops),
        manifest=Paths.crops_manifest,
    log:
        log_path("crop", "study"),
    benchmark:
        benchmark_path("crop", "study")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=120,
    params:
        code=code("crop"),
        scalar=lambda wildcards: config["studies"][wildcards.study]["scalar"],
        range_floor=lambda wildcards: config["studies"][wildcards.study]["range_floor"],
        aspect=lambda wildcards: config["studies"][wildcards.study]["aspect"],
        crop_px=config["dataset"]["crop_px"],
        scales=config["dataset"]["scales"],
    script:
        "../scripts/crop.py"


rule split:
    input:
        manifest=Paths.manifest,
    output:
        split=Paths.split,
    log:
        log_path("split", "study", "split"),
    benchmark:
        benchmark_path("split", "study", "split")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=10,
    params:
        code=code("split"),
        seed=config["seed"],
        test_fraction=config["dataset"]["test_fraction"],
        train_fraction=config["dataset"]["train_fraction"],
    script:
        "../scripts/split.py"
