"""Draw one of several splits by specimen."""

from strainprint.experiments.draws import draw_split
from strainprint.workflow import job_log

with job_log(snakemake):
    draw_split(
        snakemake.input.manifest,
        snakemake.output.split,
        draw=int(snakemake.wildcards.variant.removeprefix("draw-")),
        seed=snakemake.params.seed,
        test_fraction=snakemake.params.test_fraction,
        train_fraction=snakemake.params.train_fraction,
    )
