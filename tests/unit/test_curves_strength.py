"""Yield, size effect and scatter: numbers put in come out."""

import numpy as np
import pytest

from strainprint.curves.strength import (
    flow_stress_mpa,
    offset_yield_mpa,
    relative_scatter,
    size_exponent,
)
from strainprint.errors import BadInputError

MODULUS = 80_000.0


def test_offset_yield_of_a_plastic_plateau_is_the_plateau():
    strain = np.linspace(0, 0.02, 201)
    stress = np.minimum(MODULUS * strain, 120.0)
    assert offset_yield_mpa(strain, stress, MODULUS) == pytest.approx(120.0)


def test_offset_yield_of_a_hardening_line_is_where_it_meets_the_offset_line():
    strain = np.linspace(0, 0.02, 201)
    stress = np.minimum(MODULUS * strain, 100.0 + 2000.0 * strain)
    # 100 + 2000 e = 80000 (e - 0.002)
    expected = 100.0 + 2000.0 * 260.0 / 78_000.0
    assert offset_yield_mpa(strain, stress, MODULUS) == pytest.approx(expected)


def test_an_elastic_curve_never_yields():
    strain = np.linspace(0, 0.02, 21)
    assert np.isnan(offset_yield_mpa(strain, MODULUS * strain, MODULUS))


def test_flow_stress_is_the_mean_between_two_strains():
    strain = np.linspace(0, 0.02, 201)
    assert flow_stress_mpa(strain, strain, between=(0.005, 0.01)) == pytest.approx(0.0075)
    assert np.isnan(flow_stress_mpa(strain[:10], strain[:10]))


def test_the_exponent_of_a_power_law_with_scatter_is_recovered():
    random = np.random.default_rng(1)
    stress = {
        w: 1000.0 * w**-0.55 * np.exp(random.normal(0, 0.1, 40)) for w in (62.5, 125.0, 250.0)
    }
    exponent = size_exponent(stress, seed=0)
    assert exponent.low < -0.55 < exponent.high
    assert exponent.value == pytest.approx(-0.55, abs=0.05)
    assert exponent.high - exponent.low < 0.15


def test_without_scatter_the_interval_is_the_exponent_and_specimens_without_yield_are_left_out():
    stress = {w: np.array([1000.0 * w**-0.5] * 3 + [np.nan]) for w in (100.0, 200.0)}
    assert size_exponent(stress, seed=0, resamples=50) == pytest.approx((-0.5, -0.5, -0.5))


def test_one_width_has_no_exponent():
    with pytest.raises(BadInputError, match="2 or more"):
        size_exponent({125.0: np.ones(3), 250.0: np.array([np.nan])}, seed=0)


def test_scatter_is_standard_deviation_over_mean():
    values = np.array([90.0, 100.0, 110.0, np.nan])
    scatter = relative_scatter(values, seed=0)
    assert scatter.value == pytest.approx(0.1)
    assert scatter.low <= 0.1 <= scatter.high
    assert np.isnan(relative_scatter(values[:2], seed=0).value)
