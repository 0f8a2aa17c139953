"""pyvale: CSV of displacements or of strains.

Source: its public code and a run of it. The header ends with a comma, the rows do not. Failed
points are NaN, some with ``converged`` 1 beside them, and absent from strain files; y grows down.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from strainprint.maps.declaration import Declaration
from strainprint.maps.quality import NOT_CORRELATED, flagged
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.text_table import NamedTable, read_columns

NAME = "pyvale"
_TABLE = NamedTable(
    "pyvale's columns",
    "subset_x,subset_y,disp_u,…",
    lambda names: (
        ({"subset_x", "subset_y"} <= names and bool({"disp_u", "displacement_u"} & names))
        or {"window_x", "window_y", "eps_00", "eps_11"} <= names
    ),
)
recognises = _TABLE.recognises
"""A header names ``subset_x`` with displacements, or ``window_x`` with strains."""


def read(source: Source, declared: Declaration) -> Reading:
    """Read a displacement or a strain file."""
    header = _TABLE.header(source)
    wanted = {
        "x": header.column("subset_x", "window_x"),
        "y": header.column("subset_y", "window_y"),
        "u": header.column("disp_u", "displacement_u"),
        "v": header.column("disp_v", "displacement_v"),
        "exx": header.column("eps_00"),
        "eyy": header.column("eps_11"),
        "exy": header.column("eps_01"),
        "converged": header.column("converged"),
    }
    table = read_columns(source, header, wanted)
    x, y = table.pop("x"), table.pop("y")
    failed = np.logical_or.reduce([np.isnan(values) for values in table.values()])
    if "converged" in table:
        failed |= table.pop("converged") == 0
    convention: dict[str, Any] = {
        "length_unit": "px",
        "displacement_unit": "px",
        "y_axis": "down",
        "configuration": "reference",
        "shear": "tensor",
        "strain_unit": "1",
    }
    return Reading(
        NAME,
        "pyvale",
        x,
        y,
        dict(table),
        flagged(failed, NOT_CORRELATED),
        convention=convention,
        notes={"strain_measure": "the strain_formulation that pyvale was asked for"},
    )
