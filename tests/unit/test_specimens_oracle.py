"""The simulator against the plain version of the same physics in benchmarks/plain_specimens.py.

`make bench-specimens` compares wider specimens and more of them.
"""

import numpy as np
import pytest
from hand_built_crystals import ALUMINIUM, OBSTRUCTED, put
from plain_specimens import PlainSpecimen, add

from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.dynamics import settle
from strainprint.specimens.loading import LoadingSettings, Specimen
from strainprint.specimens.rules import DynamicsSettings
from strainprint.specimens.state import plane_slip


def crystal(width_nm, seed, slip_systems=2, settings=OBSTRUCTED):
    rng = np.random.Generator(np.random.PCG64(seed))
    return place_crystal(width_nm, slip_systems, CrystalSettings(**settings), ALUMINIUM, rng)


def both(placed, **settings):
    """The same virgin crystal under either simulator."""
    dynamics = DynamicsSettings(**settings)
    fast = Specimen(placed, ALUMINIUM, dynamics, LoadingSettings())
    return fast, PlainSpecimen(placed, ALUMINIUM, dynamics)


@pytest.mark.parametrize("slip_systems", [1, 2])
@pytest.mark.parametrize("width_nm", [62.5, 1000.0])
def test_stresses_on_random_populations_agree_with_the_plain_sum(width_nm, slip_systems):
    placed = crystal(width_nm, 1, slip_systems)
    fast, plain = both(placed)
    rng = np.random.default_rng(2)
    # some on the planes of sources, crossing each other within a core radius or not
    planes = rng.choice(
        np.concatenate([placed.source_plane, np.arange(len(placed.plane_angle))]), 40
    )
    for plane in planes:
        position = rng.uniform(1.0, placed.plane_length_nm - 1.0)
        sign = rng.choice([-1, 1])
        add(plain.plain, plane, position, sign, 0)
        put(fast, (plane, position, sign))
    fast.population.slip[planes[:3]] += 1
    plain.plain.slip[planes[:3]] += 1
    fast.platen[0] = plain.plain.platen[0] = -0.001 * placed.height_nm
    sources = len(placed.source_plane)
    tau = np.zeros(sources + len(fast.population.plane))
    settle(
        fast.lattice,
        fast.pillar,
        fast.rules._replace(hold_steps=0),
        fast.population,
        fast.platen,
        False,
        tau,
    )
    at_sources, at_dislocations = plain.resolved_stresses_mpa()
    largest = max(np.abs(at_dislocations).max(), np.abs(at_sources).max())
    assert np.abs(tau[:sources] - at_sources).max() < 1e-9 * largest
    found = tau[sources : sources + len(at_dislocations)]
    assert np.abs(found - at_dislocations).max() < 1e-9 * largest


def steps_at_the_sides(placed, state):
    """Sum of the steps that slip left at both ends of all planes, in Burgers vectors."""
    ends = (-1.0, placed.plane_length_nm + 1.0)
    return sum(
        abs(plane_slip(placed, state, plane, end))
        for plane in range(len(placed.plane_angle))
        for end in ends
    )


@pytest.mark.parametrize("source_hardening", [0.0, 0.03])
def test_whole_runs_agree_with_the_plain_version(source_hardening):
    strain, rows = 0.005, []
    for seed in range(5):
        placed = crystal(62.5, seed)
        fast, plain = both(placed, source_hardening=source_hardening)
        curves = fast.load(strain, sense=-1), plain.load(strain)
        rows.append(
            [
                (
                    curve.stress_mpa.max(),
                    curve.stress_mpa[len(curve.stress_mpa) // 2 :].mean(),
                    curve.dislocations[-1],
                    steps_at_the_sides(placed, specimen.state),
                )
                for curve, specimen in zip(curves, (fast, plain), strict=True)
            ]
        )
    (peak, flow, number, steps), (plain_peak, plain_flow, plain_number, plain_steps) = np.transpose(
        rows, (1, 2, 0)
    )
    # the plain platen moves on while sources charge and dislocations glide: 0.8 MPa in 10 ns
    assert peak == pytest.approx(plain_peak, abs=4.0)
    # so a burst may fall on the other side of a recorded point
    assert flow == pytest.approx(plain_flow, rel=0.1)
    assert flow.mean() == pytest.approx(plain_flow.mean(), rel=0.03)
    assert steps.sum() == pytest.approx(plain_steps.sum(), rel=0.1)
    assert abs(number.mean() - plain_number.mean()) <= 1


def test_default_specimens_flow_under_the_stress_of_the_plain_version():
    flow, plain_flow = [], []
    for seed in range(6):
        fast, plain = both(crystal(62.5, seed, settings={}))
        for curve, found in (
            (fast.load(0.005, sense=-1), flow),
            (plain.load(0.005), plain_flow),
        ):
            found.append(curve.stress_mpa[len(curve.stress_mpa) // 2 :].mean())
    # single ones may tip over at an event
    assert np.mean(flow) == pytest.approx(np.mean(plain_flow), rel=0.03)
    assert np.median(np.abs(np.subtract(flow, plain_flow))) < 2.0
