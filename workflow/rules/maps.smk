"""Maps: displacement and strain of every reload, on the study's grid.

measure    one job per shard of specimens and study
           results/specimens/{subset}/{shard}.h5 → results/{study}/maps/{subset}/{shard}.zarr + .json
ingest     people's own maps, where the config names a table of them
           maps.external and its files → results/external/maps/ + maps.json
"""

# What later rules take of people's maps: nothing where the config names none. Training does not
# look at those that are only predicted. Layers of stacks are no maps of their own.
EXTERNAL = []
EXTERNAL_FILES = []
TRAINING_EXTERNAL = []
STACKS = {}
STACKS_TEST = False
PREDICTS_MAPS = False
if config["maps"]["external"]:
    try:
        EXTERNAL_FILES = external_files(config["maps"]["external"])
        uses = table_uses(config["maps"]["external"])
        STACKS = stack_variants(config, uses.layers)
    except BadInputError as error:
        raise WorkflowError(str(error)) from None
    EXTERNAL = [Paths.external_manifest, Paths.external_maps]
    TRAINING_EXTERNAL = EXTERNAL if uses.maps_train else []
    STACKS_TEST = uses.stacks_test
    PREDICTS_MAPS = uses.has_maps


rule measure:
    input:
        states=ancient(Paths.states),
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
        instrument=lambda wildcards: config["maps"]["instruments"].get(
            config["studies"][wildcards.study]["instrument"]
        ),
    script:
        "../scripts/measure.py"


rule ingest:
    input:
        table=EXTERNAL_FILES[:1],
        files=EXTERNAL_FILES[1:],
    output:
        maps=directory(Paths.external_maps),
        manifest=Paths.external_manifest,
    log:
        log_path("ingest"),
    benchmark:
        benchmark_path("ingest")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=4000,
        runtime=120,
    params:
        code=code("ingest"),
    script:
        "../scripts/ingest.py"
