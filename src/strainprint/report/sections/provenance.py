"""Where the numbers come from: config, versions and seeds; and, apart, machine and run times."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
import yaml

from strainprint.report.markup import Markup, Text, escaped, paragraph, table

# Before and after what depends on the machine and the run, and on nothing else.
BEGIN_OF_RUN, END_OF_RUN = "<!-- begin of this run -->", "<!-- end of this run -->"


def facts_list(facts: Mapping[str, str]) -> str:
    """Return names with what is to be said of them."""
    inner = "".join(f"<dt>{escaped(k)}</dt><dd>{escaped(v)}</dd>" for k, v in facts.items())
    return f'<dl class="facts">{inner}</dl>'


def config_listing(config: Mapping[str, Any]) -> str:
    """Return the whole config as YAML, folded away."""
    text = yaml.safe_dump(
        dict(config), sort_keys=False, allow_unicode=True, default_flow_style=None
    )
    return f"<details><summary>The whole config</summary><pre>{escaped(text)}</pre></details>"


def this_run(benchmarks: str | Path) -> str:
    """Return machine and run times: all that two runs of one config may differ in.

    Parameters
    ----------
    benchmarks
        Folder of Snakemake's benchmarks, one folder or file for each rule.
    """
    rows: list[list[Text]] = []
    for rule, jobs in sorted(_benchmarks(Path(benchmarks)).items()):
        seconds = pd.to_numeric(jobs["s"], errors="coerce")
        memory = pd.to_numeric(jobs["max_rss"], errors="coerce")
        rows.append(
            [
                rule,
                str(len(jobs)),
                f"{seconds.sum():.1f}",
                f"{seconds.max():.1f}",
                f"{memory.max():.0f}" if memory.notna().any() else "–",
            ]
        )
    times = (
        table(
            ["Rule", "Jobs", "Seconds in all", "Longest (s)", "Most memory (MB)"],
            rows,
            caption=Markup(
                "<b>Run times.</b> Wall time of the last run of every job, from Snakemake’s "
                "benchmarks; jobs run side by side, so the sum is no elapsed time."
            ),
            label="Run times",
            sortable=True,
        )
        if rows
        else paragraph("No benchmark lies beside this page.")
    )
    return BEGIN_OF_RUN + facts_list(_machine()) + times + END_OF_RUN


def _benchmarks(folder: Path) -> dict[str, pd.DataFrame]:
    """Return the benchmark rows of every rule; a file that cannot be read is left out."""
    found: dict[str, list[pd.DataFrame]] = {}
    for path in sorted(folder.rglob("*.tsv")):
        try:
            rows = pd.read_csv(path, sep="\t", na_values="-")
        except (OSError, ValueError):
            continue
        if {"s", "max_rss"} <= set(rows.columns):
            rule = path.relative_to(folder).with_suffix("").parts[0]
            found.setdefault(rule, []).append(rows)
    return {rule: pd.concat(rows) for rule, rows in found.items()}


def _machine() -> dict[str, str]:
    """Return what kind of machine made this page; never its name."""
    return {
        "page made on": f"{platform.system()} {platform.machine()}, {_processor()}",
        "cores": str(os.cpu_count()),
        "Python": platform.python_version(),
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or "unknown processor"
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown processor"
