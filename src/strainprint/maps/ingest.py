"""People's maps as data of the workflow: read once, kept with what is known of each."""

from __future__ import annotations

import dataclasses
import logging
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.errors import BadInputError
from strainprint.files import sha256_of_file, whole_directory, write_csv, write_json
from strainprint.maps.declaration import Declaration, beside, read_declaration
from strainprint.maps.external_maps import (
    FORMAT,
    VERSION,
    ExternalMap,
    external_strain_map,
    stacks_of,
)
from strainprint.maps.external_table import inside, table_rows
from strainprint.maps.map_file import read_map_h5, write_map_h5
from strainprint.maps.measured_map import read_measured_map, write_measured_map
from strainprint.maps.people import is_own_map
from strainprint.maps.readers.recognise import read_map

_log = logging.getLogger(__name__)

_SAME_PLACE = 0.1
"""Share of the distance of points by which layers of a stack may lie beside each other."""


def ingest_maps(table_csv: str | Path, out_dir: str | Path, out_json: str | Path) -> None:
    """Read every map of a table into ``out_dir`` and say in ``out_json`` what is known of each.

    Raises
    ------
    BadInputError
        The table is damaged, maps cannot be read (all of them are named), or the layers of a stack
        do not lie on one grid. Nothing is written then.
    """
    table_csv = Path(table_csv)
    found: list[ExternalMap] = []
    refused: list[str] = []
    with whole_directory(out_dir) as partial:
        partial.mkdir(parents=True)
        for number, row in enumerate(tqdm(table_rows(table_csv), "ingest", disable=None)):
            try:
                found.append(_ingest(table_csv, row, f"external-{number:05d}", partial))
            except BadInputError as error:
                refused.append(str(error))
        if not refused:
            for stack in stacks_of(found):
                _check_stack(stack, partial, table_csv)
        if refused:
            raise BadInputError(
                f"{len(refused)} of {len(refused) + len(found)} maps cannot be used:\n"
                + "\n".join(refused),
                where=table_csv,
            )
    write_json(
        out_json,
        {
            "format": FORMAT,
            "version": VERSION,
            "count": len(found),
            "maps": [dataclasses.asdict(one) for one in found],
        },
    )
    _log.info("%s: %d maps, %d of them to train on", table_csv, len(found), _training(found))


def _training(found: Sequence[ExternalMap]) -> int:
    return sum(one.use == "train" for one in found)


def _ingest(table_csv: Path, row: dict[str, str], map_id: str, folder: Path) -> ExternalMap:
    source = inside(table_csv, row["file"])
    target = folder / f"{map_id}.h5"
    prior_strain = _prior_strain(row, table_csv)
    if is_own_map(source):
        kind = "simulated"
        write_map_h5(target, read_map_h5(source))
    else:
        kind = "measured"
        declared = _declaration(table_csv, row, source)
        measured = read_map(source, declared)
        if "intensity" in measured.fields:
            raise BadInputError(
                "a picture holds no strain",
                where=source,
                allowed="maps with strain",
                way_out="classify pictures with `strainprint predict`",
            )
        write_measured_map(target, measured)
    curve = ""
    if row["curve"]:
        strain, stress_mpa = _read_curve(inside(table_csv, row["curve"]))
        curve = f"{map_id}-curve.csv"
        write_csv(folder / curve, pd.DataFrame({"strain": strain, "stress_mpa": stress_mpa}))
    return ExternalMap(
        map_id=map_id,
        source=row["file"],
        kind=kind,
        specimen=row["specimen"],
        prior_strain=prior_strain,
        curve=curve,
        use=row["use"] or "predict",
        sha256=sha256_of_file(target),
        stack=row["stack"],
        layer=int(row["layer"] or 0),
    )


def _check_stack(stack: Sequence[ExternalMap], folder: Path, table_csv: Path) -> None:
    """Refuse layers that cannot be cropped alike: of other shape, pitch, frame or place."""
    grids, first_nm, pitches_nm = [], [], []
    for one in stack:
        strain_map = external_strain_map(folder, one)
        rows, columns = strain_map.shape
        grids.append(
            f"{rows} x {columns} points at {strain_map.pitch_nm:.6g} nm, {strain_map.frame} frame"
        )
        first_nm.append(_first_point_nm(folder, one))
        pitches_nm.append(strain_map.pitch_nm)
    for one, grid, first in zip(stack, grids, first_nm, strict=True):
        away_nm = max(abs(first[0] - first_nm[0][0]), abs(first[1] - first_nm[0][1]))
        if grid == grids[0] and away_nm <= _SAME_PLACE * pitches_nm[0]:
            continue
        raise BadInputError(
            f"stack {one.stack!r}: layer {one.layer} ({one.source}) has {grid}, {_from(first)}; "
            f"layer 1 ({stack[0].source}) has {grids[0]}, {_from(first_nm[0])}",
            where=table_csv,
            allowed="layers of one stack on one grid, point on point",
            way_out="read them with the same region, step and declaration",
        )


def _first_point_nm(folder: Path, one: ExternalMap) -> tuple[float, float]:
    """Return x and y (nm) of the first point of a map; those of the simulator all begin at 0."""
    if one.kind == "simulated":
        return 0.0, 0.0
    measured = read_measured_map(folder / f"{one.map_id}.h5")
    return float(measured.x_m[0]) * 1e9, float(measured.y_m[0]) * 1e9


def _from(first_nm: tuple[float, float]) -> str:
    return f"from x = {first_nm[0]:.6g} nm, y = {first_nm[1]:.6g} nm"


def _declaration(table_csv: Path, row: dict[str, str], source: Path) -> Declaration:
    if row["declaration"]:
        return read_declaration(inside(table_csv, row["declaration"]))
    for beside_it in (".yaml", ".ctf"):
        inside(table_csv, Path(row["file"]).with_suffix(beside_it).as_posix())
    return beside(source)


def _prior_strain(row: dict[str, str], table_csv: Path) -> float | None:
    if not row["prior_strain"]:
        return None
    try:
        value = float(row["prior_strain"])
    except ValueError:
        value = math.nan
    if not 0 < value < 1:
        raise BadInputError(
            f"prior_strain is {row['prior_strain'][:40]!r}",
            where=f"{table_csv}, {row['file']}",
            allowed="a number between 0 and 1, like 0.01 for 1 %",
        )
    return value


def _read_curve(path: Path) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Read a stress-strain curve of the reload: columns ``strain`` and ``stress_mpa``."""
    try:
        table = pd.read_csv(path, usecols=["strain", "stress_mpa"], dtype=np.float64)
    except (OSError, ValueError, OverflowError) as error:
        raise BadInputError(
            f"not readable as a curve ({error})", where=path, allowed="columns strain, stress_mpa"
        ) from error
    strain, stress = table["strain"].to_numpy(), table["stress_mpa"].to_numpy()
    finite = np.isfinite(strain).all() and np.isfinite(stress).all()
    if len(strain) < 2 or not finite or (np.diff(strain) < 0).any():
        raise BadInputError(
            "curve is short, not finite or its strain runs backwards",
            where=path,
            allowed="two or more points, strain ascending",
        )
    return strain, stress
