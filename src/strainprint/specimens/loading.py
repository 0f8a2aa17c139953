"""The loading protocol: compress to each prior strain, unload, relax, reload, keep states.

One path to the largest prior strain serves all: at every prior strain the specimen is copied, and
the copy is unloaded, relaxed and reloaded while the original goes on.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.displacement import axial_stress_from_superposition_mpa
from strainprint.specimens.dynamics import (
    OUT_OF_ROOM,
    SETTLED,
    DynamicsSettings,
    make_kernel_inputs,
    next_event,
    settle,
)
from strainprint.specimens.material import Material
from strainprint.specimens.population import (
    copy_population,
    macroscopic,
    make_population,
    observe,
)
from strainprint.specimens.state import State, macroscopic_stress_mpa

log = logging.getLogger(__name__)

IDENTITY_TOLERANCE = 1e-6
"""Largest relative difference between sigma = E'(U/h - eps_p) and the full superposition."""


class SimulationError(RuntimeError):
    """A specimen's run broke a physical check; nothing of it is kept."""


@dataclass(frozen=True)
class LoadingSettings:
    """The protocol (paper, section 4.3; defaults its values).

    Attributes
    ----------
    strain_step
        Strain between recorded points; the platen never moves further at once.
    """

    strain_step: float = 1e-4


@dataclass(frozen=True)
class Curve:
    """Recorded points of one loading; strain and stress positive along the loading sense.

    Attributes
    ----------
    strain, stress_mpa
        Engineering strain since the start of this loading, mean axial stress.
    plastic_strain, dislocations
        Plastic strain since the virgin state, number of dislocations in the specimen.
    settled
        Whether the population came to rest before the platen moved on.
    """

    strain: NDArray[np.float64]
    stress_mpa: NDArray[np.float64]
    plastic_strain: NDArray[np.float64]
    dislocations: NDArray[np.int64]
    settled: NDArray[np.bool_]


@dataclass(frozen=True)
class History:
    """What one specimen remembers of one prior strain.

    Attributes
    ----------
    states
        "reference" (relaxed after unloading) and one state per reload strain.
    reload
        Stress-strain curve of the reload, from the reference to the largest reload strain.
    relaxed
        Whether everything came to rest at zero load within the hold time.
    """

    prior_strain: float
    states: dict[str, State]
    reload: Curve
    relaxed: bool


class Specimen:
    """One crystal under a press; compression moves the platen to negative U.

    The population is carried from call to call; :meth:`copy` makes an independent twin.
    """

    def __init__(
        self,
        crystal: Crystal,
        material: Material,
        dynamics: DynamicsSettings,
        loading: LoadingSettings,
    ) -> None:
        """Start from the virgin, stress-free crystal."""
        self.crystal, self.material = crystal, material
        self.dynamics, self.loading = dynamics, loading
        self.lattice, self.pillar, self.rules = make_kernel_inputs(crystal, material, dynamics)
        self.population = make_population(crystal, self.pillar)
        self.platen = np.zeros(1)
        self._tau = np.zeros(len(self.lattice.source_threshold))
        self.steps = 0
        self.largest_identity_error = 0.0

    def copy(self) -> Specimen:
        """Return an independent specimen in the same state."""
        twin = object.__new__(Specimen)
        twin.__dict__.update(self.__dict__)
        twin.population = copy_population(self.population)
        twin.platen = self.platen.copy()
        return twin

    @property
    def state(self) -> State:
        """The present state."""
        return observe(self.population, float(self.platen[0]))

    @property
    def stress_mpa(self) -> float:
        """Mean axial stress, tension positive."""
        strain, _ = macroscopic(self.lattice, self.pillar, self.population)
        return float(self.pillar.modulus * (self.platen[0] / self.pillar.height - strain))

    def settle(self, *, hold_stress: bool = False) -> bool:
        """Let everything come to rest; returns whether it did within the hold time."""
        quiet = np.abs(self._tau[: len(self.lattice.source_threshold)]) < (
            self.lattice.source_threshold
        )
        self.population.hindrance[quiet] = 0.0
        while True:
            tau = np.zeros(len(self.population.charge) + len(self.population.plane))
            why, _, steps = settle(
                self.lattice,
                self.pillar,
                self.rules,
                self.population,
                self.platen,
                hold_stress,
                tau,
            )
            self.steps += steps
            if why != OUT_OF_ROOM:
                break
            self._check_density()
            self.population = copy_population(self.population, 2 * len(self.population.plane))
        self._tau = tau
        return bool(why == SETTLED)

    def _check_density(self) -> None:
        area_um2 = self.crystal.width_nm * self.crystal.height_nm * 1e-6
        density = self.population.number[0] / area_um2
        if density > self.dynamics.density_limit_per_um2:
            raise SimulationError(
                f"dislocation density {density:.3g} /um^2 exceeds the physical limit of "
                f"{self.dynamics.density_limit_per_um2:.3g} /um^2: sources multiply without bound"
            )

    def verified_state(self) -> State:
        """Return the present state after checking the macroscopic identity by superposition."""
        state = self.state
        exact = macroscopic_stress_mpa(self.crystal, self.material, state)
        summed = axial_stress_from_superposition_mpa(self.crystal, self.material, state)
        # relative to the stress a specimen carries; 1 MPa keeps the unloaded state meaningful
        error = abs(summed - exact) / max(abs(exact), 1.0)
        self.largest_identity_error = max(self.largest_identity_error, error)
        if not error <= IDENTITY_TOLERANCE:
            raise SimulationError(
                f"macroscopic identity broken: E'(U/h - eps_p) = {exact:.9g} MPa, superposition "
                f"{summed:.9g} MPa at U = {state.platen_displacement_nm:.6g} nm"
            )
        return state

    def load(
        self, strain: float, *, sense: int, keep: Callable[[float], None] | None = None
    ) -> Curve:
        """Move the platen by ``strain`` (> 0) along ``sense`` (-1 compression, +1 tension).

        ``keep`` is called with the strain at every recorded point, after everything came to rest
        and the macroscopic identity was checked.
        """
        start = float(self.platen[0])
        height = self.pillar.height
        points = round(strain / self.loading.strain_step)
        if points < 1 or abs(points * self.loading.strain_step - strain) > 1e-9:
            raise BadInputError(
                f"strain {strain} is no multiple of the strain step {self.loading.strain_step}",
                where="specimens.loading.strain_step",
            )
        rows = []
        for point in range(points + 1):
            target = start + sense * height * point * self.loading.strain_step
            settled = self._move_to(target, sense)
            self._check_density()
            self.verified_state()
            plastic, _ = macroscopic(self.lattice, self.pillar, self.population)
            rows.append(
                (
                    point * self.loading.strain_step,
                    sense * self.stress_mpa,
                    sense * plastic,
                    int(self.population.number[0]),
                    settled,
                )
            )
            if keep is not None:
                keep(point * self.loading.strain_step)
        columns = list(zip(*rows, strict=True))
        return Curve(
            strain=np.array(columns[0]),
            stress_mpa=np.array(columns[1]),
            plastic_strain=np.array(columns[2]),
            dislocations=np.array(columns[3], np.int64),
            settled=np.array(columns[4], np.bool_),
        )

    def _move_to(self, target: float, sense: int) -> bool:
        """Move the platen to U = ``target``, stopping at every threshold on the way."""
        settled = self.settle()
        while (target - self.platen[0]) * sense > 0:
            event = next_event(
                self.lattice, self.pillar, self.rules, self.population, self._tau, sense
            )
            # a hair beyond the threshold, so that rounding cannot leave it unreached
            jump = event * (1 + 1e-9) / self.pillar.modulus * self.pillar.height
            jump = max(jump, 1e-9 * self.pillar.height)
            if (target - self.platen[0]) * sense <= jump:
                self.platen[0] = target
            else:
                self.platen[0] += sense * jump
            settled = self.settle() and settled
        return settled

    def unload(self) -> bool:
        """Unload to zero mean stress and relax there; returns whether everything came to rest.

        The platen retreats step by step while more than one step of elastic stress is left, then
        the stress is held at zero and the platen follows the relaxing crystal.
        """
        step = self.loading.strain_step * self.pillar.height
        sense = 1 if self.stress_mpa < 0 else -1
        while -sense * self.stress_mpa > self.loading.strain_step * self.pillar.modulus:
            self._move_to(self.platen[0] + sense * step, sense)
        return self.settle(hold_stress=True)


def simulate_specimen(
    crystal: Crystal,
    material: Material,
    dynamics: DynamicsSettings,
    loading: LoadingSettings,
    prior_strains: Sequence[float],
    reload_strains: dict[str, float],
) -> tuple[Curve, list[History], float]:
    """Take one crystal through the protocol.

    Returns the virgin loading curve, the history of every prior strain, and the largest relative
    error of the macroscopic identity over all recorded points.

    Raises
    ------
    SimulationError
        Run-away multiplication, or a broken macroscopic identity.
    """
    specimen = Specimen(crystal, material, dynamics, loading)
    histories: list[History] = []
    errors = [0.0]
    wanted = {round(prior / loading.strain_step): prior for prior in sorted(prior_strains)}

    def keep(strain: float) -> None:
        prior = wanted.get(round(strain / loading.strain_step))
        if prior is not None:
            twin = specimen.copy()
            histories.append(_reload(twin, prior, reload_strains))
            errors.append(twin.largest_identity_error)

    curve = specimen.load(max(prior_strains), sense=-1, keep=keep)
    return curve, histories, max([specimen.largest_identity_error, *errors])


def _reload(specimen: Specimen, prior: float, reload_strains: dict[str, float]) -> History:
    """Unload, relax and reload a copy of the specimen; keep the states of interest."""
    relaxed = specimen.unload()
    states = {"reference": specimen.verified_state()}
    wanted = {
        round(strain / specimen.loading.strain_step): name
        for name, strain in reload_strains.items()
    }

    def keep(strain: float) -> None:
        name = wanted.get(round(strain / specimen.loading.strain_step))
        if name is not None:
            states[name] = specimen.state

    reload = specimen.load(max(reload_strains.values()), sense=-1, keep=keep)
    return History(prior_strain=prior, states=states, reload=reload, relaxed=relaxed)
