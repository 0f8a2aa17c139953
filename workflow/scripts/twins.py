"""Compare specimens with their twins: reload curves and the classes read."""

from pathlib import Path

from strainprint.experiments.twins import compare_twins
from strainprint.workflow import RESULTS, job_log

with job_log(snakemake):
    compare_twins(
        snakemake.input.manifest,
        RESULTS,
        snakemake.input.twin_manifests,
        [Path(file).parent for file in snakemake.input.weights],
        snakemake.input.ensemble,
        snakemake.input.curves,
        snakemake.output.table,
        snakemake.output.summary,
        scalar=snakemake.params.scalar,
        range_floor=snakemake.params.range_floor,
        seed=snakemake.params.seed,
        resamples=snakemake.params.resamples,
        settings=snakemake.params.settings,
    )
