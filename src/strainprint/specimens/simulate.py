"""Simulate a shard: some specimens of one width and number of slip systems."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
from tqdm import tqdm

from strainprint.errors import BadInputError
from strainprint.seeds import derive_seed
from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.dynamics import DynamicsSettings
from strainprint.specimens.loading import LoadingSettings, SimulationError, simulate_specimen
from strainprint.specimens.material import Material
from strainprint.specimens.naming import specimen_name, subset_name
from strainprint.specimens.record import SimulatedSpecimen, write_shard

log = logging.getLogger(__name__)

PRIOR_STRAINS = (0.001, 0.01, 0.1)
RELOAD_STRAINS = {"small": 0.001, "large": 0.01}

Settings = TypeVar("Settings", Material, CrystalSettings, DynamicsSettings, LoadingSettings)


def _settings(kind: type[Settings], values: Mapping[str, Any] | None, section: str) -> Settings:
    """Return settings from plain values, naming a key that is none."""
    known = [field.name for field in fields(kind)]
    unknown = sorted(set(values or {}) - set(known))
    if unknown:
        raise BadInputError(
            f"unknown key {unknown[0]!r}", where=f"specimens.{section}", allowed=", ".join(known)
        )
    return kind(**(values or {}))


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
    reload_strains: Mapping[str, float] = RELOAD_STRAINS,
    material: Mapping[str, Any] | None = None,
    crystal: Mapping[str, Any] | None = None,
    dynamics: Mapping[str, Any] | None = None,
    loading: Mapping[str, Any] | None = None,
) -> None:
    """Simulate specimens ``first`` … ``first + count - 1`` of a subset into one HDF5 file.

    Every specimen has its own seed from (seed, subset, index), so shards can be of any size and
    come in any order.

    Parameters
    ----------
    out_h5, out_json
        The shard and its manifest.
    seed
        The config's seed.
    material, crystal, dynamics, loading
        Fields of the settings classes that differ from their defaults.

    Raises
    ------
    BadInputError
        Settings that no specimen can be made with.
    SimulationError
        A run that broke a physical check; the message names the specimen.
    """
    if count < 1:
        raise BadInputError(f"count is {count}", allowed="1 or more")
    constants = _settings(Material, material, "material")
    population = _settings(CrystalSettings, crystal, "crystal")
    kinetics = _settings(DynamicsSettings, dynamics, "dynamics")
    protocol = _settings(LoadingSettings, loading, "loading")
    subset = subset_name(width_nm, slip_systems)
    specimens = []
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
        start = perf_counter()
        try:
            curve, histories, worst = simulate_specimen(
                placed, constants, kinetics, protocol, prior_strains, dict(reload_strains)
            )
        except SimulationError as error:
            raise SimulationError(f"{name} (seed {specimen_seed}): {error}") from error
        log.info(
            "%s: %d bulk and surface sources, %d obstacles; flow stress %.0f MPa; dislocations at "
            "the references %s; %.1f %% of points unsettled; %.1f s",
            name,
            len(placed.source_plane),
            len(placed.obstacle_plane),
            curve.stress_mpa[-1],
            [len(history.states["reference"].plane) for history in histories],
            100 * float(np.mean(~curve.settled)),
            perf_counter() - start,
        )
        specimens.append(
            SimulatedSpecimen(
                index=index,
                specimen_id=name,
                seed=specimen_seed,
                crystal=placed,
                curve=curve,
                histories=histories,
                largest_identity_error=worst,
            )
        )
    write_shard(
        out_h5,
        out_json,
        subset=subset,
        material=constants,
        reload_strains=reload_strains,
        parameters={
            "config_seed": seed,
            "prior_strains": list(prior_strains),
            "crystal": asdict(population),
            "dynamics": asdict(kinetics),
            "loading": asdict(protocol),
        },
        specimens=specimens,
    )
