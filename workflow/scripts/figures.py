"""Draw every figure of one study and split."""

from pathlib import Path

from strainprint.report.figures.write import write_figures
from strainprint.workflow import RESULTS, job_log

with job_log(snakemake):
    folders = [Path(file).parent for file in snakemake.input.predictions]
    write_figures(
        snakemake.output.figures,
        snakemake.output.manifest,
        study=snakemake.wildcards.study,
        split=snakemake.wildcards.split,
        manifest_csv=snakemake.input.manifest,
        results_dir=RESULTS,
        networks={folder.name: folder for folder in folders},
        ensemble=Path(snakemake.input.ensemble).parent,
        baseline=Path(snakemake.input.baseline).parent,
        curves=Path(snakemake.input.curves).parent,
        scalar=snakemake.params.scalar,
    )
