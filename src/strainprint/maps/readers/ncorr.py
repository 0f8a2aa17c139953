"""Ncorr 1.2: MATLAB 7.3 files (HDF5).

Source: ncorr.m. Arrays are transposed in HDF5; points are ``spacing + 1`` pixels apart; values are
0 outside the region of interest, whose own object no other program can read, so the mask is taken
from the zeros. Strains are Green-Lagrange on the reference body, shear tensor, y down. The images
in such a file are never read.
"""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration, missing_keys
from strainprint.maps.quality import OUTSIDE_ROI, WINDOW_INCOMPLETE, flagged
from strainprint.maps.readers.guarded_hdf5 import check_dataset, member, numbers, open_hdf5
from strainprint.maps.readers.reading import Reading, Source
from strainprint.maps.readers.units import METRES, length_unit

NAME = "ncorr"
_STRAINS = {name: f"plot_{name}_ref_formatted" for name in ("exx", "eyy", "exy")}


def recognises(source: Source) -> bool:
    """Tell whether the file is MATLAB 7.3 and holds Ncorr's data."""
    if not source.head.startswith(b"MATLAB 7.3 MAT-file"):
        return False
    with open_hdf5(source) as handle:
        return "data_dic_save" in handle


def read(source: Source, declared: Declaration) -> Reading:
    """Read displacement and strain of one frame."""
    with open_hdf5(source) as handle:
        root = _group(source, handle, "data_dic_save")
        displacements = _group(source, root, "displacements")
        strains = _group(source, root, "strains", required=False)
        info = _group(source, root, "dispinfo")
        spacing = _single(source, info, "spacing")
        if spacing is None or not 0 <= spacing < 1e6:
            raise BadInputError(f"spacing is {spacing}", where=source.path, allowed="0 or more")
        names = {"u": "plot_u_dic", "v": "plot_v_dic"}
        fields = {
            name: _frame(source, handle, displacements, key, declared)
            for name, key in names.items()
        }
        if strains is not None:
            for name, key in _STRAINS.items():
                if key in strains:
                    fields[name] = _frame(source, handle, strains, key, declared)
        stated: dict[str, Any] = {"step_px": spacing + 1.0}
        radius = _single(source, info, "radius")
        if radius is not None and 0 < radius < 1e6:
            stated["subset_px"] = 2.0 * radius + 1.0
        stated |= _pixel_size(source, info)
    if len({values.shape for values in fields.values()}) != 1:
        raise BadInputError("arrays differ in shape", where=source.path)
    outside = np.logical_and.reduce([values == 0 for values in fields.values()])
    flags = flagged(outside, OUTSIDE_ROI)
    of_strain = [fields[name] for name in _STRAINS if name in fields]
    if of_strain:
        # The strain's region is smaller than that of the displacement.
        none = np.logical_and.reduce([values == 0 for values in of_strain]) & ~outside
        flags[none] |= WINDOW_INCOMPLETE
        for values in of_strain:
            values[none] = np.nan
    rows, columns = flags.shape
    return Reading(
        NAME,
        "Ncorr",
        np.arange(columns) * (spacing + 1.0),
        np.arange(rows) * (spacing + 1.0),
        dict(fields),
        flags,
        stated=stated,
        convention={
            "length_unit": "px",
            "displacement_unit": "px",
            "y_axis": "down",
            "configuration": "reference",
            "strain_measure": "green_lagrange",
            "shear": "tensor",
            "strain_unit": "1",
        },
    )


def _group(
    source: Source, parent: h5py.Group, name: str, *, required: bool = True
) -> h5py.Group | None:
    found = member(source, parent, name)
    if isinstance(found, h5py.Group):
        return found
    if required or found is not None:
        raise BadInputError(
            f"has no struct {name!r}",
            where=source.path,
            allowed="data_dic_save with displacements and dispinfo, saved by Ncorr",
        )
    return None


def _single(source: Source, group: h5py.Group | None, name: str) -> float | None:
    values = numbers(source, group, name) if group is not None else None
    return float(values.reshape(-1)[0]) if values is not None and values.size == 1 else None


def _pixel_size(source: Source, info: h5py.Group | None) -> dict[str, float]:
    """Return the pixel size where Ncorr was told one: ``pixtounits`` and the name of the unit."""
    factor = _single(source, info, "pixtounits")
    letters = numbers(source, info, "units") if info is not None else None
    if factor is None or letters is None or letters.size > 40 or letters.dtype.kind != "u":
        return {}
    unit = length_unit(
        "".join(chr(int(letter)) for letter in letters.reshape(-1) if letter < 0x800)
    )
    if unit is None or unit == "px" or not 0 < factor < 1e9:
        return {}
    return {"pixel_size_nm": factor * METRES[unit] * 1e9}


def _frame(
    source: Source, handle: h5py.File, group: h5py.Group | None, name: str, declared: Declaration
) -> NDArray[np.float64]:
    """Return one frame of an array, (rows of y, columns of x)."""
    found = member(source, group, name) if group is not None else None
    if not isinstance(found, h5py.Dataset):
        raise BadInputError(f"has no array {name!r}", where=source.path)
    frame = declared.get("frame")
    if found.dtype == h5py.ref_dtype:
        count = int(found.size or 0)
        if frame is None and count > 1:
            raise missing_keys(["frame"], source.path, declared, {"frame": f"there are {count}"})
        frame = frame or 1
        if frame > count or found.is_virtual or found.external:
            raise BadInputError(f"frame is {frame}", where=source.path, allowed=f"1 to {count}")
        reference = found[np.unravel_index(frame - 1, found.shape)]
        found = handle[reference] if reference else None
    elif frame is not None and frame != 1:
        raise BadInputError(f"frame is {frame}", where=source.path, allowed="1: there is one")
    values = np.asarray(check_dataset(source, found, name)[()], dtype=np.float64)
    if values.ndim != 2:
        raise BadInputError(f"{name} has shape {values.shape}", where=source.path, allowed="2-D")
    return np.ascontiguousarray(values.T)
