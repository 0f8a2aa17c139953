"""From points in any order to a grid: regular with holes, ragged, or scattered.

Regular points are put where they belong, without interpolation, with a pitch of their own in x and
y. Only truly scattered ones are interpolated, and flagged.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Delaunay, QhullError, cKDTree

from strainprint.errors import BadInputError
from strainprint.maps.readers.reading import LARGEST_POINTS

Floats = NDArray[np.float64]

_OFF_GRID = 0.1
_MOST_SCATTERED = 2_000_000
_LEAST_FILL = 0.002
_DENSE = 0.1
"""Share of filled places below which most points must have neighbours one step away: coordinates
rounded to few digits lie on a grid of these digits, hardly two of them side by side."""
# A point of the grid belongs to the body if a measurement lies within this many pitches.
_REACH = 2.0


@dataclass(frozen=True)
class Axis:
    """An even axis: start, step, count; and the number of each given point on it."""

    start: float
    step: float
    count: int
    index: NDArray[np.int64]

    def coordinates(self) -> Floats:
        """Return the coordinates of the axis, ascending."""
        return np.asarray(self.start + self.step * np.arange(self.count), dtype=np.float64)


@dataclass(frozen=True)
class Grid:
    """Where points lie on a grid, or how its points are interpolated from scattered ones.

    ``flat`` (for regular points): the place of each point in the flattened grid. Otherwise
    ``corners`` (n_inside, 3) and ``weights`` say how each grid point ``inside`` (flat) follows
    from three measured ones.
    """

    x: Floats
    y: Floats
    flat: NDArray[np.int64] | None
    inside: NDArray[np.int64] | None = None
    corners: NDArray[np.int32] | None = None
    weights: NDArray[np.float32] | None = None

    @property
    def shape(self) -> tuple[int, int]:
        """(rows of y, columns of x)."""
        return len(self.y), len(self.x)

    @property
    def interpolated(self) -> bool:
        """Whether the points were scattered."""
        return self.flat is None

    def laid(self, values: NDArray[np.floating], dtype: type[np.floating]) -> NDArray[np.floating]:
        """Return the values of the points on the grid, NaN where there is none."""
        out = np.full(self.shape[0] * self.shape[1], np.nan, dtype=dtype)
        if self.flat is not None:
            out[self.flat] = values
        elif self.corners is not None and self.weights is not None and self.inside is not None:
            out[self.inside] = (values[self.corners] * self.weights).sum(axis=1)
        return out.reshape(self.shape)


def is_even(axis: NDArray[np.floating]) -> bool:
    """Tell whether neighbours on an axis, ascending or descending, are one step apart."""
    if len(axis) < 2 or not np.isfinite(axis).all():
        return False
    steps = np.diff(axis)
    mean = float(steps.mean())
    return mean != 0 and bool((np.abs(steps - mean) <= _OFF_GRID * abs(mean)).all())


def even_axes(values: NDArray[np.floating]) -> Iterator[Axis]:
    """Yield the even axes that all values lie on within a tenth of the step, coarsest first.

    Coordinates carry rounding, and displacements subtracted from them noise: values closer to each
    other than some jump among the distances count as one line, and the smallest distance between
    lines is the step. Several axes can fit (rounded digits are a fine grid of their own).
    """
    order = np.argsort(values, kind="stable")
    ordered = np.asarray(values[order], dtype=np.float64)
    gaps = np.diff(ordered)
    for threshold in _thresholds(gaps):
        apart = gaps > threshold
        starts = np.concatenate([[0], np.flatnonzero(apart) + 1])
        ends = np.concatenate([starts[1:], [len(ordered)]]) - 1
        spread = float((ordered[ends] - ordered[starts]).max())
        centres = 0.5 * (ordered[ends] + ordered[starts])
        distances = np.diff(centres)
        smallest = float(distances.min())
        if spread > 2 * _OFF_GRID * smallest:
            continue
        # One step, from the distances that are one step.
        step = float(np.mean(distances[distances < 1.5 * smallest]))
        places = np.concatenate([[0.0], np.cumsum(np.rint(distances / step))])
        if not places[-1] < LARGEST_POINTS:
            continue
        # Least squares through all lines of the grid.
        centred = places - places.mean()
        step = float((centred * (centres - centres.mean())).sum() / (centred**2).sum())
        start = float(centres.mean() - step * places.mean())
        if not step > 0 or np.abs(centres - start - step * places).max() > _OFF_GRID * step:
            continue
        index = np.empty(len(values), dtype=np.int64)
        line = np.concatenate([[0], np.cumsum(apart)])
        index[order] = places.astype(np.int64)[line]
        yield Axis(start, step, int(places[-1]) + 1, index)


def _thresholds(gaps: Floats) -> list[float]:
    """Return distances that may part noise from steps, largest first: wide jumps among the gaps."""
    positive = np.unique(gaps[gaps > 0])
    if len(positive) == 0:
        return []
    wide = np.flatnonzero(positive[1:] > 4 * positive[:-1])
    # 64 jumps by a factor of four span 38 decades.
    found = [float(np.sqrt(positive[i]) * np.sqrt(positive[i + 1])) for i in wide[::-1][:64]]
    return [*found, 0.0]


def lay_points(x: NDArray[np.floating], y: NDArray[np.floating], where: object) -> Grid:
    """Return the grid of points.

    Raises
    ------
    BadInputError
        Too few points, a coordinate that is not finite, two points at one place, points on a line,
        a grid far larger than its points fill, or too many scattered points.
    """
    if len(x) < 4:
        raise BadInputError(f"holds {len(x)} points", where=where, allowed="4 or more")
    if not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise BadInputError("a coordinate is not finite", where=where)
    pairs = [(one, other) for one in even_axes(x) for other in even_axes(y)]
    shared = False
    for along_x, along_y in sorted(pairs, key=lambda pair: pair[0].count * pair[1].count):
        count = along_x.count * along_y.count
        if len(x) < _LEAST_FILL * count or count > LARGEST_POINTS:
            break
        flat = along_y.index * along_x.count + along_x.index
        if _any_twice(flat, count):
            shared = True
        elif len(x) > _DENSE * count or _side_by_side(flat, along_y.count, along_x.count):
            return Grid(along_x.coordinates(), along_y.coordinates(), flat)
    if shared:
        raise BadInputError(
            "two points lie at one place",
            where=where,
            allowed="one step of one specimen in a file",
            way_out="export steps and overlapping regions one by one",
        )
    return _scattered(x, y, where)


def _any_twice(flat: NDArray[np.int64], count: int) -> bool:
    seen = np.zeros(count, dtype=bool)
    seen[flat] = True
    return int(np.count_nonzero(seen)) < len(flat)


def _side_by_side(flat: NDArray[np.int64], rows: int, columns: int) -> bool:
    """Return whether most places have a filled one beside them along x and along y."""
    seen = np.zeros((rows, columns), dtype=bool)
    seen.flat[flat] = True
    beside, above = np.zeros_like(seen), np.zeros_like(seen)
    beside[:, 1:] |= seen[:, :-1]
    beside[:, :-1] |= seen[:, 1:]
    above[1:] |= seen[:-1]
    above[:-1] |= seen[1:]
    return bool(2 * np.count_nonzero(seen & beside & above) > len(flat))


def _scattered(x: NDArray[np.floating], y: NDArray[np.floating], where: object) -> Grid:
    """Interpolate linearly between scattered points, on a square grid of their usual distance."""
    if len(x) > _MOST_SCATTERED:
        raise BadInputError(
            f"{len(x)} scattered points", where=where, allowed=f"up to {_MOST_SCATTERED}"
        )
    scale = max(float(np.ptp(x)), float(np.ptp(y)))
    if not 0 < scale < np.inf:
        raise BadInputError("all points lie at one place", where=where)
    points = np.column_stack([(x - x.min()) / scale, (y - y.min()) / scale])
    tree = cKDTree(points)
    nearest = np.asarray(tree.query(points, k=2)[0])[:, 1]
    pitch = float(np.median(nearest))
    if pitch <= 0 or float(np.count_nonzero(nearest == 0)) > 0:
        raise BadInputError("two points lie at one place", where=where)
    count = (np.ptp(points, axis=0) / pitch + 1e-6).astype(np.int64) + 1
    if count.min() < 2 or float(count[0]) * float(count[1]) * _LEAST_FILL > len(x):
        raise BadInputError(
            "points lie on a line, or far from each other in few places",
            where=where,
            allowed="points that cover an area",
        )
    try:
        triangles = Delaunay(points)
    except QhullError as error:
        raise BadInputError("points do not span an area", where=where) from error
    columns, rows = int(count[0]), int(count[1])
    grid_x, grid_y = np.arange(columns) * pitch, np.arange(rows) * pitch
    nodes = np.column_stack([np.tile(grid_x, rows), np.repeat(grid_y, columns)])
    triangle = triangles.find_simplex(nodes)
    distance = tree.query(nodes, k=1)[0]
    inside = np.flatnonzero((triangle >= 0) & (distance <= _REACH * pitch))
    transform = triangles.transform[triangle[inside]]
    part = np.einsum("nij,nj->ni", transform[:, :2], nodes[inside] - transform[:, 2])
    weights = np.column_stack([part, 1 - part.sum(axis=1)])
    good = np.isfinite(weights).all(axis=1)
    inside, weights = inside[good], weights[good]
    return Grid(
        x.min() + grid_x * scale,
        y.min() + grid_y * scale,
        None,
        inside,
        triangles.simplices[triangle[inside]].astype(np.int32),
        weights.astype(np.float32),
    )
