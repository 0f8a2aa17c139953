"""Read people's own maps, every one that the table names."""

from strainprint.maps.ingest import ingest_maps
from strainprint.workflow import job_log

with job_log(snakemake):
    ingest_maps(snakemake.input.table[0], snakemake.output.maps, snakemake.output.manifest)
