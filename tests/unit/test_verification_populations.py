"""The estimators behind the statistical entries of the verification page, on known answers."""

from functools import partial

import numpy as np
import pytest
from verification.populations import (
    Effort,
    Loading,
    bootstrap_interval,
    loaded,
    on_all_cores,
    power_law_exponent,
    size_slope,
    yield_stress,
)

from strainprint.specimens.loading import Curve

WIDTHS = (62.5, 125.0, 250.0)


def test_a_power_law_on_a_bounded_range_gives_its_exponent_back():
    rng = np.random.default_rng(0)
    for exponent in (0.6, 1.5, 2.2):
        low, high, a = 0.02, 0.5, 1 - exponent
        share = rng.random(20000)
        sizes = (low**a + share * (high**a - low**a)) ** (1 / a)
        beyond = rng.uniform(1, 9, 500)
        found = power_law_exponent(np.append(sizes, beyond), low, high)
        assert found == pytest.approx(exponent, abs=0.04)


def test_the_interval_of_a_size_slope_holds_the_slope():
    rng = np.random.default_rng(1)
    samples = {w: 1e3 * w**-0.55 * rng.lognormal(0, 0.2, 50) for w in WIDTHS}
    low, high = bootstrap_interval(partial(size_slope, samples), "test", resamples=400)
    assert low < -0.55 < high
    assert high - low < 0.15
    assert (low, high) == bootstrap_interval(partial(size_slope, samples), "test", resamples=400)


def test_yield_is_the_largest_stress_before_the_offset():
    plastic = np.array([0, 0, 0.0005, 0.0015, 0.0025, 0.004])
    stress = np.array([0, 80.0, 120, 100, 110, 300])
    curve = Curve(np.linspace(0, 0.01, 6), stress, plastic, np.zeros(6), np.ones(6, bool))
    assert yield_stress(curve) == 120


def test_a_load_that_ends_with_its_plastic_strain_is_the_start_of_the_whole():
    whole = loaded(Loading(62.5, 1, 0.01))
    part = loaded(Loading(62.5, 1, 0.01, until_plastic=0.001))
    count = len(part.strain)
    assert part.plastic_strain[-11] <= 0.001 < part.plastic_strain[-1]
    np.testing.assert_allclose(part.strain, whole.strain[:count], atol=1e-12)
    np.testing.assert_allclose(part.stress_mpa, whole.stress_mpa[:count], atol=1e-6)


def test_results_come_in_the_order_of_their_tasks_on_any_number_of_cores():
    tasks = [np.array([float(k)]) for k in range(7)]
    for cores in (1, 2):
        found = on_all_cores(np.sum, tasks, Effort(samples=7, cores=cores), "sums")
        assert found == list(range(7))
