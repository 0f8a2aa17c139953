"""What every experiment leaves behind: one table and one summary, as files that prove each other.

Any stage may write one; the report shows it by its name.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file, write_csv, write_json

FORMAT = "strainprint-experiment"
VERSION = 1


@dataclass(frozen=True)
class ExperimentRecord:
    """An experiment's results as they lie in its folder.

    Attributes
    ----------
    name
        The experiment's name in the config.
    rows
        The rows of its table.
    n
        How many of what the numbers rest on, e.g. ``{"test_maps": 72, "test_specimens": 12}``.
    settings
        What was chosen, as the config has it.
    results
        Single numbers beside the table; None where a number does not exist.
    table_csv
        The table.
    """

    name: str
    rows: list[dict[str, Any]]
    n: dict[str, int]
    settings: dict[str, Any]
    results: dict[str, Any]
    table_csv: Path


def write_experiment(
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    name: str,
    table: pd.DataFrame,
    n: Mapping[str, int],
    settings: Mapping[str, Any],
    results: Mapping[str, Any] | None = None,
) -> None:
    """Write an experiment's table, and last the summary with the table's checksum.

    The table lies beside the summary. See :class:`ExperimentRecord` for the other parameters.

    Raises
    ------
    BadInputError
        The table has no row, or the files lie in different folders.
    """
    if table.empty:
        raise BadInputError(f"experiment {name} has no result", where=table_csv)
    if Path(table_csv).parent != Path(summary_json).parent:
        raise BadInputError("lies elsewhere than its table", where=summary_json)
    write_csv(table_csv, table)
    write_json(
        summary_json,
        {
            "format": FORMAT,
            "version": VERSION,
            "experiment": name,
            "table": Path(table_csv).name,
            "table_sha256": sha256_of_file(table_csv),
            "n": dict(n),
            "settings": dict(settings),
            "results": dict(results or {}),
        },
    )


def read_experiment(summary_json: str | Path) -> ExperimentRecord:
    """Read an experiment back by its summary.

    Raises
    ------
    BadInputError
        A file is missing, unreadable or altered, or a key is missing.
    """
    path = Path(summary_json)
    content = read_json(path, expected_format=FORMAT)
    try:
        table_csv = path.parent / Path(content["table"]).name
        name, digest = str(content["experiment"]), content["table_sha256"]
        n, settings, results = (dict(content[key]) for key in ("n", "settings", "results"))
    except KeyError as error:
        raise BadInputError(f"key {error} is missing", where=path) from error
    if not table_csv.is_file() or sha256_of_file(table_csv) != digest:
        raise BadInputError(
            "is missing or was altered", where=table_csv, way_out="delete its folder and re-run"
        )
    table = pd.read_csv(table_csv, keep_default_na=False, na_values=[""])
    rows = [{str(key): value for key, value in row.items()} for row in table.to_dict("records")]
    return ExperimentRecord(name, rows, n, settings, results, table_csv)
