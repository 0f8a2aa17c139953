"""The project's own measured maps, read again to compute strain at another gauge."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration
from strainprint.maps.measured_map import FORMAT, MeasuredMap, read_measured_map
from strainprint.maps.quality import INTERPOLATED, NOTHING_MEASURED
from strainprint.maps.readers.guarded_hdf5 import SIGNATURE, attribute, open_hdf5
from strainprint.maps.readers.reading import Reading, Source

NAME = "strainprint"
_STATED = (
    "strain_measure", "configuration", "subset_px", "step_px", "loading_axis", "loading_sense",
    "specimen_id", "test_strain", "noise_floor",
)  # fmt: skip

_OF_THE_SOURCE = frozenset(
    {
        "reader", "frame", "y_axis", "strain_y_axis", "length_unit", "displacement_unit",
        "strain_unit", "shear", "zncc_min",
    }
)  # fmt: skip
"""What a declaration says of the file that a map was read from, and not of the map."""

_PLAIN = frozenset({"specimen_id", "test_strain", "noise_floor"})
"""What can be said of a map as it is."""


def recognises(source: Source) -> bool:
    """Tell whether the file is HDF5 written by ``strainprint read``."""
    if not source.head.startswith(SIGNATURE):
        return False
    with open_hdf5(source) as handle:
        return bool(attribute(source, handle, "format") == FORMAT)


def beyond(measured: MeasuredMap, declared: Declaration) -> Declaration:
    """Return what is declared beyond what the map holds: the declaration that a file was read with
    lies beside the map that came of it, and was applied."""
    held = dict(measured.attributes)
    if "pixel_size_m" in held:
        held["pixel_size_nm"] = held["pixel_size_m"] * 1e9
    if held.get("strain_source") == "displacement":
        held["recompute_window_points"] = held.get("strain_window_points")
    new = {
        key: value
        for key, value in declared.values.items()
        if key not in _OF_THE_SOURCE and not _same(value, held.get(key))
    }
    return replace(declared, values=new)


def _same(given: Any, held: Any) -> bool:
    if isinstance(given, (int, float)) and isinstance(held, (int, float)):
        return math.isclose(given, held, rel_tol=1e-6)
    return bool(given == held)


def with_more(measured: MeasuredMap, declared: Declaration) -> MeasuredMap | None:
    """Return the map with what is declared, None where that is more than can be said of it as it
    is."""
    if not declared.values.keys() <= _PLAIN:
        return None
    if not declared.values:
        return measured
    names = str(measured.attributes.get("declared_by_user", "")).split(",")
    told = ",".join(sorted({*names, *declared.values} - {""}))
    return replace(
        measured, attributes={**measured.attributes, **declared.values, "declared_by_user": told}
    )


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement and strain of a measured map; it states everything itself."""
    measured = read_measured_map(source.path)
    if "intensity" in measured.fields:
        raise BadInputError("a picture holds no strain to read again", where=source.path)
    given = measured.attributes
    if "recompute_window_points" in declared:
        # What the earlier strain window lacked says nothing of the new one.
        measured.flags[...] &= NOTHING_MEASURED | INTERPOLATED
    stated: dict[str, Any] = {name: given[name] for name in _STATED if name in given}
    if "pixel_size_m" in given:
        stated["pixel_size_nm"] = given["pixel_size_m"] * 1e9
    return Reading(
        NAME,
        str(given.get("source_tool", "strainprint")),
        measured.x_m,
        measured.y_m,
        dict(measured.fields),
        measured.flags,
        stated=stated
        | {
            "y_axis": "up",
            "length_unit": "m",
            "displacement_unit": "m",
            "strain_unit": "1",
            "shear": "tensor",
        },
    )
