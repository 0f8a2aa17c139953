"""Draw every figure of one study and split."""

from pathlib import Path

from strainprint.report.figures.write import write_figures
from strainprint.report.inputs import ReportInputs
from strainprint.workflow import RESULTS, job_log

with job_log(snakemake):
    folders = [Path(file).parent for file in snakemake.input.predictions]
    explained = snakemake.input.get("explanations")
    inputs = ReportInputs(
        study=snakemake.wildcards.study,
        split=snakemake.wildcards.split,
        manifest_csv=Path(snakemake.input.manifest),
        results_dir=Path(RESULTS),
        map_shards=[Path(file) for file in snakemake.input.maps_manifests],
        networks={folder.name: folder for folder in folders},
        ensemble=Path(snakemake.input.ensemble).parent,
        baseline=Path(snakemake.input.baseline).parent,
        curves=Path(snakemake.input.curve_errors).parent,
        strengths_csv=Path(snakemake.input.strengths),
        explanations_dir=Path(explained[0]).parent if explained else None,
        scalar=snakemake.params.scalar,
        range_floor=snakemake.params.range_floor,
        aspect=snakemake.params.aspect,
        crop_px=snakemake.params.crop_px,
        scales=snakemake.params.scales,
        config_digest=snakemake.params.config_digest,
        seed=snakemake.params.seed,
        resamples=snakemake.params.bootstrap_samples,
    )
    write_figures(snakemake.output.figures, snakemake.output.manifest, inputs)
