"""Write the one page that shows everything."""

from strainprint.report.page import write_page
from strainprint.workflow import RESULTS, job_log, versions_in_results

with job_log(snakemake):
    write_page(
        snakemake.output.page,
        tables=snakemake.input.tables,
        figures=snakemake.input.figures,
        seeds=snakemake.params.seeds,
        threads=snakemake.params.threads,
        studies=snakemake.params.studies,
        assumptions=snakemake.params.assumptions,
        drawings=snakemake.input.drawings,
        config=snakemake.params.config,
        benchmarks=f"{RESULTS}/benchmarks",
        run_facts=versions_in_results(snakemake.params.run_facts),
        experiments=snakemake.input.get("experiments", []),
    )
