"""Correlated Solutions VIC-2D and VIC-3D: CSV and MATLAB files.

Sources: public readers of these files (majroy/DIC-Tools, mechana). Columns come in any selection;
``sigma = -1`` marks points that were not correlated. VIC-3D 9 writes units and the strain measure
into the names.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration
from strainprint.maps.quality import NOT_CORRELATED, flagged
from strainprint.maps.readers.matlab5 import is_matlab5, matrices
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.text_table import Header, find_header, read_columns
from strainprint.maps.readers.units import length_unit, strain_facts

NAME = "vic"
_NOTES = {
    "strain_measure": "VIC's default is green_lagrange",
    "shear": "VIC's exy is usually tensor",
    "y_axis": "VIC-2D's calibrated axes usually grow up",
}
_WANTED = ("x", "y", "u", "v", "x_c", "y_c", "u_c", "v_c", "exx", "eyy", "exy", "sigma")
_OTHERS = frozenset({"x_pic", "zncc", "subset_x", "coordinate_x"})


def recognises(source: Source) -> bool:
    """Tell whether a quoted header, or MATLAB matrices, are named as VIC names them."""
    if is_matlab5(source):
        return _fits(frozenset(name.lower() for name in _named(source)))
    header = _csv_header(source)
    return header is not None and '"' in source.lines[header.line]


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement and strain; calibrated columns where ``length_unit`` is declared."""
    if is_matlab5(source):
        found = {name.lower(): name for name in _named(source)}
        wanted = {name: found[name] for name in _WANTED if name in found}
        arrays = matrices(source, tuple(wanted.values()))
        table: dict[str, NDArray[np.float64]] = {n: arrays[wanted[n]] for n in wanted}
        if len({values.shape for values in table.values()}) != 1:
            raise BadInputError("matrices differ in shape", where=source.path)
        table = {name: values.ravel() for name, values in table.items()}
        return _reading(source, table, {}, declared)
    header = _csv_header(source)
    if header is None:
        raise BadInputError(
            "no line names VIC's columns", where=source.path, allowed='"x", "y", "u", "v", "exx" …'
        )
    number = {
        name: header.column(re.escape(name), rf"{re.escape(name)}\s*\[.*")
        for name in ("x", "y", "u", "v", "sigma", "exx", "eyy", "exy")
    } | {name: header.column(name) for name in ("x_c", "y_c", "u_c", "v_c")}
    facts, factors = strain_facts(header, {n: number[n] for n in ("exx", "eyy", "exy")})
    for key, name in (("length_unit", "x"), ("displacement_unit", "u")):
        column = number[name]
        unit = header.unit(column) if column is not None else None
        if unit is not None:
            if length_unit(unit) is None:
                raise BadInputError(f"{name} is in {unit[:40]!r}", where=source.path)
            facts[key] = length_unit(unit)
    table = read_columns(source, header, number)
    for name, factor in factors.items():
        table[name] *= factor
    return _reading(source, table, facts, declared)


def _fits(names: frozenset[str]) -> bool:
    plain = {re.sub(r"\s*\[.*", "", name) for name in names}
    return (
        {"x", "y"} <= plain
        and ({"u", "v"} <= plain or {"exx", "eyy"} <= plain)
        and not plain & _OTHERS
    )


def _csv_header(source: Source) -> Header | None:
    return find_header(source, _fits)


def _named(source: Source) -> list[str]:
    from strainprint.maps.readers.matlab5 import matrix_names

    return matrix_names(source)


def _reading(
    source: Source,
    table: dict[str, NDArray[np.float64]],
    stated: dict[str, Any],
    declared: Declaration,
) -> Reading:
    """Choose pixel or calibrated columns and mask what was not correlated."""
    sigma = table.pop("sigma", None)
    calibrated = {name: table.pop(f"{name}_c") for name in "xyuv" if f"{name}_c" in table}
    convention: dict[str, Any] = {"strain_unit": "1"}
    new_style = "length_unit" in stated
    if new_style:
        convention |= {"configuration": "reference", "y_axis": "up"}
    elif "length_unit" in declared and declared.get("length_unit") != "px":
        if not {"x", "y"} <= set(calibrated):
            # Plain x, y, u, v of VIC-3D are metric; those of VIC-2D are pixels.
            convention |= {"configuration": "reference"}
        else:
            table = {n: values for n, values in table.items() if n not in "xyuv"} | calibrated
            convention |= {"configuration": "reference"}
    else:
        convention |= {"configuration": "reference", "y_axis": "down", "length_unit": "px"}
    failed = np.zeros(table["x"].shape, dtype=bool) if sigma is None else sigma < 0
    return Reading(
        NAME,
        "Correlated Solutions VIC",
        table.pop("x"),
        table.pop("y"),
        dict(table),
        flagged(failed, NOT_CORRELATED),
        stated=stated,
        convention=convention,
        notes=_NOTES,
    )
