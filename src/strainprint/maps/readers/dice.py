"""DICe (Sandia): text solutions and Exodus II files.

Source: DICe's public code and a real solution. Any selection of columns, in any order, not raster
sorted, regions ragged. ``SIGMA`` or ``MATCH`` of -1 marks points that failed, whose displacements
are stale; a virtual strain of 0 in every component was not computed. y grows down; strains are
Green-Lagrange with tensor shear.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration, missing_keys
from strainprint.maps.quality import NOT_CORRELATED, WINDOW_INCOMPLETE, flagged
from strainprint.maps.readers.exodus import ExodusFile, is_netcdf3
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.text_table import NamedTable, read_columns

NAME = "dice"
_TABLE = NamedTable(
    "DICe's columns",
    "COORDINATE_X,COORDINATE_Y,DISPLACEMENT_X,DISPLACEMENT_Y,…",
    lambda names: (
        {"coordinate_x", "coordinate_y"} <= names
        and bool({"displacement_x", "vsg_strain_xx"} & names)
    ),
)
_COLUMNS = {
    "x": "coordinate_x",
    "y": "coordinate_y",
    "u": "displacement_x",
    "v": "displacement_y",
    "exx": "vsg_strain_xx",
    "eyy": "vsg_strain_yy",
    "exy": "vsg_strain_xy",
    "sigma": "sigma",
    "match": "match",
}
_HEAD = (
    ("subset_px", r"\*\*\* Subset size: (\d{1,6})\s*$"),
    ("step_px", r"\*\*\* Step size: x (\d{1,6}) y \1 "),
    ("window_px", r"\*\*\* Strain window size in pixels: (\d{1,6})\b"),
)


def recognises(source: Source) -> bool:
    """Tell whether a header names DICe's columns, or the file is NetCDF 3 with a DICe solution."""
    return is_netcdf3(source) or _TABLE.recognises(source)


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement and virtual strain."""
    if is_netcdf3(source):
        table, head = _exodus_table(source, declared), dict[str, Any]()
    else:
        header = _TABLE.header(source)
        table = read_columns(
            source, header, {name: header.column(column) for name, column in _COLUMNS.items()}
        )
        head = _head(source.lines[: header.line])
    return _reading(source, table, head)


def _head(lines: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for line in lines:
        for key, pattern in _HEAD:
            if match := re.match(pattern, line):
                found[key] = float(match[1])
        if "y positive down" in line:
            found["y_axis"] = "down"
    return found


def _reading(
    source: Source, table: dict[str, NDArray[np.float64]], stated: dict[str, Any]
) -> Reading:
    x, y = table.pop("x"), table.pop("y")
    failed = np.zeros(x.shape, dtype=bool)
    for name in ("sigma", "match"):
        if name in table:
            failed |= table.pop(name) < 0
    flags = flagged(failed, NOT_CORRELATED)
    strains = [name for name in ("exx", "eyy", "exy") if name in table]
    if strains:
        none = np.logical_and.reduce([table[name] == 0 for name in strains]) & ~failed
        flags[none] |= WINDOW_INCOMPLETE
        for name in strains:
            table[name][none] = np.nan
    window, step = stated.pop("window_px", 0.0), stated.get("step_px", 0.0)
    if window > 0 and step > 0:
        stated["strain_window_points"] = max(1, round(window / step))
    return Reading(
        NAME,
        "DICe",
        x,
        y,
        dict(table),
        flags,
        stated={key: value for key, value in stated.items() if value},
        convention={
            "length_unit": "px",
            "displacement_unit": "px",
            "y_axis": "down",
            "configuration": "reference",
            "strain_measure": "green_lagrange",
            "shear": "tensor",
            "strain_unit": "1",
        },
    )


def _exodus_table(source: Source, declared: Declaration) -> dict[str, NDArray[np.float64]]:
    with ExodusFile(source) as exodus:
        names = {name.lower(): index for index, name in enumerate(exodus.nodal_names, 1)}
        if "displacement_x" not in names and "vsg_strain_xx" not in names:
            raise BadInputError(
                f"nodal variables are {sorted(names)}"[:300],
                where=source.path,
                allowed="DISPLACEMENT_X, DISPLACEMENT_Y, VSG_STRAIN_XX …",
            )
        frame = declared.get("frame")
        if frame is None:
            if exodus.steps > 1:
                raise missing_keys(
                    ["frame"], source.path, declared, {"frame": f"there are {exodus.steps}"}
                )
            frame = 1
        if frame > exodus.steps:
            raise BadInputError(
                f"frame is {frame}", where=source.path, allowed=f"1 to {exodus.steps}"
            )
        table = dict(zip("xy", exodus.coordinates(), strict=True))
        for name, column in _COLUMNS.items():
            if name not in "xy" and column in names:
                table[name] = exodus.nodal_values(names[column], frame)
    return table
