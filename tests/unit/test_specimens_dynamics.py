from itertools import pairwise
from math import cos, pi, radians, sin, sqrt, tan

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    DOWN,
    SCHMID,
    UP,
    WIDE_NM,
    lay_crystal,
    mirror,
    parallel_planes,
    positions,
    press,
    put,
    rotate_half_turn,
    shift,
)
from plain_specimens import pair_stress

from strainprint.specimens import dynamics
from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import BULK, SURFACE, CrystalSettings, place_crystal
from strainprint.specimens.fields import edge_stress_mpa
from strainprint.specimens.interactions import (
    CORE_RADIUS_NM,
    announce,
    exert,
    place,
    resolved_stresses,
)
from strainprint.specimens.interactions import shift as shift_sums
from strainprint.specimens.loading import Specimen
from strainprint.specimens.pair_sums import shear_slope
from strainprint.specimens.pillar import image_stress, make_pillar, wave_factor
from strainprint.specimens.population import (
    BLOCK,
    SHELL_NM,
    arrange,
    exerted,
    macroscopic,
    make_population,
)
from strainprint.specimens.rules import DynamicsSettings, make_passing_rules, make_rules
from strainprint.specimens.side_correction import update_side
from strainprint.specimens.topology import add, remove, sort_by_plane

MIDDLE = WIDE_NM  # of a plane of the wide pillar, 2 w long
ONE_PLANE = lay_crystal(WIDE_NM, [(UP, 0.0)])
GAP = 20.0
NARROW_NM = 62.5


def _neighbours(x, sign, **settings):
    """A positive dislocation amid the wide pillar and one at X = x on the plane 20 nm above."""
    return press(
        parallel_planes(WIDE_NM, GAP),
        (0, MIDDLE, 1),
        (1, MIDDLE + shift(GAP) + x, sign),
        **settings,
    )


def _separation(specimen):
    """X of the dislocation on the upper plane minus that of the one on the lower."""
    first, second = positions(specimen)
    return second - shift(GAP) - first


@pytest.mark.parametrize("x", [5.0, -20.0, 33.0, 60.0, -100.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_pair_force_on_parallel_planes_is_the_textbook_one(x, sign):
    pair = exerted(_neighbours(x, sign).population)
    stress = C_MPA_NM * x * (x**2 - GAP**2) / (x**2 + GAP**2) ** 2
    scale = 1e-4 * C_MPA_NM / np.hypot(x, GAP)
    assert pair[1, 0] == pytest.approx(stress, abs=scale)
    assert pair[0, 1] == pytest.approx(-sign * stress, abs=scale)


@pytest.mark.parametrize("x, y", [(8.0, 0.0), (3.0, -9.0), (-20.0, 7.0)])
def test_pair_force_between_intersecting_systems_resolves_the_stress_on_each_plane(x, y):
    body = make_pillar(WIDE_NM, 4 * WIDE_NM, ALUMINIUM)
    x0, y0 = 0.0, body.height / 2
    stress = edge_stress_mpa(x * cos(UP) + y * sin(UP), -x * sin(UP) + y * cos(UP), 1, ALUMINIUM)
    # turn the stress from the frame of the first plane into that of the second
    turn = DOWN - UP
    expected = 0.5 * (stress[1] - stress[0]) * sin(2 * turn) + stress[2] * cos(2 * turn)
    gamma = complex(-1j * body.strength * np.exp(1j * UP))
    found = pair_stress(
        body,
        x0 + x,
        y0 + y,
        wave_factor(body, x0 + x, y0 + y),
        complex(np.exp(1j * DOWN)),
        1,
        x0,
        y0,
        wave_factor(body, x0, y0),
        gamma,
        0,
    )
    assert found == pytest.approx(expected, abs=1e-4 * C_MPA_NM / np.hypot(x, y))


@pytest.mark.parametrize("start", [9.0, -12.0, 35.0])
def test_opposite_dislocations_on_parallel_planes_rest_at_45_degrees(start):
    specimen = _neighbours(start, -1)
    assert specimen.settle()
    assert _separation(specimen) / GAP == pytest.approx(np.sign(start), abs=2e-3)


@pytest.mark.parametrize("start", [15.0, -8.0])
def test_equal_dislocations_on_parallel_planes_form_a_wall(start):
    specimen = _neighbours(start, 1)
    assert specimen.settle()
    assert abs(_separation(specimen)) / GAP < 2e-3


def test_largest_pair_stress_is_the_passing_stress_at_one_plus_sqrt_2():
    x = GAP * (1 + sqrt(2)) + np.linspace(-1, 1, 41)
    stress = [exerted(_neighbours(at, -1).population)[1, 0] for at in x]
    assert x[np.argmax(stress)] == pytest.approx(GAP * (1 + sqrt(2)), abs=0.06)
    mu, nu, b = ALUMINIUM.shear_modulus_mpa, 0.33, 0.25
    assert max(stress) == pytest.approx(mu * b / (8 * pi * (1 - nu) * GAP), rel=1e-4)


@pytest.mark.parametrize("fraction, passes", [(0.98, False), (1.02, True)])
def test_a_dipole_holds_below_the_passing_stress_and_breaks_above(fraction, passes):
    # tau > 0 drives the lower (+) to larger, the upper (-) to smaller r: they start at X = -h
    specimen = _neighbours(-GAP, -1, shear_mpa=fraction * C_MPA_NM / (4 * GAP), hold_steps=400)
    assert specimen.settle() is not passes
    if passes:
        assert _separation(specimen) < -5 * GAP
    else:
        assert -GAP * (1 + sqrt(2)) < _separation(specimen) < -GAP


STRENGTH = 50.0
L_NUC = C_MPA_NM / STRENGTH


def test_partner_at_the_nucleation_length_exerts_the_source_strength():
    crystal = place_crystal(
        125.0, 2, CrystalSettings(), ALUMINIUM, np.random.Generator(np.random.PCG64(0))
    )
    bulk = crystal.source_kind == BULK
    for strength, length in zip(
        crystal.source_strength_mpa[bulk], crystal.source_length_nm[bulk], strict=True
    ):
        specimen = press(ONE_PLANE, (0, MIDDLE - length / 2, -1), (0, MIDDLE + length / 2, 1))
        # each pulls the other inwards with the strength of the source
        stress = exerted(specimen.population)
        assert stress[1, 0] == pytest.approx(-strength, rel=1e-4)
        assert stress[0, 1] == pytest.approx(-strength, rel=1e-4)


@pytest.mark.parametrize("fraction", [0.97, 1.03])
@pytest.mark.parametrize("sense", [1, -1])
def test_a_new_dipole_expands_above_the_source_strength_and_collapses_below(fraction, sense):
    specimen = press(
        ONE_PLANE,
        (0, MIDDLE - L_NUC / 2, -sense),
        (0, MIDDLE + L_NUC / 2, sense),
        shear_mpa=sense * fraction * STRENGTH,
        hold_steps=400,
    )
    settled = specimen.settle()
    if fraction < 1:
        assert settled
        assert len(positions(specimen)) == 0
        assert specimen.stress_mpa == pytest.approx(sense * fraction * STRENGTH / SCHMID)
    else:
        assert np.ptp(positions(specimen)) > 5 * L_NUC


@pytest.mark.parametrize("sense", [1, -1])
def test_a_bulk_source_emits_a_dipole_of_its_length_at_its_strength(sense):
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], [(0, MIDDLE, STRENGTH, BULK)])
    still = press(crystal, shear_mpa=sense * 0.999 * STRENGTH)
    assert still.settle()
    assert len(positions(still)) == 0
    # one step more than the nucleation time
    active = press(
        crystal, shear_mpa=sense * 1.001 * STRENGTH, hold_time_ns=10.0, nucleation_time_ns=10.0
    )
    active.settle()
    assert positions(active) == pytest.approx([MIDDLE + L_NUC / 2, MIDDLE - L_NUC / 2])
    assert active.population.sign[:2].tolist() == [sense, -sense]
    assert active.population.slip[0] == 0


@pytest.mark.parametrize("share", [0.0, 0.1])
def test_every_emission_raises_the_threshold_of_its_source_alone(share):
    crystal = lay_crystal(
        WIDE_NM, [(UP, 0.0)], [(0, MIDDLE, STRENGTH, BULK), (0, 0.2 * MIDDLE, 9 * STRENGTH, BULK)]
    )
    specimen = press(crystal, shear_mpa=1.001 * STRENGTH, hold_time_ns=10.0, source_hardening=share)
    specimen.settle()
    assert len(positions(specimen)) == 2
    assert specimen.population.hardening == pytest.approx([share * STRENGTH, 0.0])


@pytest.mark.parametrize(("stress", "emits"), [(1.09, False), (1.11, True)])
def test_a_hardened_source_emits_at_its_raised_threshold(stress, emits):
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], [(0, MIDDLE, STRENGTH, BULK)])
    specimen = press(crystal, shear_mpa=stress * STRENGTH, hold_time_ns=10.0)
    specimen.population.hardening[0] = 0.1 * STRENGTH
    specimen.settle()
    assert (len(positions(specimen)) == 2) == emits


def _settle(specimen, rules=None):
    """Why settling returned, the time it took (ns) and its steps."""
    tau = np.zeros(len(specimen.population.charge) + len(specimen.population.plane))
    return dynamics.settle(
        specimen.lattice,
        specimen.pillar,
        rules or specimen.rules,
        specimen.population,
        specimen.platen,
        False,
        tau,
    )


@pytest.mark.parametrize(("times", "moves"), [(2.9, False), (3.1, True)])
def test_three_times_the_velocity_of_rest_is_rest_at_a_stop_on_the_way(times, moves):
    settings = {"rest_velocity_nm_per_ns": 0.5, "hold_time_ns": 1.0}
    mobility = 0.25 / (ALUMINIUM.drag_pa_s * 1e3)
    specimen = press(ONE_PLANE, (0, MIDDLE, 1), shear_mpa=times * 0.5 / mobility, **settings)
    _, _, steps = _settle(specimen, make_passing_rules(specimen.rules))
    assert (steps > 0) == moves
    assert _settle(specimen)[2] > 0


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


def test_slow_ones_keep_pace_while_fast_ones_limit_the_step():
    # two pairs that repel, too far from each other to feel it
    starts = {"fast": 20.0, "slow": 5000.0}
    near, far = MIDDLE, MIDDLE + 2e5
    specimen = press(
        ONE_PLANE,
        (0, near, 1),
        (0, near + starts["fast"], 1),
        (0, far, 1),
        (0, far + starts["slow"], 1),
        hold_time_ns=10.0,
    )
    _, time_ns, steps = _settle(specimen)
    at = positions(specimen)
    assert steps > 15
    for name, separation in (("fast", at[1] - at[0]), ("slow", at[3] - at[2])):
        grown = 4 * C_MPA_NM * 0.25 * time_ns / (ALUMINIUM.drag_pa_s * 1e3)
        expected = np.sqrt(starts[name] ** 2 + grown)
        # what stands still owes up to 0.1 nm
        assert separation == pytest.approx(expected, rel=0.05 if name == "fast" else 0, abs=0.2)
        assert separation - starts[name] > 10.0


@pytest.mark.parametrize("start", [10.0, 20.0])
def test_collapse_time_of_a_pair_is_that_of_linear_drag(start):
    specimen = press(
        ONE_PLANE,
        (0, MIDDLE, 1),
        (0, MIDDLE + start, -1),
        largest_glide_nm=0.02,
        free_glide_nm=0.02,
    )
    why, time_ns, _ = _settle(specimen)
    assert why == dynamics.SETTLED
    assert len(positions(specimen)) == 0
    # x0^2 B / (4 C b), less the rest of the way that annihilation at 1.5 nm saves
    expected = (start**2 - 1.5**2) * ALUMINIUM.drag_pa_s / (4 * C_MPA_NM * 0.25) * 1e3
    assert time_ns == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("angle", [UP, DOWN])
@pytest.mark.parametrize("distance", [3.0, 10.0, 200.0])
def test_image_stress_is_c_over_twice_the_distance_along_the_plane(angle, distance):
    body = make_pillar(WIDE_NM, 4 * WIDE_NM, ALUMINIUM)
    for side in (1, -1):
        x = side * (body.half_width - distance * abs(cos(angle)))
        found = image_stress(body, x, body.height / 2, angle)
        # a positive dislocation is pulled out: to larger r at the side where r = L
        outward = side * np.sign(cos(angle))
        assert found == pytest.approx(outward * C_MPA_NM / (2 * distance), rel=1e-3)


def test_image_stress_of_a_population_of_one_is_its_own():
    crystal = lay_crystal(125.0, [(UP, 10.0)])
    specimen = press(crystal, (0, 60.0, 1))
    tau = np.zeros(65)
    strain, carried = macroscopic(specimen.lattice, specimen.pillar, specimen.population)
    update_side(specimen.lattice, specimen.population, 0.0)
    resolved_stresses(specimen.lattice, specimen.pillar, specimen.population, 0.0, carried, tau)
    population = specimen.population
    expected = image_stress(specimen.pillar, population.x[0], population.y[0], UP)
    assert tau[1] == pytest.approx(expected, rel=1e-12)
    assert strain == pytest.approx(0.25 * SCHMID * 60 / (125 * 500))


def _stresses(crystal, rows):
    """Resolved stress (MPa) on every source, then every dislocation, under 100 MPa."""
    specimen = press(crystal, *rows)
    tau = np.zeros(len(specimen.population.charge) + 64)
    _, carried = macroscopic(specimen.lattice, specimen.pillar, specimen.population)
    update_side(specimen.lattice, specimen.population, 0.0)
    resolved_stresses(specimen.lattice, specimen.pillar, specimen.population, 100.0, carried, tau)
    return tau[: len(specimen.population.charge) + len(rows)]


def test_stresses_turn_and_mirror_with_the_crystal():
    rng = np.random.Generator(np.random.PCG64(6))
    crystal = place_crystal(125.0, 2, CrystalSettings(), ALUMINIUM, rng)
    length = crystal.plane_length_nm
    rows = [
        (int(rng.integers(len(crystal.plane_angle))), rng.uniform(1, length - 1), sign)
        for sign in rng.choice([-1, 1], 40)
    ]
    stresses = _stresses(crystal, rows)
    turned = _stresses(rotate_half_turn(crystal), [(p, length - r, -sign) for p, r, sign in rows])
    mirrored = _stresses(mirror(crystal), [(p, r, -sign) for p, r, sign in rows])
    np.testing.assert_allclose(turned, stresses, rtol=1e-9, atol=1e-9)
    np.testing.assert_allclose(mirrored, -stresses, rtol=1e-9, atol=1e-9)


def _core_stress(body, dx, dy, own, other, sign=1):
    """Stress of a dislocation amid the body at a nearby point, on a plane of angle ``own``."""
    x0, y0 = 0.0, body.height / 2
    return pair_stress(
        body,
        x0 + dx,
        y0 + dy,
        wave_factor(body, x0 + dx, y0 + dy),
        complex(np.exp(1j * own)),
        1,
        x0,
        y0,
        wave_factor(body, x0, y0),
        complex(-1j * body.strength * sign * np.exp(1j * other)),
        0,
    )


def _plain_stress(dx, dy, own, other):
    local = edge_stress_mpa(
        dx * cos(other) + dy * sin(other), -dx * sin(other) + dy * cos(other), 1, ALUMINIUM
    )
    turn = own - other
    return 0.5 * (local[1] - local[0]) * sin(2 * turn) + local[2] * cos(2 * turn)


@pytest.mark.parametrize("own, other", [(UP, UP), (UP, DOWN), (DOWN, UP)])
def test_core_leaves_the_field_beyond_3_nm_alone_and_vanishes_at_its_centre(own, other):
    body = make_pillar(WIDE_NM, 4 * WIDE_NM, ALUMINIUM)
    for phi in np.linspace(0, 2 * pi, 25):
        for radius in (2.999, 3.001, 6.0):
            point = radius * cos(phi), radius * sin(phi)
            plain = _plain_stress(*point, own, other)
            assert abs(_core_stress(body, *point, own, other) - plain) < 1e-3 * C_MPA_NM / radius
        inner = [
            _core_stress(body, radius * cos(phi), radius * sin(phi), own, other)
            for radius in np.linspace(1e-3, 6.0, 600)
        ]
        assert abs(inner[0]) < 10.0
        assert np.abs(inner).max() < 2 * C_MPA_NM / 0.5
        # smooth: no jump from one hundredth of a nanometre to the next
        assert np.abs(np.diff(inner)).max() < 0.1 * C_MPA_NM / 0.5


@pytest.mark.parametrize("own, other", [(UP, UP), (UP, DOWN), (DOWN, UP)])
@pytest.mark.parametrize(
    "distance, tolerance", [(0.2, 1e-4), (1.0, 1e-4), (2.5, 1e-4), (9.0, 1e-3)]
)
def test_slopes_are_the_derivatives_of_the_pair_stress(own, other, distance, tolerance):
    body = make_pillar(WIDE_NM, 4 * WIDE_NM, ALUMINIUM)
    s_own, s_other = complex(cos(own), sin(own)), complex(cos(other), sin(other))
    gamma = -1j * body.strength * s_other
    for phi in np.linspace(0.1, 6.2, 9):
        dx, dy = distance * cos(phi), distance * sin(phi)
        for along in (s_own, s_other):
            found = shear_slope(dx, dy, gamma, s_own, along, CORE_RADIUS_NM)
            step = 1e-4
            stress = [
                _core_stress(
                    body, dx + k * step * along.real, dy + k * step * along.imag, own, other
                )
                for k in (1, -1)
            ]  # fmt: skip
            expected = (stress[0] - stress[1]) / (2 * step)
            assert abs(found - expected) < tolerance * C_MPA_NM / max(distance, 0.5) ** 2


def _afresh(specimen):
    """The same dislocations, everything computed anew."""
    used = specimen.population
    fresh = make_population(specimen.crystal, specimen.pillar, len(used.plane))
    for i in range(used.number[0]):
        add(
            specimen.lattice,
            specimen.pillar,
            fresh,
            used.plane[i],
            used.position[i],
            used.sign[i],
            used.emitter[i],
            used.heading[i],
        )
    update_side(specimen.lattice, fresh, 0.0)
    return fresh


def test_pair_stresses_after_many_steps_are_those_of_a_fresh_population():
    crystal = place_crystal(
        62.5, 2, CrystalSettings(), ALUMINIUM, np.random.Generator(np.random.PCG64(3))
    )
    specimen = press(crystal, shear_mpa=-330.0)
    assert specimen.settle()
    used = specimen.population
    count = used.number[0]
    assert count >= 5
    assert used.emissions[0] > count / 2
    fresh = _afresh(specimen)
    # what is left undone at rest is far below any threshold, MPa
    np.testing.assert_allclose(used.felt[:count], fresh.felt[:count], rtol=1e-5, atol=5e-3)
    np.testing.assert_allclose(used.side[:count], fresh.side[:count], rtol=1e-5, atol=2e-3)
    np.testing.assert_allclose(used.felt_at_source, fresh.felt_at_source, atol=5e-3)
    np.testing.assert_allclose(used.side_at_source, fresh.side_at_source, atol=2e-3)
    np.testing.assert_array_equal(used.order[:count], fresh.order[:count])


@pytest.mark.parametrize("sense", [1, -1])
def test_far_partners_learn_at_once_when_an_image_changes_sides(sense):
    # its closed field holds the image in the nearer side: 10 MPa jump at x = 0, and the side
    # correction jumps back
    middle = NARROW_NM
    stop = middle + sense * 0.004
    crystal = lay_crystal(
        NARROW_NM,
        [(UP, 0.0), (UP, 50.0 / cos(UP))],
        obstacles=[(0, stop, 1e4), (1, middle - 20.0, 1e4)],
    )
    specimen = press(
        crystal, (0, middle - sense * 0.004, 1), (1, middle - 20.0, 1), shear_mpa=sense * 60.0
    )
    used = specimen.population
    used.pinned_at[1] = 1
    assert specimen.settle()
    assert positions(specimen)[0] == stop
    fresh = _afresh(specimen)
    for name in ("felt", "felt_at_source"):
        np.testing.assert_allclose(getattr(used, name)[:2], getattr(fresh, name)[:2], atol=5e-3)


@pytest.mark.parametrize("sense", [1, -1])
def test_an_obstacle_pins_at_its_place_and_frees_at_its_strength(sense):
    at = MIDDLE + sense * 15.0
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], obstacles=[(0, at, 80.0)])
    specimen = press(crystal, (0, MIDDLE, 1), shear_mpa=sense * 40.0)
    assert specimen.settle()
    assert positions(specimen)[0] == at
    assert specimen.population.pinned_at[0] == 0
    # the distance to its release is known in closed form
    event = dynamics.next_event(
        specimen.lattice,
        specimen.pillar,
        specimen.rules,
        specimen.population,
        specimen.press.tau,
        sense,
    )
    assert event == pytest.approx((80.0 - 40.0) / SCHMID, rel=1e-3)
    still = press(crystal, (0, MIDDLE, 1), shear_mpa=sense * 79.9)
    assert still.settle()
    assert positions(still)[0] == at
    freed = press(crystal, (0, MIDDLE, 1), shear_mpa=sense * 80.1, hold_steps=100)
    assert not freed.settle()
    assert sense * (positions(freed)[0] - at) > 20
    assert freed.population.pinned_at[0] == -1


@pytest.mark.parametrize("sense", [1, -1])
def test_an_obstacle_does_not_catch_again_what_it_let_go(sense):
    at = MIDDLE + sense * 15.0
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], obstacles=[(0, at, 80.0)])
    specimen = press(crystal, (0, MIDDLE, 1), shear_mpa=sense * 80.1, hold_steps=60)
    specimen.settle()
    assert sense * (positions(specimen)[0] - at) > 20
    specimen.platen[0] *= -0.5
    specimen.settle()
    specimen.settle()
    assert sense * (positions(specimen)[0] - at) < -20


@pytest.mark.parametrize("sense", [1, -1])
def test_same_sign_neighbours_never_pass_and_press_the_leader_with_n_tau(sense):
    lock = MIDDLE + sense * 100.0
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], obstacles=[(0, lock, 1e4)])
    start = MIDDLE + sense * np.array([80.0, 60.0, 20.0, 10.0, 2.0])
    specimen = press(crystal, *[(0, r, 1) for r in start], shear_mpa=sense * 60.0)
    assert specimen.settle()
    found = positions(specimen)
    assert len(found) == 5
    assert np.all(sense * np.diff(found) < 0)
    assert found[0] == lock
    assert specimen.press.tau[1] == pytest.approx(sense * 5 * 60.0, rel=2e-3)


@pytest.mark.parametrize("sense", [1, -1])
def test_same_sign_neighbours_keep_their_order_on_the_way(sense):
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)])
    start = MIDDLE + np.array([-9.0, -5.0, -4.5, 0.0, 3.0])
    for steps in (1, 3, 10, 50):
        specimen = press(
            crystal, *[(0, r, 1) for r in start], shear_mpa=sense * 300.0, hold_steps=steps
        )
        specimen.settle()
        assert np.all(np.diff(positions(specimen)) > 0)


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("steps", [1, 2, 5, 100])
def test_a_stress_beyond_any_core_repulsion_still_lets_no_follower_pass(sense, steps):
    lock = MIDDLE + sense * 10.0
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0)], obstacles=[(0, lock, 1e6)])
    start = lock - sense * np.array([0.6, 0.9, 1.3, 3.0])
    specimen = press(crystal, *[(0, r, 1) for r in start], shear_mpa=sense * 2e4, hold_steps=steps)
    specimen.settle()
    assert np.all(sense * np.diff(positions(specimen)) < 0)
    if steps == 100:
        # the leader is caught, the others wait behind it, not in its core nor at its obstacle
        assert positions(specimen)[0] == lock
        assert specimen.population.pinned_at[:4].tolist() == [0, -1, -1, -1]


@pytest.mark.parametrize(
    "position, sign, slip",
    [(3.0, 1, 0), (3.0, -1, 0), (247.0, 1, 1), (247.0, -1, -1)],
)
def test_a_dislocation_near_a_side_leaves_and_only_the_far_end_counts_as_slip(position, sign, slip):
    specimen = press(lay_crystal(125.0, [(UP, 0.0)]), (0, position, sign))
    assert specimen.settle()
    assert len(positions(specimen)) == 0
    assert specimen.population.slip.tolist() == [slip]


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("angle", [UP, DOWN])
def test_a_dipole_that_leaves_slips_its_plane_once_and_relaxes_the_held_platen(sense, angle):
    crystal = lay_crystal(125.0, [(angle, 0.0)])
    # the resolved stress on the mirrored system has the opposite sign
    sign = sense * int(np.sign(tan(angle)))
    specimen = press(crystal, (0, 105.0, -sign), (0, 145.0, sign), shear_mpa=sense * 100.0)
    applied = sense * 100.0 / SCHMID
    assert specimen.settle()
    assert len(positions(specimen)) == 0
    assert specimen.population.slip.tolist() == [sign]
    drop = ALUMINIUM.plane_strain_modulus_mpa * 2 * 0.25 * SCHMID / 500.0
    assert specimen.stress_mpa == pytest.approx(applied - sense * drop, rel=1e-12)
    # without a load the platen follows by b cos 30 deg
    assert specimen.settle(hold_stress=True)
    assert specimen.platen[0] == pytest.approx(sense * 0.25 * cos(radians(30)), rel=1e-12)


@pytest.mark.parametrize("end", ["left", "right"])
@pytest.mark.parametrize("sense", [1, -1])
def test_a_surface_source_emits_inwards_and_leaves_a_step_at_its_end_only(end, sense):
    depth, lock = (10.0, 30.0) if end == "left" else (240.0, 220.0)
    crystal = lay_crystal(125.0, [(UP, 0.0)], [(0, depth, 150.0, SURFACE)], [(0, lock, 1e6)])
    quiet = press(crystal, shear_mpa=sense * 149.0)
    assert quiet.settle()
    assert len(positions(quiet)) == 0
    specimen = press(crystal, shear_mpa=sense * 160.0)
    assert specimen.settle()
    assert positions(specimen).tolist() == [lock]
    inward = 1 if end == "left" else -1
    assert specimen.population.sign[0] == sense * inward
    assert specimen.population.slip.tolist() == [0 if end == "left" else sense]


def test_a_surface_source_waits_until_the_stress_beats_the_image_attraction():
    crystal = lay_crystal(125.0, [(UP, 0.0)], [(0, 10.0, 20.0, SURFACE)])
    specimen = press(crystal)
    image = abs(image_stress(specimen.pillar, *_point(crystal, 10.0), UP))
    assert image == pytest.approx(C_MPA_NM / 20, rel=0.05)
    assert specimen.lattice.source_threshold[0] == pytest.approx(image)


@compiled
def _follow(lattice, pillar, pop, glide_nm):
    count = pop.number[0]
    for i in range(count):
        place(lattice, pillar, pop, i)
    shift_sums(pop, np.arange(count), glide_nm, count)


def follow(specimen, glide_nm):
    """Let all sums follow glides to first order."""
    _follow(specimen.lattice, specimen.pillar, specimen.population, glide_nm)


def test_what_was_followed_is_replaced_by_what_is_computed_anew():
    crystal = lay_crystal(125.0, [(UP, 0.0), (DOWN, 20.0), (UP, 40.0), (UP, -90.0)])
    rows = [(0, 50.0, 1), (1, 90.0, -1), (2, 6.0, 1), (0, 200.0, -1), (3, 130.0, 1)]
    specimen = press(crystal, *rows)
    used, count = specimen.population, len(rows)
    for glide_nm in (np.array([0.5, -0.3, 0.2, 0.4, -0.6]), np.array([0.1, 0.7, -0.2, 0.0, 0.3])):
        used.position[:count] += glide_nm
        follow(specimen, glide_nm)
        # the pairs of some with all others, of others with their neighbours only
        for i, shells in ((1, len(SHELL_NM)), (3, 2), (4, len(SHELL_NM))):
            exert_one(specimen.lattice, specimen.pillar, used, i, shells)
    for i in range(count):
        exert_one(specimen.lattice, specimen.pillar, used, i, len(SHELL_NM))
    fresh = _afresh(specimen)
    for name in ("felt", "stiffness", "felt_at_source"):
        found = getattr(used, name)[:count]
        np.testing.assert_allclose(found, getattr(fresh, name)[:count], rtol=1e-9, atol=1e-9)


@compiled
def exert_one(lattice, pillar, pop, i, shells):
    exert(lattice, pillar, pop, i, shells)


def test_small_glides_are_followed_to_first_order_images_included():
    crystal = lay_crystal(125.0, [(UP, 0.0), (DOWN, 20.0), (UP, 40.0), (UP, -90.0)])
    rows = [(0, 50.0, 1), (1, 90.0, -1), (2, 6.0, 1), (0, 200.0, -1), (3, 130.0, 1)]
    specimen = press(crystal, *rows)
    glide_nm = np.array([0.02, -0.01, 0.004, 0.03, -0.02])
    used, count = specimen.population, len(rows)
    before = used.felt[:count].copy()
    used.position[:count] += glide_nm
    follow(specimen, glide_nm)
    moved = [(plane, at + by, sign) for (plane, at, sign), by in zip(rows, glide_nm, strict=True)]
    expected = press(crystal, *moved).population.felt[:count]
    change = expected - before
    assert np.abs(change).min() > 1e-3
    # what is left is of second order in the glide
    np.testing.assert_allclose(used.felt[:count] - before, change, rtol=5e-3, atol=1e-3)
    _, carried = macroscopic(specimen.lattice, specimen.pillar, used)
    exact = press(crystal, *moved)
    assert carried == pytest.approx(
        macroscopic(exact.lattice, exact.pillar, exact.population)[1], rel=1e-12
    )


@compiled
def _announce_to_all(lattice, pillar, pop, stale_mpa):
    return announce(lattice, pillar, pop, stale_mpa)


def test_the_side_correction_follows_a_glide_where_it_is_steep():
    # many in the left half push at the right side, whose image their closed fields lack
    planes = [(UP, offset) for offset in np.arange(-300.0, 300.0, 12.0)]
    crystal = lay_crystal(1000.0, planes)
    length = crystal.plane_length_nm
    crowd = [(p, length / 2 - 20.0 - 9.0 * m, 1) for p in range(1, len(planes)) for m in range(8)]
    specimen = put_roomy(crystal, *crowd, (0, length - 42.0, 1))
    used, stale_mpa, largest = specimen.population, 0.1, 0.0
    update_side(specimen.lattice, used, 0.0)
    i = used.number[0] - 1
    for glide_nm in (1.5, -0.8, -0.8, 0.7, 0.7, 0.5, -0.9):
        used.position[i] += glide_nm
        before = used.side[i]
        _announce_to_all(specimen.lattice, specimen.pillar, used, stale_mpa)
        update_side(specimen.lattice, used, 0.0)
        assert abs(used.side[i] - _side_at(crystal, crowd, used.position[i])) < stale_mpa
        largest = max(largest, abs(used.side[i] - before))
    assert largest > 10.0 * stale_mpa
    lower, upper = (_side_at(crystal, crowd, used.position[i] + by) for by in (-0.2, 0.2))
    assert used.side_slope[i] == pytest.approx((upper - lower) / 0.4, rel=0.1)


def _side_at(crystal, crowd, position):
    """The side correction (MPa) at a positive dislocation of plane 0 amid a crowd."""
    fresh = put_roomy(crystal, *crowd, (0, position, 1))
    update_side(fresh.lattice, fresh.population, 0.0)
    return fresh.population.side[fresh.population.number[0] - 1]


def put_roomy(crystal, *dislocations):
    """A specimen with these dislocations, more than most tests have."""
    specimen = press(crystal)
    specimen._give_room(1024)
    put(specimen, *dislocations)
    return specimen


def _point(crystal, position):
    return crystal.plane_origin_nm[0] + position * np.array([cos(UP), sin(UP)])


def test_arranged_slots_hold_the_same_dislocations_neighbours_side_by_side():
    rng = np.random.Generator(np.random.PCG64(8))
    crystal = place_crystal(250.0, 2, CrystalSettings(), ALUMINIUM, rng)
    length = crystal.plane_length_nm
    planes = rng.choice(len(crystal.plane_angle), 150, replace=False)
    rows = [(int(p), rng.uniform(1, length - 1), int(rng.choice([-1, 1]))) for p in planes]
    specimen = put_roomy(crystal, *rows)
    before, after = specimen.population, arrange(specimen.population)
    count = before.number[0]
    old, new = before.order[:count], after.order[:count]
    for name in ("plane", "position", "sign", "x", "y", "felt", "stiffness", "modes", "cell"):
        found = getattr(after, name)[new]
        np.testing.assert_array_equal(found, getattr(before, name)[old], err_msg=name)
    stress = exerted(before)
    np.testing.assert_array_equal(exerted(after)[np.ix_(new, new)], stress[np.ix_(old, old)])
    walked_nm = []
    for population in (before, after):
        steps = np.hypot(np.diff(population.x[:count]), np.diff(population.y[:count]))
        walked_nm.append(steps.sum())
        for cell, i in enumerate(population.first_in_cell):
            while i >= 0:
                assert population.cell[i] == cell
                i = population.next_in_cell[i]
        push = np.abs(population.push[:count, :count])
        for block in range(-(-count // BLOCK)):
            most = push[:, block * BLOCK : (block + 1) * BLOCK].max(axis=1)
            assert (population.strongest_push[:count, block] >= most).all()
    assert walked_nm[0] > 4.0 * walked_nm[1]


def test_a_loading_goes_on_with_arranged_slots(monkeypatch):
    crystal = place_crystal(
        125.0, 2, CrystalSettings(), ALUMINIUM, np.random.Generator(np.random.PCG64(3))
    )
    arranged = []

    def note(population):
        arranged.append(population.number[0])
        return arrange(population)

    monkeypatch.setattr("strainprint.specimens.loading.arrange", note)
    planes, places = len(crystal.plane_angle), np.arange(20.0, 240.0, 20.0)
    specimen = put_roomy(crystal, *((p, at, 1) for p in range(0, planes, 4) for at in places))
    count = specimen.population.number[0]
    assert count > 256
    specimen.population.emissions[0] = 1000
    specimen.load(1e-7, sense=-1)
    assert arranged == [count]
    assert specimen.population.arranged_at[0] == 1000
    fresh = _afresh(specimen)
    count = specimen.population.number[0]
    found, expected = specimen.population.felt[:count], fresh.felt[:count]
    np.testing.assert_allclose(found, expected, rtol=1e-5, atol=0.1)


@compiled
def _sort(pop):
    return sort_by_plane(pop)


@pytest.mark.parametrize("seed", range(5))
def test_sorting_finds_the_closest_opposite_neighbours(seed):
    rng = np.random.default_rng(seed)
    crystal = parallel_planes(WIDE_NM, GAP)
    rows = [(int(rng.integers(2)), MIDDLE + 10.0 * k, int(rng.choice([-1, 1]))) for k in range(12)]
    population = press(crystal, *rows).population
    position, order = population.position[:12], population.order[:12]
    # some pass others, on their own plane too
    position += rng.uniform(-40.0, 40.0, 12)
    expected = sorted(range(12), key=lambda i: (population.plane[i], position[i]))
    gaps = [
        position[j] - position[i]
        for i, j in pairwise(expected)
        if population.plane[i] == population.plane[j] and population.sign[i] != population.sign[j]
    ]
    # pairs that were neighbours only while it was sorted may count too
    assert _sort(population) <= min(gaps)
    np.testing.assert_array_equal(order, expected)
    assert _sort(population) == min(gaps)


def test_removed_slots_leave_the_others_untouched():
    crystal = lay_crystal(125.0, [(UP, 0.0), (DOWN, 20.0), (UP, 40.0)])
    rows = [(0, 50.0, 1), (1, 90.0, -1), (2, 30.0, 1), (0, 200.0, -1), (1, 20.0, 1)]
    specimen = press(crystal, *rows)
    remove(specimen.population, 1)
    kept = [rows[0], rows[4], rows[2], rows[3]]
    expected = put(Specimen(crystal, ALUMINIUM, specimen.dynamics, specimen.loading), *kept)
    for name in ("plane", "position", "sign", "modes", "order", "cell"):
        found = getattr(specimen.population, name)[:4]
        np.testing.assert_array_equal(found, getattr(expected, name)[:4], err_msg=name)
    np.testing.assert_array_equal(specimen.population.weights[:, :4], expected.weights[:, :4])
    np.testing.assert_allclose(exerted(specimen.population), exerted(expected), rtol=1e-12)
    slope, expected_slope = (p.pair["slope"][:4, :4] for p in (specimen.population, expected))
    np.testing.assert_allclose(slope, expected_slope, rtol=1e-12)
    for name in ("felt", "stiffness"):
        found = getattr(specimen.population, name)[:4]
        np.testing.assert_allclose(found, getattr(expected, name)[:4], rtol=1e-9)
