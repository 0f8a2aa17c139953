"""Draw the method itself: the flow of the rules, and the networks."""

from strainprint.report.drawings import write_drawings
from strainprint.workflow import job_log

with job_log(snakemake):
    write_drawings(
        snakemake.output.drawings,
        snakemake.output.manifest,
        flow=snakemake.params.flow,
        networks=snakemake.params.networks,
        lead=snakemake.params.lead,
        n_classes=snakemake.params.n_classes,
        crop_px=snakemake.params.crop_px,
        config_digest=snakemake.params.config_digest,
    )
