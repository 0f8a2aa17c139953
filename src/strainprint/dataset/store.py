"""The crop store: every crop of every map in one Zarr array, checked map by map.

Layout (measured best of those tried, learning.md 2): array ``crops`` uint8
(n_maps, n_crops, px, px), one chunk for each map, 32 maps to a shard file, Zstd level 0. A chunk
that is missing reads as zeros without a word, so the JSON beside the store keeps a SHA-256 for
each map, and reading compares them all.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import zarr
from numpy.typing import NDArray
from tqdm import tqdm
from zarr.codecs import ZstdCodec

from strainprint.dataset.crops import PAPER_CROP_PX, PAPER_SCALES, crop_picture, crops_per_picture
from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.pictures import manifest_pictures
from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_arrays, whole_directory, write_json

FORMAT = "strainprint-crops"
VERSION = 2
MAPS_PER_SHARD = 32
_WAY_OUT = "delete the store and re-run the rule `crop`"

Value = TypeVar("Value", float, str)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class CropStore:
    """Every crop of a dataset in memory, in manifest order.

    Attributes
    ----------
    crops
        Grey levels, shape (n_maps, n_crops, crop_px, crop_px), uint8.
    map_ids
        The map of each row.
    study
        The study whose maps these are.
    """

    crops: NDArray[np.uint8]
    map_ids: tuple[str, ...]
    study: str


def write_crops(
    manifest_csv: str | Path,
    results_root: str | Path,
    out_zarr: str | Path,
    out_json: str | Path,
    *,
    study: str,
    scalar: str,
    range_floor: float,
    aspect: str,
    crop_px: int = PAPER_CROP_PX,
    scales: Sequence[int] = PAPER_SCALES,
) -> None:
    """Crop every map of the manifest into one store, and write its JSON with the checksums.

    At most one shard of crops (32 maps) is in memory.

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
    aspect, crop_px, scales
        How pictures are cropped, see :func:`strainprint.dataset.crops.crop_picture`.

    Raises
    ------
    BadInputError
        A map is not what the manifest says, maps differ in pitch, frame or strain gauge, or a
        setting is not allowed.
    """
    manifest = read_manifest(manifest_csv)
    count, n_crops = len(manifest), crops_per_picture(scales)
    pitch_nm = _shared(manifest["pitch_nm"].tolist(), "pitch_nm", manifest_csv)
    length_over_width = manifest["columns"] / manifest["rows"]
    frames: list[str] = []
    gauges_nm: list[float] = []
    checksums: list[str] = []
    with whole_directory(out_zarr) as partial:
        array = zarr.open_group(partial, mode="w").create_array(
            "crops",
            shape=(count, n_crops, crop_px, crop_px),
            chunks=(1, n_crops, crop_px, crop_px),
            shards=(MAPS_PER_SHARD, n_crops, crop_px, crop_px),
            dtype="uint8",
            compressors=ZstdCodec(level=0),
            fill_value=0,
        )
        block = np.empty((MAPS_PER_SHARD, n_crops, crop_px, crop_px), dtype=np.uint8)
        pictures = manifest_pictures(manifest, results_root, scalar=scalar, range_floor=range_floor)
        for row, (strain_map, picture) in enumerate(tqdm(pictures, "crop", count, disable=None)):
            place = row % MAPS_PER_SHARD
            block[place] = crop_picture(picture, crop_px=crop_px, scales=scales, aspect=aspect)
            checksums.append(sha256_of_arrays(block[place]))
            frames.append(strain_map.frame)
            gauges_nm.append(float(strain_map.attributes["gauge_nm"]))
            if place + 1 == MAPS_PER_SHARD or row + 1 == count:
                array[row - place : row + 1] = block[: place + 1]
                _log.info("cropped %d of %d maps", row + 1, count)
        frame = _shared(frames, "frame", manifest_csv)
        gauge_nm = _shared(gauges_nm, "gauge_nm", manifest_csv)
    write_json(
        out_json,
        {
            "format": FORMAT,
            "version": VERSION,
            "study": study,
            "count": count,
            "crops_per_map": n_crops,
            "crop_px": crop_px,
            "dtype": "uint8",
            "aspect": aspect,
            "scales": list(scales),
            "scalar": scalar,
            "range_floor": range_floor,
            "frame": frame,
            "pitch_nm": pitch_nm,
            "gauge_nm": gauge_nm,
            "aspect_range": [float(length_over_width.min()), float(length_over_width.max())],
            "map_ids": manifest["map_id"].tolist(),
            "sha256": checksums,
        },
    )


def read_crops(zarr_path: str | Path, json_path: str | Path) -> CropStore:
    """Read the whole store into one array and prove every map's crops against its checksum.

    Memory is that of the crops plus one shard; train from this array, not from the store.

    Raises
    ------
    BadInputError
        The JSON or store is missing or disagree in shape or type, or crops of some maps are
        missing, unreadable or altered (the maps are named).
    """
    content = read_json(json_path, expected_format=FORMAT)
    try:
        version, count, crop_px = content["version"], content["count"], content["crop_px"]
        map_ids, checksums = content["map_ids"], content["sha256"]
        shape = (count, content["crops_per_map"], crop_px, crop_px)
        study = str(content["study"])
    except KeyError as error:
        raise BadInputError(f"key {error} is missing", where=json_path) from error
    if version != VERSION:
        raise BadInputError(f"version is {version!r}", where=json_path, allowed=str(VERSION))
    if not len(map_ids) == len(checksums) == count:
        raise BadInputError(
            f"count is {count}, with {len(map_ids)} map_ids and {len(checksums)} checksums",
            where=json_path,
        )
    try:
        array = zarr.open_array(Path(zarr_path) / "crops", mode="r")
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(
            f"not readable as a crop store ({error})", where=zarr_path, way_out=_WAY_OUT
        ) from error
    if array.shape != shape or array.dtype != np.uint8:
        raise BadInputError(
            f"crops have shape {array.shape} and type {array.dtype}",
            where=zarr_path,
            allowed=f"shape {shape} and type uint8, as {json_path} says",
            way_out=_WAY_OUT,
        )
    crops = np.empty(shape, dtype=np.uint8)
    damaged: list[str] = []
    for start in range(0, count, MAPS_PER_SHARD):
        for row in _read_rows(array, crops, start, min(start + MAPS_PER_SHARD, count)):
            crops[row] = 0
            damaged.append(map_ids[row])
        damaged += [
            map_ids[row]
            for row in range(start, min(start + MAPS_PER_SHARD, count))
            if map_ids[row] not in damaged and sha256_of_arrays(crops[row]) != checksums[row]
        ]
    refuse_damaged("crops", damaged, count, where=zarr_path, way_out=_WAY_OUT)
    return CropStore(crops, tuple(map_ids), study)


def refuse_damaged(
    what: str, damaged: Sequence[str], count: int, *, where: str | Path, way_out: str
) -> None:
    """Raise BadInputError that names the first of the ``damaged`` among ``count`` maps, if any."""
    if damaged:
        named = ", ".join(damaged[:8]) + (", …" if len(damaged) > 8 else "")
        raise BadInputError(
            f"{what} of {len(damaged)} of {count} maps are missing or altered: {named}",
            where=where,
            way_out=way_out,
        )


def _shared(values: Sequence[Value], what: str, where: str | Path) -> Value:
    """Return the one value that all maps have."""
    different = sorted(set(values))
    if len(different) > 1:
        raise BadInputError(
            f"{what} of the maps: {', '.join(map(str, different))}",
            where=where,
            allowed="the same for every map of a data set",
        )
    return values[0]


def _read_rows(
    array: zarr.Array[Any], crops: NDArray[np.uint8], start: int, stop: int
) -> list[int]:
    """Read rows start … stop into ``crops``; return those that could not be read."""
    try:
        crops[start:stop] = array[start:stop]
    except Exception:  # Zarr's codecs raise what they like on damaged bytes
        if stop - start == 1:
            return [start]
        return [row for n in range(start, stop) for row in _read_rows(array, crops, n, n + 1)]
    return []
