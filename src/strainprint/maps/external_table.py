"""The table that names people's maps: one row for each.

Columns are ``file``, ``declaration``, ``specimen``, ``prior_strain``, ``curve`` and ``use``; all
but ``file`` may be empty or left out. ``use`` is ``predict`` (the default) or ``train``: a labelled
map trains only where that is asked for, and is then no test of the networks any more. It is read
while the DAG is built, so nothing heavy is imported.
"""

from __future__ import annotations

import csv
from pathlib import Path

from strainprint.errors import BadInputError

COLUMNS = ("file", "declaration", "specimen", "prior_strain", "curve", "use")
USES = ("predict", "train")

_LARGEST_BYTES = 1 << 26


def external_files(table_csv: str | Path) -> list[str]:
    """Return every file that a table of people's maps names, the table first.

    Raises
    ------
    BadInputError
        The table is missing or damaged, or a path leads out of its folder.
    """
    files = [str(table_csv)]
    for row in table_rows(Path(table_csv)):
        inside(Path(table_csv), row["file"])
        own = Path(row["file"]).with_suffix(".yaml").as_posix()
        declaration = row["declaration"] or own
        # A declaration beside the map need not be there; one that the table names must.
        if not row["declaration"] and not inside(Path(table_csv), own).is_file():
            declaration = ""
        named = [name for name in (row["file"], declaration, row["curve"]) if name]
        files += [str(inside(Path(table_csv), name)) for name in named]
    return list(dict.fromkeys(files))


def any_trains(table_csv: str | Path) -> bool:
    """Tell whether some map of the table is to train the networks."""
    return any(row["use"] == "train" for row in table_rows(Path(table_csv)))


def table_rows(table_csv: Path) -> list[dict[str, str]]:
    """Return the rows of the table with every column, empty where it does not say.

    Raises
    ------
    BadInputError
        Missing, damaged, with unknown columns, or a row that cannot be used.
    """
    try:
        if table_csv.stat().st_size > _LARGEST_BYTES:
            raise BadInputError("is larger than 64 MiB", where=table_csv)
        with open(table_csv, encoding="utf-8-sig", newline="") as handle:
            reader = csv.DictReader(handle, strict=True)
            names = reader.fieldnames or []
            rows = list(reader)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise BadInputError(
            f"not readable as a table of maps ({error})",
            where=table_csv,
            allowed=",".join(COLUMNS),
            way_out="name an existing CSV file under maps.external in the config",
        ) from error
    unknown = [name for name in names if name not in COLUMNS]
    if unknown or "file" not in names or len(set(names)) < len(names):
        raise BadInputError(
            f"columns are {', '.join(map(str, names))}"[:300],
            where=table_csv,
            allowed=f"file, and any of {', '.join(COLUMNS[1:])}",
        )
    filled = []
    for line, row in enumerate(rows, 2):
        if None in row or None in row.values():
            raise BadInputError(f"row {line} has not as many cells as the head", where=table_csv)
        whole = {name: str(row.get(name, "")).strip() for name in COLUMNS}
        if not whole["file"]:
            raise BadInputError(f"row {line} names no file", where=table_csv)
        if whole["use"] not in ("", *USES):
            raise BadInputError(
                f"row {line}: use is {whole['use'][:40]!r}",
                where=table_csv,
                allowed=" or ".join(USES),
            )
        if whole["use"] == "train" and not whole["prior_strain"]:
            raise BadInputError(
                f"row {line}: a map without prior_strain cannot train", where=table_csv
            )
        if len(whole["specimen"]) > 200 or not whole["specimen"].isprintable():
            raise BadInputError(f"row {line}: specimen is no plain name", where=table_csv)
        filled.append(whole)
    if not filled:
        raise BadInputError("names no map", where=table_csv)
    return filled


def inside(table_csv: Path, name: str) -> Path:
    """Return a file that the table names; it must lie in the table's own folder or below.

    Raises
    ------
    BadInputError
        The path is absolute, climbs out, or is a link that leads out.
    """
    folder = table_csv.resolve().parent
    path = table_csv.parent / name
    if Path(name).is_absolute() or not path.resolve().is_relative_to(folder):
        raise BadInputError(
            f"{name[:200]!r} leads out of the table's folder",
            where=table_csv,
            allowed="files beside the table or below, without links that lead away",
            way_out="put the files beside the table",
        )
    return path
