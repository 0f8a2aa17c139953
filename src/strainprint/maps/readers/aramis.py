"""ARAMIS node maps: semicolon text in the Windows code page.

Source: README of aramis-data-exporter. Normal strains are in %, the shear in 1: each column's own
unit counts. Failed facets are rows of NaN; y grows up; ``x_undef`` is the undeformed place.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from strainprint.maps.declaration import Declaration
from strainprint.maps.quality import NOT_CORRELATED, flagged
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.text_table import NamedTable, read_columns
from strainprint.maps.readers.units import length_unit, strain_facts

NAME = "aramis"
_TABLE = NamedTable(
    "a node map's columns",
    "ID; x_undef [mm]; y_undef [mm]; …; epsx [%]; …",
    lambda names: {"x_undef", "y_undef"} <= {re.sub(r"\s*\[.*", "", name) for name in names},
)
recognises = _TABLE.recognises
"""A header names ``x_undef`` and ``y_undef``."""


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement and strain."""
    header = _TABLE.header(source)
    wanted = {
        "x": header.column(r"x_undef.*"),
        "y": header.column(r"y_undef.*"),
        "u": header.column(r"u\s*\[.*", "u"),
        "v": header.column(r"v\s*\[.*", "v"),
        "exx": header.column(r"epsx\s*\[.*", "epsx"),
        "eyy": header.column(r"epsy\s*\[.*", "epsy"),
        "exy": header.column(r"epsxy\s*\[.*", "epsxy"),
    }
    stated, factors = strain_facts(header, {n: wanted[n] for n in ("exx", "eyy", "exy")})
    for key, name in (("length_unit", "x"), ("displacement_unit", "u")):
        column = wanted[name]
        unit = length_unit(header.unit(column) or "") if column is not None else None
        stated |= {key: unit} if unit else {}
    for line in source.lines[: header.line]:
        stated |= _facet(line)
    table = read_columns(source, header, wanted)
    x, y = table.pop("x"), table.pop("y")
    failed = np.logical_and.reduce([np.isnan(values) for values in table.values()])
    for name, factor in factors.items():
        table[name] *= factor
    return Reading(
        NAME,
        "GOM ARAMIS",
        x,
        y,
        dict(table),
        flagged(failed, NOT_CORRELATED),
        stated=stated,
        convention={"y_axis": "up", "configuration": "reference"},
        notes={
            "strain_measure": "ARAMIS's default is hencky (logarithmic)",
            "shear": "epsxy is usually tensor",
        },
    )


def _facet(line: str) -> dict[str, Any]:
    """Return facet size or distance in pixels, where a head line tells it."""
    found = re.match(r"#\s*(facet_size|facet_distance)\s*:\s*(\d{1,6}(?:\.\d{1,6})?)\s*$", line)
    if found is None or float(found[2]) == 0:
        return {}
    return {"subset_px" if found[1] == "facet_size" else "step_px": float(found[2])}
