"""The strain map as a digital image correlation would measure it, not as the simulator knows it.

A correlation sees neither points nor steps: it fits each subset of pixels, loses what it cannot
fit, and takes strain over a window of subsets. A box average of displacement over the subset
followed by a plane fit over the window reproduces the profile of a slip step to 1-5 % of its peak
against an open correlation engine on speckle pictures (physics.md 5).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d, uniform_filter

from strainprint.errors import BadInputError
from strainprint.maps.gauge import strain_from_displacement, virtual_gauge
from strainprint.maps.strain_map import StrainMap

Floats = NDArray[np.float64]

# A step of height s across the middle of a subset leaves s/4 (root mean square) to a plane fit.
_STEP_OVER_RESIDUAL = 4.0


@dataclass(frozen=True)
class Instrument:
    """Settings of a correlation; its pixel is one point of the map that it measures.

    Attributes
    ----------
    subset_px, step_px
        Side of the square subsets (odd), and distance of their centres.
    window_points
        Side of the strain window in subset centres (odd, 3 or more).
    noise_px
        Standard deviation of each displacement component in pixels. Subsets that overlap share
        pixels and so their noise: white noise is averaged over the subset.
    lost_step_px
        Slip step across the middle of a subset, in pixels, from which on its correlation fails.
        ASSUME: first-order subsets lose their pattern at about one pixel; every misfit counts as
        the step that would leave it.
    """

    subset_px: int
    step_px: int
    window_points: int
    noise_px: float = 0.0
    lost_step_px: float = 1.0

    def __post_init__(self) -> None:
        """Refuse settings that no correlation has, by name."""
        for name, least, odd in (
            ("subset_px", 3, True),
            ("step_px", 1, False),
            ("window_points", 3, True),
        ):
            value = getattr(self, name)
            if value < least or (odd and value % 2 == 0):
                raise BadInputError(
                    f"instrument.{name} is {value}",
                    allowed=f"{'an odd number' if odd else 'a whole number'}, {least} or more",
                )
        for name, allowed in (("noise_px", "0 or more"), ("lost_step_px", "above 0")):
            value = getattr(self, name)
            if not (np.isfinite(value) and (value >= 0 if name == "noise_px" else value > 0)):
                raise BadInputError(f"instrument.{name} is {value}", allowed=allowed)

    @classmethod
    def from_settings(cls, settings: Mapping[str, Any] | None) -> Instrument | None:
        """Return the instrument of a study's settings; None where it has none."""
        return cls(**settings) if settings else None

    @classmethod
    def from_texts(cls, texts: Sequence[str]) -> Instrument:
        """Return the instrument of texts like ``subset_px=9``.

        Raises
        ------
        BadInputError
            A key is unknown, given twice or missing, or a value is no number.
        """
        kinds = {
            f.name: float if f.name in ("noise_px", "lost_step_px") else int for f in fields(cls)
        }
        given: dict[str, Any] = {}
        for text in texts:
            key, _, value = text.partition("=")
            try:
                if key in given:
                    raise ValueError
                given[key] = kinds[key](value)
            except (KeyError, ValueError) as error:
                raise BadInputError(
                    f"instrument setting {text!r}",
                    allowed="each once, whole numbers for the first three: " + ", ".join(kinds),
                ) from error
        missing = [key for key in ("subset_px", "step_px", "window_points") if key not in given]
        if missing:
            raise BadInputError(f"the instrument lacks {', '.join(missing)}")
        return cls(**given)

    @property
    def gauge_px(self) -> int:
        """Length of the virtual strain gauge in pixels."""
        return int(virtual_gauge(self.window_points, self.step_px, self.subset_px))

    def measure(self, strain_map: StrainMap, random: np.random.Generator) -> StrainMap:
        """Return the map as this instrument sees it.

        Subsets that are not wholly on the body are lost, so the map ends half a subset inside it;
        so are those that a slip step tears. Strain (infinitesimal) is taken over what is left of
        each window, mask first. The result's pitch is the step; its attributes gain ``gauge_nm``
        and ``valid_fraction``.

        Parameters
        ----------
        strain_map
            Displacement increments at every pixel of the picture.
        random
            Source of the displacement noise.

        Raises
        ------
        BadInputError
            The body is smaller than three subset centres each way, or no subset correlates.
        """
        rows, columns = (_centres(n, self.subset_px, self.step_px) for n in strain_map.shape)
        where = strain_map.attributes.get("map_id")
        if min(len(rows), len(columns)) < 3:
            raise BadInputError(
                f"subsets of {self.subset_px} px every {self.step_px} px on a picture of "
                f"{strain_map.shape[0]} x {strain_map.shape[1]} px",
                where=where,
                allowed="three subsets each way or more",
                way_out="a smaller subset_px or step_px, or a finer maps.pitch_nm",
            )
        sampled = np.ix_(rows, columns)
        whole = _box_mean(strain_map.valid.astype(np.float64), self.subset_px)[sampled] > 1 - 1e-9
        averaged, misfit = [], np.zeros(whole.shape)
        for displacement in (strain_map.ux_nm, strain_map.uy_nm):
            values = np.where(strain_map.valid, displacement, 0.0).astype(np.float64)
            mean, residual = _plane_fit(values, self.subset_px)
            misfit += residual[sampled]
            noise = _box_mean(random.standard_normal(values.shape), self.subset_px)[sampled]
            # The mean of a subset's pixels has 1/subset of one pixel's deviation.
            scale = self.noise_px * self.subset_px * strain_map.pitch_nm
            averaged.append(mean[sampled] + scale * noise)
        torn = _STEP_OVER_RESIDUAL * np.sqrt(misfit) > self.lost_step_px * strain_map.pitch_nm
        kept = whole & ~torn
        if not kept.any():
            raise BadInputError(
                "no subset correlates: slip steps tear them all, or none is wholly on the body",
                where=where,
                way_out="a smaller subset_px or a larger lost_step_px",
            )
        ux, uy = (np.where(kept, values, np.nan) for values in averaged)
        pitch_nm = strain_map.pitch_nm * self.step_px
        # Columns run along y and rows along x here.
        strain = strain_from_displacement(
            uy,
            ux,
            pitch_x=pitch_nm,
            pitch_y=pitch_nm,
            window_points=self.window_points,
            measure="infinitesimal",
        )
        valid = kept & np.isfinite(strain.exx)
        if not valid.any():
            raise BadInputError(
                "no strain window holds enough subsets",
                where=where,
                way_out="a smaller subset_px or a larger lost_step_px",
            )
        parts = {"ux_nm": ux, "uy_nm": uy, "exx": strain.eyy, "eyy": strain.exx, "exy": strain.exy}
        return StrainMap(
            **{
                name: np.where(valid, values, np.nan).astype(np.float32)
                for name, values in parts.items()
            },
            valid=valid,
            pitch_nm=pitch_nm,
            frame=strain_map.frame,
            attributes={
                **strain_map.attributes,
                "gauge_nm": self.gauge_px * strain_map.pitch_nm,
                "valid_fraction": float(valid.mean()),
            },
        )


def _centres(count: int, subset: int, step: int) -> NDArray[np.int64]:
    """Return the pixels on which subsets that fit into ``count`` pixels are centred, in its middle.

    Empty where none fits.
    """
    room = count - subset
    if room < 0:
        return np.empty(0, dtype=np.int64)
    fitting = room // step + 1
    first = subset // 2 + (room - (fitting - 1) * step) // 2
    return first + step * np.arange(fitting, dtype=np.int64)


def _box_mean(values: Floats, side: int) -> Floats:
    return np.asarray(uniform_filter(values, side, mode="constant"))


def _plane_fit(values: Floats, side: int) -> tuple[Floats, Floats]:
    """Return mean of a plane fitted to each square of ``side`` pixels, and the mean square left."""
    # Sums of squares of large displacements would lose the small misfit.
    offset = values.mean()
    values = values - offset
    k = np.arange(side, dtype=np.float64) - side // 2
    ones = np.full(side, 1.0 / side)
    mean = _box_mean(values, side)
    spread = float(np.mean(k * k))
    left = _box_mean(values * values, side) - mean * mean
    for along_rows, along_columns in ((k / side, ones), (ones, k / side)):
        slope = correlate1d(
            correlate1d(values, along_rows, axis=0, mode="constant"),
            along_columns,
            axis=1,
            mode="constant",
        )
        left -= slope * slope / spread
    return mean + offset, np.maximum(left, 0.0)
