from math import cos, pi, sin

import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    DOWN,
    UP,
    WIDE_NM,
    body_field,
    burgers_circuit,
    strength_of,
    stress_by_hooke,
)

from strainprint.specimens.fields import edge_stress_mpa
from strainprint.specimens.pillar import (
    MODES,
    closed_stress,
    correction_field,
    make_pillar,
    mean_axial_stress,
    shear_weights,
    side_traction_modes,
    wave_factor,
)

WIDTH, HEIGHT = 125.0, 500.0
BODY = make_pillar(WIDTH, HEIGHT, ALUMINIUM)
PLAIN_MPA = C_MPA_NM / WIDTH
"""Stress of a dislocation at a distance of one width: the scale of the tractions to remove."""

DISLOCATIONS = [
    (20.0, 230.0, UP, 1),
    (-45.0, 300.0, DOWN, 1),
    (1.0, 250.0, UP, -1),
    (61.0, 190.0, DOWN, -1),
    (-0.5, 260.0, DOWN, 1),
]
"""(x0, y0, angle, sign): either half, both systems, mid-plane and 1.5 nm from a side."""


@pytest.mark.parametrize("dislocation", DISLOCATIONS)
def test_strains_of_the_body_displacement_give_the_body_stress_through_hookes_law(dislocation):
    x0, y0, *_ = dislocation
    rng = np.random.default_rng(1)
    points = np.column_stack([rng.uniform(-60, 60, 25), rng.uniform(5, 495, 25)])
    far = np.hypot(points[:, 0] - x0, points[:, 1] - y0) > 5
    for x, y in points[far]:
        field = body_field(BODY, [dislocation], x, y)[:3]
        found = stress_by_hooke(
            lambda x, y: body_field(BODY, [dislocation], x, y)[3:], x, y, step_nm=0.02
        )
        # relative to the dislocation's plain stress there: on a free side the total vanishes
        assert np.abs(found - field).max() < 1e-6 * C_MPA_NM / np.hypot(x - x0, y - y0)


@pytest.mark.parametrize("angle", np.radians([0, 30, 60, 90, 120, 165, -60, -120]))
@pytest.mark.parametrize("sign", [1, -1])
def test_burgers_circuit_in_the_body_closes_with_b_for_any_orientation(angle, sign):
    for x0, radius in [(15.0, 30.0), (-58.0, 3.0)]:
        found = burgers_circuit(
            lambda x, y, x0=x0: body_field(BODY, [(x0, 240.0, angle, sign)], x, y)[3:],
            x0,
            240.0,
            radius,
            cut_angle=angle + pi,
        )
        expected = 0.25 * sign * np.array([cos(angle), sin(angle)])
        np.testing.assert_allclose(found, expected, atol=1e-6)


def test_middle_of_a_wide_body_is_an_infinite_medium():
    body = make_pillar(WIDE_NM, 4 * WIDE_NM, ALUMINIUM)
    y0 = body.height / 2
    for angle in (UP, DOWN):
        s, n = np.array([cos(angle), sin(angle)]), np.array([-sin(angle), cos(angle)])
        for x, y in [(12.0, 0.0), (-7.0, 3.0), (5.0, 25.0), (-10.0, -10.0)]:
            point = np.array([0.0, y0]) + x * s + y * n
            xx, yy, xy, _, _ = body_field(body, [(0.0, y0, angle, 1)], *point)
            stress = np.array([[xx, xy], [xy, yy]])
            local = [s @ stress @ s, n @ stress @ n, s @ stress @ n]
            expected = edge_stress_mpa(x, y, 1, ALUMINIUM)
            scale = np.abs(expected).max()
            np.testing.assert_allclose(local, expected, atol=1e-4 * scale)


@pytest.mark.parametrize("dislocation", DISLOCATIONS)
def test_sides_carry_no_traction(dislocation):
    for y in np.linspace(0, HEIGHT, 41):
        for side in (-WIDTH / 2, WIDTH / 2):
            xx, _, xy, _, _ = body_field(BODY, [dislocation], side, y)
            assert max(abs(xx), abs(xy)) < 1e-4 * PLAIN_MPA


@pytest.mark.parametrize("dislocation", DISLOCATIONS)
def test_platens_carry_no_shear_and_stay_flat(dislocation):
    for y in (0.0, HEIGHT):
        x = np.linspace(-WIDTH / 2, WIDTH / 2, 21)
        field = np.array([body_field(BODY, [dislocation], at, y) for at in x])
        assert np.abs(field[:, 2]).max() < 1e-12 * PLAIN_MPA * WIDTH
        assert np.ptp(field[:, 4]) < 1e-12


def _side_traction(modes, x0):
    body = make_pillar(WIDTH, HEIGHT, ALUMINIUM, modes)
    far_side = -WIDTH / 2 if x0 > 0 else WIDTH / 2
    field = [
        body_field(body, [(x0, 250.0, UP, 1)], far_side, y) for y in np.linspace(0, HEIGHT, 201)
    ]
    return max(np.hypot(f[0], f[2]) for f in field)


def test_side_traction_falls_exponentially_with_the_number_of_modes():
    # one mode more: exp(-pi w / (2 h)) of a mid-plane dislocation, times its wave number
    counts = np.array([8, 16, 24, 32, 40])
    errors = np.array([_side_traction(n, 0.01) for n in counts])
    slope = np.polyfit(counts, np.log(errors / counts), 1)[0]
    assert slope == pytest.approx(-pi * WIDTH / (2 * HEIGHT), rel=0.1)
    assert errors[3] < 1e-4 * PLAIN_MPA


def test_dislocations_near_a_side_need_no_more_modes_than_those_amid():
    amid = _side_traction(MODES, 0.01)
    for distance in (0.5, 2.0, 10.0, 40.0):
        assert _side_traction(MODES, WIDTH / 2 - distance) <= amid


def test_near_side_is_free_without_any_mode():
    for x0 in (61.0, 30.0, 5.0):
        gamma = strength_of(BODY, UP)
        q0 = wave_factor(BODY, x0, 230.0)
        for y in np.linspace(0, HEIGHT, 21):
            q = wave_factor(BODY, WIDTH / 2, y)
            trace, deviator = closed_stress(
                BODY.wave, BODY.half_width, WIDTH / 2, q, x0, q0, gamma, True
            )
            near = C_MPA_NM / np.hypot(WIDTH / 2 - x0, y - 230.0)
            assert abs((trace - deviator.real) / 2) < 1e-11 * near
            assert abs(deviator.imag / 2) < 1e-11 * near


@pytest.mark.parametrize("angle", np.radians([0, 30, 60, 90, 120, 150, 200, 300]))
@pytest.mark.parametrize("side", [1, -1])
def test_image_force_is_that_of_a_half_plane_for_every_direction_of_b(angle, side):
    # mu b^2 / (4 pi (1 - nu) d) towards the side, none along it
    body = make_pillar(WIDE_NM, 4 * WIDE_NM, ALUMINIUM)
    distance = 10.0
    x0, y0 = side * (body.half_width - distance), body.height / 2
    wave = wave_factor(body, x0, y0)
    trace, deviator = closed_stress(
        body.wave, body.half_width, x0, wave, x0, wave, strength_of(body, angle), False
    )
    xx, yy, xy = (trace - deviator.real) / 2, (trace + deviator.real) / 2, deviator.imag / 2
    b = 0.25 * np.array([cos(angle), sin(angle)])
    force = np.array([xy * b[0] + yy * b[1], -xx * b[0] - xy * b[1]])
    expected = side * ALUMINIUM.shear_modulus_mpa * 0.25**2 / (4 * pi * 0.67 * distance)
    np.testing.assert_allclose(force, [expected, 0], atol=1e-4 * abs(expected))


@pytest.mark.parametrize("x0", [40.0, 2.0, -2.0, -55.0])
def test_traction_modes_are_the_fourier_coefficients_of_the_traction_left_over(x0):
    y0 = 210.0
    gamma = strength_of(BODY, UP)
    modes = np.empty(4 * BODY.modes)
    side_traction_modes(BODY, x0, y0, gamma, modes)
    far = 0 if x0 < 0 else 1
    x = WIDTH / 2 if x0 < 0 else -WIDTH / 2
    count = 1024
    y = (np.arange(count) + 0.5) * HEIGHT / count
    q0 = wave_factor(BODY, x0, y0)
    field = [
        closed_stress(BODY.wave, BODY.half_width, x, wave_factor(BODY, x, at), x0, q0, gamma, True)
        for at in y
    ]
    xx = np.array([(trace - deviator.real) / 2 for trace, deviator in field])
    xy = np.array([deviator.imag / 2 for _, deviator in field])
    k = np.arange(1, BODY.modes + 1)[:, None] * pi / HEIGHT
    f = 2 / count * np.sum(xx * np.cos(k * y), axis=1)
    g = 2 / count * np.sum(xy * np.sin(k * y), axis=1)
    table = modes.reshape(4, BODY.modes)
    np.testing.assert_allclose(table[far], f, atol=1e-9 * PLAIN_MPA)
    np.testing.assert_allclose(table[2 + far], g, atol=1e-9 * PLAIN_MPA)
    assert not table[1 - far].any()
    assert not table[3 - far].any()
    # no net force is left on the side
    assert abs(xx.mean()) < 1e-9 * PLAIN_MPA


@pytest.mark.parametrize("x0", [40.0, 0.5, -30.0])
def test_mean_axial_stress_is_the_section_mean_at_every_height(x0):
    gamma = strength_of(BODY, UP)
    q0 = wave_factor(BODY, x0, 250.0)
    nodes, weights = np.polynomial.legendre.leggauss(400)
    for y in (20.0, 180.0, 330.0):
        trace, deviator = zip(
            *(
                closed_stress(
                    BODY.wave, BODY.half_width, x, wave_factor(BODY, x, y), x0, q0, gamma, True
                )
                for x in nodes * WIDTH / 2
            ),
            strict=True,
        )
        field = np.array(trace) / 2 + np.array(deviator).real / 2
        # the mean is the same at every height only where the sides carry no shear
        modes = np.empty(4 * BODY.modes)
        side_traction_modes(BODY, x0, 250.0, gamma, modes)
        field += [correction_field(BODY, modes, x, y)[1] for x in nodes * WIDTH / 2]
        mean = weights @ field / 2
        assert mean == pytest.approx(mean_axial_stress(BODY, x0, gamma), abs=1e-4 * PLAIN_MPA)


@pytest.mark.parametrize("angle", [UP, DOWN])
def test_weights_resolve_the_correction_field(angle):
    modes = np.random.default_rng(2).normal(size=4 * BODY.modes)
    weights = np.empty(4 * BODY.modes)
    for x, y in [(0.0, 100.0), (-62.0, 250.0), (40.0, 499.0), (62.5, 10.0)]:
        shear_weights(BODY, x, y, sin(2 * angle), cos(2 * angle), weights)
        xx, yy, xy, _, _ = correction_field(BODY, modes, x, y)
        expected = 0.5 * sin(2 * angle) * (yy - xx) + cos(2 * angle) * xy
        assert weights @ modes == pytest.approx(expected, rel=1e-10, abs=1e-10)
