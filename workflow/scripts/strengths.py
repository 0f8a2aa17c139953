"""Measure yield and flow stress of every specimen's first load."""

from strainprint.curves.virgin_strengths import measure_strengths
from strainprint.workflow import job_log

with job_log(snakemake):
    measure_strengths(snakemake.input.states, snakemake.output.strengths)
