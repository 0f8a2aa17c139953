"""The fast multipole sums equal the sums over all pairs."""

from itertools import pairwise

import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM, DOWN, UP, strength_of

from strainprint.specimens import pair_sums
from strainprint.specimens.far_sums import sum_stress_far
from strainprint.specimens.interactions import CORE_RADIUS_NM
from strainprint.specimens.pillar import make_pillar


def crowd(width_nm, aspect, number):
    """Random dislocations and their body; some touch another one, a side or a platen."""
    rng = np.random.default_rng(3)
    body = make_pillar(width_nm, aspect * width_nm, ALUMINIUM)
    x = (rng.random(number) - 0.5) * width_nm
    y = rng.random(number) * aspect * width_nm
    some = number // 10
    x[:some] = x[some : 2 * some] + rng.normal(0.0, 1.0, some)
    y[:some] = y[some : 2 * some] + rng.normal(0.0, 1.0, some)
    x[2 * some : 3 * some] = width_nm / 2 - rng.uniform(0.5, 2.0, some)
    x[3 * some : 4 * some] = rng.uniform(0.5, 2.0, some) - width_nm / 2
    y[4 * some : 5 * some] = rng.uniform(0.5, 2.0, some)
    x = np.clip(x, 0.5 - width_nm / 2, width_nm / 2 - 0.5)
    y = np.clip(y, 0.5, aspect * width_nm - 0.5)
    table = np.zeros((pair_sums.ROWS, number))
    for i in range(number):
        angle, sign = rng.choice([UP, DOWN]), rng.choice([-1, 1])
        gamma = strength_of(body, angle, sign)
        pair_sums.tabulate(
            body.wave, x[i], y[i], np.cos(angle), np.sin(angle), gamma, i // 2, table, i
        )
    return body, table


@pytest.mark.parametrize("number", [3, 100, 3000])
@pytest.mark.parametrize(("width_nm", "aspect"), [(62.5, 4.0), (2000.0, 4.0), (500.0, 2.0)])
def test_far_sums_agree_with_the_sums_over_all_pairs(width_nm, aspect, number):
    body, table = crowd(width_nm, aspect, number)
    arguments = (body.wave, body.half_width, CORE_RADIUS_NM, table, table)
    pairs, far = np.empty(number), np.empty(number)
    pair_sums.sum_stress(*arguments, pairs)
    sum_stress_far(*arguments, far)
    assert np.abs(far - pairs).max() < 1e-6 * np.abs(pairs).max()
    # and the typical one, which the closest pair does not dwarf
    assert np.median(np.abs(far - pairs)) < 1e-6 * np.median(np.abs(pairs))


def test_points_elsewhere_feel_the_same_stress_from_either():
    body, sources = crowd(250.0, 4.0, 500)
    _, points = crowd(250.0, 4.0, 77)
    points[pair_sums.GAMMA_REAL] = points[pair_sums.GAMMA_IMAG] = 0.0
    points[pair_sums.PLANE] = -1.0
    arguments = (body.wave, body.half_width, CORE_RADIUS_NM, points, sources)
    pairs, far = np.empty(77), np.empty(77)
    pair_sums.sum_stress(*arguments, pairs)
    sum_stress_far(*arguments, far)
    assert np.abs(far - pairs).max() < 1e-6 * np.abs(pairs).max()


def test_more_terms_are_more_accurate():
    body, table = crowd(1000.0, 4.0, 2000)
    arguments = (body.wave, body.half_width, CORE_RADIUS_NM, table, table)
    pairs, far = np.empty(2000), np.empty(2000)
    pair_sums.sum_stress(*arguments, pairs)
    errors = []
    for order in (8, 16, 24, 32):
        sum_stress_far(*arguments, far, order)
        errors.append(np.abs(far - pairs).max())
    # 0.547 per term for the worst place in a cell
    assert all(after < before * 0.6**8 for before, after in pairwise(errors))
