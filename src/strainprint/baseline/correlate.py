"""One correlation vector for each map of a dataset, on one lag grid in physical lengths."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pandas as pd
import zarr
from numpy.typing import NDArray
from tqdm import tqdm
from zarr.codecs import ZstdCodec

from strainprint.baseline.features import STATES, Picture, correlation_vectors, lag_grid
from strainprint.baseline.two_point import half_plane_length
from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.pictures import manifest_pictures
from strainprint.dataset.store import refuse_damaged
from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_arrays, whole_directory, write_json

FORMAT = "strainprint-correlations"
VERSION = 1
MAPS_PER_CHUNK = 256
_WAY_OUT = "delete the store and re-run the rule `correlate`"

_log = logging.getLogger(__name__)


def correlate(
    manifest_csv: str | Path,
    results_root: str | Path,
    out_zarr: str | Path,
    out_json: str | Path,
    *,
    study: str,
    scalar: str,
    range_floor: float,
    max_lag_nm: float = 60.0,
    lag_step_nm: float | None = None,
    threshold: int = 1,
) -> None:
    """Write the two-point correlation vectors of every map, and the JSON that proves them.

    The grey picture at the map's own pitch is correlated (never stretched, never periodic, points
    outside the body masked), once raw and once as two local states. The store holds the arrays
    ``raw`` and ``two_state``, float32 (n_maps, n_features), in manifest order.

    Parameters
    ----------
    manifest_csv, results_root
        The dataset's manifest, and the folder its shard paths are relative to.
    out_zarr, out_json
        The store and its JSON; each appears whole or not at all.
    study
        Name recorded in the JSON.
    scalar, range_floor
        How pictures are drawn; as when the manifest was built.
    max_lag_nm, lag_step_nm
        The lag grid, see :func:`strainprint.baseline.features.lag_grid`.
    threshold
        Grey level from which a point counts as strained in ``two_state``.

    Raises
    ------
    BadInputError
        A map is not what the manifest says, or the lag grid does not fit.
    """
    manifest = read_manifest(manifest_csv)
    step, lags = lag_grid(
        *(manifest[name].to_numpy() for name in ("rows", "columns", "pitch_nm")),
        max_lag_nm=max_lag_nm,
        lag_step_nm=lag_step_nm,
    )
    count, n_features = len(manifest), half_plane_length(lags)
    vectors = {name: np.empty((count, n_features), dtype=np.float32) for name in STATES}
    empty_lags: dict[str, int] = {}
    pictures = manifest_pictures(manifest, results_root, scalar=scalar, range_floor=range_floor)
    for row, (strain_map, picture) in enumerate(tqdm(pictures, "correlate", count, disable=None)):
        found, without = correlation_vectors(
            Picture(picture, strain_map.pitch_nm, strain_map.valid),
            lag_step_nm=step,
            max_lag_steps=lags,
            states=STATES,
            threshold=threshold,
        )
        for name, vector in zip(STATES, found, strict=True):
            vectors[name][row] = vector
        if without:
            empty_lags[str(manifest["map_id"].iloc[row])] = without
        if (row + 1) % 100 == 0 or row + 1 == count:
            _log.info("correlated %d of %d maps", row + 1, count)
    if empty_lags:
        _log.warning(
            "masks leave %d maps without pairs at some lags; these correlations are 0",
            len(empty_lags),
        )
    with whole_directory(out_zarr) as partial:
        group = zarr.open_group(partial, mode="w")
        for name, values in vectors.items():
            group.create_array(
                name,
                data=values,
                chunks=(min(MAPS_PER_CHUNK, count), n_features),
                compressors=ZstdCodec(level=0),
            )
    write_json(
        out_json,
        {
            "format": FORMAT,
            "version": VERSION,
            "study": study,
            "count": count,
            "features": n_features,
            "dtype": "float32",
            "states": list(STATES),
            "lag_step_nm": step,
            "max_lag_steps": list(lags),
            "threshold": threshold,
            "lags_without_pairs": empty_lags,
            "map_ids": manifest["map_id"].tolist(),
            "sha256": [
                sha256_of_arrays(*(vectors[name][row] for name in STATES)) for row in range(count)
            ],
        },
    )


def read_lag_grid(json_path: str | Path) -> tuple[float, tuple[int, int]]:
    """Return the step of the stored lag grid in nm and its largest lag (rows, columns) in steps.

    Raises
    ------
    BadInputError
        The JSON is missing, damaged or of another kind.
    """
    content = read_json(json_path, expected_format=FORMAT)
    try:
        rows, columns = (int(lag) for lag in content["max_lag_steps"])
        return float(content["lag_step_nm"]), (rows, columns)
    except (KeyError, TypeError, ValueError) as error:
        raise BadInputError(
            f"lag grid is not readable ({error})", where=json_path, way_out=_WAY_OUT
        ) from error


def read_correlations(
    zarr_path: str | Path, json_path: str | Path, manifest: pd.DataFrame
) -> dict[str, NDArray[np.float32]]:
    """Return the correlation vectors ``raw`` and ``two_state``, each (n_maps, n_features).

    Raises
    ------
    BadInputError
        The store is missing or unreadable, belongs to another manifest, or vectors of some maps
        are missing or altered (the maps are named).
    """
    content = read_json(json_path, expected_format=FORMAT)
    try:
        version, checksums = content["version"], content["sha256"]
        shape = (content["count"], content["features"])
        map_ids = content["map_ids"]
    except KeyError as error:
        raise BadInputError(f"key {error} is missing", where=json_path) from error
    if version != VERSION:
        raise BadInputError(f"version is {version!r}", where=json_path, allowed=str(VERSION))
    if map_ids != manifest["map_id"].tolist() or len(checksums) != len(map_ids):
        raise BadInputError(
            "maps are not those of the manifest, in its order", where=json_path, way_out=_WAY_OUT
        )
    vectors: dict[str, NDArray[np.float32]] = {}
    for name in STATES:
        try:
            vectors[name] = np.asarray(zarr.open_array(Path(zarr_path) / name, mode="r")[:])
        except Exception as error:  # Zarr's codecs raise what they like on damaged bytes
            raise BadInputError(
                f"correlations {name!r} are not readable ({error})",
                where=zarr_path,
                way_out=_WAY_OUT,
            ) from error
        if vectors[name].shape != shape or vectors[name].dtype != np.float32:
            raise BadInputError(
                f"{name} has shape {vectors[name].shape} and type {vectors[name].dtype}",
                where=zarr_path,
                allowed=f"shape {shape} and type float32",
                way_out=_WAY_OUT,
            )
    damaged = [
        map_id
        for row, map_id in enumerate(map_ids)
        if sha256_of_arrays(*(vectors[name][row] for name in STATES)) != checksums[row]
    ]
    refuse_damaged("vectors", damaged, len(map_ids), where=zarr_path, way_out=_WAY_OUT)
    return vectors
