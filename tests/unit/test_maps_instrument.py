import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.maps.instrument import Instrument
from strainprint.maps.strain_map import StrainMap

SHAPE = (60, 200)
ROWS, COLUMNS = np.meshgrid(*(np.arange(n, dtype=float) for n in SHAPE), indexing="ij")


def displaced(ux_nm, uy_nm, pitch_nm=2.0, valid=None):
    valid = np.ones(SHAPE, dtype=bool) if valid is None else valid
    return StrainMap.from_displacement(
        ux_nm * np.ones(SHAPE), uy_nm * np.ones(SHAPE), valid, pitch_nm=pitch_nm, frame="reference"
    )


def seen(strain_map, seed=0, **settings):
    instrument = Instrument(**{"subset_px": 9, "step_px": 3, "window_points": 5, **settings})
    return instrument.measure(strain_map, np.random.default_rng(seed))


def slip_step(height_nm, column=100):
    return displaced(0.0, height_nm * (column <= COLUMNS))


def test_uniform_strain_is_measured_exactly():
    # exx 1e-3, eyy -2e-3, exy (5e-4 + 3e-4) / 2, lengths in nm at 2 nm a pixel
    x, y = 2 * ROWS, 2 * COLUMNS
    measured = seen(displaced(1e-3 * x + 5e-4 * y, -2e-3 * y + 3e-4 * x))
    assert measured.valid.all()
    for name, value in (("exx", 1e-3), ("eyy", -2e-3), ("exy", 4e-4)):
        np.testing.assert_allclose(getattr(measured, name), value, rtol=1e-4)


def test_the_map_ends_half_a_subset_inside_the_body():
    measured = seen(displaced(1e-3 * ROWS, 0.0))
    assert measured.shape == ((60 - 9) // 3 + 1, (200 - 9) // 3 + 1)
    assert measured.pitch_nm == 6
    assert measured.attributes["gauge_nm"] == 2 * (4 * 3 + 9)


def test_a_subset_that_reaches_off_the_body_is_lost():
    valid = COLUMNS < 120
    measured = seen(displaced(1e-3 * ROWS, 0.0, valid=valid))
    centres = 4 + (200 - 9) % 3 // 2 + 3 * np.arange(measured.shape[1])
    np.testing.assert_array_equal(measured.valid.any(axis=0), centres + 4 < 120)


def test_a_slip_step_becomes_a_ramp_of_one_subset():
    """Box average: displacement rises over 9 px; the plane fit of points all on the ramp has its
    slope, 0.5 nm over 18 nm, and away from the step there is none."""
    measured = seen(slip_step(0.5), step_px=1, window_points=3)
    middle = measured.eyy[measured.shape[0] // 2]
    assert middle.max() == pytest.approx(0.5 / 18, rel=1e-4)
    assert middle.sum() * 2 == pytest.approx(0.5, rel=1e-4)  # the step is conserved
    # nine rises of displacement, each seen by the windows of both its ends
    assert np.count_nonzero(np.abs(middle) > 1e-6) == 10


@pytest.mark.parametrize(("height_px", "lost"), [(0.8, False), (1.2, True)])
def test_a_subset_torn_by_a_step_is_lost_and_only_there(height_px, lost):
    measured = seen(slip_step(height_px * 2.0), step_px=1, window_points=3)
    column = 100 - 4  # of the subset that the step halves
    assert measured.valid[20, column] != lost
    assert measured.valid[:, : column - 6].all()
    assert measured.valid[:, column + 7 :].all()


def test_noise_has_its_deviation_and_is_shared_by_overlapping_subsets():
    measured = seen(displaced(0.0, 1e-6 * COLUMNS), noise_px=0.05, step_px=2, subset_px=9)
    for noise in (measured.ux_nm, measured.uy_nm - 1e-6 * np.arange(measured.shape[1])):
        noise = noise.astype(float) - noise.mean()
        assert noise.std() == pytest.approx(0.05 * 2, rel=0.15)
        lag_1 = np.mean(noise[:, 1:] * noise[:, :-1]) / noise.var()
        assert lag_1 == pytest.approx(1 - 2 / 9, abs=0.06)  # physics.md 5: 0.72 to 0.83


def test_the_same_seed_gives_the_same_noise():
    body = displaced(1e-3 * ROWS, 0.0)
    once, again = (seen(body, seed=7, noise_px=0.02) for _ in range(2))
    np.testing.assert_array_equal(once.exx, again.exx)
    assert not np.array_equal(once.exx, seen(body, seed=8, noise_px=0.02).exx)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"subset_px": 8}, r"subset_px is 8\n  allowed: an odd"),
        ({"step_px": 0}, "step_px is 0"),
        ({"window_points": 1}, "window_points is 1"),
        ({"noise_px": -0.1}, "noise_px is -0.1"),
        ({"lost_step_px": 0.0}, "lost_step_px is 0.0"),
    ],
)
def test_settings_that_no_correlation_has_are_refused(settings, message):
    with pytest.raises(BadInputError, match=message):
        seen(slip_step(0.1), **settings)


def test_a_body_smaller_than_three_subsets_is_refused():
    with pytest.raises(BadInputError, match=r"subsets of 59 px.*60 x 200"):
        seen(displaced(1e-3 * ROWS, 0.0), subset_px=59)


def test_a_map_without_one_whole_subset_is_refused():
    with pytest.raises(BadInputError, match="no subset correlates"):
        seen(displaced(0.0, 4.0 * (COLUMNS % 8 >= 4)))
