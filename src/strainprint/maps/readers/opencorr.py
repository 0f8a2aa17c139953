"""OpenCorr: CSV tables of points of interest.

Source: its public code. Nothing marks a failed point but a low ZNCC (below 0 for errors), with
absurd values beside it: the lowest ZNCC that counts must be declared. Strain is taken only above
OpenCorr's own threshold (0.9 by default) and is 0 elsewhere; the shear is the tensor component.
"""

from __future__ import annotations

import numpy as np

from strainprint.maps.declaration import Declaration, missing_keys
from strainprint.maps.quality import LOW_CORRELATION, WINDOW_INCOMPLETE, flagged
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.text_table import NamedTable, read_columns

NAME = "opencorr"
_TABLE = NamedTable(
    "OpenCorr's columns",
    "x,y,u,v,u0,v0,ZNCC,iteration,convergence,feature,exx,eyy,exy",
    lambda names: {"x", "y", "u", "v", "zncc"} <= names,
)
recognises = _TABLE.recognises
"""A header names x, y, u, v and ZNCC."""


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement and strain above the declared ZNCC."""
    header = _TABLE.header(source)
    if "zncc_min" not in declared:
        raise missing_keys(
            ["zncc_min"], source.path, declared, {"zncc_min": "OpenCorr's own default is 0.9"}
        )
    names = ("x", "y", "u", "v", "zncc", "exx", "eyy", "exy")
    table = read_columns(source, header, {name: header.column(name) for name in names})
    x, y, zncc = table.pop("x"), table.pop("y"), table.pop("zncc")
    low = ~(zncc >= declared.get("zncc_min"))
    flags = flagged(low, LOW_CORRELATION)
    strains = [name for name in ("exx", "eyy", "exy") if name in table]
    if strains:
        none = np.logical_and.reduce([table[name] == 0 for name in strains]) & ~low
        flags[none] |= WINDOW_INCOMPLETE
        for name in strains:
            table[name][none] = np.nan
    return Reading(
        NAME,
        "OpenCorr",
        x,
        y,
        dict(table),
        flags,
        convention={
            "length_unit": "px",
            "displacement_unit": "px",
            "y_axis": "down",
            "configuration": "reference",
            "shear": "tensor",
            "strain_unit": "1",
        },
        notes={
            "strain_measure": "infinitesimal with OpenCorr's approximation 1, green_lagrange with 2"
        },
    )
