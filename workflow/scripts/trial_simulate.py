"""Simulate one shard of a parameter set's specimens."""

from strainprint.specimens.naming import parse_subset
from strainprint.specimens.simulate import simulate_shard
from strainprint.workflow import job_log

with job_log(snakemake):
    width_nm, slip_systems = parse_subset(snakemake.wildcards.subset)
    simulate_shard(
        snakemake.output.states,
        snakemake.output.manifest,
        width_nm=width_nm,
        slip_systems=slip_systems,
        first=int(snakemake.wildcards.shard) * snakemake.params.per_shard,
        count=snakemake.params.per_shard,
        seed=snakemake.params.seed,
        prior_strains=snakemake.params.prior_strains,
        crystal=snakemake.params.crystal,
        dynamics=snakemake.params.dynamics,
    )
