"""Calibration: the simulator's parameter sets held against what is known of the paper's specimens.

Not part of the default target: snakemake --cores all calibration. The sets are in
config/calibration.yaml; in file names a set is a {trial}.

trial_simulate    as simulate, one job per shard of a set's specimens
                  → results/calibration/{trial}/specimens/{subset}/{shard}.h5 + .json
trial_measure     those of one set → results/calibration/{trial}/{specimens,maps,pairs}.csv, pictures.h5
trial_judge       pictures, the authors' network where at hand → results/calibration/{trial}/judged.csv
trial_compare     all sets → results/calibration/tables/*.csv, summary.md
trial_draw        tables, pictures → results/calibration/figures/*.svg, *.png
"""

from strainprint.calibration.sweep import read_sweep, sample_of, trial_shards

try:
    SWEEP = read_sweep(
        f"{workflow.basedir}/config/calibration.yaml",
        f"{workflow.basedir}/workflow/schemas/calibration.schema.yaml",
        SCHEMA,
    )
except BadInputError as error:
    raise WorkflowError(str(error)) from None

TRIALS = list(SWEEP["sets"])


use rule simulate as trial_simulate with:
    output:
        states=Paths.trial_states,
        manifest=Paths.trial_states_manifest,
    log:
        log_path("trial_simulate", "trial", "subset", "shard"),
    benchmark:
        benchmark_path("trial_simulate", "trial", "subset", "shard")
    params:
        seed=SWEEP["seed"],
        per_shard=SWEEP["per_shard"],
        specimens=SWEEP["per_shard"],
        prior_strains=lambda wildcards: sample_of(
            SWEEP, wildcards.trial, wildcards.subset
        )["prior_strains"],
        # Nothing of the config: what no set names is the simulator's own default.
        paths={},
        reload_strains={"small": 0.001, "large": 0.01},
        material={},
        crystal=lambda wildcards: SWEEP["sets"][wildcards.trial]["crystal"],
        dynamics=lambda wildcards: SWEEP["sets"][wildcards.trial]["dynamics"],
        loading={},


rule trial_measure:
    input:
        states=lambda wildcards: [
            Paths.trial_states.format(trial=wildcards.trial, **shard)
            for shard in trial_shards(SWEEP, wildcards.trial)
        ],
        manifests=lambda wildcards: [
            Paths.trial_states_manifest.format(trial=wildcards.trial, **shard)
            for shard in trial_shards(SWEEP, wildcards.trial)
        ],
    output:
        specimens=Paths.trial_strengths,
        maps=Paths.trial_maps,
        pairs=Paths.trial_pairs,
        pictures=Paths.trial_pictures,
    log:
        log_path("trial_measure", "trial"),
    benchmark:
        benchmark_path("trial_measure", "trial")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        code=code("trial_measure"),
    script:
        "../scripts/trial_measure.py"


rule trial_judge:
    input:
        maps=Paths.trial_maps,
        pictures=Paths.trial_pictures,
        weights=published_weights(),
    output:
        judged=Paths.trial_judged,
    log:
        log_path("trial_judge", "trial"),
    benchmark:
        benchmark_path("trial_judge", "trial")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        code=code("trial_judge"),
    script:
        "../scripts/trial_judge.py"


rule trial_compare:
    input:
        specimens=expand(Paths.trial_strengths, trial=TRIALS),
        maps=expand(Paths.trial_maps, trial=TRIALS),
        pairs=expand(Paths.trial_pairs, trial=TRIALS),
        judged=expand(Paths.trial_judged, trial=TRIALS),
    output:
        tables=directory(Paths.calibration_tables),
        manifest=Paths.calibration_tables_manifest,
    log:
        log_path("trial_compare"),
    benchmark:
        benchmark_path("trial_compare")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=60,
    params:
        code=code("trial_compare"),
        seed=SWEEP["seed"],
        resamples=SWEEP["bootstrap_samples"],
        published=SWEEP["published"],
        sets={
            name: {key: one[key] for key in ("why", "crystal", "dynamics")}
            for name, one in SWEEP["sets"].items()
        },
    script:
        "../scripts/trial_compare.py"


rule trial_draw:
    input:
        tables=Paths.calibration_tables,
        manifest=Paths.calibration_tables_manifest,
        pictures=expand(Paths.trial_pictures, trial=TRIALS),
    output:
        figures=directory(Paths.calibration_figures),
        manifest=Paths.calibration_figures_manifest,
    log:
        log_path("trial_draw"),
    benchmark:
        benchmark_path("trial_draw")
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1500,
        runtime=30,
    params:
        code=code("trial_draw"),
        trials=TRIALS,
        exponent=SWEEP["published"]["yield_exponent"],
    script:
        "../scripts/trial_draw.py"
