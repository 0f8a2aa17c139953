"""Hold all parameter sets against what is known of the paper's specimens."""

from pathlib import Path

from strainprint.calibration.comparison import read_set, write_comparison
from strainprint.workflow import job_log

with job_log(snakemake):
    folders = [Path(file).parent for file in snakemake.input.maps]
    write_comparison(
        [read_set(folder, **snakemake.params.sets[folder.name]) for folder in folders],
        snakemake.output.tables,
        snakemake.output.manifest,
        published=snakemake.params.published,
        seed=snakemake.params.seed,
        resamples=snakemake.params.resamples,
    )
