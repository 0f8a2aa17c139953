"""What every rule file uses: the checked config, file names, the digest of a rule's code.

Every job of a cluster reads this file, so it imports nothing heavy.
"""

from functools import partial

from snakemake.exceptions import WorkflowError

from strainprint.config import assumptions, checked_config, config_digest, read_schema
from strainprint.errors import BadInputError
from strainprint.maps.external_table import external_files, table_uses
from strainprint.workflow import (
    WILDCARDS,
    Captions,
    Paths,
    TableOrigin,
    begin_run,
    benchmark_path,
    check_working_directory,
    class_names,
    compared_models,
    config_of_results,
    crops_mb,
    device_params,
    drawn_trainings,
    explanations_of,
    filled,
    fitted_training,
    grow_with_attempts,
    groups_to_leave_out,
    installed_versions,
    instrument_studies,
    ladder_shard_size,
    ladder_shards,
    ladder_strains,
    lead_network,
    log_path,
    network_mb,
    published_weights,
    rule_digest,
    rule_flow,
    shard_names,
    shard_size,
    simulate_mb,
    simulate_minutes,
    split_of_variant,
    stack_variants,
    strict_dataset,
    subset_names,
    twin_shards,
    twin_shift_nm,
    training_of_variant,
    training_params,
    training_resources,
)

ENVIRONMENT = f"{workflow.basedir}/envs/strainprint.yaml"

SCHEMA = read_schema(f"{workflow.basedir}/workflow/schemas/config.schema.yaml")

try:
    check_working_directory()
    config = checked_config(config, SCHEMA)
except BadInputError as error:
    raise WorkflowError(str(error)) from None

# Each instrument's maps are a study of their own, made by the same rules.
config["studies"] |= instrument_studies(config)

# Called with a rule's name: the digest of what its script runs.
code = partial(rule_digest, f"{workflow.basedir}/workflow/scripts")
