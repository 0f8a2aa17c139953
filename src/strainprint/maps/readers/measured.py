"""The project's own measured maps, read again to compute strain at another gauge."""

from __future__ import annotations

from typing import Any

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration
from strainprint.maps.measured_map import FORMAT, read_measured_map
from strainprint.maps.quality import INTERPOLATED, NOTHING_MEASURED
from strainprint.maps.readers.guarded_hdf5 import SIGNATURE, attribute, open_hdf5
from strainprint.maps.readers.reading import Reading, Source

NAME = "strainprint"
_STATED = (
    "strain_measure", "configuration", "subset_px", "step_px", "loading_axis", "loading_sense",
    "specimen_id", "test_strain", "noise_floor",
)  # fmt: skip


def recognises(source: Source) -> bool:
    """Tell whether the file is HDF5 written by ``strainprint read``."""
    if not source.head.startswith(SIGNATURE):
        return False
    with open_hdf5(source) as handle:
        return bool(attribute(source, handle, "format") == FORMAT)


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
