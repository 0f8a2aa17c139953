"""Cells of near points against comparing all with all."""

from __future__ import annotations

import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM

from strainprint.specimens.compilation import compiled
from strainprint.specimens.neighbours import (
    cell_of,
    empty_cells,
    enter_cell,
    fill_cells,
    find_within,
    leave_cell,
)
from strainprint.specimens.pillar import make_pillar

BODY = make_pillar(250.0, 1000.0, ALUMINIUM)


@compiled
def find(body, first, following, xs, ys, x, y, radius, which):
    return find_within(body, first, following, xs, ys, x, y, radius, which)


@compiled
def move(body, first, following, old, x, y, i):
    leave_cell(first, following, old, i)
    enter_cell(first, following, cell_of(body, x, y), i)


@compiled
def cell(body, x, y):
    return cell_of(body, x, y)


def _points(count):
    rng = np.random.Generator(np.random.PCG64(1))
    # some on the edges and, as obstacles of a plane may let them, a little outside
    return 252.0 * (rng.random(count) - 0.5), 1002.0 * rng.random(count) - 1.0


@pytest.mark.parametrize("radius", [0.0, 20.0, 60.0, 61.0, 180.0, 540.0, 2000.0])
def test_finds_what_comparing_all_finds(radius):
    xs, ys = _points(300)
    first, following = fill_cells(BODY, xs, ys)
    which = np.zeros(300, np.int64)
    for x, y in zip(xs[:40], ys[:40], strict=True):
        count = find(BODY, first, following, xs, ys, x, y, radius, which)
        expected = np.flatnonzero((xs - x) ** 2 + (ys - y) ** 2 <= radius**2)
        np.testing.assert_array_equal(np.sort(which[:count]), expected)


def test_points_that_change_cells_are_found_where_they_are():
    xs, ys = _points(200)
    first, following = fill_cells(BODY, xs, ys)
    for i in range(0, 200, 3):
        old = cell(BODY, xs[i], ys[i])
        xs[i], ys[i] = -xs[i], 1000.0 - ys[i]
        move(BODY, first, following, old, xs[i], ys[i], i)
    which = np.zeros(200, np.int64)
    assert find(BODY, first, following, xs, ys, 0.0, 500.0, 2000.0, which) == 200
    count = find(BODY, first, following, xs, ys, 10.0, 400.0, 90.0, which)
    expected = np.flatnonzero((xs - 10.0) ** 2 + (ys - 400.0) ** 2 <= 90.0**2)
    np.testing.assert_array_equal(np.sort(which[:count]), expected)


def test_an_empty_body_holds_nothing():
    first = empty_cells(BODY)
    which = np.zeros(1, np.int64)
    nothing = np.zeros(0, np.int64), np.zeros(0), np.zeros(0)
    assert find(BODY, first, *nothing, 0.0, 500.0, 2000.0, which) == 0
