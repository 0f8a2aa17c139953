"""Many seeded specimens under load, on several cores; results do not depend on how many."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.seeds import generator
from strainprint.specimens.crystal import Crystal, CrystalSettings, place_crystal
from strainprint.specimens.loading import Curve, LoadingSettings, Specimen
from strainprint.specimens.material import Material
from strainprint.specimens.rules import DynamicsSettings

MATERIAL = Material()
SCHMID = float(np.sin(np.radians(30)) * np.cos(np.radians(30)))

Task = TypeVar("Task")
Result = TypeVar("Result")


@dataclass(frozen=True)
class Effort:
    """How many specimens the statistical checks simulate for each setting, on how many cores."""

    samples: int
    cores: int


@dataclass(frozen=True)
class Loading:
    """One specimen's compression from the virgin state.

    ``crystal`` and ``dynamics`` are the settings that differ from the defaults. The load ends at
    ``strain``, or as soon as the plastic strain exceeds ``until_plastic``.
    """

    width_nm: float
    index: int
    strain: float
    slip_systems: int = 2
    strain_step: float = 1e-4
    until_plastic: float = np.inf
    crystal: Mapping[str, float] = field(default_factory=dict)
    dynamics: Mapping[str, float] = field(default_factory=dict)


def drawn_crystal(width_nm: float, index: int, slip_systems: int = 2, **settings: Any) -> Crystal:
    """Return the crystal that every check means by this width and index."""
    return place_crystal(
        width_nm,
        slip_systems,
        CrystalSettings(**settings),
        MATERIAL,
        generator(0, "verification", width_nm, slip_systems, index),
    )


def specimen_of(crystal: Crystal, strain_step: float = 1e-4, **dynamics: Any) -> Specimen:
    """Return a virgin specimen."""
    return Specimen(crystal, MATERIAL, DynamicsSettings(**dynamics), LoadingSettings(strain_step))


def loaded(task: Loading) -> Curve:
    """Compress one specimen and return its whole curve."""
    crystal = drawn_crystal(task.width_nm, task.index, task.slip_systems, **task.crystal)
    specimen = specimen_of(crystal, task.strain_step, **task.dynamics)
    if np.isinf(task.until_plastic):
        return specimen.load(task.strain, sense=-1)
    piece = 10 * task.strain_step
    curves: list[Curve] = []
    while len(curves) * piece < task.strain - 1e-12:
        curves.append(specimen.load(piece, sense=-1))
        if curves[-1].plastic_strain[-1] > task.until_plastic:
            break
    first = [slice(0 if k == 0 else 1, None) for k in range(len(curves))]

    def joined(values: Iterable[NDArray[Any]]) -> NDArray[Any]:
        return np.concatenate([v[part] for v, part in zip(values, first, strict=True)])

    return Curve(
        strain=joined(curve.strain + k * piece for k, curve in enumerate(curves)),
        stress_mpa=joined(curve.stress_mpa for curve in curves),
        plastic_strain=joined(curve.plastic_strain for curve in curves),
        dislocations=joined(curve.dislocations for curve in curves),
        settled=joined(curve.settled for curve in curves),
    )


def on_all_cores(
    function: Callable[[Task], Result], tasks: Iterable[Task], effort: Effort, what: str
) -> list[Result]:
    """Return the function of every task, in their order."""
    tasks = list(tasks)
    if effort.cores == 1:
        return [function(task) for task in tqdm(tasks, what, disable=None)]
    with ProcessPoolExecutor(effort.cores) as pool:
        return list(tqdm(pool.map(function, tasks), what, len(tasks), disable=None))


def yield_stress(curve: Curve, offset: float = 0.002) -> float:
    """Return the largest stress (MPa) before the plastic strain exceeds ``offset``."""
    beyond = np.flatnonzero(curve.plastic_strain > offset)
    end = beyond[0] + 1 if len(beyond) else len(curve.strain)
    return float(curve.stress_mpa[:end].max())


def flow_stress(curve: Curve) -> float:
    """Return the mean stress (MPa) over the second half of the strain."""
    return float(curve.stress_mpa[len(curve.strain) // 2 :].mean())


def mean_and_error(values: Iterable[float]) -> tuple[float, float]:
    """Return the mean and its standard error."""
    array = np.asarray(list(values), float)
    return float(array.mean()), float(array.std(ddof=1) / np.sqrt(len(array)))


def bootstrap_interval(
    statistic: Callable[[np.random.Generator], float], *labels: str, resamples: int = 2000
) -> tuple[float, float]:
    """Return the 95 % percentile interval of a statistic of one resample."""
    rng = generator(0, "verification", "bootstrap", *labels)
    values = [statistic(rng) for _ in range(resamples)]
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)


def size_slope(samples: Mapping[float, NDArray[np.float64]], rng: np.random.Generator) -> float:
    """Return the log-log slope of the mean against the key, of one resample of each sample."""
    means = [rng.choice(values, len(values)).mean() for values in samples.values()]
    return float(np.polyfit(np.log(list(samples)), np.log(means), 1)[0])


def power_law_exponent(sizes: NDArray[np.float64], low: float, high: float) -> float:
    """Return the maximum-likelihood exponent a of p(s) ~ s^-a on low <= s <= high.

    The range is bounded on both sides, since a held platen bounds every burst.
    """
    inside = sizes[(sizes >= low) & (sizes <= high)]
    exponents = np.linspace(-2.0, 4.0, 601)
    exponents = exponents[np.abs(exponents - 1) > 1e-9]
    norm = (high ** (1 - exponents) - low ** (1 - exponents)) / (1 - exponents)
    likelihood = -exponents * np.log(inside).mean() - np.log(norm)
    return float(exponents[np.argmax(likelihood)])
