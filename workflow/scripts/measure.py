"""Measure one shard of specimens as a study says."""

from strainprint.maps.instrument import Instrument
from strainprint.maps.measure import measure_shard
from strainprint.workflow import job_log

with job_log(snakemake):
    measure_shard(
        snakemake.input.states,
        snakemake.output.maps,
        snakemake.output.manifest,
        study=snakemake.wildcards.study,
        frame=snakemake.params.frame,
        pitch_nm=snakemake.params.pitch_nm,
        instrument=Instrument.from_settings(snakemake.params.instrument),
    )
