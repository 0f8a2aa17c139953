"""Specimens: dislocation states at the reference and at both reloads, and stress-strain curves.

simulate    one job per shard of a subset (width, slip systems)
            → results/specimens/{subset}/{shard}.h5 + .json
            (finished specimens wait in {shard}.parts/ until the shard is full)
"""


rule simulate:
    output:
        states=Paths.states,
        manifest=Paths.states_manifest,
    log:
        log_path("simulate", "subset", "shard"),
    benchmark:
        benchmark_path("simulate", "subset", "shard")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=lambda wildcards: simulate_mb(wildcards.subset),
        runtime=lambda wildcards: simulate_minutes(config, wildcards.subset),
    params:
        code=code("simulate"),
        seed=config["seed"],
        per_shard=config["specimens"]["per_shard"],
        specimens=lambda wildcards: shard_size(config, wildcards.shard),
        prior_strains=config["specimens"]["prior_strains"],
        paths=config["specimens"]["paths"],
        reload_strains=config["specimens"]["reload_strains"],
        material=config["specimens"]["material"],
        crystal=config["specimens"]["crystal"],
        dynamics=config["specimens"]["dynamics"],
        loading=config["specimens"]["loading"],
        twin_shift_nm=0.0,
    script:
        "../scripts/simulate.py"
