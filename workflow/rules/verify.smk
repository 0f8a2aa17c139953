"""Verify: is every file of the results what was made? snakemake --cores all verify

verify    results/records → nothing; names what is missing or altered, and how to make just that anew
"""


rule verify:
    log:
        log_path("verify"),
    conda:
        ENVIRONMENT
    threads: 1
    resources:
        mem_mb=1000,
        runtime=240,
    params:
        code=code("verify"),
    script:
        "../scripts/verify.py"
