"""Simulate a shard: some specimens of one width and number of slip systems."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from numbers import Real
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import yaml
from tqdm import tqdm

from strainprint.errors import BadInputError
from strainprint.seeds import derive_seed, generator
from strainprint.specimens.crystal import CrystalSettings, place_crystal, shifted_crystal
from strainprint.specimens.loading import (
    LoadingSettings,
    SimulationError,
    Specimen,
    simulate_specimen,
)
from strainprint.specimens.material import Material
from strainprint.specimens.naming import RELOADS, specimen_name, subset_name
from strainprint.specimens.record import LostSpecimen, SimulatedSpecimen, write_shard
from strainprint.specimens.rules import DynamicsSettings
from strainprint.specimens.strain_path import LARGEST_STRAIN, strain_paths

log = logging.getLogger(__name__)

_CONFIG_KINDS: dict[str, tuple[type, str]] = {
    "prior_strains": (list, "a list of strains"),
    "paths": (dict, "a list of steps for each name"),
    "reload_strains": (dict, "a strain for small and for large"),
    "material": (dict, "keys of config/config.yaml"),
    "crystal": (dict, "keys of config/config.yaml"),
    "dynamics": (dict, "keys of config/config.yaml"),
    "loading": (dict, "keys of config/config.yaml"),
}
_WHICH_SPECIMENS = frozenset({"widths_nm", "slip_systems", "per_subset", "per_shard"})

PRIOR_STRAINS = (0.001, 0.01, 0.1)
RELOAD_STRAINS = {"small": 0.001, "large": 0.01}

_PROGRESS_EVERY_S = 300.0
"""Time after which the log says how far a specimen is: one of 2 um takes more than an hour."""

Settings = TypeVar("Settings", Material, CrystalSettings, DynamicsSettings, LoadingSettings)


class _Progress:
    """Logs now and then how far a specimen is."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._start = self._logged = perf_counter()

    @property
    def seconds(self) -> float:
        """Since the specimen began."""
        return perf_counter() - self._start

    def __call__(self, specimen: Specimen) -> None:
        """Log it if the last time is long ago."""
        if perf_counter() - self._logged < _PROGRESS_EVERY_S:
            return
        self._logged = perf_counter()
        log.info(
            "%s: %s, now at strain %.4f; %d dislocations after %d emissions; %.1f min",
            self._name,
            specimen.doing,
            specimen.strain,
            len(specimen.state.plane),
            specimen.emissions,
            self.seconds / 60,
        )


def _settings(kind: type[Settings], values: Mapping[str, Any] | None, section: str) -> Settings:
    """Return settings from plain values, naming a key that is none."""
    known = [field.name for field in fields(kind)]
    unknown = sorted(set(values or {}) - set(known))
    if unknown:
        raise BadInputError(
            f"unknown key {unknown[0]!r}", where=f"specimens.{section}", allowed=", ".join(known)
        )
    return kind(**(values or {}))


def specimens_of_config(path: str | Path) -> dict[str, Any]:
    """Return what a config of the workflow says of specimens, as :func:`simulate_shard` takes it.

    Which specimens and how many (widths, slip systems, sizes of subset and shard) is left out.

    Raises
    ------
    BadInputError
        The file is missing or no YAML, or its section ``specimens`` has an unknown key or a value
        of the wrong kind.
    """
    try:
        with open(path, encoding="utf-8") as handle:
            content = yaml.safe_load(handle)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise BadInputError(f"not readable as YAML ({error})", where=path) from error
    section = (content or {}).get("specimens") if isinstance(content or {}, dict) else None
    if not isinstance(section, dict):
        raise BadInputError("has no section specimens", where=path, allowed="as config/config.yaml")
    unknown = sorted(map(str, set(section) - set(_CONFIG_KINDS) - _WHICH_SPECIMENS))
    if unknown:
        raise BadInputError(
            f"unknown key {unknown[0]!r}",
            where=f"{path}, specimens",
            allowed=", ".join([*_CONFIG_KINDS, *sorted(_WHICH_SPECIMENS)]),
        )
    chosen = {key: value for key, value in section.items() if key in _CONFIG_KINDS}
    for key, value in chosen.items():
        kind, word = _CONFIG_KINDS[key]
        if not isinstance(value, kind):
            raise BadInputError(
                f"the value {value!r} is not allowed",
                where=f"{path}, specimens.{key}",
                allowed=word,
            )
    return chosen


def _checked_reloads(reload_strains: Mapping[str, float]) -> dict[str, float]:
    """Return the reload strains, small before large."""
    reload_strains = {**RELOAD_STRAINS, **reload_strains}
    if set(reload_strains) != set(RELOADS):
        raise BadInputError(
            f"reload strains are {sorted(reload_strains)}",
            where="specimens.reload_strains",
            allowed=" and ".join(RELOADS),
        )
    small, large = (reload_strains[name] for name in RELOADS)
    numbers = isinstance(small, Real) and isinstance(large, Real)
    if not numbers or not 0 < small < large <= LARGEST_STRAIN:
        raise BadInputError(
            f"small is {small!r}, large {large!r}",
            where="specimens.reload_strains",
            allowed=f"0 < small < large <= {LARGEST_STRAIN}",
        )
    return {name: reload_strains[name] for name in RELOADS}


def simulate_shard(
    out_h5: str | Path,
    out_json: str | Path,
    *,
    width_nm: float,
    slip_systems: int,
    first: int,
    count: int,
    seed: int,
    prior_strains: Sequence[float] = PRIOR_STRAINS,
    paths: Mapping[str, Sequence[str]] | None = None,
    reload_strains: Mapping[str, float] = RELOAD_STRAINS,
    material: Mapping[str, Any] | None = None,
    crystal: Mapping[str, Any] | None = None,
    dynamics: Mapping[str, Any] | None = None,
    loading: Mapping[str, Any] | None = None,
    twin_shift_nm: float = 0.0,
) -> list[LostSpecimen]:
    """Simulate specimens ``first`` … ``first + count - 1`` of a subset into one HDF5 file.

    Every specimen has its own seed from (seed, subset, index), so shards can be of any size and
    come in any order. One that breaks a physical check is set aside with its last state, and the
    others go on.

    Parameters
    ----------
    out_h5, out_json
        The shard and its manifest.
    seed
        The config's seed.
    prior_strains, paths
        What is done to every specimen (:func:`strainprint.specimens.strain_path.strain_paths`).
    reload_strains
        Strains of the reload after each path, ``small`` and ``large``.
    material, crystal, dynamics, loading
        Fields of the settings classes that differ from their defaults.
    twin_shift_nm
        Above 0: simulate the specimens' twins, whose sources and obstacles are shifted by so much
        (:func:`strainprint.specimens.crystal.shifted_crystal`).

    Returns
    -------
    The specimens that were lost.

    Raises
    ------
    BadInputError
        Settings that no specimen can be made with.
    """
    if count < 1:
        raise BadInputError(f"count is {count}", allowed="1 or more")
    constants = _settings(Material, material, "material")
    population = _settings(CrystalSettings, crystal, "crystal")
    kinetics = _settings(DynamicsSettings, dynamics, "dynamics")
    protocol = _settings(LoadingSettings, loading, "loading")
    reloads = _checked_reloads(reload_strains)
    courses = strain_paths(prior_strains, protocol.sense, paths)
    subset = subset_name(width_nm, slip_systems)
    specimens: list[SimulatedSpecimen] = []
    lost: list[LostSpecimen] = []
    for index in tqdm(range(first, first + count), f"simulate {subset}", disable=None):
        name = specimen_name(subset, index)
        specimen_seed = derive_seed(seed, subset, index, "crystal")
        placed = place_crystal(
            width_nm,
            slip_systems,
            population,
            constants,
            np.random.Generator(np.random.PCG64(specimen_seed)),
        )
        if twin_shift_nm:
            rng = generator(seed, subset, index, "twin")
            placed = shifted_crystal(placed, population, twin_shift_nm, rng)
        progress = _Progress(name)
        try:
            histories, worst = simulate_specimen(
                placed, constants, kinetics, protocol, courses, reloads, progress
            )
        except SimulationError as error:
            lost.append(
                LostSpecimen(
                    index, name, specimen_seed, placed, str(error), error.doing, error.state
                )
            )
            log.warning(
                "%s (seed %d) is lost at %s, strain %.6f: %s",
                name,
                specimen_seed,
                error.doing,
                lost[-1].strain,
                error,
            )
            continue
        settled = np.concatenate([leg.curve.settled for h in histories for leg in h.legs])
        log.info(
            "%s: %d bulk and surface sources, %d obstacles; stress at the end of each path's last "
            "load %s MPa; dislocations at the references %s; %.1f %% of points unsettled; %.1f s",
            name,
            len(placed.source_plane),
            len(placed.obstacle_plane),
            [round(float(history.legs[-2].curve.stress_mpa[-1])) for history in histories],
            [len(history.states["reference"].plane) for history in histories],
            100 * float(np.mean(~settled)),
            progress.seconds,
        )
        specimens.append(
            SimulatedSpecimen(
                index=index,
                specimen_id=name,
                seed=specimen_seed,
                crystal=placed,
                histories=histories,
                largest_identity_error=worst,
            )
        )
    write_shard(
        out_h5,
        out_json,
        subset=subset,
        material=constants,
        reload_strains=reloads,
        parameters={
            "config_seed": seed,
            "prior_strains": list(prior_strains),
            "paths": {path.name: str(path) for path in courses},
            "crystal": asdict(population),
            "dynamics": asdict(kinetics),
            "loading": asdict(protocol),
            **({"twin_shift_nm": twin_shift_nm} if twin_shift_nm else {}),
        },
        specimens=specimens,
        lost=lost,
    )
    return lost
