"""LaVision DaVis 8 and 10: 2-D vector text, and the CSV of strain sets.

Sources: the loader of DefDAP and its issue 90 (header, number order), mt2py (CSV), and headers of
published DaVis 10 files. Missing vectors are written as 0 0; a single 0 is a measured value.
"""

from __future__ import annotations

import re

import numpy as np

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration
from strainprint.maps.quality import NOT_CORRELATED, flagged
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.text_table import Header, find_header, read_columns
from strainprint.maps.readers.units import length_unit, strain_facts

NAME = "davis"
TOOL = "LaVision DaVis"

_HEADER = re.compile(r'#\s*DaVis\s+(\S+)\s+(.*?)\s(\d{1,9})\s+(\d{1,9})\s+(\d{1,9})\s+(".*)')
_CSV = {"x", "y", "x-displacement", "y-displacement"}


def recognises(source: Source) -> bool:
    """Tell whether the first line is DaVis's, or a CSV header names DaVis's columns."""
    return source.head.startswith(b"#DaVis") or _csv_header(source) is not None


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement (and, from CSV, strain)."""
    header = _csv_header(source)
    return _read_csv(source, header) if header else _read_text(source)


def _csv_header(source: Source) -> Header | None:
    return find_header(
        source, lambda names: {re.sub(r"\s*\[.*", "", name) for name in names} >= _CSV
    )


def _read_text(source: Source) -> Reading:
    line = source.lines[0][:1000] if source.lines else ""
    found = _HEADER.match(line)
    if found is None:
        raise BadInputError(
            f"the first line is {line[:120]!r}",
            where=source.path,
            allowed='like #DaVis 8.4.0 2D-vector 8 40 60 "" "pixel" "" "pixel" '
            '"displacement" "pixel": kind, step, rows, columns, and names with units',
        )
    rows, columns = int(found[4]), int(found[5])
    units = _units(found[6], source)
    header = Header(("x", "y", "u", "v"), "\t", 0)
    table = read_columns(source, header, {"x": 0, "y": 1, "u": 2, "v": 3})
    if len(table["x"]) != rows * columns:
        raise BadInputError(
            f"holds {len(table['x'])} vectors",
            where=source.path,
            allowed=f"{rows} rows x {columns} columns, as its first line says",
            way_out="the file may be cut short: export it again",
        )
    missing = (table["u"] == 0) & (table["v"] == 0)
    stated: dict[str, object] = {"length_unit": units[0], "displacement_unit": units[1]}
    return Reading(
        NAME,
        f"{TOOL} {found[1]}"[:60],
        table["x"],
        table["y"],
        {"u": table["u"], "v": table["v"]},
        flagged(missing, NOT_CORRELATED),
        stated=stated,
        convention={"configuration": "reference"}
        | ({"y_axis": "down"} if units[0] == "px" else {}),
        notes={"y_axis": "calibrated DaVis axes usually grow up"},
    )


def _units(text: str, source: Source) -> tuple[str, str]:
    """Return the units of coordinates and displacements from the quoted end of the first line."""
    quoted = re.findall(r'"([^"]*)"', text)
    if ";" in text:  # "x [mm]";"y [mm]";"Vx [mm]";"Vy [mm]"
        names = [part.rsplit("[", 1)[-1].rstrip("] ") for part in quoted[:4]]
    else:  # "x" "unit" "y" "unit" "value" "unit"
        names = [quoted[i] for i in (1, 3, 5)] if len(quoted) >= 6 else []
    units = [length_unit(name) for name in names]
    if len(units) < 3 or None in units or len(set(units[:2])) > 1 or len(set(units[2:])) > 1:
        raise BadInputError(
            f"units are {names}"[:200],
            where=source.path,
            allowed="lengths, the same for x and y: pixel, nm, µm, mm or m",
            way_out="export displacements, not velocities",
        )
    return str(units[0]), str(units[2])


def _read_csv(source: Source, header: Header) -> Reading:
    wanted = {
        "x": header.column(r"x\s*\[.*\]", "x"),
        "y": header.column(r"y\s*\[.*\]", "y"),
        "u": header.column(r"x-displacement.*"),
        "v": header.column(r"y-displacement.*"),
        "exx": header.column(r".*strain exx.*"),
        "eyy": header.column(r".*strain eyy.*"),
        "exy": header.column(r".*strain exy.*"),
    }
    facts, factors = strain_facts(header, {n: wanted[n] for n in ("exx", "eyy", "exy")})
    for key, column in (("length_unit", wanted["x"]), ("displacement_unit", wanted["u"])):
        unit = length_unit(header.unit(column) or "") if column is not None else None
        facts |= {key: unit} if unit else {}
    table = read_columns(source, header, wanted)
    x, y = table.pop("x"), table.pop("y")
    # Where nothing was correlated every component is 0.
    missing = np.logical_and.reduce([values == 0 for values in table.values()])
    for name, factor in factors.items():
        table[name] *= factor
    return Reading(
        NAME,
        TOOL,
        x,
        y,
        dict(table),
        flagged(missing, NOT_CORRELATED),
        stated=facts,
        convention={"configuration": "reference"},
        notes={"y_axis": "calibrated DaVis axes usually grow up"},
    )
