from math import pi

import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM, C_MPA_NM, burgers_circuit, stress_by_hooke

from strainprint.specimens.fields import edge_displacement_nm, edge_stress_mpa


@pytest.mark.parametrize("sign", [1, -1])
def test_strains_of_the_displacement_give_the_stress_through_hookes_law(sign):
    rng = np.random.default_rng(0)
    for x, y in rng.uniform(-40, 40, (20, 2)):
        stress = np.array(edge_stress_mpa(x, y, sign, ALUMINIUM))
        found = stress_by_hooke(
            lambda x, y: edge_displacement_nm(x, y, sign, ALUMINIUM), x, y, 1e-3 * np.hypot(x, y)
        )
        assert np.abs(found - stress).max() < 1e-6 * np.abs(stress).max()


@pytest.mark.parametrize("sign", [1, -1])
def test_burgers_circuit_closes_with_b_along_the_slip_direction(sign):
    found = burgers_circuit(
        lambda x, y: edge_displacement_nm(x, y, sign, ALUMINIUM), 0, 0, 7.0, cut_angle=pi
    )
    np.testing.assert_allclose(found, [sign * 0.25, 0], atol=1e-6)


def test_displacement_jumps_by_b_across_the_slipped_half_plane_only():
    behind = np.subtract(*(edge_displacement_nm(-9, y, 1, ALUMINIUM) for y in (1e-9, -1e-9)))
    ahead = np.subtract(*(edge_displacement_nm(9, y, 1, ALUMINIUM) for y in (1e-9, -1e-9)))
    np.testing.assert_allclose(behind, [0.25, 0], atol=1e-9)
    np.testing.assert_allclose(ahead, 0, atol=1e-9)


def test_shear_on_the_slip_plane_is_c_over_the_distance():
    assert pytest.approx(1563, rel=1e-3) == C_MPA_NM  # mu b / (2 pi (1 - nu))
    _, _, shear = edge_stress_mpa([5.0, -5.0, 50.0], 0.0, 1, ALUMINIUM)
    np.testing.assert_allclose(shear, [C_MPA_NM / 5, -C_MPA_NM / 5, C_MPA_NM / 50])


def test_stress_is_in_equilibrium():
    x, y, step = 11.0, -7.0, 1e-3

    def difference(component, dx, dy):
        ahead = edge_stress_mpa(x + dx, y + dy, 1, ALUMINIUM)[component]
        return (ahead - edge_stress_mpa(x - dx, y - dy, 1, ALUMINIUM)[component]) / (2 * step)

    assert abs(difference(0, step, 0) + difference(2, 0, step)) < 1e-5
    assert abs(difference(2, step, 0) + difference(1, 0, step)) < 1e-5
