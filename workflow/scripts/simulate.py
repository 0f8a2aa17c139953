"""Simulate one shard of specimens of one subset; one cut short goes on with the next specimen."""

from pathlib import Path

from strainprint.specimens.naming import parse_subset
from strainprint.specimens.parts import simulate_by_parts
from strainprint.workflow import job_log

with job_log(snakemake):
    width_nm, slip_systems = parse_subset(snakemake.wildcards.subset)
    simulate_by_parts(
        snakemake.output.states,
        snakemake.output.manifest,
        Path(snakemake.output.states).with_suffix(".parts"),
        width_nm=width_nm,
        slip_systems=slip_systems,
        first=int(snakemake.wildcards.shard) * snakemake.params.per_shard,
        count=snakemake.params.specimens,
        keep_parts=snakemake.params.specimens < snakemake.params.per_shard,
        code=snakemake.params.code,
        seed=snakemake.params.seed,
        prior_strains=snakemake.params.prior_strains,
        paths=snakemake.params.paths,
        reload_strains=snakemake.params.reload_strains,
        material=snakemake.params.material,
        crystal=snakemake.params.crystal,
        dynamics=snakemake.params.dynamics,
        loading=snakemake.params.loading,
        twin_shift_nm=snakemake.params.twin_shift_nm,
    )
