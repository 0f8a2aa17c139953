"""How long the graph of the paper's data set takes to build, with how many jobs and files.

And the same for ten times as many maps. ``make bench-scale``; the last line is JSON.
"""

from __future__ import annotations

import json
import math
import re
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from strainprint.baseline.correlate import MAPS_PER_CHUNK
from strainprint.baseline.features import STATES
from strainprint.config import checked_config, read_schema
from strainprint.dataset.store import MAPS_PER_SHARD
from strainprint.maps.store import BYTES_PER_FILE, DENSE, RAGGED
from strainprint.records import record_of
from strainprint.report.figures.write import FIGURES
from strainprint.specimens.naming import parse_subset
from strainprint.workflow import class_names, shard_size, subset_names

ROOT = Path(__file__).parents[1]
OVERLAY = "specimens: {{per_subset: {per_subset}}}\n"
RELOADS = 2
# ASSUME: a frame around a deformed body is at most so much larger than one around it at rest: 1.10
# after 10 % of prior strain on one slip system, 1.02 after 1 % (smoke preset).
ROOM_TO_DEFORM = {"reference": 1.0, "deformed": 1.1}
# More than there are, besides one confusion matrix for each model; tests/e2e compares.
TABLES_AT_MOST = 24
DRAWINGS = 3


def plan(per_subset: int) -> dict[str, float]:
    """Return jobs, files and seconds of one dry-run of the paper's preset."""
    with tempfile.TemporaryDirectory() as folder:
        overlay = Path(folder, "overlay.yaml")
        overlay.write_text(OVERLAY.format(per_subset=per_subset))
        command = [sys.executable, "-m", "snakemake", "--dry-run", "--cores", "1"]
        command += ["--directory", folder, "--configfile", "config/paper.yaml", str(overlay)]
        start, computed = time.perf_counter(), _seconds_computed()
        run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
        seconds, computed = time.perf_counter() - start, _seconds_computed() - computed
        config = config_of("config/paper.yaml", str(overlay))
    total = re.search(r"^total +(\d+)$", run.stdout, re.MULTILINE)
    assert total is not None, run.stdout[-2000:]
    return {
        "jobs": int(total[1]),
        "files_at_most": files_at_most(run.stdout, config),
        "seconds": round(seconds, 1),
        "cpu_seconds": round(computed, 1),
    }


def _seconds_computed() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def config_of(*overlays: str) -> dict[str, Any]:
    """Return the checked config of some overlays, laid over the default one after the other."""
    merged: dict[str, Any] = {}
    for file in ("config/config.yaml", *overlays):
        _lay_over(merged, yaml.safe_load(Path(ROOT, file).read_text()))
    return checked_config(merged, read_schema(ROOT / "workflow/schemas/config.schema.yaml"))


def _lay_over(base: dict[str, Any], overlay: Mapping[str, Any]) -> None:
    for key, value in overlay.items():
        if isinstance(value, dict):
            _lay_over(base.setdefault(key, {}), value)
        else:
            base[key] = value


def files_at_most(dry_run: str, config: Mapping[str, Any]) -> int:
    """Return the files under ``results`` when all jobs of a dry-run have run.

    Every output, log and benchmark that it names, with the record of each output; for folders
    what the settings of their stores make of the config's maps, and Snakemake's time stamp.
    """
    files = 0
    for kind, names in re.findall(r"^    (output|log|benchmark): (.*)$", dry_run, re.MULTILINE):
        for name in names.split(", "):
            files += _files_within(Path(name), config) if kind == "output" else 1
            files += kind == "output" and record_of(name) is not None
    return files


def _files_within(output: Path, config: Mapping[str, Any]) -> int:
    """Return the files of one output: 1 if it is no folder."""
    maps_per_specimen = len(class_names(config)) * RELOADS
    maps = len(subset_names(config)) * config["specimens"]["per_subset"] * maps_per_specimen
    models = len(config["run"]["networks"]) * len(config["run"]["seeds"]) + 3
    within = {
        "crops.zarr": 2 + math.ceil(maps / MAPS_PER_SHARD),
        "correlations.zarr": 1 + len(STATES) * (1 + math.ceil(maps / MAPS_PER_CHUNK)),
        "tables": TABLES_AT_MOST + models,
        "figures": 2 * (DRAWINGS if output.parent.name == "drawings" else len(FIGURES)),
    }.get(output.name)
    if within is None and output.suffix == ".zarr":
        width_nm, _ = parse_subset(output.parent.name)
        study = next(study for name, study in config["studies"].items() if name in output.parts)
        points = width_nm * width_nm * config["specimens"]["crystal"]["aspect"]
        points *= ROOM_TO_DEFORM[study["frame"]] / config["maps"]["pitch_nm"] ** 2
        points *= shard_size(config, output.stem) * maps_per_specimen
        files = [
            math.ceil(points * np.dtype(dtype).itemsize / BYTES_PER_FILE)
            for dtype in RAGGED.values()
        ]
        within = 1 + len(files) + sum(files) + 2 * len(DENSE)
    return 1 if within is None else 1 + within


if __name__ == "__main__":
    print(json.dumps({"paper": plan(51), "ten_times": plan(510)}))
