"""Units and strain measures as tools spell them in their headers."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from strainprint.errors import BadInputError
from strainprint.maps.readers.text_table import Header

METRES = {"nm": 1e-9, "um": 1e-6, "mm": 1e-3, "m": 1.0}
STRAIN_FACTORS = {"1": 1.0, "percent": 1e-2, "microstrain": 1e-6}

_LENGTHS = {
    **dict.fromkeys(("px", "pixel", "pixels", "pix"), "px"),
    "nm": "nm",
    **dict.fromkeys(("um", "µm", "μm", "micron", "microns"), "um"),
    "mm": "mm",
    "m": "m",
}
_STRAINS = {
    **dict.fromkeys(("1", "", "-", "s", "m/m", "mm/mm"), "1"),
    **dict.fromkeys(("%", "percent"), "percent"),
    **dict.fromkeys(("um/m", "µm/m", "μm/m", "ue", "µe", "με", "microstrain"), "microstrain"),
}
_MEASURES = (
    (r"green|lagrange|[-\s]gl\b", "green_lagrange"),
    (r"hencky|log|true", "hencky"),
    (r"engineering|infinitesimal|small|cauchy|linear", "infinitesimal"),
)


def length_unit(text: str) -> str | None:
    """Return ``px, nm, um, mm`` or ``m`` for a unit as a tool spells it, None for no length."""
    return _LENGTHS.get(text.strip().lower())


def strain_unit(text: str) -> str | None:
    """Return ``1``, ``percent`` or ``microstrain``, None for no unit of strain."""
    return _STRAINS.get(text.strip().lower())


def strain_measure(name: str) -> str | None:
    """Return the strain measure that a column's name tells, None where it tells none.

    Only what follows the component's unit counts: ``exx [1] - Lagrange``.
    """
    for pattern, measure in _MEASURES:
        if re.search(pattern, name.lower()):
            return measure
    return None


def strain_facts(
    header: Header, columns: Mapping[str, int | None]
) -> tuple[dict[str, Any], dict[str, float]]:
    """Return what the strain columns' names state, and the factor that makes each a plain number.

    Tools mix units: normal strains in % beside a shear in 1. Where each column names its unit the
    factors differ and ``strain_unit`` is stated as 1; where none does, nothing is stated.

    Raises
    ------
    BadInputError
        A unit that is none of strain, a unit on some columns only, or several strain measures.
    """
    present = {name: column for name, column in columns.items() if column is not None}
    units = {name: header.unit(column) for name, column in present.items()}
    measures = {strain_measure(header.names[column]) for column in present.values()} - {None}
    if len(measures) > 1:
        raise BadInputError(f"strain columns of several measures: {sorted(map(str, measures))}")
    facts: dict[str, Any] = {"strain_measure": measures.pop()} if measures else {}
    named = {name: unit for name, unit in units.items() if unit is not None}
    if not named:
        return facts, {}
    factors = {}
    for name, column in present.items():
        unit = strain_unit(units[name] or "") if units[name] is not None else None
        if unit is None:
            raise BadInputError(
                f"column {header.names[column]!r} has no unit of strain"[:200],
                allowed="[1], [%] or [um/m]",
            )
        factors[name] = STRAIN_FACTORS[unit]
    return facts | {"strain_unit": "1"}, factors
