from math import pi, sqrt

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    GAP,
    MIDDLE,
    ONE_PLANE,
    neighbours,
    positions,
    press,
    settle,
    shift,
)

from strainprint.specimens import dynamics
from strainprint.specimens.population import exerted
from strainprint.specimens.rules import DynamicsSettings, make_rules


def _separation(specimen):
    """X of the dislocation on the upper plane minus that of the one on the lower."""
    first, second = positions(specimen)
    return second - shift(GAP) - first


@pytest.mark.parametrize("start", [9.0, -12.0, 35.0])
def test_opposite_dislocations_on_parallel_planes_rest_at_45_degrees(start):
    specimen = neighbours(start, -1)
    assert specimen.settle()
    assert _separation(specimen) / GAP == pytest.approx(np.sign(start), abs=2e-3)


@pytest.mark.parametrize("start", [15.0, -8.0])
def test_equal_dislocations_on_parallel_planes_form_a_wall(start):
    specimen = neighbours(start, 1)
    assert specimen.settle()
    assert abs(_separation(specimen)) / GAP < 2e-3


def test_largest_pair_stress_is_the_passing_stress_at_one_plus_sqrt_2():
    x = GAP * (1 + sqrt(2)) + np.linspace(-1, 1, 41)
    stress = [exerted(neighbours(at, -1).population)[1, 0] for at in x]
    assert x[np.argmax(stress)] == pytest.approx(GAP * (1 + sqrt(2)), abs=0.06)
    mu, nu, b = ALUMINIUM.shear_modulus_mpa, 0.33, 0.25
    assert max(stress) == pytest.approx(mu * b / (8 * pi * (1 - nu) * GAP), rel=1e-4)


@pytest.mark.parametrize("fraction, passes", [(0.98, False), (1.02, True)])
def test_a_dipole_holds_below_the_passing_stress_and_breaks_above(fraction, passes):
    # tau > 0 drives the lower (+) to larger, the upper (-) to smaller r: they start at X = -h
    specimen = neighbours(-GAP, -1, shear_mpa=fraction * C_MPA_NM / (4 * GAP), hold_steps=400)
    assert specimen.settle() is not passes
    if passes:
        assert _separation(specimen) < -5 * GAP
    else:
        assert -GAP * (1 + sqrt(2)) < _separation(specimen) < -GAP


@pytest.mark.parametrize(("times", "moves"), [(2.9, False), (3.1, True)])
def test_what_is_out_of_balance_by_less_than_the_passing_stress_rests_on_the_way(times, moves):
    mobility = 0.25 / (ALUMINIUM.drag_pa_s * 1e3)
    rest_mpa = 0.5 / mobility
    settings = {
        "rest_velocity_nm_per_ns": 0.5,
        "passing_mpa": 3.0 * rest_mpa,
        "hold_time_ns": 1.0,
    }
    specimen = press(ONE_PLANE, (0, MIDDLE, 1), shear_mpa=times * rest_mpa, **settings)
    _, _, steps = settle(specimen, specimen.passing)
    assert (steps > 0) == moves
    assert settle(specimen)[2] > 0


def _pace_after_a_step(pace, fastest, calm=True, goes_on=False, crowd=5):
    rules = make_rules(DynamicsSettings(rest_time_step_ns=8.0, time_step_ns=0.5))
    follow = dynamics._follow.py_func
    return follow(rules, pace, calm, crowd, pace.calm_step, fastest, goes_on)


def test_calm_steps_grow_while_they_help_and_shrink_where_the_crowd_swings():
    pace = dynamics._Pace(8.0, 0, 0, 5, np.inf)
    lengths = []
    for n in range(8):
        pace = _pace_after_a_step(pace, 0.5**n)
        lengths.append(pace.calm_step)
    assert lengths == [16.0, 32.0, 64.0, 128.0, 256.0, 512.0, 512.0, 512.0]
    assert _pace_after_a_step(pace, pace.fastest).calm_step == 128.0
    assert _pace_after_a_step(pace, pace.fastest, goes_on=True).calm_step == 512.0
    broken_off = _pace_after_a_step(pace, pace.fastest, calm=False)
    assert broken_off == (8.0, 0, 1, 5, np.inf)
    for _ in range(12):
        pace = _pace_after_a_step(pace, 1.0)
    assert pace == (0.5, 20, 12, 5, 1.0)
    for n in range(1, 12):
        pace = _pace_after_a_step(pace, 0.5**n)
    assert pace.calm_step == 256.0  # half as long at most after a dozen swings
    assert _pace_after_a_step(pace, 0.5**12, crowd=4).calm_step == 512.0
