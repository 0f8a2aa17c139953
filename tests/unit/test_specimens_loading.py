import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    SCHMID,
    UP,
    lay_crystal,
    mirror,
    press,
    rotate_half_turn,
    turn_upside_down,
)

from strainprint.errors import BadInputError
from strainprint.specimens import loading
from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.displacement import axial_stress_from_superposition_mpa
from strainprint.specimens.dynamics import DynamicsSettings
from strainprint.specimens.loading import (
    LoadingSettings,
    SimulationError,
    Specimen,
    simulate_specimen,
)
from strainprint.specimens.state import macroscopic_stress_mpa


def draw(width_nm=62.5, slip_systems=2, seed=0, **settings):
    rng = np.random.Generator(np.random.PCG64(seed))
    return place_crystal(width_nm, slip_systems, CrystalSettings(**settings), ALUMINIUM, rng)


def press_drawn(crystal, **settings):
    return Specimen(crystal, ALUMINIUM, DynamicsSettings(**settings), LoadingSettings())


def test_modulus_of_an_empty_crystal_is_that_of_plane_strain():
    specimen = press(lay_crystal(125.0, [(UP, 0.0)]))
    curve = specimen.load(0.01, sense=-1)
    np.testing.assert_allclose(curve.stress_mpa, 78554.6 * curve.strain, rtol=1e-5)
    assert curve.strain[-1] == pytest.approx(0.01)
    assert curve.settled.all()
    assert not curve.plastic_strain.any()


def test_curves_are_positive_along_the_loading_sense():
    for sense in (-1, 1):
        specimen = press(lay_crystal(125.0, [(UP, 0.0)]))
        curve = specimen.load(0.001, sense=sense)
        assert curve.stress_mpa[-1] == pytest.approx(78.5546)
        assert specimen.stress_mpa == pytest.approx(sense * 78.5546)


def test_yield_is_not_below_the_weakest_source():
    for seed in range(3):
        crystal = draw(seed=seed)
        curve = press_drawn(crystal).load(0.01, sense=-1)
        first = np.flatnonzero(curve.plastic_strain > 0)[0]
        assert curve.strain[first] * 78554.6 >= crystal.source_strength_mpa.min() / SCHMID


def test_elastic_loading_of_the_widest_specimen():
    specimen = press_drawn(draw(width_nm=2000.0))
    curve = specimen.load(1e-4, sense=-1)
    assert curve.stress_mpa[-1] == pytest.approx(7.85546)
    assert curve.dislocations[-1] == 0


def test_every_recorded_point_obeys_the_macroscopic_relation():
    specimen = press_drawn(draw(seed=1))
    errors = []

    def keep(strain):
        state = specimen.state
        exact = macroscopic_stress_mpa(specimen.crystal, ALUMINIUM, state)
        summed = axial_stress_from_superposition_mpa(specimen.crystal, ALUMINIUM, state)
        assert specimen.stress_mpa == pytest.approx(exact, rel=1e-9, abs=1e-9)
        errors.append(abs(summed - exact) / max(abs(exact), 1.0))

    curve = specimen.load(0.01, sense=-1, keep=keep)
    assert curve.dislocations.max() > 0
    assert len(errors) == 101
    assert max(errors) == specimen.largest_identity_error
    assert 0 < max(errors) < 1e-6


def test_a_broken_identity_stops_the_run(monkeypatch):
    def wrong(crystal, material, state):
        return macroscopic_stress_mpa(crystal, material, state) * (1 + 2e-6)

    specimen = press(lay_crystal(125.0, [(UP, 0.0)]), shear_mpa=-50.0)
    assert specimen.verified_state().platen_displacement_nm < 0
    monkeypatch.setattr(loading, "axial_stress_from_superposition_mpa", wrong)
    with pytest.raises(SimulationError, match="macroscopic identity broken"):
        specimen.verified_state()


def test_an_identity_that_is_not_a_number_stops_the_run(monkeypatch):
    monkeypatch.setattr(loading, "axial_stress_from_superposition_mpa", lambda *_: float("nan"))
    with pytest.raises(SimulationError, match="macroscopic identity broken"):
        press(lay_crystal(125.0, [(UP, 0.0)])).verified_state()


def test_multiplication_beyond_the_physical_density_stops_the_run():
    specimen = press_drawn(draw(seed=1), density_limit_per_um2=100.0)
    with pytest.raises(SimulationError, match="multiply without bound"):
        specimen.load(0.02, sense=-1)


def test_a_strain_between_recorded_points_is_refused():
    with pytest.raises(BadInputError, match="no multiple of the strain step"):
        press(lay_crystal(125.0, [(UP, 0.0)])).load(0.00015, sense=-1)


def test_unloading_ends_at_zero_stress():
    specimen = press_drawn(draw(seed=1))
    specimen.load(0.01, sense=-1)
    plastic = specimen.platen[0]
    assert specimen.unload()
    assert specimen.stress_mpa == pytest.approx(0, abs=1e-9)
    assert plastic < specimen.platen[0] < 0


def test_a_copy_goes_its_own_way():
    specimen = press_drawn(draw(seed=1))
    specimen.load(0.005, sense=-1)
    before = specimen.state
    twin = specimen.copy()
    twin.load(0.005, sense=-1)
    after = specimen.state
    np.testing.assert_array_equal(before.position_nm, after.position_nm)
    np.testing.assert_array_equal(before.whole_plane_slip, after.whole_plane_slip)
    assert twin.state.platen_displacement_nm != after.platen_displacement_nm


def test_going_on_after_a_copy_equals_going_on_without():
    crystal = draw(seed=1)
    interrupted, straight = press_drawn(crystal), press_drawn(crystal)
    straight_curve = straight.load(0.006, sense=-1)
    states = []

    def keep(strain):
        states.append(interrupted.copy())
        states[-1].unload()

    curve = interrupted.load(0.006, sense=-1, keep=keep)
    np.testing.assert_array_equal(curve.stress_mpa, straight_curve.stress_mpa)


@pytest.mark.parametrize("change", [rotate_half_turn, mirror, turn_upside_down])
@pytest.mark.parametrize("seed, obstacles", [(1, 6000.0), (2, 20000.0), (3, 20000.0)])
def test_a_turned_or_mirrored_crystal_has_the_same_curve(change, seed, obstacles):
    # ASSUME: narrow and short enough. Dense populations (125 nm, 10 dislocations) amplify rounding:
    # shifting every plane by 1e-14 of itself parts their curves as soon as mirroring does.
    crystal = draw(seed=seed, obstacle_density_per_um2=obstacles)
    curve = press_drawn(crystal).load(0.01, sense=-1)
    other = press_drawn(change(crystal)).load(0.01, sense=-1)
    assert curve.dislocations.max() > 1
    np.testing.assert_allclose(other.stress_mpa, curve.stress_mpa, rtol=1e-6, atol=1e-6)
    np.testing.assert_array_equal(other.dislocations, curve.dislocations)


def test_protocol_keeps_a_relaxed_reference_and_both_reloads():
    crystal = draw(seed=1)
    curve, histories, worst = simulate_specimen(
        crystal,
        ALUMINIUM,
        DynamicsSettings(),
        LoadingSettings(),
        [0.005, 0.001],
        {"small": 0.001, "large": 0.003},
    )
    assert curve.strain[-1] == pytest.approx(0.005)
    assert 0 < worst < 1e-6
    assert [history.prior_strain for history in histories] == [0.001, 0.005]
    for history in histories:
        assert set(history.states) == {"reference", "small", "large"}
        reference = history.states["reference"]
        assert history.relaxed
        assert macroscopic_stress_mpa(crystal, ALUMINIUM, reference) == pytest.approx(0, abs=1e-6)
        for name, strain in [("small", 0.001), ("large", 0.003)]:
            moved = history.states[name].platen_displacement_nm - reference.platen_displacement_nm
            assert moved == pytest.approx(-strain * crystal.height_nm)
        assert history.reload.strain[-1] == pytest.approx(0.003)
        small = macroscopic_stress_mpa(crystal, ALUMINIUM, history.states["small"])
        assert history.reload.stress_mpa[10] == pytest.approx(-small)
