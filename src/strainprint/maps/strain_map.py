"""The strain map: displacement increments and the strains taken from them on a square grid.

Arrays have the shape (rows, columns): rows run across the width (x), columns along the loading
axis (y). Lengths are in nm, strains are plain numbers, the shear is the tensor component
``exy = (dux/dy + duy/dx) / 2``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError

FRAMES = ("reference", "deformed")
COMPONENTS = ("ux_nm", "uy_nm", "exx", "eyy", "exy")


@dataclass(frozen=True)
class StrainMap:
    """One measured map: displacement increments (nm), strains and where they hold.

    ``ux_nm, uy_nm, exx, eyy, exy`` are float32 of one shape (rows, columns), NaN where ``valid`` is
    False; both displacements are NaN everywhere where only strain was measured. ``frame`` says on
    which body the grid lies: ``reference`` (undeformed) or ``deformed`` (relaxed after the prior
    strain). ``attributes`` are plain values that travel with the map: specimen, prior strain, study
    and so on.
    """

    ux_nm: NDArray[np.float32]
    uy_nm: NDArray[np.float32]
    exx: NDArray[np.float32]
    eyy: NDArray[np.float32]
    exy: NDArray[np.float32]
    valid: NDArray[np.bool_]
    pitch_nm: float
    frame: str
    attributes: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def from_displacement(
        cls,
        ux_nm: NDArray[np.floating],
        uy_nm: NDArray[np.floating],
        valid: NDArray[np.bool_],
        *,
        pitch_nm: float,
        frame: str,
        attributes: Mapping[str, Any] | None = None,
    ) -> StrainMap:
        """Build a map from displacement; points too lonely for a strain become invalid."""
        valid = with_neighbours(valid)
        exx, eyy, exy = strain_from_displacement(ux_nm, uy_nm, pitch_nm, valid)
        return cls(
            ux_nm=np.where(valid, ux_nm, np.nan).astype(np.float32),
            uy_nm=np.where(valid, uy_nm, np.nan).astype(np.float32),
            exx=exx,
            eyy=eyy,
            exy=exy,
            valid=valid,
            pitch_nm=float(pitch_nm),
            frame=frame,
            attributes=dict(attributes or {}),
        )

    def with_attributes(self, **attributes: Any) -> StrainMap:
        """Return the same map with these attributes added."""
        return replace(self, attributes={**self.attributes, **attributes})

    def taken_at(self, index: NDArray[np.int64]) -> StrainMap:
        """Return the map that sees this one's flat points ``index`` (-1: nothing, invalid)."""
        inside = index >= 0
        valid = inside & self.valid.ravel()[index]
        parts: dict[str, Any] = {
            name: np.where(valid, getattr(self, name).ravel()[index], np.float32(np.nan))
            for name in COMPONENTS
        }
        return replace(self, valid=valid, **parts)

    @property
    def shape(self) -> tuple[int, int]:
        """(rows, columns)."""
        rows, columns = self.valid.shape
        return rows, columns

    def check(self, where: object) -> StrainMap:
        """Return the map itself if it can be used.

        Raises
        ------
        BadInputError
            Wrong shape, pitch or frame, nothing valid, NaN or infinity where valid, or strains
            that are zero everywhere (typically: nothing correlated).
        """
        if self.valid.ndim != 2 or min(self.valid.shape) < 2:
            raise BadInputError(
                f"shape {self.valid.shape}", where=where, allowed="(rows, columns), 2 or more each"
            )
        for name in COMPONENTS:
            shape = getattr(self, name).shape
            if shape != self.valid.shape:
                raise BadInputError(
                    f"{name} has shape {shape}", where=where, allowed=f"{self.valid.shape} as valid"
                )
        if not (np.isfinite(self.pitch_nm) and self.pitch_nm > 0):
            raise BadInputError(f"pitch_nm is {self.pitch_nm}", where=where, allowed="above 0")
        if self.frame not in FRAMES:
            raise BadInputError(
                f"frame is {self.frame!r}", where=where, allowed=" or ".join(FRAMES)
            )
        if not self.valid.any():
            raise BadInputError(
                "no valid point (all NaN or masked)",
                where=where,
                way_out="measure it again; a map without one correlated point says nothing",
            )
        displaced = not (np.isnan(self.ux_nm).all() and np.isnan(self.uy_nm).all())
        for name in COMPONENTS if displaced else COMPONENTS[2:]:
            bad = int(np.count_nonzero(~np.isfinite(getattr(self, name)[self.valid])))
            if bad:
                raise BadInputError(
                    f"{name} is NaN or infinite at {bad} of {np.count_nonzero(self.valid)} "
                    "valid points",
                    where=where,
                    way_out="mark those points invalid",
                )
        if not any(getattr(self, name)[self.valid].any() for name in ("exx", "eyy", "exy")):
            raise BadInputError(
                "strain is exactly zero everywhere",
                where=where,
                way_out="many tools write 0 where correlation failed: mark those points invalid",
            )
        return self


def _derivative(
    values: NDArray[np.float64], valid: NDArray[np.bool_], pitch_nm: float, axis: int
) -> NDArray[np.float64]:
    """Differentiate along ``axis``: central inside, one-sided at edges, NaN with no neighbour."""
    values, valid = np.moveaxis(values, axis, 0), np.moveaxis(valid, axis, 0)
    result = np.full(values.shape, np.nan)
    step = np.diff(values, axis=0) / pitch_nm
    pair = valid[1:] & valid[:-1]
    result[:-1][pair] = step[pair]  # forward
    backward = pair.copy()
    backward[:-1] &= ~pair[1:]  # only where there is no point ahead
    result[1:][backward] = step[backward]
    central = pair[1:] & pair[:-1]
    result[1:-1][central] = 0.5 * (step[1:] + step[:-1])[central]
    return np.moveaxis(result, 0, axis)


def with_neighbours(valid: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Drop valid points that have no valid neighbour along x or none along y, until none is left.

    A difference needs two points: without a neighbour there is no strain.
    """
    valid = np.array(valid, dtype=bool)
    while True:
        padded = np.pad(valid, 1)
        keep = (
            valid & (padded[:-2, 1:-1] | padded[2:, 1:-1]) & (padded[1:-1, :-2] | padded[1:-1, 2:])
        )
        if np.array_equal(keep, valid):
            return valid
        valid = keep


def strain_from_displacement(
    ux_nm: NDArray[np.floating],
    uy_nm: NDArray[np.floating],
    pitch_nm: float,
    valid: NDArray[np.bool_],
) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
    """Return the infinitesimal strains (exx, eyy, exy) of a displacement field.

    Central differences where both neighbours are valid, one-sided at edges of the valid region,
    as ``np.gradient`` does at the edges of an array. exy is the tensor shear. NaN outside
    ``valid`` and at points without a neighbour along x or y (:func:`with_neighbours` drops those).
    Differences are taken in float64: float32 displacements of some nm carry about 1e-7 of strain
    in rounding, float64 ones none that matters.
    """
    ux, uy = np.asarray(ux_nm, dtype=np.float64), np.asarray(uy_nm, dtype=np.float64)
    valid = np.asarray(valid, dtype=bool)
    if ux.ndim != 2 or ux.shape != uy.shape or ux.shape != valid.shape:
        raise BadInputError(
            f"shapes ux {ux.shape}, uy {uy.shape}, valid {valid.shape}",
            allowed="one common shape (rows, columns)",
        )
    exx = _derivative(ux, valid, pitch_nm, axis=0)
    eyy = _derivative(uy, valid, pitch_nm, axis=1)
    exy = 0.5 * (
        _derivative(ux, valid, pitch_nm, axis=1) + _derivative(uy, valid, pitch_nm, axis=0)
    )
    lonely = ~np.isfinite(exy)
    exx[lonely] = eyy[lonely] = np.nan
    return exx.astype(np.float32), eyy.astype(np.float32), exy.astype(np.float32)
