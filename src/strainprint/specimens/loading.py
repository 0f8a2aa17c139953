"""The press and the protocol: strain paths, unloading, relaxing, reloading, and states to keep.

Paths that begin alike are simulated once: where they part, the specimen is copied and each copy
goes its own way. One compression to the largest prior strain thus serves all prior strains.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import floor

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.specimens.advance import (
    ALL_SETTLED,
    DISLOCATIONS,
    FULL,
    IDENTITY_BROKEN,
    NO_NUMBER,
    PLASTIC_STRAIN,
    REACHED,
    SCATTERED,
    STRESS,
    STUCK,
    TOO_DENSE,
    advance,
    copy_press,
    make_press,
)
from strainprint.specimens.bounds import Bounds, check_bounds
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.displacement import axial_stress_from_superposition_mpa
from strainprint.specimens.dynamics import make_kernel_inputs
from strainprint.specimens.material import Material
from strainprint.specimens.population import (
    arrange,
    copy_population,
    macroscopic,
    make_population,
    observe,
)
from strainprint.specimens.rules import DynamicsSettings, Rules, make_passing_rules
from strainprint.specimens.state import State, macroscopic_stress_mpa
from strainprint.specimens.strain_path import SENSES, UNLOAD, Step, StrainPath

IDENTITY_TOLERANCE = 1e-6
"""Largest relative difference between sigma = E'(U/h - eps_p) and the full superposition."""

_ON_GRID = 1e-9
"""Strain by which a wanted strain may miss a multiple of the strain step and still be one."""

_POINTS_AT_ONCE = 25
"""Recorded points between which a run can be interrupted."""

_MOST_STOPS = 1000
"""Stops of the platen within one strain step, above ten for each source and obstacle: more means
that one threshold is reached again and again."""


class SimulationError(RuntimeError):
    """A specimen's run broke a physical check.

    Attributes
    ----------
    state
        The specimen as it was then.
    doing
        What was being done to it, e.g. ``compress 0.1``.
    """

    def __init__(self, reason: str, state: State, doing: str) -> None:
        """Keep the reason as the message."""
        super().__init__(reason)
        self.state, self.doing = state, doing


@dataclass(frozen=True)
class LoadingSettings:
    """The press (defaults the paper's, section 4.3).

    Attributes
    ----------
    strain_step
        Strain between recorded points; the platen never moves further at once.
    sense
        ``compression`` or ``tension``: that of plain prior strains and of every reload.
    """

    strain_step: float = 1e-4
    sense: str = "compression"

    def __post_init__(self) -> None:
        """Refuse what no press can do."""
        check_bounds(self, "loading", {"strain_step": Bounds(0.0, 0.01, low_allowed=False)})
        if self.sense not in SENSES:
            raise BadInputError(
                f"sense is {self.sense!r}",
                where="specimens.loading.sense",
                allowed=" or ".join(SENSES),
            )


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
        Whether the population came to rest, as far as it had to, before the platen moved on.
    """

    strain: NDArray[np.float64]
    stress_mpa: NDArray[np.float64]
    plastic_strain: NDArray[np.float64]
    dislocations: NDArray[np.int64]
    settled: NDArray[np.bool_]


@dataclass(frozen=True)
class Leg:
    """One step of a path as it went.

    Attributes
    ----------
    step
        In words, e.g. ``compress 0.01``.
    sense
        -1 where the platen moved down, +1 where it moved up.
    start_strain
        Engineering strain U/h at the start, tension positive.
    curve
        What was recorded, positive along ``sense``.
    """

    step: str
    sense: int
    start_strain: float
    curve: Curve


@dataclass(frozen=True)
class History:
    """What one specimen remembers of one strain path.

    Attributes
    ----------
    legs
        Every step of the path, the unloading at its end included.
    states
        "reference" (relaxed after unloading) and one state per reload strain.
    reload
        The reload, from the reference to the largest reload strain.
    """

    path: StrainPath
    legs: tuple[Leg, ...]
    states: dict[str, State]
    reload: Leg

    @property
    def relaxed(self) -> bool:
        """Whether everything came to rest at zero load within the hold time."""
        return bool(self.legs[-1].curve.settled[-1])


class _Recorder:
    """Collects the points of one loading."""

    def __init__(self, sense: int) -> None:
        self._sense = sense
        self._strain = [np.empty(0)]
        self._rows = [np.empty((0, 4))]

    @property
    def points(self) -> int:
        return sum(map(len, self._strain))

    def add(self, strain: NDArray[np.float64], rows: NDArray[np.float64]) -> None:
        """Add points, at strains along the sense."""
        self._strain.append(strain)
        self._rows.append(rows)

    def replace_last(self, rows: NDArray[np.float64]) -> None:
        """Replace the last point by what came to rest there; unsettled if either was."""
        before = self._rows[-1]
        rows[-1, ALL_SETTLED] *= before[-1, ALL_SETTLED]
        self._rows[-1] = np.concatenate([before[:-1], rows])

    def copy(self) -> _Recorder:
        """Return one that goes on independently."""
        twin = _Recorder(self._sense)
        twin._strain, twin._rows = list(self._strain), list(self._rows)
        return twin

    def curve(self) -> Curve:
        """Return what was collected, positive along the sense."""
        rows = np.concatenate(self._rows)
        return Curve(
            strain=np.concatenate(self._strain),
            stress_mpa=self._sense * rows[:, STRESS],
            plastic_strain=self._sense * rows[:, PLASTIC_STRAIN],
            dislocations=rows[:, DISLOCATIONS].astype(np.int64),
            settled=rows[:, ALL_SETTLED] > 0,
        )


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
        watch: Callable[[Specimen], None] | None = None,
    ) -> None:
        """Start from the virgin, stress-free crystal.

        ``watch`` is called with the specimen, or a copy of it, after every stretch of at most 25
        recorded points.
        """
        self.crystal, self.material = crystal, material
        self.dynamics, self.loading = dynamics, loading
        self.lattice, self.pillar, self.rules = make_kernel_inputs(crystal, material, dynamics)
        self.passing = make_passing_rules(dynamics, self.pillar.mobility)
        self.population = make_population(crystal, self.pillar)
        self.press = make_press(len(self.lattice.source_threshold), len(self.population.plane))
        self.watch = watch
        self.doing = "nothing yet"
        """What is being done to it, for the report of a run that breaks."""

    def copy(self) -> Specimen:
        """Return an independent specimen in the same state."""
        twin = object.__new__(Specimen)
        twin.__dict__.update(self.__dict__)
        twin._give_room(len(self.population.plane))
        return twin

    def _give_room(self, room: int) -> None:
        """Continue on copies of population and press with room for so many dislocations."""
        self.population = copy_population(self.population, room)
        self.press = copy_press(self.press, len(self.population.charge), room)

    @property
    def platen(self) -> NDArray[np.float64]:
        """Displacement U (nm) of the top platen, (1,); may be set while nothing is loaded."""
        return self.press.platen

    @property
    def steps(self) -> int:
        """Steps since the specimen was virgin."""
        return int(self.press.steps[0])

    @property
    def emissions(self) -> int:
        """Emissions of its sources since the specimen was virgin."""
        return int(self.population.emissions[0])

    @property
    def rested(self) -> bool:
        """Whether all came to rest the last time, as far as they had to."""
        return bool(self.press.settled[0])

    @property
    def largest_identity_error(self) -> float:
        """Largest relative error of the macroscopic identity at a recorded point so far."""
        return float(self.press.identity_error[0])

    @property
    def state(self) -> State:
        """The present state."""
        return observe(self.population, float(self.platen[0]))

    @property
    def strain(self) -> float:
        """Engineering strain U/h, tension positive."""
        return float(self.platen[0] / self.pillar.height)

    @property
    def stress_mpa(self) -> float:
        """Mean axial stress, tension positive."""
        strain, _ = macroscopic(self.lattice, self.pillar, self.population)
        return float(self.pillar.modulus * (self.platen[0] / self.pillar.height - strain))

    def _broken(self, reason: str) -> SimulationError:
        return SimulationError(reason, self.state, self.doing)

    def settle(self, *, hold_stress: bool = False) -> bool:
        """Let everything come to rest; returns whether it did within the hold time."""
        self._rest(hold_stress=hold_stress)
        return self.rested

    def _rest(self, *, hold_stress: bool = False) -> NDArray[np.float64]:
        """Let everything come to rest where the platen is; return what that records."""
        # up to where the platen is, or with no sense
        return self._record(self.platen.copy(), 0 if hold_stress else 1, self.rules)

    @contextmanager
    def _steps_that_converge(self) -> Iterator[None]:
        try:
            yield
        except ArithmeticError as error:
            raise self._broken(f"a time step does not converge ({error})") from error

    def _answer(self, why: int) -> None:
        """Give what a kernel asks for; stop the run where it found a check broken."""
        if why in (FULL, TOO_DENSE):
            self._check_density()
        if why == FULL:
            self._give_room(2 * len(self.population.plane))
        elif why == SCATTERED:
            arrange(self.population)
        elif why == NO_NUMBER:
            raise self._broken("a time step does not converge: a stress or position is no number")
        elif why == STUCK:
            raise self._broken(
                f"the platen does not get on: {self._most_stops} thresholds within one strain "
                f"step of {self.loading.strain_step:g}"
            )
        elif why == IDENTITY_BROKEN:
            raise self._broken(
                "macroscopic identity broken: E'(U/h - eps_p) and the superposition differ by "
                f"{self.largest_identity_error:.3g} of {self.stress_mpa:.6g} MPa"
            )

    @property
    def _most_stops(self) -> int:
        thresholds = len(self.lattice.source_threshold) + len(self.lattice.obstacle_strength)
        return _MOST_STOPS + 10 * thresholds

    def _check_density(self) -> None:
        area_um2 = self.crystal.width_nm * self.crystal.height_nm * 1e-6
        density = self.population.number[0] / area_um2
        if density > self.dynamics.density_limit_per_um2:
            raise self._broken(
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
        self.press.identity_error[0] = max(self.largest_identity_error, error)
        if not error <= IDENTITY_TOLERANCE:
            raise self._broken(
                f"macroscopic identity broken: E'(U/h - eps_p) = {exact:.9g} MPa, superposition "
                f"{summed:.9g} MPa at U = {state.platen_displacement_nm:.6g} nm"
            )
        return state

    def load(
        self, strain: float, *, sense: int, keep: Callable[[float], None] | None = None
    ) -> Curve:
        """Move the platen by ``strain`` (> 0) along ``sense`` (-1 compression, +1 tension).

        Points are recorded every strain step; a strain that is no multiple of it is reached by a
        last, shorter one. There and at the end all are as good as at rest, as ``passing_mpa``
        says; :meth:`settle` lets them come to rest. ``keep`` is called with the strain at every
        recorded point, after the macroscopic identity was checked.
        """
        ((_, _, curve),) = self.load_through([strain], sense=sense, keep=keep)
        return curve

    def load_through(
        self,
        strains: Sequence[float],
        *,
        sense: int,
        keep: Callable[[float], None] | None = None,
        at_rest: bool = False,
    ) -> Iterator[tuple[float, Specimen, Curve]]:
        """Load as :meth:`load` to the largest strain; yield a specimen and its curve at each.

        Strains come ascending, each with an independent specimen that was loaded so far and no
        further; with the last one it is this specimen itself. A strain between two recorded
        points is reached by the copy alone, so that no path depends on which others branch off it.
        With ``at_rest`` all come to rest in what is yielded, and the last point of its curve says
        so; the way to the next strain goes on from where it passed.
        """
        wanted = sorted(set(strains))
        if not (wanted and wanted[0] > 0 and np.isfinite(wanted[-1])):
            raise BadInputError(f"strains are {list(strains)}", allowed="finite, above 0")
        start = float(self.platen[0])
        step = self.loading.strain_step
        recorded = _Recorder(sense)
        for strain in wanted:
            points = floor((strain + _ON_GRID) / step)
            at_once = _POINTS_AT_ONCE if keep is None else 1
            while recorded.points <= points:
                first = recorded.points
                reached = step * np.arange(first, min(first + at_once, points + 1), dtype=float)
                targets = start + sense * self.pillar.height * reached
                recorded.add(reached, self._record(targets, sense, self.passing))
                if keep is not None:
                    keep(float(reached[0]))
            branch = self if strain == wanted[-1] else self.copy()
            branched = recorded.copy()
            if strain - points * step > _ON_GRID:
                reached = np.array([strain])
                targets = start + sense * self.pillar.height * reached
                branched.add(reached, branch._record(targets, sense, self.passing))
                if keep is not None:
                    keep(strain)
            if at_rest:
                branched.replace_last(branch._rest())
            yield strain, branch, branched.curve()

    def _record(
        self, targets: NDArray[np.float64], sense: int, rules: Rules
    ) -> NDArray[np.float64]:
        """Move the platen to one target (nm) after the other, as
        :func:`strainprint.specimens.advance.advance` does; return what it records."""
        area_nm2 = self.crystal.width_nm * self.crystal.height_nm
        limits = (
            int(self.dynamics.density_limit_per_um2 * area_nm2 * 1e-6),
            self._most_stops,
            IDENTITY_TOLERANCE,
        )
        rows = np.zeros((len(targets), 4))
        done = 0
        while done < len(targets):
            with self._steps_that_converge():
                why, points = advance(
                    self.lattice,
                    self.pillar,
                    rules,
                    self.population,
                    self.press,
                    targets[done:],
                    sense,
                    limits,
                    rows[done:],
                )
            done += points
            if why != REACHED:
                self._answer(why)
        if self.watch is not None:
            self.watch(self)
        return rows

    def unload(self) -> Curve:
        """Unload to zero mean stress and relax there; the last point says whether all came to rest.

        The platen retreats step by step while more than one step of elastic stress is left, then
        the stress is held at zero and the platen follows the relaxing crystal. The curve is
        positive along the retreat: its stress starts negative and ends at zero.
        """
        step = self.loading.strain_step
        sense, start = self.retreat, self.strain
        recorded = _Recorder(sense)
        recorded.add(np.zeros(1), self._present())
        most = 100 + 10 * round(abs(self.stress_mpa) / (step * self.pillar.modulus))
        while -sense * self.stress_mpa > step * self.pillar.modulus:
            if recorded.points > most:
                raise self._broken(f"still {self.stress_mpa:.4g} MPa after {most} steps back")
            targets = self.platen + sense * step * self.pillar.height
            rows = self._record(targets, sense, self.passing)
            recorded.add(np.array([sense * (self.strain - start)]), rows)
        rows = self._rest(hold_stress=True)
        recorded.add(np.array([sense * (self.strain - start)]), rows)
        return recorded.curve()

    def _present(self) -> NDArray[np.float64]:
        """Return a row of the present state, as it is, after checking it."""
        self._check_density()
        self.verified_state()
        plastic, _ = macroscopic(self.lattice, self.pillar, self.population)
        row = np.zeros((1, 4))
        row[0, STRESS], row[0, PLASTIC_STRAIN] = self.stress_mpa, plastic
        row[0, DISLOCATIONS], row[0, ALL_SETTLED] = self.population.number[0], self.rested
        return row

    @property
    def retreat(self) -> int:
        """The sense that takes stress off."""
        return 1 if self.stress_mpa < 0 else -1


_Ahead = Sequence[tuple[StrainPath, tuple[Step, ...]]]
"""Paths that came so far together, each with the steps that it still has to go."""


class _Walk:
    """Takes a specimen along all paths, simulating what they share once."""

    def __init__(self, reload_strains: Mapping[str, float], reload_sense: int) -> None:
        self.reload_names = {strain: name for name, strain in reload_strains.items()}
        self.reload_sense = reload_sense
        self.histories: dict[str, History] = {}
        self.largest_identity_error = 0.0

    def follow(self, specimen: Specimen, legs: tuple[Leg, ...], ahead: _Ahead) -> None:
        """Take the next step of every path, each on a copy of its own, the last on the specimen."""
        arrived = [path for path, steps in ahead if not steps]
        senses = sorted({steps[0].sense for _, steps in ahead if steps})
        twins = _split(specimen, len(arrived) + len(senses))
        for path, twin in zip(arrived, twins, strict=False):
            self._reload(twin, legs, path)
        for sense, twin in zip(senses, twins, strict=True):
            together = [(path, steps) for path, steps in ahead if steps and steps[0].sense == sense]
            if sense == 0:
                twin.doing = _so_far(legs, together[0][1][0])
                leg = Leg(UNLOAD, twin.retreat, twin.strain, twin.unload())
                self.follow(twin, (*legs, leg), [(path, steps[1:]) for path, steps in together])
            else:
                self._load(twin, legs, together)

    def _load(self, specimen: Specimen, legs: tuple[Leg, ...], ahead: _Ahead) -> None:
        """Load once to the largest strain; at each smaller one some paths turn off."""
        sense, start = ahead[0][1][0].sense, specimen.strain
        strains = sorted({steps[0].strain for _, steps in ahead})
        specimen.doing = _so_far(legs, Step(sense, strains[-1]))
        for strain, branch, curve in specimen.load_through(strains, sense=sense):
            leg = Leg(str(Step(sense, strain)), sense, start, curve)
            arrived = [(path, steps[1:]) for path, steps in ahead if steps[0].strain == strain]
            self.follow(branch, (*legs, leg), arrived)

    def _reload(self, specimen: Specimen, legs: tuple[Leg, ...], path: StrainPath) -> None:
        """Reload a specimen at the end of its path and keep the states of interest."""
        specimen.doing = _so_far(legs, "reload")
        start = specimen.strain
        states = {"reference": specimen.verified_state()}
        for strain, branch, curve in specimen.load_through(
            list(self.reload_names), sense=self.reload_sense, at_rest=True
        ):
            states[self.reload_names[strain]] = branch.state
            reload = Leg("reload", self.reload_sense, start, curve)
            self.largest_identity_error = max(
                self.largest_identity_error, branch.largest_identity_error
            )
        self.histories[path.name] = History(path, legs, states, reload)


def _split(specimen: Specimen, parts: int) -> Iterator[Specimen]:
    """Yield a specimen as often as that: copies, made when they are asked for, and last itself."""
    for left in reversed(range(parts)):
        yield specimen.copy() if left > 0 else specimen


def _so_far(legs: Sequence[Leg], step: object) -> str:
    return ", ".join([*(leg.step for leg in legs), str(step)])


def simulate_specimen(
    crystal: Crystal,
    material: Material,
    dynamics: DynamicsSettings,
    loading: LoadingSettings,
    paths: Sequence[StrainPath],
    reload_strains: Mapping[str, float],
    watch: Callable[[Specimen], None] | None = None,
) -> tuple[list[History], float]:
    """Take one crystal along every path and reload it after each.

    ``watch`` is called now and then with the :class:`Specimen` that is being loaded.

    Returns
    -------
    The histories in the order of ``paths``, and the largest relative error of the macroscopic
    identity over all recorded points.

    Raises
    ------
    SimulationError
        Run-away multiplication, a step that does not converge, or a broken macroscopic identity.
    """
    walk = _Walk(reload_strains, SENSES[loading.sense])
    specimen = Specimen(crystal, material, dynamics, loading, watch)
    walk.follow(specimen, (), [(path, (*path.steps, Step(0))) for path in paths])
    return [walk.histories[path.name] for path in paths], walk.largest_identity_error
