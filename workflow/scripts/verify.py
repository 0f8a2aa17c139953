"""Compare every file of the results with the record of how it was made."""

from strainprint.records import verify_results
from strainprint.workflow import job_log

with job_log(snakemake):
    verify_results()
