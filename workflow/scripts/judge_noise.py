"""Judge a network trained with noise and one trained without on noisy test maps."""

from pathlib import Path

from strainprint.experiments.noise import judge_noise
from strainprint.workflow import RESULTS, granted_device, job_log

with job_log(snakemake):
    judge_noise(
        snakemake.input.manifest,
        snakemake.input.split,
        RESULTS,
        {
            "without noise": Path(snakemake.input.plain).parent,
            "with noise": Path(snakemake.input.augmented).parent,
        },
        snakemake.output.table,
        snakemake.output.summary,
        grey_levels=snakemake.params.grey_levels,
        displacement_nm=snakemake.params.displacement_nm,
        seed=snakemake.params.seed,
        resamples=snakemake.params.resamples,
        device=granted_device(snakemake),
        threads=snakemake.params.threads,
        settings=snakemake.params.settings,
    )
