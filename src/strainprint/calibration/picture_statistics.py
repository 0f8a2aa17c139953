"""Statistics of a grey picture that were published for the authors' ten profiles."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil

import numpy as np
from numpy.typing import NDArray

from strainprint.calibration.traces import find_traces, trace_angle_deg
from strainprint.errors import BadInputError


@dataclass(frozen=True)
class PictureStatistics:
    """What one picture looks like in numbers.

    Attributes
    ----------
    aspect
        Columns over rows.
    zero_fraction
        Share of pixels that are exactly 0.
    mean_grey
        Mean grey level, 0 to 255.
    top_1_share, top_5_share
        Share of the sum of grey in the brightest 1 and 5 % of the pixels.
    angle_deg
        Angle to the loading axis along which the picture is most line-like.
    traces, crossing_traces, faint_traces_from_side
        Number of slip traces, of those from side to side, and of those that are faint, start at
        a side and stop inside.
    """

    aspect: float
    zero_fraction: float
    mean_grey: float
    top_1_share: float
    top_5_share: float
    angle_deg: float
    traces: int
    crossing_traces: int
    faint_traces_from_side: int


def intensity_share(picture: NDArray[np.uint8], brightest: float) -> float:
    """Return the share of the sum of grey in the brightest share of pixels; NaN if all is black."""
    values = np.sort(picture.ravel())[::-1].astype(np.int64)
    total = values.sum()
    return float(values[: ceil(brightest * len(values))].sum() / total) if total else float("nan")


def below_one_grey(values: NDArray[np.float64]) -> float:
    """Return the zero fraction of a map whose grey levels are cut off, not rounded.

    Our pictures are rounded to the nearest level; which of the two the authors did is not known,
    and decides how much of the elastic strain around traces is drawn black. Points outside the
    body (NaN) are black.
    """
    low, high = np.nanmin(values), np.nanmax(values)
    black = ~((values - low) * 255.0 >= high - low) | (high == low)
    return float(np.mean(black))


def picture_statistics(
    picture: NDArray[np.uint8], body: NDArray[np.bool_] | None = None
) -> PictureStatistics:
    """Return the statistics of an 8-bit grey picture, rows across the width.

    ``body`` marks the pixels that show the body (all where None); only the sides of traces depend
    on it, since no mask was published with the authors' pictures.

    Raises
    ------
    BadInputError
        The picture is not 2-D uint8, is empty, or ``body`` has another shape.
    """
    if picture.ndim != 2 or picture.dtype != np.uint8 or picture.size == 0:
        raise BadInputError(
            f"picture has shape {picture.shape} and type {picture.dtype}",
            allowed="2-D uint8, at least 1 x 1",
        )
    if body is not None and body.shape != picture.shape:
        raise BadInputError(f"body has shape {body.shape}", allowed=f"{picture.shape}")
    traces = find_traces(picture, body)
    rows, columns = picture.shape
    return PictureStatistics(
        aspect=columns / rows,
        zero_fraction=float(np.mean(picture == 0)),
        mean_grey=float(picture.mean()),
        top_1_share=intensity_share(picture, 0.01),
        top_5_share=intensity_share(picture, 0.05),
        angle_deg=trace_angle_deg(picture),
        traces=len(traces),
        crossing_traces=sum(t.crosses for t in traces),
        faint_traces_from_side=sum(t.faint_from_side for t in traces),
    )
