"""The table that names people's maps: one row for each.

Columns are ``file``, ``declaration``, ``specimen``, ``prior_strain``, ``curve``, ``use``, ``stack``
and ``layer``; all but ``file`` may be empty or left out. ``use`` is ``predict`` (the default) or
``train``: a labelled map trains only where that is asked for, and is then no test of the networks
any more. Rows of one ``stack`` are no maps of their own but its layers 1, 2, …: the channels of one
input. It is read while the DAG is built, so nothing heavy is imported.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from strainprint.errors import BadInputError

COLUMNS = (
    *("file", "declaration", "specimen", "prior_strain", "curve", "use"),
    *("stack", "layer"),
)
USES = ("predict", "train")

_LARGEST_BYTES = 1 << 26
_MOST_LAYERS = 1000


@dataclass(frozen=True)
class TableUses:
    """What a table of people's maps asks for.

    Attributes
    ----------
    has_maps
        Some rows are maps of their own.
    maps_train
        Some of them are to train the networks.
    layers
        Layers of each stack, 0 where there is none.
    stacks_test
        Stacks whose prior strain is known are to be predicted, of specimens that do not train: they
        test the others' network.
    """

    has_maps: bool
    maps_train: bool
    layers: int
    stacks_test: bool


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
        # the grid of a deformation gradient
        grid = Path(row["file"]).with_suffix(".ctf").as_posix()
        grid = grid if inside(Path(table_csv), grid).is_file() else ""
        named = [name for name in (row["file"], declaration, grid, row["curve"]) if name]
        files += [str(inside(Path(table_csv), name)) for name in named]
    return list(dict.fromkeys(files))


def table_uses(table_csv: str | Path) -> TableUses:
    """Return what a table asks for, without looking at its maps.

    Raises
    ------
    BadInputError
        As :func:`table_rows`.
    """
    rows = table_rows(Path(table_csv))
    maps = [row for row in rows if not row["stack"]]
    layers = [row for row in rows if row["stack"]]
    trained = {row["specimen"] for row in layers if row["use"] == "train"} - {""}
    return TableUses(
        has_maps=bool(maps),
        maps_train=any(row["use"] == "train" for row in maps),
        layers=max((int(row["layer"]) for row in layers), default=0),
        stacks_test=any(
            row["use"] != "train" and row["prior_strain"] and row["specimen"] not in trained
            for row in layers
        ),
    )


def table_rows(table_csv: Path) -> list[dict[str, str]]:
    """Return the rows of the table with every column, empty where it does not say.

    Raises
    ------
    BadInputError
        Missing, damaged, with unknown columns, a row that cannot be used, or layers that make no
        stacks.
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
        _check_layer(whole, line, table_csv)
        filled.append(whole)
    if not filled:
        raise BadInputError("names no map", where=table_csv)
    _check_stacks(filled, table_csv)
    return filled


def _check_layer(row: dict[str, str], line: int, table_csv: Path) -> None:
    """Refuse a row that is neither a map of its own nor a layer of a stack."""
    if bool(row["stack"]) != bool(row["layer"]):
        raise BadInputError(
            f"row {line}: stack is {row['stack'][:40]!r} and layer {row['layer'][:40]!r}",
            where=table_csv,
            allowed="both, or neither for a map of its own",
        )
    if not row["stack"]:
        return
    if len(row["stack"]) > 200 or not row["stack"].isprintable():
        raise BadInputError(f"row {line}: stack is no plain name", where=table_csv)
    plain = row["layer"].isascii() and row["layer"].isdigit() and len(row["layer"]) < 5
    if not plain or not 1 <= int(row["layer"]) <= _MOST_LAYERS:
        raise BadInputError(
            f"row {line}: layer is {row['layer'][:40]!r}",
            where=table_csv,
            allowed=f"a whole number from 1 to {_MOST_LAYERS}",
        )
    if row["curve"]:
        raise BadInputError(
            f"row {line}: a layer of a stack has a curve",
            where=table_csv,
            allowed="curves of maps of their own; none is predicted for stacks",
        )


def _check_stacks(rows: Sequence[dict[str, str]], table_csv: Path) -> None:
    """Refuse stacks that lack a layer, have one twice, or contradict themselves or each other."""
    stacks: dict[str, list[dict[str, str]]] = {}
    for row in rows:
        if row["stack"]:
            stacks.setdefault(row["stack"], []).append(row)
    if not stacks:
        return
    for name, layers in stacks.items():
        numbers = [int(row["layer"]) for row in layers]
        twice = sorted({number for number in numbers if numbers.count(number) > 1})
        lacking = sorted(set(range(1, max(numbers) + 1)) - set(numbers))
        for what, some in (("comes twice", twice), ("is missing", lacking)):
            if some:
                raise BadInputError(
                    f"stack {name!r}: layer {some[0]} {what}",
                    where=table_csv,
                    allowed="layers 1, 2, … of each stack, each once",
                )
        for column in ("specimen", "prior_strain", "use"):
            told = list(dict.fromkeys(row[column] for row in layers))
            if len(told) > 1:
                raise BadInputError(
                    f"stack {name!r}: {column} is {told[0][:40]!r} and {told[1][:40]!r}",
                    where=table_csv,
                    allowed="the same in every layer of a stack",
                )
    first = next(iter(stacks))
    for name, layers in stacks.items():
        if len(layers) != len(stacks[first]):
            raise BadInputError(
                f"stack {first!r} has {len(stacks[first])} layers, stack {name!r} {len(layers)}",
                where=table_csv,
                allowed="the same number of layers in every stack",
            )
    if not any(layers[0]["use"] == "train" for layers in stacks.values()):
        raise BadInputError(
            "no stack is to train",
            where=table_csv,
            allowed="stacks with `use` train: no network of single maps can read one",
            way_out="give stacks whose prior_strain is known `use` train, of two classes or more",
        )


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
