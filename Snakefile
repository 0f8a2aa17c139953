"""strainprint: simulated crystals → strain maps → data set → networks, baseline → curves → report.

The files that each step reads and writes are named in `strainprint.workflow.Paths`.
"""

from snakemake.exceptions import WorkflowError
from snakemake.utils import min_version

from strainprint.config import check_config_files
from strainprint.errors import BadInputError

min_version("9.16")

try:
    check_config_files(
        [f"{workflow.basedir}/config/config.yaml", *workflow.configfiles]
    )
except BadInputError as error:
    raise WorkflowError(str(error)) from None


configfile: f"{workflow.basedir}/config/config.yaml"


# Of `snakemake --report`.
report: "workflow/report/workflow.rst"


include: "workflow/rules/common.smk"
include: "workflow/rules/specimens.smk"
include: "workflow/rules/maps.smk"
include: "workflow/rules/dataset.smk"
include: "workflow/rules/networks.smk"
include: "workflow/rules/baseline.smk"
include: "workflow/rules/curves.smk"
include: "workflow/rules/prediction.smk"
include: "workflow/rules/experiments.smk"
include: "workflow/rules/stacks.smk"
include: "workflow/rules/report.smk"
include: "workflow/rules/calibration.smk"
include: "workflow/rules/verify.smk"


wildcard_constraints:
    **WILDCARDS,


# What was killed for memory or time asks for more when it is tried again.
grow_with_attempts(workflow.rules)


# One run at a time in a folder; `strainprint status` reads what is written here.
onstart:
    begin_run(workflow)


# Seconds each: not worth a place in a cluster's queue.
localrules:
    all,
    experiments,
    calibration,
    verify,
    manifest,
    split,
    ensemble,
    calibrate,
    gather_calibrations,
    split_leaving_out,
    draw_split,
    manifest_ladder,
    split_ladder,


rule all:
    default_target: True
    input:
        Paths.page,
        PREDICTORS,
        PREDICTED_EXTERNAL,
        STACK_PREDICTIONS,


rule experiments:
    input:
        expand(Paths.experiment_summary, experiment=config["experiments"]),
        STACK_PREDICTIONS,
        STACK_SUMMARIES,


rule calibration:
    input:
        Paths.calibration_tables_manifest,
        Paths.calibration_figures_manifest,
