import numpy as np
import pytest
from hand_built_crystals import (
    ALUMINIUM,
    C_MPA_NM,
    MIDDLE,
    ONE_PLANE,
    SCHMID,
    UP,
    WIDE_NM,
    lay_crystal,
    positions,
    press,
    settle,
)

from strainprint.specimens import dynamics


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
    _, time_ns, steps = settle(specimen)
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
    why, time_ns, _ = settle(specimen)
    assert why == dynamics.SETTLED
    assert len(positions(specimen)) == 0
    # x0^2 B / (4 C b), less the rest of the way that annihilation at 1.5 nm saves
    expected = (start**2 - 1.5**2) * ALUMINIUM.drag_pa_s / (4 * C_MPA_NM * 0.25) * 1e3
    assert time_ns == pytest.approx(expected, rel=0.01)


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
