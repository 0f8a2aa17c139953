"""A map as somebody measured it: displacement and strain on a grid, with masks and provenance.

Arrays have the shape (rows of y, columns of x) with canonical axes: x to the right, y up, both
ascending, so that the frame is right-handed. Lengths are in metres, strains plain numbers, the
shear is the tensor component. The pitch may differ in x and y.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.hdf5_files import write_attributes, write_whole_hdf5
from strainprint.maps import quality
from strainprint.maps.readers.guarded_hdf5 import (
    attribute,
    check_dataset,
    member,
    numbers,
    open_hdf5,
)
from strainprint.maps.readers.reading import Source
from strainprint.maps.strain_map import StrainMap

FORMAT = "strainprint-measured-map"
VERSION = 1

STRAINS = ("exx", "eyy", "exy")
_FIELDS = {
    "u": ("m", "displacement along x"),
    "v": ("m", "displacement along y"),
    "exx": ("1", "normal strain along x"),
    "eyy": ("1", "normal strain along y"),
    "exy": ("1", "tensor shear strain"),
    "intensity": ("1", "relative intensity of a picture, without scale"),
}
_ATTRIBUTES: dict[str, type] = {
    "strain_measure": str,
    "shear_convention": str,
    "configuration": str,
    "loading_axis": str,
    "loading_sense": str,
    "pixel_size_m": float,
    "subset_px": float,
    "step_px": float,
    "strain_window_points": int,
    "strain_window_definition": str,
    "strain_source": str,
    "vsg_px": float,
    "vsg_m": float,
    "noise_floor": float,
    "source_tool": str,
    "source_file": str,
    "source_sha256": str,
    "reader": str,
    "declared_by_user": str,
    "specimen_id": str,
    "test_strain": float,
}
"""Every attribute and its type. ``declared_by_user`` lists what was asserted, not read;
``strain_source`` is ``file`` or ``displacement``; the window is that of the strain held."""

# Resampling to square points multiplies them by the ratio of the pitches.
_LARGEST_PITCH_RATIO = 16.0
_ROWS_AT_ONCE = 256


@dataclass(frozen=True)
class MeasuredMap:
    """One measured map.

    Attributes
    ----------
    fields
        float32 arrays of one shape by name: ``u, v`` (m), ``exx, eyy, exy`` (1), or ``intensity``
        alone where the file was a picture. NaN where there is no value.
    flags
        uint8 of the same shape, bits of :mod:`strainprint.maps.quality`.
    x_m, y_m
        Even, ascending coordinates in metres, (columns,) and (rows,); of a picture without scale
        plain pixel numbers (``scaled`` is False).
    attributes
        Plain values, see the list in this module; what is not known is left out.
    """

    fields: Mapping[str, NDArray[np.float32]]
    flags: NDArray[np.uint8]
    x_m: NDArray[np.float64]
    y_m: NDArray[np.float64]
    attributes: Mapping[str, Any] = field(default_factory=dict)
    scaled: bool = True

    @property
    def shape(self) -> tuple[int, int]:
        """(rows of y, columns of x)."""
        rows, columns = self.flags.shape
        return rows, columns

    @property
    def pitch_x_m(self) -> float:
        """Distance of the points along x."""
        return float((self.x_m[-1] - self.x_m[0]) / (len(self.x_m) - 1))

    @property
    def pitch_y_m(self) -> float:
        """Distance of the points along y."""
        return float((self.y_m[-1] - self.y_m[0]) / (len(self.y_m) - 1))

    @property
    def valid(self) -> NDArray[np.bool_]:
        """Where all strain components (of a picture: the intensity) hold a value."""
        names = [name for name in (*STRAINS, "intensity") if name in self.fields]
        valid = np.isfinite(self.fields[names[0]])
        for name in names[1:]:
            valid &= np.isfinite(self.fields[name])
        return valid

    def check(self, where: object) -> MeasuredMap:
        """Return the map itself if it can be used.

        Raises
        ------
        BadInputError
            Shapes disagree, a coordinate axis is not even, values and flags contradict each other,
            nothing is valid, or strain is zero everywhere (typically: nothing correlated).
        """
        pictured = set(self.fields) == {"intensity"}
        if not pictured and not set(STRAINS) <= set(self.fields):
            raise BadInputError(
                f"holds {sorted(self.fields)}", where=where, allowed="exx, eyy and exy"
            )
        if self.flags.ndim != 2 or min(self.flags.shape) < 2:
            raise BadInputError(
                f"shape {self.flags.shape}", where=where, allowed="2 or more rows and columns"
            )
        for name, values in self.fields.items():
            if values.shape != self.flags.shape:
                raise BadInputError(f"{name} has shape {values.shape}", where=where)
        for axis, count in ((self.y_m, self.flags.shape[0]), (self.x_m, self.flags.shape[1])):
            steps = np.diff(axis)
            even = len(axis) == count and np.isfinite(axis).all() and (steps > 0).all()
            if not even or np.ptp(steps) > 1e-3 * steps.mean():
                raise BadInputError("coordinates are not ascending in even steps", where=where)
        valid = self.valid
        if not valid.any():
            raise BadInputError(
                "no valid point: nothing correlated, or everything is masked",
                where=where,
                way_out="export it again; a map without one correlated point says nothing",
            )
        if not any(
            np.any(self.fields[name], where=valid) for name in self.fields if name not in "uv"
        ):
            raise BadInputError(
                "strain is exactly zero everywhere",
                where=where,
                way_out="many tools write 0 where correlation failed",
            )
        self._check_flags(valid, where)
        return self

    def _check_flags(self, valid: NDArray[np.bool_], where: object) -> None:
        """Refuse points without a value and without a reason, or with a value and a reason."""
        known = np.bitwise_or.reduce(list(quality.MEANINGS.values()))
        unexplained = contradicted = 0
        for first in range(0, len(valid), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            flags = self.flags[part]
            unexplained += int(np.count_nonzero(flags[~valid[part]] == 0))
            contradicted += int(np.count_nonzero(flags[valid[part]] & quality.NOTHING_MEASURED))
            contradicted += int(np.count_nonzero(flags & ~known))
        if unexplained or contradicted:
            raise BadInputError(
                f"quality_flag contradicts the values at {unexplained + contradicted} points",
                where=where,
                allowed="a reason where there is no value, and a value only where nothing says "
                "that none was measured",
                way_out="the file may be damaged: read the tool's own file again; who masks points "
                "of it by NaN sets their quality_flag to 1 too",
            )


def write_measured_map(path: str | Path, measured: MeasuredMap) -> None:
    """Write a measured map as HDF5 with units and CF flags, whole or not at all.

    Raises
    ------
    BadInputError
        The map cannot be used, or holds an unknown attribute.
    """
    measured.check(path)
    unknown = sorted(set(measured.attributes) - set(_ATTRIBUTES))
    if unknown:
        raise BadInputError(f"attributes {unknown}", where=path, allowed=", ".join(_ATTRIBUTES))
    with write_whole_hdf5(path) as handle:
        attributes = {
            "format": FORMAT,
            "version": VERSION,
            "Conventions": "CF-1.11",
            "axes": "dims (y, x); x to the right, y up",
            "scaled": measured.scaled,
            **measured.attributes,
        }
        write_attributes(handle, attributes)
        for name, values in (("x", measured.x_m), ("y", measured.y_m)):
            axis = handle.create_dataset(name, data=values)
            write_attributes(axis, {"units": "m" if measured.scaled else "1"})
            axis.make_scale(name)
        arrays: list[tuple[str, NDArray[Any], dict[str, Any]]] = [
            (name, values, dict(zip(("units", "long_name"), _FIELDS[name], strict=True)))
            for name, values in measured.fields.items()
        ]
        masks = np.array(list(quality.MEANINGS.values()), dtype=np.uint8)
        meanings = {"flag_masks": masks, "flag_meanings": " ".join(quality.MEANINGS)}
        arrays.append(("quality_flag", measured.flags, meanings))
        for name, values, described in arrays:
            data = handle.create_dataset(
                name, data=values, chunks=_chunks(measured.shape), compression="gzip", shuffle=True
            )
            write_attributes(data, described)
            for axis_number, axis_name in enumerate(("y", "x")):
                data.dims[axis_number].attach_scale(handle[axis_name])


def _chunks(shape: tuple[int, int]) -> tuple[int, int]:
    """Return whole rows of about 2^18 points together, or parts of very long ones."""
    rows, columns = shape
    wide = min(columns, 1 << 18)
    return max(1, min(rows, (1 << 18) // wide)), wide


def read_measured_map(path: str | Path) -> MeasuredMap:
    """Read a map written by :func:`write_measured_map`.

    Raises
    ------
    BadInputError
        Missing, damaged, of another format, with links or values of another kind, or unusable.
    """
    source = Source.open(path)
    with open_hdf5(source) as handle:
        found = attribute(source, handle, "format"), attribute(source, handle, "version")
        if found != (FORMAT, VERSION):
            raise BadInputError(
                f"format is {found[0]!r}, version {found[1]!r}"[:200],
                where=path,
                allowed=f"{FORMAT!r}, version {VERSION}, as `strainprint read` writes it",
            )
        axes = {name: numbers(source, handle, name) for name in "xy"}
        flags = _dataset_values(source, handle, "quality_flag", np.uint8)
        fields = {
            name: _dataset_values(source, handle, name, np.float32)
            for name in _FIELDS
            if member(source, handle, name) is not None
        }
        attributes = {
            name: kind(value)
            for name, kind in _ATTRIBUTES.items()
            if (value := attribute(source, handle, name)) is not None
        }
        scaled = bool(attribute(source, handle, "scaled"))
    if axes["x"] is None or axes["y"] is None or axes["x"].ndim != 1 or axes["y"].ndim != 1:
        raise BadInputError("lacks coordinates x and y", where=path)
    return MeasuredMap(
        fields,
        flags,
        axes["x"].astype(np.float64),
        axes["y"].astype(np.float64),
        attributes,
        scaled,
    ).check(path)


def _dataset_values(
    source: Source, handle: h5py.File, name: str, dtype: type[np.generic]
) -> NDArray[Any]:
    """Return a two-dimensional data set in its own type, without a second copy of it."""
    found = member(source, handle, name)
    if found is None:
        raise BadInputError(f"lacks {name}", where=source.path)
    dataset = check_dataset(source, found, name)
    if dataset.dtype != np.dtype(dtype) or dataset.ndim != 2:
        raise BadInputError(
            f"{name} holds {dataset.dtype} of shape {dataset.shape}"[:200],
            where=source.path,
            allowed=f"{np.dtype(dtype)}, two-dimensional",
        )
    values = np.empty(dataset.shape, dtype=dtype)
    if values.size:
        dataset.read_direct(values)
    return values


def as_strain_map(measured: MeasuredMap, where: object, *, in_place: bool = False) -> StrainMap:
    """Return the map as the networks' data know it: rows across the width, columns along the load.

    Where the load runs along x the map is turned by a quarter. A pitch that differs in x and y is
    evened out by giving each square point the nearest measured one; nothing is interpolated.

    ASSUME: a measured map counts as frame ``deformed``: its reference picture is the body after
    the prior strain, which is what the simulator calls that frame. A body before its prior strain
    was never seen by any camera.

    With ``in_place`` the result takes the arrays of ``measured`` over, which is lost: the largest
    maps do not fit into memory twice.

    Raises
    ------
    BadInputError
        A picture without scale, no loading axis, or pitches that differ more than 16-fold.
    """
    if "intensity" in measured.fields or not measured.scaled:
        raise BadInputError(
            "a picture holds relative intensity only, no strain",
            where=where,
            way_out="export the strain as numbers; a picture can be classified as it is",
        )
    axis = measured.attributes.get("loading_axis")
    if axis not in ("x", "y"):
        raise BadInputError(f"loading_axis is {axis!r}", where=where, allowed="x or y")
    turned = axis == "x"
    pitches = [measured.pitch_x_m, measured.pitch_y_m]
    along_rows, along_columns = pitches[::-1] if turned else pitches
    rows, columns = _square_points(measured, turned, where)

    def laid(values: NDArray[Any]) -> NDArray[Any]:
        # Rows of the result run across the width: x, or -y where the load runs along x.
        across = values[::-1, :] if turned else values.T
        if rows is not None and columns is not None:
            return np.ascontiguousarray(across[rows][:, columns])
        return across if in_place else np.array(across)

    names = (
        {"ux_nm": "v", "uy_nm": "u", "exx": "eyy", "eyy": "exx", "exy": "exy"}
        if turned
        else {"ux_nm": "u", "uy_nm": "v", "exx": "exx", "eyy": "eyy", "exy": "exy"}
    )
    valid = laid(measured.valid)
    parts = {}
    for target, source_name in names.items():
        if source_name in measured.fields:
            values = laid(measured.fields[source_name])
            if turned and target in ("ux_nm", "exy"):
                np.negative(values, out=values)
            if target in ("ux_nm", "uy_nm"):
                with np.errstate(over="ignore"):  # what is not finite then is refused below
                    np.multiply(values, np.float32(1e9), out=values)
        else:
            values = np.full(valid.shape, np.nan, dtype=np.float32)
        values[~valid] = np.nan
        parts[target] = values
    given = measured.attributes
    attributes: dict[str, Any] = {
        "origin": "measured",
        "pitch_rows_nm": along_rows * 1e9,
        "pitch_columns_nm": along_columns * 1e9,
        "valid_fraction": float(valid.mean()),
    }
    names_kept = ("loading_sense", "strain_measure", "specimen_id", "source_file", "source_sha256")
    attributes |= {name: given[name] for name in names_kept if name in given}
    if "vsg_m" in given:
        attributes["gauge_nm"] = given["vsg_m"] * 1e9
    if "test_strain" in given:
        attributes["reload_strain"] = given["test_strain"]
    return StrainMap(
        **parts,
        valid=valid,
        pitch_nm=min(along_rows, along_columns) * 1e9,
        frame="deformed",
        attributes=attributes,
    ).check(where)


def _square_points(
    measured: MeasuredMap, turned: bool, where: object
) -> tuple[NDArray[np.int64] | None, NDArray[np.int64] | None]:
    """Return which measured row and column each square point sees, None where they are square."""
    along_rows, along_columns = measured.pitch_x_m, measured.pitch_y_m
    n_rows, n_columns = measured.shape[::-1]
    if turned:
        along_rows, along_columns = along_columns, along_rows
        n_rows, n_columns = n_columns, n_rows
    ratio = along_rows / along_columns
    if abs(ratio - 1) < 1e-3:
        return None, None
    if max(ratio, 1 / ratio) > _LARGEST_PITCH_RATIO:
        raise BadInputError(
            f"pitches are {along_rows:.3g} m and {along_columns:.3g} m",
            where=where,
            allowed=f"no more than {_LARGEST_PITCH_RATIO:g} to 1",
        )
    pitch = min(along_rows, along_columns)
    nearest = []
    for count, own in ((n_rows, along_rows), (n_columns, along_columns)):
        new_count = max(2, round(count * own / pitch))
        # Centres of the new points, counted in old ones.
        seen = np.floor((np.arange(new_count) + 0.5) * pitch / own).astype(np.int64)
        nearest.append(np.minimum(seen, count - 1))
    return nearest[0], nearest[1]
