import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.maps.gauge import (
    MEASURES,
    strain_from_displacement,
    strain_of_gradient,
    virtual_gauge,
)
from strainprint.maps.quality import EDGE_OF_BODY, WINDOW_INCOMPLETE

SHAPE = (21, 31)


def grid(pitch_x=1.0, pitch_y=1.0):
    return np.meshgrid(pitch_x * np.arange(SHAPE[1]), pitch_y * np.arange(SHAPE[0]))


def strain(u, v, *, pitch_x=1.0, pitch_y=1.0, window_points=5, **how):
    return strain_from_displacement(
        u, v, pitch_x=pitch_x, pitch_y=pitch_y, window_points=window_points, **how
    )


def assert_uniform(found, exx, eyy, exy, atol=1e-7):
    for values, expected in ((found.exx, exx), (found.eyy, eyy), (found.exy, exy)):
        np.testing.assert_allclose(values, expected, rtol=1e-6, atol=atol)


@pytest.mark.parametrize("configuration", ["reference", "deformed"])
@pytest.mark.parametrize("measure", ["green_lagrange", "hencky"])
def test_a_pure_rotation_is_no_strain(measure, configuration):
    x, y = grid()
    angle = 0.3 if configuration == "reference" else -0.3
    # On the deformed body the same rotation, seen from where the points have come to.
    u = np.cos(angle) * x - np.sin(angle) * y - x
    v = np.sin(angle) * x + np.cos(angle) * y - y
    if configuration == "deformed":
        u, v = -u, -v
    assert_uniform(strain(u, v, measure=measure, configuration=configuration), 0, 0, 0)


def test_the_infinitesimal_measure_takes_a_rotation_for_strain():
    x, y = grid()
    u, v = (np.cos(0.3) - 1) * x - np.sin(0.3) * y, np.sin(0.3) * x + (np.cos(0.3) - 1) * y
    assert_uniform(strain(u, v, measure="infinitesimal"), np.cos(0.3) - 1, np.cos(0.3) - 1, 0)


@pytest.mark.parametrize("window_points", [3, 5, 11])
def test_simple_shear_in_each_measure(window_points):
    x, y = grid(2.0, 0.5)
    gamma = 0.2
    how = {"pitch_x": 2.0, "pitch_y": 0.5, "window_points": window_points}
    u, v = gamma * y, 0 * x
    assert_uniform(strain(u, v, measure="infinitesimal", **how), 0, 0, gamma / 2)
    assert_uniform(strain(u, v, measure="green_lagrange", **how), 0, gamma**2 / 2, gamma / 2)
    # ln U of simple shear: principal stretches are exp(±asinh(gamma / 2)).
    half = np.arcsinh(gamma / 2)
    found = strain(u, v, measure="hencky", **how)
    np.testing.assert_allclose(found.exx + found.eyy, 0, atol=1e-7)
    np.testing.assert_allclose(np.hypot((found.exx - found.eyy) / 2, found.exy), half, rtol=1e-6)


@pytest.mark.parametrize("configuration", ["reference", "deformed"])
def test_uniaxial_stretch_in_each_measure(configuration):
    x, y = grid()
    stretch = 1.1
    v = (stretch - 1) * y if configuration == "reference" else (1 - 1 / stretch) * y
    how = {"configuration": configuration}
    assert_uniform(strain(0 * x, v, measure="green_lagrange", **how), 0, (stretch**2 - 1) / 2, 0)
    assert_uniform(strain(0 * x, v, measure="hencky", **how), 0, np.log(stretch), 0)


def test_all_measures_agree_at_small_strain():
    generator = np.random.default_rng(0)
    gradient = [1e-6 * generator.normal(size=100) for _ in range(4)]
    first, *others = (strain_of_gradient(*gradient, measure=measure) for measure in MEASURES)
    for other in others:
        np.testing.assert_allclose(other, first, rtol=1e-4, atol=1e-11)


def test_a_gradient_that_turns_the_body_inside_out_is_no_strain():
    one = np.array([0.0])
    exx, _, _ = strain_of_gradient(one - 3, one, one, one, measure="hencky")
    assert np.isnan(exx).all()


@pytest.mark.parametrize("window_points", [3, 7, 15])
@pytest.mark.parametrize("period", [12.0, 25.0])
def test_a_sine_is_attenuated_as_the_window_must(window_points, period):
    """As in the DIC Challenge's sine images: a plane fit over 2m + 1 points passes, of a wave of
    wave number k, the share sum(j sin(k j)) / (k sum(j^2))."""
    x, _ = grid()
    k = 2 * np.pi / period
    j = np.arange(-(window_points // 2), window_points // 2 + 1)
    share = (j * np.sin(k * j)).sum() / (k * (j**2).sum())
    assert 0 < share < 1 or period == 12
    found = strain(0.1 * np.sin(k * x), 0 * x, window_points=window_points, measure="infinitesimal")
    inner = (slice(None), slice(window_points // 2, -(window_points // 2)))
    np.testing.assert_allclose(
        found.exx[inner], (share * 0.1 * k * np.cos(k * x))[inner], rtol=1e-5, atol=1e-7
    )


def test_failed_points_enter_no_strain_and_their_neighbours_say_so():
    x, y = grid()
    u, v = 0.01 * x + 0.02 * y, -0.005 * y
    u[10, 15] = v[10, 15] = np.nan
    v[3, 3] = np.inf
    found = strain(u, v, window_points=3, measure="infinitesimal")
    holes = np.zeros(SHAPE, dtype=bool)
    holes[10, 15] = holes[3, 3] = True
    np.testing.assert_array_equal(np.isnan(found.exx), holes)
    # Elsewhere the fit is exact, whatever the hole leaves of the window.
    assert_uniform(
        type(found)(*(values[~holes] for values in vars(found).values())), 0.01, -0.005, 0.01
    )
    expected = np.zeros(SHAPE, dtype=bool)
    expected[9:12, 14:17] = expected[2:5, 2:5] = True
    np.testing.assert_array_equal(found.flags & WINDOW_INCOMPLETE != 0, expected)
    edge = np.ones(SHAPE, dtype=bool)
    edge[1:-1, 1:-1] = False
    np.testing.assert_array_equal(found.flags & EDGE_OF_BODY != 0, edge)


def test_points_in_one_line_have_no_strain():
    u = np.full(SHAPE, np.nan)
    u[:, 4] = 0.1
    assert np.isnan(strain(u, u.copy(), measure="infinitesimal").exx).all()


def test_a_translation_of_many_pixels_costs_no_digits():
    x, y = grid()
    found = strain(1e6 + 1e-4 * x, -1e6 + 0 * y, measure="infinitesimal")
    np.testing.assert_allclose(found.exx, 1e-4, rtol=1e-4)


def test_blocks_of_rows_join_without_a_seam(monkeypatch):
    generator = np.random.default_rng(1)
    u, v = generator.normal(size=(2, *SHAPE))
    u[generator.random(SHAPE) < 0.1] = np.nan
    whole = strain(u, v, measure="green_lagrange")
    monkeypatch.setattr("strainprint.maps.gauge._POINTS_AT_ONCE", 2 * SHAPE[1])
    parts = strain(u, v, measure="green_lagrange")
    np.testing.assert_allclose(parts.exy, whole.exy, rtol=1e-5)
    np.testing.assert_array_equal(parts.flags, whole.flags)


def test_the_virtual_gauge_of_a_point_is_its_subset():
    assert virtual_gauge(1, 7, 21) == 21
    assert virtual_gauge(5, 7, 21) == 49


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"window_points": 4}, "4 points"),
        ({"window_points": 1}, "1 points"),
        ({"measure": "true"}, "measure"),
        ({"configuration": "current"}, "configuration"),
        ({"pitch_x": 0.0}, "pitch"),
    ],
)
def test_impossible_settings_are_refused(change, said):
    x, _ = grid()
    with pytest.raises(BadInputError, match=said):
        strain(x, x, **{"measure": "hencky", **change})
