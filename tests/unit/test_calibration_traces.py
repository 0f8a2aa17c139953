"""Traces and picture statistics: every number known from how the picture was drawn."""

from math import radians, tan

import numpy as np
import pytest

from strainprint.calibration.picture_statistics import (
    below_one_grey,
    intensity_share,
    picture_statistics,
)
from strainprint.calibration.traces import find_traces, trace_angle_deg
from strainprint.errors import BadInputError

ROWS, COLUMNS = 62, 250


def drawn(*lines, angle_deg=30.0, shape=(ROWS, COLUMNS)):
    """Draw lines (rising, column at row 0, first row, last row, grey), five pixels long each."""
    picture = np.zeros(shape, dtype=np.uint8)
    for rising, column, first, last, grey in lines:
        for row in range(first, last + 1):
            middle = column + (1 if rising else -1) * row / tan(radians(angle_deg))
            for at in range(int(np.ceil(middle - 2)), int(np.floor(middle + 2)) + 1):
                if 0 <= at < shape[1]:
                    picture[row, at] = max(picture[row, at], grey)
    return picture


def test_one_line_is_one_trace_with_its_place_and_brightness():
    (trace,) = find_traces(drawn((True, 40, 0, ROWS - 1, 200)))
    assert trace.rising
    assert abs(trace.column - 40) <= 1
    assert (trace.first_row, trace.last_row) == (0, ROWS - 1)
    assert trace.crosses
    assert trace.mean_grey == pytest.approx(200, rel=0.02)


def test_crossing_lines_are_one_trace_of_each_system():
    traces = find_traces(drawn((True, 60, 0, ROWS - 1, 200), (False, 170, 0, ROWS - 1, 90)))
    assert [t.rising for t in traces] == [True, False]


def test_parallel_lines_are_told_apart_from_six_pixels_on():
    lines = [(True, 40 + 7 * i, 0, ROWS - 1, 150) for i in range(4)]
    assert len(find_traces(drawn(*lines))) == 4


@pytest.mark.parametrize(
    ("first", "last", "grey", "counts"),
    [
        (0, 30, 20, 1),  # from the low side, stops inside
        (30, ROWS - 1, 20, 1),  # from the high side
        (20, 40, 20, 0),  # inside the body
        (0, ROWS - 1, 20, 0),  # from side to side
        (0, 30, 200, 0),  # not faint
    ],
)
def test_only_faint_traces_from_one_side_count_as_such(first, last, grey, counts):
    picture = drawn((True, 100, 0, ROWS - 1, 255), (False, 120, first, last, grey))
    assert picture_statistics(picture).faint_traces_from_side == counts


def test_a_trace_that_ends_where_the_body_ends_reaches_its_side():
    picture = drawn((True, 40, 10, 50, 20), (True, 100, 10, 51, 255))
    body = np.zeros(picture.shape, dtype=bool)
    body[10:52] = True
    assert [t.crosses for t in find_traces(picture, body)] == [True, True]
    assert not any(t.crosses for t in find_traces(picture))


def test_a_trace_that_ends_at_a_platen_does_not_reach_the_side():
    # meets the left end of the picture at row 20
    (trace,) = find_traces(drawn((True, -35, 0, ROWS - 1, 200)))
    assert trace.reaches_last
    assert not trace.reaches_first


def test_noise_of_one_grey_level_and_black_have_no_trace():
    noise = np.random.default_rng(0).integers(0, 2, (ROWS, COLUMNS)).astype(np.uint8)
    assert find_traces(noise) == []
    assert find_traces(np.zeros((ROWS, COLUMNS), dtype=np.uint8)) == []
    assert np.isnan(trace_angle_deg(np.zeros((ROWS, COLUMNS), dtype=np.uint8)))


@pytest.mark.parametrize("angle_deg", [25.0, 30.0, 31.0, 40.0])
@pytest.mark.parametrize("rising", [True, False])
def test_the_angle_of_lines_is_recovered(angle_deg, rising):
    column = 40 if rising else 200
    picture = drawn((rising, column, 0, ROWS - 1, 200), angle_deg=angle_deg)
    assert trace_angle_deg(picture) == pytest.approx(angle_deg, abs=0.5)


def test_shares_of_a_picture_counted_by_hand():
    picture = np.zeros((10, 20), dtype=np.uint8)
    picture[0, :4] = (100, 50, 30, 20)
    assert intensity_share(picture, 0.01) == 0.75  # 2 of 200 pixels
    assert intensity_share(picture, 0.05) == 1.0
    statistics = picture_statistics(picture)
    assert statistics.aspect == 2.0
    assert statistics.zero_fraction == pytest.approx(196 / 200)
    assert statistics.mean_grey == 1.0


def test_levels_cut_off_leave_more_zeros_than_levels_rounded():
    values = np.array([[0.0, 0.7, 1.0, 255.0, np.nan]])
    assert below_one_grey(values) == pytest.approx(3 / 5)
    assert below_one_grey(np.ones((2, 2))) == 1.0


@pytest.mark.parametrize("picture", [np.zeros((4, 4)), np.zeros((0, 3), dtype=np.uint8)])
def test_what_is_no_grey_picture_is_refused(picture):
    with pytest.raises(BadInputError, match="2-D uint8"):
        picture_statistics(picture)


def test_a_body_of_another_shape_is_refused():
    with pytest.raises(BadInputError, match="body"):
        picture_statistics(np.zeros((4, 4), dtype=np.uint8), np.ones((4, 5), dtype=bool))
