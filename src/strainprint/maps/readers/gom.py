"""GOM Correlate / ZEISS Correlate: semicolon CSV of surface points.

Source: a public export read with its reader (OperateOnDIC). Points are scattered, absent where
nothing was measured, and lie on the deformed body; strains are logarithmic; y grows up.
"""

from __future__ import annotations

import re

import numpy as np

from strainprint.maps.declaration import Declaration
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.text_table import NamedTable, read_columns

NAME = "gom"
_TABLE = NamedTable(
    "GOM's columns",
    "id;x;y;z;displacement_x;…",
    lambda names: {"id", "x", "y"} <= names and bool({"displacement_x", "epsilon_x"} & names),
)
recognises = _TABLE.recognises
"""A header names id, x, y and GOM's displacement or strain columns."""


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement and strain."""
    header = _TABLE.header(source)
    wanted = {
        "x": header.column("x"),
        "y": header.column("y"),
        "u": header.column("displacement_x"),
        "v": header.column("displacement_y"),
        "exx": header.column("epsilon_x"),
        "eyy": header.column("epsilon_y"),
        "exy": header.column("epsilon_xy"),
    }
    stated = {}
    for line in source.lines[: header.line]:
        if found := re.search(r"length:\s*(nm|mm|m)\b", line):
            stated["length_unit"] = stated["displacement_unit"] = found[1]
    table = read_columns(source, header, wanted)
    x, y = table.pop("x"), table.pop("y")
    return Reading(
        NAME,
        "GOM / ZEISS Correlate",
        x,
        y,
        dict(table),
        np.zeros(x.shape, dtype=np.uint8),
        stated=stated,
        convention={
            "y_axis": "up",
            "configuration": "deformed",
            "strain_measure": "hencky",
            "strain_unit": "1",
        },
        notes={"shear": "GOM's epsilon_xy is usually tensor", "length_unit": "usually mm"},
    )
