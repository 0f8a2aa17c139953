"""The dataset's manifest: one row for each map, its class, its shape and where it lies."""

from __future__ import annotations

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
    "strain_path": "str",
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

_ORDER = ["subset", "specimen", "label", "reload"]

_log = logging.getLogger(__name__)


def build_manifest(
    map_jsons: Sequence[str | Path],
    results_root: str | Path,
    out_csv: str | Path,
    *,
    classes: Sequence[str],
    scalar: str,
    range_floor: float,
) -> pd.DataFrame:
    """Write the manifest of all maps of a study and return it.

    Rows are sorted by subset, specimen, class and reload (small before large). The grey statistics
    are those of the 8-bit picture at the map's own pitch, every point counted. Specimens that the
    simulator lost are counted in the log and missing here.

    Parameters
    ----------
    map_jsons
        The JSON manifests of the map shards, all below ``results_root``.
    results_root
        Folder that the column ``shard`` is relative to.
    out_csv
        The table to write.
    classes
        The names of the strain paths to tell apart; ``label`` is the index in this list. A plain
        prior strain is named by its number, e.g. ``0.01``.
    scalar, range_floor
        Which scalar of the strain is drawn, and the smallest strain range drawn from 0 to 255
        (see :func:`strainprint.maps.picture.grey_picture`).

    Raises
    ------
    BadInputError
        No map (every specimen was lost), a shard outside ``results_root``, shards of several
        studies, a strain path that is no class, a map twice, or a map that cannot be used (all
        zero, nothing valid, NaN).
    """
    labels = {name: index for index, name in enumerate(checked_classes(classes))}
    rows: list[dict[str, Any]] = []
    studies: dict[str, str] = {}
    lost: dict[str, str] = {}
    for path in sorted(map(str, map_jsons)):
        shard, relative = _open_inside(Path(path), Path(results_root))
        shard_rows = _rows_of_shard(shard, relative, labels, scalar=scalar, range_floor=range_floor)
        rows += shard_rows
        lost |= shard.lost
        studies[shard.header.study] = path
        _log.info("%s: %d maps, %d in all", path, len(shard_rows), len(rows))
    for specimen_id, reason in sorted(lost.items()):
        _log.warning("%s was lost: %s", specimen_id, reason)
    if lost:
        _log.warning("%d specimens were lost, %d maps are left", len(lost), len(rows))
    if not rows and lost:
        name, reason = min(lost.items())
        raise BadInputError(
            f"there is no map: all {len(lost)} specimens were lost, {name} because: {reason}",
            where=out_csv,
            way_out="change specimens.crystal or specimens.dynamics; the specimens' files hold the "
            "last states under lost/",
        )
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
        a map comes twice, rows are out of order, labels and strain paths disagree, or a shard
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


def classes_of(manifest: pd.DataFrame) -> tuple[str, ...]:
    """Return the classes of a manifest, the names of its strain paths in the order of labels."""
    once = manifest.drop_duplicates("label").sort_values("label")
    return tuple(once["strain_path"])


def checked_classes(names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of classes if they can be told apart.

    Raises
    ------
    BadInputError
        There are fewer than two, or one comes twice.
    """
    if len(names) < 2 or len(set(names)) < len(names):
        raise BadInputError(
            f"{list(names)} do not make classes", allowed="two or more different strain paths"
        )
    return tuple(names)


def _open_inside(path: Path, results_root: Path) -> tuple[MapShard, str]:
    """Open a map shard; return it with its path relative to the results folder."""
    try:
        relative = path.resolve().relative_to(results_root.resolve())
    except ValueError as error:
        raise BadInputError(
            "map shard lies outside the results folder", where=path, allowed=f"below {results_root}"
        ) from error
    return MapShard.open(path), relative.as_posix()


def _rows_of_shard(
    shard: MapShard,
    relative: str,
    labels: dict[str, int],
    *,
    scalar: str,
    range_floor: float,
) -> list[dict[str, Any]]:
    header = shard.header
    rows = []
    for index, record in enumerate(shard.records):
        if record.strain_path not in labels:
            raise BadInputError(
                f"map {record.map_id} has strain path {record.strain_path}",
                where=relative,
                allowed=", ".join(labels),
                way_out="list it under specimens.prior_strains or specimens.paths",
            )
        strain_map = shard.map(index).check(f"{relative}, map {record.map_id}")
        picture, floored = grey_picture(strain_map, scalar, range_floor)
        rows.append(
            {
                "map_id": record.map_id,
                "specimen_id": record.specimen_id,
                "subset": header.subset,
                "width_nm": float(header.width_nm),
                "slip_systems": int(header.slip_systems),
                "specimen": int(record.specimen),
                "strain_path": record.strain_path,
                "prior_strain": float(record.prior_strain),
                "label": labels[record.strain_path],
                "reload": record.reload,
                "reload_strain": float(record.reload_strain),
                "rows": strain_map.shape[0],
                "columns": strain_map.shape[1],
                "pitch_nm": float(header.pitch_nm),
                "range_floored": int(floored),
                "grey_mean": float(picture.mean()),
                "grey_zero_fraction": float((picture == 0).mean()),
                "shard": relative,
                "shard_index": index,
            }
        )
    return rows


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
        ("strain_path", table["strain_path"] != "", "the name of a strain path"),
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
            allowed="sorted by subset, specimen, class, reload small before large",
        )
    labels = np.unique(table["label"])
    if not np.array_equal(labels, np.arange(len(labels))):
        raise BadInputError(
            f"labels are {labels.tolist()}: some class has no map",
            where=where,
            allowed="every label from 0 on",
            way_out="simulate every strain path, or list only those simulated",
        )
    pairs = table[["label", "strain_path"]].drop_duplicates()
    if len(pairs) > len(labels) or pairs["strain_path"].duplicated().any():
        raise BadInputError("labels and strain paths do not agree", where=where)


def _positive(column: pd.Series[float]) -> pd.Series[bool]:
    return (column > 0) & (column < np.inf)


def _stays_inside(path: str) -> bool:
    pure = PurePosixPath(path)
    return path != "" and not pure.is_absolute() and ".." not in pure.parts
