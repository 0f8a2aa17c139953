"""EBSD-linked deformation gradients: a text table of F11 F21 F12 F22, its grid in a .ctf beside it.

Source: a public HRDIC-EBSD data set and its reader. The table has no header and runs as the .ctf
does, x fastest; a point that holds the identity was not measured. The .ctf gives the grid in µm,
and its steps in x and y may differ.
"""

from __future__ import annotations

import re

import numpy as np

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration, missing_keys
from strainprint.maps.gauge import strain_of_gradient
from strainprint.maps.quality import NOT_CORRELATED, flagged
from strainprint.maps.readers.reading import LARGEST_POINTS, Reading, Source
from strainprint.maps.readers.text_table import Header, read_columns

NAME = "deformation_gradient"
_CTF_HEAD_BYTES = 1 << 16


def recognises(source: Source) -> bool:
    """Tell whether rows hold four plain numbers and a .ctf of the same name lies beside."""
    first = next((line for line in source.lines if line.strip()), "")
    cells = re.split(r"[\s,;]+", first.strip())
    return (
        len(cells) == 4
        and all(re.fullmatch(r"[-+]?[\d.]+(e[-+]?\d+)?", cell.lower()) for cell in cells)
        and source.path.with_suffix(".ctf").is_file()
    )


def read(source: Source, declared: Declaration) -> Reading:
    """Read F and compute the declared strain measure from it."""
    measure = declared.get("strain_measure")
    if measure is None:
        raise missing_keys(
            ["strain_measure"], source.path, declared, {"strain_measure": "to compute from F"}
        )
    rows, columns, step_x, step_y = _grid(source)
    first = next((line for line in source.lines if line.strip()), "")
    delimiter = next((mark for mark in ";,\t" if mark in first), " ")
    header = Header(("f11", "f21", "f12", "f22"), delimiter, -1)
    table = read_columns(source, header, {name: i for i, name in enumerate(header.names)})
    f11, f21, f12, f22 = (table[name] for name in header.names)
    if f11.size != rows * columns:
        raise BadInputError(
            f"holds {f11.size} points",
            where=source.path,
            allowed=f"{columns} x {rows}, as {source.path.with_suffix('.ctf').name} says",
        )
    finite = np.logical_and.reduce([np.isfinite(values) for values in (f11, f21, f12, f22)])
    identity = (f11 == 1) & (f21 == 0) & (f12 == 0) & (f22 == 1)
    exx, eyy, exy = strain_of_gradient(f11 - 1, f12, f21, f22 - 1, measure=measure)
    grid = (rows, columns)
    return Reading(
        NAME,
        "EBSD-linked deformation gradient",
        np.arange(columns) * step_x,
        np.arange(rows) * step_y,
        {"exx": exx.reshape(grid), "eyy": eyy.reshape(grid), "exy": exy.reshape(grid)},
        flagged(identity | ~finite, NOT_CORRELATED).reshape(grid),
        stated={"length_unit": "um", "strain_unit": "1", "shear": "tensor"},
        convention={"configuration": "reference"},
        notes={"y_axis": "EBSD maps usually grow down"},
    )


def _grid(source: Source) -> tuple[int, int, float, float]:
    """Return rows, columns and steps (µm) from the head of the .ctf."""
    path = source.path.with_suffix(".ctf")
    if not path.is_file():
        raise BadInputError("the grid's .ctf is missing", where=path)
    with open(path, "rb") as handle:
        head = handle.read(_CTF_HEAD_BYTES).decode("latin-1")
    found = {}
    for key in ("XCells", "YCells", "XStep", "YStep"):
        match = re.search(rf"^{key}\s+([\d.,eE+-]+)\s*$", head, re.MULTILINE)
        try:
            found[key] = float(match[1].replace(",", ".")) if match else 0.0
        except ValueError:
            found[key] = 0.0
    columns, rows = found["XCells"], found["YCells"]
    whole = columns == int(columns) and rows == int(rows) if max(rows, columns) < 1e9 else False
    if not whole or min(found.values()) <= 0 or columns * rows > LARGEST_POINTS:
        raise BadInputError(
            f"grid is {found}",
            where=path,
            allowed="XCells, YCells, XStep and YStep above 0, each on a line",
        )
    return int(rows), int(columns), found["XStep"], found["YStep"]
