from math import cos, pi, sin, sqrt

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    DOWN,
    GAP,
    MIDDLE,
    SCHMID,
    UP,
    WIDE_NM,
    afresh,
    lay_crystal,
    mirror,
    neighbours,
    positions,
    press,
    put_roomy,
    rotate_half_turn,
    shift,
)
from plain_specimens import pair_stress

from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import BULK, CrystalSettings, place_crystal
from strainprint.specimens.fields import edge_stress_mpa
from strainprint.specimens.following import shift as shift_sums
from strainprint.specimens.interactions import (
    CORE_RADIUS_NM,
    announce,
    bend_of,
    exert,
    exert_what_lacks,
    place,
    resolved_stresses,
)
from strainprint.specimens.pair_sums import shear_slope
from strainprint.specimens.pillar import image_stress, make_pillar, wave_factor
from strainprint.specimens.population import EVERYBODY, SHELL_NM, exerted, macroscopic
from strainprint.specimens.side_correction import update_side

NARROW_NM = 62.5


@pytest.mark.parametrize("x", [5.0, -20.0, 33.0, 60.0, -100.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_pair_force_on_parallel_planes_is_the_textbook_one(x, sign):
    pair = exerted(neighbours(x, sign).population)
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
    fresh = afresh(specimen)
    # what is left undone at rest is far below any threshold, MPa
    np.testing.assert_allclose(used.felt[:count], fresh.felt[:count], rtol=1e-5, atol=5e-3)
    np.testing.assert_allclose(used.side[:count], fresh.side[:count], rtol=1e-5, atol=2e-3)
    np.testing.assert_allclose(used.felt_at_source, fresh.felt_at_source, atol=5e-3)
    np.testing.assert_allclose(used.side_at_source, fresh.side_at_source, atol=2e-3)
    np.testing.assert_array_equal(used.order[:count], fresh.order[:count])


def test_what_passes_lacks_little_and_all_are_asked_where_a_state_is_kept():
    crystal = place_crystal(
        125.0, 2, CrystalSettings(), ALUMINIUM, np.random.Generator(np.random.PCG64(3))
    )
    passing, asked_on_the_way = (press(crystal, passing_mpa=stress) for stress in (2.0, 1.0))
    passing.load(0.02, sense=-1)
    asked_on_the_way.load(0.02, sense=-1)
    assert np.isnan(passing.population.checked[: passing.population.number[0]]).all()
    assert np.isfinite(asked_on_the_way.population.checked[:1]).all()
    lacks_mpa = _lacks(passing)
    assert lacks_mpa < 0.2
    passing.settle()
    assert np.isfinite(passing.population.checked[: passing.population.number[0]]).all()
    assert _lacks(passing) < 0.1 * lacks_mpa


def _lacks(specimen):
    """The most (MPa) that any lacks of what the others exert on it."""
    used = specimen.population
    count = used.number[0]
    assert count > 10
    return np.abs(used.felt[:count] - afresh(specimen).felt[:count]).max()


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
    fresh = afresh(specimen)
    for name in ("felt", "felt_at_source"):
        np.testing.assert_allclose(getattr(used, name)[:2], getattr(fresh, name)[:2], atol=5e-3)


@compiled
def _follow(lattice, pillar, pop, glide_nm):
    count = pop.number[0]
    for i in range(count):
        place(lattice, pillar, pop, i)
    shift_sums(pop, np.arange(count), glide_nm, np.zeros(count), count)


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
        for i, shells in ((1, EVERYBODY), (3, 2), (4, EVERYBODY)):
            exert_one(specimen.lattice, specimen.pillar, used, i, shells, 0.0)
    for i in range(count):
        exert_one(specimen.lattice, specimen.pillar, used, i, EVERYBODY, 0.0)
    fresh = afresh(specimen)
    for name in ("felt", "stiffness", "felt_at_source"):
        found = getattr(used, name)[:count]
        np.testing.assert_allclose(found, getattr(fresh, name)[:count], rtol=1e-9, atol=1e-9)


@compiled
def exert_one(lattice, pillar, pop, i, shells, bend):
    exert(lattice, pillar, pop, i, shells, bend)


@pytest.mark.parametrize(
    ("shells", "learn"),
    [(2, {10.0, 30.0}), (len(SHELL_NM), {10.0, 30.0}), (EVERYBODY, {10.0, 30.0, 100.0, 400.0})],
)
def test_of_a_shell_those_learn_that_know_too_little(shells, learn):
    distances = [10.0, 30.0, 100.0, 400.0]
    far_source = [(0, 1.0, 1e9, BULK)]
    planes = [(UP, 0.0)] + [(UP, d / cos(UP)) for d in distances]
    crystal = lay_crystal(WIDE_NM, planes, far_source)
    partners = [(k, MIDDLE + shift(d), -1) for k, d in enumerate(distances, start=1)]
    specimen = press(crystal, (0, MIDDLE, 1), *partners)
    used, glide_nm = specimen.population, np.zeros(5)
    # they bear 0.32, 1.6, 10 and 54 nm
    glide_nm[0], bend = 2.0, 1e-4
    used.position[0] += glide_nm[0]
    follow(specimen, glide_nm)
    exert_one(specimen.lattice, specimen.pillar, used, 0, shells, bend)
    for k, distance in enumerate(distances, start=1):
        known = used.placed[0] if distance in learn else MIDDLE
        assert used.pair["known"][0, k] == np.float32(known)
    assert used.gap[0] == pytest.approx(sqrt(10.0**2 + 2.0**2))
    lowest = used.placed[0] if shells == EVERYBODY else MIDDLE
    assert (used.lowest_known[0], used.highest_known[0]) == (lowest, used.placed[0])
    # whatever they know, sums and pairs agree
    np.testing.assert_allclose(exerted(used).sum(axis=1), used.felt[:5], rtol=0, atol=1e-8)


@pytest.mark.parametrize("sense", [1, -1])
@pytest.mark.parametrize("shells", [len(SHELL_NM) - 1, len(SHELL_NM)])
@pytest.mark.parametrize(
    ("stops", "ahead"), [("", True), ("stands", False), ("pinned", False), ("middle", False)]
)
def test_far_partners_are_computed_for_a_place_some_way_on(sense, stops, ahead, shells):
    distances, bend = [30.0, 300.0, 900.0], 7e-5
    planes = [(UP, 0.0)] + [(UP, d / cos(UP)) for d in distances]
    crystal = lay_crystal(WIDE_NM, planes, [(2, MIDDLE + 500.0, 1e9, BULK), (0, 1.0, 1e9, BULK)])
    # one whose image would change sides on the way is not taken there
    start = MIDDLE + sense * (-1.0 if stops == "middle" else 100.0)
    partners = [(k, start + shift(d), -1) for k, d in enumerate(distances, start=1)]
    specimen = press(crystal, (0, start, 1), *partners)
    used = specimen.population
    used.last_glide[0] = 0.0 if stops == "stands" else sense * 8.0
    used.pinned_at[0] = 0 if stops == "pinned" else -1
    # far enough for all of them to ask
    glide_nm = np.array([sense * (0.5 if stops == "middle" else 170.0), 0.0, 0.0, 0.0])
    used.position[0] += glide_nm[0]
    follow(specimen, glide_nm)
    exert_one(specimen.lattice, specimen.pillar, used, 0, shells, bend)
    placed = used.placed[0]
    told = used.announced[0] - placed
    assert (told[:3] == 0.0).all()
    # the way that they bear: 180 and 540 nm by sqrt(180 bend)
    bear = np.array([180.0, 540.0]) * sqrt(180.0 * bend)
    way = sense * 0.7 * bear if ahead else np.zeros(2)
    np.testing.assert_allclose(told[3:shells], way[: shells - 3], rtol=1e-6, atol=1e-9)
    if stops != "middle":
        assert used.pair["known"][0, 1] == np.float32(placed)
        assert used.pair["known"][0, 2] == np.float32(placed + told[3])
        last = placed + told[4] if shells == len(SHELL_NM) else start
        assert used.pair["known"][0, 3] == np.float32(last)
        assert used.known_at_source[0, 0] == np.float32(last)
    assert used.lowest_known[0] <= min(placed, *(placed + told[:shells]))
    assert used.highest_known[0] >= max(placed, *(placed + told[:shells]))
    # sums and pairs agree, and what is known to first order lacks little
    np.testing.assert_allclose(exerted(used).sum(axis=1), used.felt[:4], rtol=0, atol=1e-8)
    if shells < len(SHELL_NM):
        return
    fresh = afresh(specimen)
    lacks_mpa = 6.0 * specimen.pillar.strength * bend
    np.testing.assert_allclose(used.felt[:4], fresh.felt[:4], rtol=0, atol=lacks_mpa)
    np.testing.assert_allclose(used.felt_at_source, fresh.felt_at_source, rtol=0, atol=lacks_mpa)


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
    return announce(lattice, pillar, pop, np.arange(pop.number[0] + 1), stale_mpa)


@pytest.mark.parametrize("stopped", [True, False])
def test_all_learn_where_an_obstacle_stopped_one_others_later(stopped):
    at = 40.0
    crystal = lay_crystal(NARROW_NM, [(UP, 0.0)], obstacles=[(0, at, 300.0)])
    specimen = put_roomy(crystal, (0, at - 0.1, 1))
    used = specimen.population
    used.position[0] = at
    used.pinned_at[0] = 0 if stopped else -1
    # so short a glide is felt by nobody
    assert _announce_to_all(specimen.lattice, specimen.pillar, used, 1.0) == stopped
    assert used.placed[0] == (at if stopped else at - 0.1)
    assert not _announce_to_all(specimen.lattice, specimen.pillar, used, 1.0)


@pytest.mark.parametrize("in_flight", [True, False])
def test_of_one_in_flight_partners_learn_later(in_flight):
    crystal = lay_crystal(WIDE_NM, [(UP, 0.0), (UP, 200.0 / cos(UP)), (UP, 1000.0 / cos(UP))])
    places = [(1, MIDDLE + shift(200.0), -1), (2, MIDDLE + shift(1000.0), -1)]
    specimen = press(crystal, (0, MIDDLE, 1), *places)
    used, stale_mpa = specimen.population, 0.1
    # the glide that partners in the shell from 180 nm on bear
    bear_nm = 180.0 * sqrt(180.0 * stale_mpa / (6.0 * specimen.pillar.strength))
    used.position[0] += 2.0 * bear_nm
    used.last_glide[0] = 0.1 * bear_nm if in_flight else 0.0
    assert _announce_to_all(specimen.lattice, specimen.pillar, used, stale_mpa)
    learned = used.pair["known"][0, :3] != np.float32(MIDDLE)
    assert (learned == [True, not in_flight, False]).all()
    if in_flight:
        # once it stands they are asked as strictly as others
        used.last_glide[0] = 0.0
        _announce_to_all(specimen.lattice, specimen.pillar, used, stale_mpa)
        assert used.pair["known"][0, 1] == np.float32(used.placed[0])


@compiled
def _ask(lattice, pillar, pop, i, stale_mpa):
    return exert_what_lacks(lattice, pillar, pop, i, bend_of(pillar, stale_mpa))


def test_a_stricter_rest_asks_again_of_what_stands_since_the_last():
    specimen = neighbours(10.0, 1)
    used, lattice, pillar = specimen.population, specimen.lattice, specimen.pillar
    glide_nm = np.array([0.3, 0.0])
    used.position[:2] += glide_nm
    follow(specimen, glide_nm)
    # of its own images it learns at once
    assert _ask(lattice, pillar, used, 0, 1.0)
    assert not _ask(lattice, pillar, used, 0, 1.0)
    right = afresh(specimen).felt[:2]
    lacks = np.abs(used.felt[:2] - right).max()
    assert 0.01 < lacks < 1.0
    assert _ask(lattice, pillar, used, 0, 0.01)
    np.testing.assert_allclose(used.felt[:2], right, atol=0.01 * lacks)
    assert not _ask(lattice, pillar, used, 0, 0.01)


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
