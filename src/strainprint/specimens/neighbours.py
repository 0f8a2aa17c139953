"""Which points lie near a place: square cells over the body, each a linked list of its points.

``first[c]`` is the first point in cell c and ``following[i]`` the next one after point i, -1 for
none. Lengths are in nm, x from the middle of the body, y from its lower platen.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, folded, uncounted
from strainprint.specimens.pillar import Pillar

Array = NDArray[np.float64]
Integers = NDArray[np.int64]

_LEAST_NM = 60.0
"""Side of a cell in all but very wide bodies."""

_MOST_COLUMNS = 64


@folded
def _grid(pillar: Pillar) -> tuple[float, int, int]:
    """Return the side of a cell (nm), how many lie side by side and how many on each other."""
    side = max(_LEAST_NM, 2.0 * pillar.half_width / _MOST_COLUMNS)
    return side, int(2.0 * pillar.half_width / side) + 1, int(pillar.height / side) + 1


@folded
def _index(distance: float, count: int) -> int:
    """Return the cell at a distance from the first edge, in sides, the nearest outside the body."""
    return int(min(max(distance, 0.0), count - 1.0))


@folded
def cell_of(pillar: Pillar, x: float, y: float) -> int:
    """Return the cell that holds a place."""
    side, columns, rows = _grid(pillar)
    return _index(y / side, rows) * columns + _index((x + pillar.half_width) / side, columns)


@compiled
def empty_cells(pillar: Pillar) -> Integers:
    """Return ``first`` of a body without points."""
    _, columns, rows = _grid(pillar)
    return np.full(rows * columns, -1)


@compiled
def fill_cells(pillar: Pillar, x: Array, y: Array) -> tuple[Integers, Integers]:
    """Return ``first`` and ``following`` of points that never move."""
    first = empty_cells(pillar)
    following = np.full(len(x), -1)
    for i in range(len(x)):
        enter_cell(first, following, cell_of(pillar, x[i], y[i]), i)
    return first, following


@uncounted
def enter_cell(first: Integers, following: Integers, cell: int, i: int) -> None:
    """Put point i into a cell."""
    following[i] = first[cell]
    first[cell] = i


@uncounted
def leave_cell(first: Integers, following: Integers, cell: int, i: int) -> None:
    """Take point i out of the cell that holds it."""
    if first[cell] == i:
        first[cell] = following[i]
        return
    before = first[cell]
    while following[before] != i:
        before = following[before]
    following[before] = following[i]


@uncounted
def find_within(
    pillar: Pillar,
    first: Integers,
    following: Integers,
    xs: Array,
    ys: Array,
    x: float,
    y: float,
    radius: float,
    which: Integers,
) -> int:
    """Fill ``which`` with the points at (xs, ys) within a radius of (x, y); returns how many."""
    side, columns, rows = _grid(pillar)
    from_left = x + pillar.half_width
    first_column = _index((from_left - radius) / side, columns)
    last_column = _index((from_left + radius) / side, columns)
    radius2 = radius * radius
    count = 0
    for row in range(_index((y - radius) / side, rows), _index((y + radius) / side, rows) + 1):
        for cell in range(row * columns + first_column, row * columns + last_column + 1):
            i = first[cell]
            while i >= 0:
                if (xs[i] - x) ** 2 + (ys[i] - y) ** 2 <= radius2:
                    which[count] = i
                    count += 1
                i = following[i]
    return count
