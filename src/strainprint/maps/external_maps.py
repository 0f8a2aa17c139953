"""People's maps as the rule ``ingest`` left them, with what is known of each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file
from strainprint.maps.map_file import read_map_h5
from strainprint.maps.measured_map import as_strain_map, read_measured_map
from strainprint.maps.strain_map import StrainMap

FORMAT = "strainprint-external-maps"
VERSION = 2


@dataclass(frozen=True)
class ExternalMap:
    """What is known of one ingested map.

    ``prior_strain`` is None where it is not known, ``specimen`` and ``curve`` are then ``""``.
    ``kind`` is ``measured`` (of a correlation tool) or ``simulated`` (of ``strainprint measure``).
    ``stack`` names the stack that it is a ``layer`` of, counted from 1; a map of its own has ``""``
    and 0.
    """

    map_id: str
    source: str
    kind: str
    specimen: str
    prior_strain: float | None
    curve: str
    use: str
    sha256: str
    stack: str
    layer: int


def read_external(manifest_json: str | Path) -> list[ExternalMap]:
    """Return what is known of the ingested maps, in the order of their table.

    Raises
    ------
    BadInputError
        The manifest is missing or damaged.
    """
    content = read_json(manifest_json, expected_format=FORMAT)
    try:
        found = [ExternalMap(**one) for one in content["maps"]]
        whole = content["version"] == VERSION and content["count"] == len(found)
    except (KeyError, TypeError) as error:
        raise BadInputError(
            f"is damaged ({error!r})", where=manifest_json, way_out="re-run the rule `ingest`"
        ) from error
    if not whole:
        raise BadInputError(
            "list and count of maps disagree",
            where=manifest_json,
            way_out="re-run the rule `ingest`",
        )
    return found


def single_maps(found: Sequence[ExternalMap]) -> list[ExternalMap]:
    """Return the maps that are no layers of a stack."""
    return [one for one in found if not one.stack]


def stacks_of(found: Sequence[ExternalMap]) -> list[tuple[ExternalMap, ...]]:
    """Return the stacks in the order of their table, the layers of each from 1 on."""
    layers: dict[str, list[ExternalMap]] = {}
    for one in found:
        if one.stack:
            layers.setdefault(one.stack, []).append(one)
    return [tuple(sorted(stack, key=lambda one: one.layer)) for stack in layers.values()]


def external_strain_map(folder: str | Path, one: ExternalMap) -> StrainMap:
    """Return an ingested map in the form that the networks' data have.

    Raises
    ------
    BadInputError
        The file is missing, altered since, or not usable.
    """
    path = Path(folder) / f"{one.map_id}.h5"
    if not path.is_file() or sha256_of_file(path) != one.sha256:
        raise BadInputError(
            "is missing or was altered (SHA-256 differs)",
            where=path,
            way_out="re-run the rule `ingest`",
        )
    if one.kind == "simulated":
        return read_map_h5(path)
    return as_strain_map(read_measured_map(path), path, in_place=True)


def external_curve(
    folder: str | Path, one: ExternalMap
) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
    """Return the strain and stress (MPa) of the reload that the user gave, None where not given.

    Raises
    ------
    BadInputError
        The file is missing or damaged.
    """
    if not one.curve:
        return None
    path = Path(folder) / one.curve
    try:
        table = pd.read_csv(path, dtype=np.float64)
        return table["strain"].to_numpy(), table["stress_mpa"].to_numpy()
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(
            f"not readable as a curve ({error})", where=path, way_out="re-run the rule `ingest`"
        ) from error
