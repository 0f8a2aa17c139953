"""The dataset's manifest: one row for each map, its class, its shape and where it lies."""

from __future__ import annotations

import itertools
import logging
from collections.abc import Iterable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from strainprint.errors import BadInputError
from strainprint.files import write_csv
from strainprint.maps.picture import grey_picture
from strainprint.maps.store import MapShard
from strainprint.specimens.naming import RELOADS

COLUMNS = {
    "map_id": "str",
    "specimen_id": "str",
    "subset": "str",
    "width_nm": "float64",
    "slip_systems": "int64",
    "specimen": "int64",
    "prior_strain": "float64",
    "label": "int64",
    "reload": "str",
    "reload_strain": "float64",
    "rows": "int64",
    "columns": "int64",
    "pitch_nm": "float64",
    "range_floored": "int64",
    "grey_mean": "float64",
    "grey_zero_fraction": "float64",
    "shard": "str",
    "shard_index": "int64",
}

_ORDER = ["subset", "specimen", "prior_strain", "reload"]

_log = logging.getLogger(__name__)


def build_manifest(
    map_jsons: Sequence[str | Path],
    results_root: str | Path,
    out_csv: str | Path,
    *,
    prior_strains: Sequence[float],
    scalar: str,
    range_floor: float,
) -> pd.DataFrame:
    """Write the manifest of all maps of a study and return it.

    Rows are sorted by subset, specimen, prior strain and reload (small before large). The grey
    statistics are those of the 8-bit picture at the map's own pitch, every point counted.

    Parameters
    ----------
    map_jsons
        The JSON manifests of the map shards, all below ``results_root``.
    results_root
        Folder that the column ``shard`` is relative to.
    out_csv
        The table to write.
    prior_strains
        The classes, ascending; ``label`` is the index in this list.
    scalar, range_floor
        Which scalar of the strain is drawn, and the smallest strain range drawn from 0 to 255
        (see :func:`strainprint.maps.picture.grey_picture`).

    Raises
    ------
    BadInputError
        No map, a shard outside ``results_root``, shards of several studies, a prior strain that is
        no class, a map twice, or a map that cannot be used (all zero, nothing valid, NaN).
    """
    labels = {name: index for index, name in enumerate(class_names(prior_strains))}
    rows: list[dict[str, Any]] = []
    studies: dict[str, str] = {}
    for path in sorted(map(str, map_jsons)):
        shard_rows, study = _rows_of_shard(
            Path(path), Path(results_root), labels, scalar=scalar, range_floor=range_floor
        )
        rows += shard_rows
        studies[study] = path
        _log.info("%s: %d maps, %d in all", path, len(shard_rows), len(rows))
    if not rows:
        raise BadInputError(
            "there is no map", where=out_csv, way_out="check run, widths_nm and per_subset"
        )
    if len(studies) > 1:
        raise BadInputError(
            f"map shards belong to several studies: {studies}", allowed="one study per dataset"
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    table = table.sort_values(_ORDER, key=_sort_key, kind="stable").reset_index(drop=True)
    _check(table, where=out_csv)
    floored = int(table["range_floored"].sum())
    if floored:
        _log.warning(
            "%d of %d maps have a strain range below %g and are drawn nearly uniform",
            floored,
            len(table),
            range_floor,
        )
    write_csv(out_csv, table)
    return read_manifest(out_csv)


def read_manifest(path: str | Path) -> pd.DataFrame:
    """Read a dataset manifest and check it.

    Raises
    ------
    BadInputError
        The file is missing or unreadable, a column is missing, of the wrong type or out of range,
        a map comes twice, rows are out of order, labels and prior strains disagree, or a shard
        path leaves the results folder.
    """
    try:
        text = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"not readable as a dataset manifest ({error})", where=path, way_out="re-run the rule"
        ) from error
    if list(text.columns) != list(COLUMNS):
        raise BadInputError(
            f"columns are {list(text.columns)}", where=path, allowed=", ".join(COLUMNS)
        )
    table = pd.DataFrame(index=text.index)
    for column, kind in COLUMNS.items():
        try:
            # NumPy parses decimal text to the nearest double, so tables round-trip.
            table[column] = (
                text[column] if kind == "str" else text[column].to_numpy(dtype=str).astype(kind)
            )
        except ValueError as error:
            raise BadInputError(f"column {column}: {error}", where=path, allowed=kind) from error
    _check(table, where=path)
    return table


def prior_strains_of(manifest: pd.DataFrame) -> tuple[float, ...]:
    """Return the classes of a manifest: prior strains ascending, one for each label."""
    return tuple(float(strain) for strain in np.unique(manifest["prior_strain"]))


def class_names(prior_strains: Sequence[float]) -> list[str]:
    """Return the names of the classes, e.g. ``["0.001", "0.01", "0.1"]``.

    Raises
    ------
    BadInputError
        The prior strains are fewer than two, not ascending, or not told apart by ``%g``.
    """
    names = [f"{strain:g}" for strain in prior_strains]
    ascending = all(a < b for a, b in itertools.pairwise(prior_strains))
    if len(names) < 2 or not ascending or len(set(names)) < len(names):
        raise BadInputError(
            f"prior strains {list(prior_strains)} do not make classes",
            allowed="two or more, ascending",
        )
    return names


def _rows_of_shard(
    path: Path, results_root: Path, labels: dict[str, int], *, scalar: str, range_floor: float
) -> tuple[list[dict[str, Any]], str]:
    try:
        relative = path.resolve().relative_to(results_root.resolve())
    except ValueError as error:
        raise BadInputError(
            "map shard lies outside the results folder", where=path, allowed=f"below {results_root}"
        ) from error
    shard = MapShard.open(path)
    header = shard.header
    rows = []
    for index, record in enumerate(shard.records):
        prior = f"{record.prior_strain:g}"
        if prior not in labels:
            raise BadInputError(
                f"map {record.map_id} has prior strain {prior}",
                where=path,
                allowed=", ".join(labels),
                way_out="list it under specimens.prior_strains",
            )
        strain_map = shard.map(index).check(f"{path}, map {record.map_id}")
        picture, floored = grey_picture(strain_map, scalar, range_floor)
        rows.append(
            {
                "map_id": record.map_id,
                "specimen_id": record.specimen_id,
                "subset": header.subset,
                "width_nm": float(header.width_nm),
                "slip_systems": int(header.slip_systems),
                "specimen": int(record.specimen),
                "prior_strain": float(record.prior_strain),
                "label": labels[prior],
                "reload": record.reload,
                "reload_strain": float(record.reload_strain),
                "rows": strain_map.shape[0],
                "columns": strain_map.shape[1],
                "pitch_nm": float(header.pitch_nm),
                "range_floored": int(floored),
                "grey_mean": float(picture.mean()),
                "grey_zero_fraction": float((picture == 0).mean()),
                "shard": relative.as_posix(),
                "shard_index": index,
            }
        )
    return rows, str(header.study)


def _sort_key(column: pd.Series[Any]) -> pd.Series[Any]:
    rank = {reload: position for position, reload in enumerate(RELOADS)}
    return column.map(rank) if column.name == "reload" else column


def _check(table: pd.DataFrame, *, where: str | Path) -> None:
    """Raise BadInputError, naming the first offending map, unless every row can be used."""
    if table.empty:
        raise BadInputError("holds no map", where=where, way_out="re-run the rule `manifest`")
    in_range: Iterable[tuple[str, pd.Series[bool], str]] = (
        ("map_id", ~table["map_id"].duplicated() & (table["map_id"] != ""), "each map once"),
        ("reload", table["reload"].isin(RELOADS), " or ".join(RELOADS)),
        ("width_nm", _positive(table["width_nm"]), "finite, above 0"),
        ("pitch_nm", _positive(table["pitch_nm"]), "finite, above 0"),
        ("prior_strain", _positive(table["prior_strain"]), "finite, above 0"),
        ("reload_strain", _positive(table["reload_strain"]), "finite, above 0"),
        ("slip_systems", table["slip_systems"].isin((1, 2)), "1 or 2"),
        ("specimen", table["specimen"] >= 0, "0 or more"),
        ("label", table["label"] >= 0, "0 or more"),
        ("rows", table["rows"] >= 1, "1 or more"),
        ("columns", table["columns"] >= 1, "1 or more"),
        ("range_floored", table["range_floored"].isin((0, 1)), "0 or 1"),
        ("grey_mean", table["grey_mean"].between(0, 255), "0 to 255"),
        ("grey_zero_fraction", table["grey_zero_fraction"].between(0, 1), "0 to 1"),
        ("shard", table["shard"].map(_stays_inside), "a path relative to the results folder"),
        ("shard_index", table["shard_index"] >= 0, "0 or more"),
    )
    for column, fine, allowed in in_range:
        if not fine.all():
            row = table[~fine].iloc[0]
            raise BadInputError(
                f"map {row['map_id']}: {column} is {row[column]!r}", where=where, allowed=allowed
            )
    order = table.sort_values(_ORDER, key=_sort_key, kind="stable").index
    if not np.array_equal(order, table.index):
        raise BadInputError(
            "rows are out of order",
            where=where,
            allowed="sorted by subset, specimen, prior strain, reload small before large",
        )
    classes = np.unique(table["prior_strain"])
    labels = np.unique(table["label"])
    if not np.array_equal(labels, np.arange(len(labels))):
        raise BadInputError(
            f"labels are {labels.tolist()}: some class has no map",
            where=where,
            allowed="every label from 0 on",
            way_out="simulate every prior strain, or list only those simulated",
        )
    if not np.array_equal(table["label"], np.searchsorted(classes, table["prior_strain"])):
        raise BadInputError("labels and prior strains do not agree", where=where)


def _positive(column: pd.Series[float]) -> pd.Series[bool]:
    return (column > 0) & (column < np.inf)


def _stays_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return path != "" and not pure.is_absolute() and ".." not in pure.parts
