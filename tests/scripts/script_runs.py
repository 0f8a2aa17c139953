"""Run a script of the workflow in this process, as Snakemake would."""

from __future__ import annotations

import runpy
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from snakemake.iocontainers import (
    InputFiles,
    Log,
    OutputFiles,
    Params,
    ResourceList,
    Snakemake,
    Wildcards,
)

SCRIPTS = Path(__file__).parents[2] / "workflow/scripts"

# Parameters of a training of seconds; a test says what it wants otherwise.
TRAINING = {
    "config_seed": 0,
    "batch_size": 16,
    "learning_rate": 0.001,
    "max_epochs": 1,
    "patience": 1,
    "batch_norm_momentum": 0.9,
    "l2_penalty": 1e-4,
    "adam_beta1": 0.9,
    "adam_beta2": 0.999,
    "adam_epsilon": 1e-7,
}


def _input_files(files: Mapping[str, Any]) -> InputFiles:
    """Lay lists of files flat under their name, as Snakemake does."""
    flat = InputFiles()
    for name, value in files.items():
        start = len(flat)
        flat.extend(value if isinstance(value, list) else [value])
        flat._set_name(name, start, end=len(flat) if isinstance(value, list) else None)
    return flat


def run_script(
    rule: str,
    *,
    input: Mapping[str, Any] | None = None,
    output: Mapping[str, str],
    params: Mapping[str, Any] | None = None,
    wildcards: Mapping[str, str] | None = None,
) -> str:
    """Run the script of a rule in the working directory; return what its log says."""
    log = f"results/logs/{rule}.log"
    for path in (log, *output.values()):
        Path(path).parent.mkdir(parents=True, exist_ok=True)
    job = Snakemake(
        _input_files(input or {}),
        OutputFiles(fromdict=dict(output)),
        Params(fromdict={"code": "", **(params or {})}),
        Wildcards(fromdict=dict(wildcards or {})),
        1,
        ResourceList(fromdict={"gpu": 0, "crops_mb": 1}),
        Log([log]),
        {},
        rule,
        None,
    )
    runpy.run_path(str(SCRIPTS / f"{rule}.py"), init_globals={"snakemake": job})
    return Path(log).read_text()
