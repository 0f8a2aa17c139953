"""Maps: displacement and strain of every reload, on the study's grid.

measure    one job per shard of specimens and study
           results/specimens/{subset}/{shard}.h5 → results/{study}/maps/{subset}/{shard}.zarr + .json
"""


rule measure:
    input:
        states=Paths.states,
        manifest=Paths.states_manifest,
    output:
        maps=directory(Paths.maps),
        manifest=Paths.maps_manifest,
    log:
        log_path("measure", "study", "subset", "shard"),
    benchmark:
        benchmark_path("measure", "study", "subset", "shard")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=2000,
        runtime=30,
    params:
        code=code("measure"),
        pitch_nm=config["maps"]["pitch_nm"],
        frame=lambda wildcards: config["studies"][wildcards.study]["frame"],
    script:
        "../scripts/measure.py"
