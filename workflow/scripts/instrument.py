"""Judge the networks that were trained and tested on what each instrument sees."""

from strainprint.experiments.instrument import SeenBy, compare_instruments
from strainprint.workflow import job_log

with job_log(snakemake):
    given = snakemake.input
    files = zip(given.manifests, given.crops_manifests, given.predictions, strict=True)
    compare_instruments(
        [
            SeenBy(name, noise_px, *of_study)
            for (name, noise_px), of_study in zip(snakemake.params.instruments, files, strict=True)
        ],
        snakemake.output.table,
        snakemake.output.summary,
        seed=snakemake.params.seed,
        resamples=snakemake.params.resamples,
        settings=snakemake.params.settings,
    )
