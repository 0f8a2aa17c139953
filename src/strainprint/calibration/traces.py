"""Slip traces in a grey picture: where they are, how far they reach, how bright they are.

Active planes lie at 30 degrees to the loading axis, so a trace becomes a straight row of pixels
when the picture is sheared along that direction. The same functions serve simulated pictures and
any 8-bit picture that an author published.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import radians, tan

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.crystal import SLIP_ANGLE_DEG

LEVEL = 4
"""Grey level from which a pixel counts as part of a trace: above the elastic strain's 0 to 2."""

FEWEST_ROWS = 8
"""Rows (16 nm across the body at the published pitch) that a trace covers at least; where traces of
the other system cross, a run is 2 to 4 rows long."""

APART_PX = 4
"""Pixels along the loading axis within which parallel traces count as one: a single slipped plane
is drawn that wide by central differences."""

RIDGE = 1.25
"""Factor by which a trace is brighter than the mean of what lies ``APART_PX`` to either side."""

FAINT_GREY = 64.0
"""Mean grey below which a trace is faint: a quarter of the brightest possible."""

SIDE_ROWS = 2
"""Rows within which a trace that ends there counts as reaching the side."""


@dataclass(frozen=True)
class Trace:
    """One slip trace.

    Attributes
    ----------
    rising
        Whether columns grow with rows along it (one of the two slip systems).
    column
        Column at which its line meets row 0 (can lie outside the picture).
    first_row, last_row
        Rows that it covers, both included.
    mean_grey
        Mean grey level along it.
    reaches_first, reaches_last
        Whether it ends at the side of the body at low rows, at the side at high rows.
    """

    rising: bool
    column: int
    first_row: int
    last_row: int
    mean_grey: float
    reaches_first: bool
    reaches_last: bool

    @property
    def crosses(self) -> bool:
        """Whether it runs from side to side."""
        return self.reaches_first and self.reaches_last

    @property
    def faint_from_side(self) -> bool:
        """Whether it is faint, starts at one side and stops inside the body."""
        return self.mean_grey < FAINT_GREY and self.reaches_first != self.reaches_last


def sheared(
    picture: NDArray[np.uint8] | NDArray[np.float64], angle_deg: float, rising: bool
) -> tuple[NDArray[np.float64], int]:
    """Return the picture sheared so that lines at ``angle_deg`` to the columns become rows of it.

    Returns
    -------
    lines
        (lines, rows): grey along the line that meets row 0 at column ``offset + line``, linear
        between columns, 0 outside the picture.
    offset
        Column of the first line, 0 or negative.
    """
    values = np.asarray(picture, dtype=np.float64)
    rows, columns = values.shape
    run = (1.0 if rising else -1.0) / tan(radians(angle_deg)) * np.arange(rows)
    first = int(np.floor(min(0.0, -run.max())))
    last = int(np.ceil(columns - min(0.0, run.min())))
    start = np.arange(first, last)
    at = np.arange(columns)
    lines = np.empty((len(start), rows))
    for row in range(rows):
        lines[:, row] = np.interp(start + run[row], at, values[row], left=0.0, right=0.0)
    return lines, first


def trace_angle_deg(picture: NDArray[np.uint8]) -> float:
    """Return the angle to the loading axis (degrees) along which the picture is most line-like.

    The angle, of either sense, whose line sums vary most; searched from 20 to 45 degrees in steps
    of 0.5 and refined by a parabola. NaN for a picture without contrast.
    """
    if picture.size == 0 or picture.max() == picture.min():
        return float("nan")
    angles = np.arange(20.0, 45.01, 0.5)
    sharpness = [
        max(float(np.square(sheared(picture, a, up)[0].sum(axis=1)).sum()) for up in (True, False))
        for a in angles
    ]
    best = int(np.argmax(sharpness))
    if 0 < best < len(angles) - 1:
        left, top, right = sharpness[best - 1 : best + 2]
        bend = left - 2 * top + right
        shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
        return float(angles[best] + 0.5 * shift)
    return float(angles[best])


def find_traces(
    picture: NDArray[np.uint8],
    body: NDArray[np.bool_] | None = None,
    angle_deg: float = SLIP_ANGLE_DEG,
) -> list[Trace]:
    """Return the slip traces of a picture, brightest first.

    Parameters
    ----------
    picture
        Grey levels, rows across the width, columns along the loading axis.
    body
        Which pixels show the body; all where None (no mask was published).
    angle_deg
        Angle of the traces to the loading axis.

    A trace is a run of at least ``FEWEST_ROWS`` rows at or above ``LEVEL`` along one line that is
    ``RIDGE`` times as bright as its surroundings. Taken by falling sum of grey; what lies within
    ``APART_PX`` of a trace already taken counts for no other one, and does not interrupt it.
    """
    inside = np.ones(picture.shape, dtype=bool) if body is None else body
    grey = {rising: sheared(picture, angle_deg, rising) for rising in (True, False)}
    candidates = [
        (total, rising, k, first, end)
        for rising, (lines, _) in grey.items()
        for k in map(int, np.flatnonzero((lines >= LEVEL).sum(axis=1) >= FEWEST_ROWS))
        for total, first, end in _runs(lines[k], np.zeros(len(lines[k]), dtype=bool))
    ]
    taken = np.zeros(picture.shape, dtype=bool)
    traces = []
    for _, rising, k, first, end in sorted(candidates, reverse=True):
        lines, offset = grey[rising]
        column = k + offset
        rows = np.arange(first, end)
        columns = _columns(column, rows, angle_deg, rising)
        hidden = _at(taken, rows, columns)
        for total, start, stop in _runs(lines[k, first:end], hidden):
            seen = ~hidden[start:stop]
            span = rows[start:stop]
            beside = np.zeros(len(span))
            for aside in (-APART_PX, APART_PX):
                free = ~_at(taken, span, columns[start:stop] + aside)
                beside += 0.5 * free * _line(lines, k + aside)[span]
            if total <= RIDGE * float(beside[seen].sum()):
                continue
            ends = [(int(rows[at]), round(float(columns[at]))) for at in (start, stop - 1)]
            traces.append(
                Trace(
                    rising=rising,
                    column=column,
                    first_row=ends[0][0],
                    last_row=ends[1][0],
                    mean_grey=total / int(seen.sum()),
                    reaches_first=_body_beyond(inside, *ends[0], -1) <= SIDE_ROWS,
                    reaches_last=_body_beyond(inside, *ends[1], 1) <= SIDE_ROWS,
                )
            )
            for row, middle in zip(span, np.rint(columns[start:stop]).astype(int), strict=True):
                taken[row, max(0, middle - APART_PX) : max(0, middle + APART_PX + 1)] = True
    return sorted(traces, key=lambda t: -t.mean_grey * (t.last_row - t.first_row + 1))


def _columns(
    column: int, rows: NDArray[np.int64], angle_deg: float, rising: bool
) -> NDArray[np.float64]:
    """Return where a line is at each row."""
    run = (1.0 if rising else -1.0) / tan(radians(angle_deg))
    return column + run * rows.astype(np.float64)


def _at(
    mask: NDArray[np.bool_], rows: NDArray[np.int64], columns: NDArray[np.float64]
) -> NDArray[np.bool_]:
    """Return a mask's value at the pixels nearest to points, False outside the picture."""
    near = np.rint(columns).astype(int)
    there: NDArray[np.bool_] = mask[rows, np.clip(near, 0, mask.shape[1] - 1)]
    there[(near < 0) | (near >= mask.shape[1])] = False
    return there


def _line(lines: NDArray[np.float64], k: int) -> NDArray[np.float64]:
    return lines[k] if 0 <= k < len(lines) else np.zeros(lines.shape[1])


def _runs(line: NDArray[np.float64], hidden: NDArray[np.bool_]) -> list[tuple[float, int, int]]:
    """Return (sum of grey, first, end) of the runs of a line; hidden points bridge, never end."""
    bright = (line >= LEVEL) & ~hidden
    edges = np.flatnonzero(np.diff(np.pad((bright | hidden).astype(np.int8), 1)))
    runs = []
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        seen = np.flatnonzero(bright[first:end])
        if len(seen) >= FEWEST_ROWS:
            total = float(line[first:end][seen].sum())
            runs.append((total, int(first + seen[0]), int(first + seen[-1] + 1)))
    return runs


def _body_beyond(body: NDArray[np.bool_], row: int, column: int, towards: int) -> int:
    """Return how many pixels of the body lie between a point and the side, straight across it.

    All of them where the point lies beyond an end of the picture: no side is there.
    """
    if not 0 <= column < body.shape[1]:
        return len(body)
    beyond = body[:row, column] if towards < 0 else body[row + 1 :, column]
    return int(np.count_nonzero(beyond))
