"""Take the two-point correlations of every map of a study."""

from strainprint.baseline.correlate import correlate
from strainprint.workflow import RESULTS, job_log

with job_log(snakemake):
    correlate(
        snakemake.input.manifest,
        RESULTS,
        snakemake.output.correlations,
        snakemake.output.manifest,
        study=snakemake.wildcards.study,
        scalar=snakemake.params.scalar,
        range_floor=snakemake.params.range_floor,
        max_lag_nm=snakemake.params.max_lag_nm,
    )
