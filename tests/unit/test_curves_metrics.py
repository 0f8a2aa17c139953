"""Curve errors and yield stress against curves whose answer is known."""

import numpy as np
import pytest

from strainprint.curves.metrics import (
    r_squared,
    r_squared_at_strain,
    relative_rmse,
    yield_stress_mpa,
)
from strainprint.errors import BadInputError

MODULUS_MPA = 78550.0
STRAIN = np.linspace(0, 0.01, 101)


def test_equal_curves_have_no_error():
    curve = np.minimum(MODULUS_MPA * STRAIN, 200.0)
    assert relative_rmse(curve, curve) == 0.0
    assert r_squared(curve, curve) == 1.0


def test_ten_percent_too_stiff_is_a_relative_rmse_of_a_tenth():
    curve = MODULUS_MPA * STRAIN
    assert relative_rmse(curve, 1.1 * curve) == pytest.approx(0.1, rel=1e-12)
    assert relative_rmse(curve, np.zeros_like(curve)) == pytest.approx(1.0)


def test_r_squared_by_hand():
    true = np.array([1.0, 2.0, 3.0])
    assert r_squared(true, np.array([2.0, 2.0, 2.0])) == pytest.approx(0.0)
    assert r_squared(true, np.array([1.0, 2.0, 4.0])) == pytest.approx(0.5)
    assert np.isnan(r_squared(np.ones(3), np.ones(3)))


def test_r_squared_at_strain_is_over_maps_not_along_the_curve():
    true = np.array([[0.0, 1.0, 10.0], [0.0, 3.0, 20.0]])
    predicted = np.array([[0.0, 2.0, 10.0], [0.0, 2.0, 20.0]])
    found = r_squared_at_strain(true, predicted)
    assert np.isnan(found[0])
    np.testing.assert_allclose(found[1:], [0.0, 1.0])


def test_perfectly_plastic_curve_yields_at_its_plateau():
    assert yield_stress_mpa(
        STRAIN, np.minimum(MODULUS_MPA * STRAIN, 150.0), MODULUS_MPA
    ) == pytest.approx(150.0)


def test_linear_hardening_yields_where_it_meets_the_offset_line():
    """σ = σ0 + H (ε − σ0/E) meets E (ε − δ) at σ = σ0 + H δ E / (E − H)."""
    hardening, start, offset = 10000.0, 150.0, 2e-4
    fine = np.linspace(0, 0.01, 2001)
    curve = np.where(
        MODULUS_MPA * fine < start,
        MODULUS_MPA * fine,
        start + hardening * (fine - start / MODULUS_MPA),
    )
    expected = start + hardening * offset * MODULUS_MPA / (MODULUS_MPA - hardening)
    assert yield_stress_mpa(fine, curve, MODULUS_MPA, offset) == pytest.approx(expected, rel=1e-6)


def test_elastic_curve_never_yields():
    assert np.isnan(yield_stress_mpa(STRAIN, MODULUS_MPA * STRAIN, MODULUS_MPA))


def test_narrow_specimen_of_650_mpa_still_yields_within_one_percent():
    """Why the offset is 0.02 % and not 0.2 %."""
    curve = np.minimum(MODULUS_MPA * STRAIN, 650.0)
    assert yield_stress_mpa(STRAIN, curve, MODULUS_MPA) == pytest.approx(650.0)
    assert np.isnan(yield_stress_mpa(STRAIN, curve, MODULUS_MPA, 0.002))


def test_curves_of_different_grids_and_senseless_moduli_are_refused():
    with pytest.raises(BadInputError, match="shapes"):
        relative_rmse(np.ones(3), np.ones(4))
    with pytest.raises(BadInputError, match="zero"):
        relative_rmse(np.zeros(3), np.ones(3))
    with pytest.raises(BadInputError, match="modulus"):
        yield_stress_mpa(STRAIN, STRAIN, 0.0)
