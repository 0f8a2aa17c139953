"""MatchID: CSV of 2023 and of 2024.

Sources: mt2py and pycoatl, which read these files. Points that failed are absent, or rows of
zeros; y grows down.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration
from strainprint.maps.quality import NOT_CORRELATED, flagged
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.text_table import NamedTable, read_columns
from strainprint.maps.readers.units import length_unit, strain_facts

NAME = "matchid"
_TABLE = NamedTable(
    "MatchID's columns",
    "x_pic,y_pic,x,y,z,u,v,…",
    lambda names: (
        {"x_pic", "y_pic"} <= names or any(name.startswith("coordinates.image x") for name in names)
    ),
)
recognises = _TABLE.recognises
"""A header is that of 2023 (``x_pic``) or of 2024 (``Coordinates.Image X``)."""


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement and strain on metric coordinates where there are any, else on pixels."""
    header = _TABLE.header(source)
    metric_x = header.column("x", r"coor\.x.*")
    metric = metric_x is not None
    wanted = {
        "x": metric_x if metric else header.column("x_pic", r"coordinates\.image x.*"),
        "y": header.column("y", r"coor\.y.*")
        if metric
        else header.column("y_pic", r"coordinates\.image y.*"),
        "u": header.column("u", r"disp\.horizontal.*"),
        "v": header.column("v", r"disp\.vertical.*"),
        "exx": header.column("exx", r"strain\..*exx.*"),
        "eyy": header.column("eyy", r"strain\..*eyy.*"),
        "exy": header.column("exy", r"strain\..*exy.*"),
    }
    if wanted["x"] is None or wanted["y"] is None:
        raise BadInputError("has no x or no y", where=source.path)
    stated, factors = strain_facts(header, {n: wanted[n] for n in ("exx", "eyy", "exy")})
    convention: dict[str, Any] = {
        "y_axis": "down",
        "configuration": "reference",
        "strain_unit": "1",
    }
    for key, name in (("length_unit", "x"), ("displacement_unit", "u")):
        column = wanted[name]
        unit = length_unit(header.unit(column) or "") if column is not None else None
        if unit:
            stated[key] = unit
        elif column is not None:
            # 2023 names no units: coordinates and displacements are metric, beside pixels.
            convention[key] = "mm" if metric else "px"
    table = read_columns(source, header, wanted)
    x, y = table.pop("x"), table.pop("y")
    failed = np.logical_and.reduce([values == 0 for values in table.values()])
    for name, factor in factors.items():
        table[name] *= factor
    return Reading(
        NAME,
        "MatchID",
        x,
        y,
        dict(table),
        flagged(failed, NOT_CORRELATED),
        stated=stated,
        convention=convention,
        notes={"shear": "MatchID's Exy is usually tensor"},
    )
