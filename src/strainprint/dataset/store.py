"""The crop store: every crop of every map in one Zarr array, checked map by map.

Layout (measured best of those tried, learning.md 2): array ``crops`` uint8
(n_maps, n_crops, px, px), one chunk for each map, 32 maps to a shard file, Zstd level 0. A chunk
that is missing reads as zeros without a word, so the JSON beside the store keeps a SHA-256 for
each map, and reading compares them all.
"""

from __future__ import annotations

import hashlib
import logging
import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
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
    """The crops of a dataset in manifest order, and after them those of added maps.

    Attributes
    ----------
    kept
        Grey levels of the maps in memory, shape (n_kept, n_crops, crop_px, crop_px), uint8.
    kept_at
        Place of each map in ``kept``, -1 where it is read from the store, shape (n_maps,).
    map_ids
        The map of each row of the store.
    study
        The study whose maps these are.
    checksums
        SHA-256 of each map of the store.
    array, where
        The store; None where all is in memory.
    """

    kept: NDArray[np.uint8]
    kept_at: NDArray[np.int64]
    map_ids: tuple[str, ...] = ()
    study: str = ""
    checksums: tuple[str, ...] = ()
    array: zarr.Array[Any] | None = None
    where: str = ""

    @classmethod
    def of_array(cls, crops: NDArray[np.uint8]) -> CropStore:
        """Return crops (n_maps, n_crops, crop_px, crop_px) that are in memory, not copied."""
        return cls(crops, np.arange(len(crops)))

    @property
    def shape(self) -> tuple[int, ...]:
        """(n_maps, n_crops, crop_px, crop_px)."""
        return (len(self.kept_at), *self.kept.shape[1:])

    def maps(self, rows: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return all crops of maps, shape (n, n_crops, crop_px, crop_px).

        Raises
        ------
        BadInputError
            Crops were altered after they were proved.
        """
        places = self.kept_at[rows]
        if (places >= 0).all():
            kept: NDArray[np.uint8] = self.kept[places]
            return kept
        crops = np.empty((len(rows), *self.kept.shape[1:]), dtype=np.uint8)
        crops[places >= 0] = self.kept[places[places >= 0]]
        assert self.array is not None
        for place in np.flatnonzero(places < 0):
            row, one = int(rows[place]), crops[place : place + 1]
            unreadable = _read_rows(self.array, one, np.array([row]), 0, 1)
            if unreadable or sha256_of_arrays(one[0]) != self.checksums[row]:
                refuse_damaged(
                    "crops", [self.map_ids[row]], len(self), where=self.where, way_out=_WAY_OUT
                )
        return crops

    def take(self, numbers: NDArray[np.integer]) -> NDArray[np.uint8]:
        """Return single crops, counted over all maps, shape (n, crop_px, crop_px)."""
        n_crops = self.shape[1]
        rows, of_map = np.divmod(numbers, n_crops)
        places = self.kept_at[rows]
        here = places >= 0
        if here.all():
            kept: NDArray[np.uint8] = self.kept[places, of_map]
            return kept
        crops = np.empty((len(numbers), *self.shape[2:]), dtype=np.uint8)
        crops[here] = self.kept[places[here], of_map[here]]
        for row in np.unique(rows[~here]):
            crops[rows == row] = self.maps(np.array([row]))[0, of_map[rows == row]]
        return crops

    def digest(self) -> str:
        """Return a SHA-256 over every map's crops."""
        of_kept = (
            sha256_of_arrays(self.kept[place]) for place in self.kept_at[len(self.checksums) :]
        )
        return hashlib.sha256(" ".join([*self.checksums, *of_kept]).encode()).hexdigest()

    def __len__(self) -> int:
        """Return the number of maps."""
        return len(self.kept_at)


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
    other_scalar: bool = False,
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
    other_scalar
        The manifest was built with another scalar: these crops are a further channel.
    aspect, crop_px, scales
        How pictures are cropped, see :func:`strainprint.dataset.crops.crop_picture`.

    Raises
    ------
    BadInputError
        A map is not what the manifest says, maps differ in pitch, frame or strain gauge, or a
        setting is not allowed.
    """
    manifest = read_manifest(manifest_csv)
    count = len(manifest)
    pitch_nm = _shared(manifest["pitch_nm"].tolist(), "pitch_nm", manifest_csv)
    length_over_width = manifest["columns"] / manifest["rows"]
    frames: list[str] = []
    gauges_nm: list[float] = []

    def pictures() -> Iterator[NDArray[np.uint8]]:
        drawn = manifest_pictures(
            manifest,
            results_root,
            scalar=scalar,
            range_floor=range_floor,
            other_scalar=other_scalar,
        )
        for strain_map, picture in drawn:
            frames.append(strain_map.frame)
            gauges_nm.append(float(strain_map.attributes["gauge_nm"]))
            yield picture

    with whole_directory(out_zarr) as partial:
        checksums = crop_into(
            partial, pictures(), count=count, crop_px=crop_px, scales=scales, aspect=aspect
        )
        frame = _shared(frames, "frame", manifest_csv)
        gauge_nm = _shared(gauges_nm, "gauge_nm", manifest_csv)
    write_json(
        out_json,
        {
            **crops_record(
                manifest["map_id"].tolist(),
                checksums,
                study=study,
                scalar=scalar,
                range_floor=range_floor,
                crop_px=crop_px,
                scales=scales,
                aspect=aspect,
            ),
            "frame": frame,
            "pitch_nm": pitch_nm,
            "gauge_nm": gauge_nm,
            "aspect_range": _range(length_over_width),
            "width_range_nm": _range(manifest["rows"] * pitch_nm),
            "reload_strain_range": _range(manifest["reload_strain"]),
        },
    )


def _range(values: pd.Series) -> list[float]:
    return [float(values.min()), float(values.max())]


def crops_record(
    map_ids: Sequence[str],
    checksums: Sequence[str],
    *,
    study: str,
    scalar: str,
    range_floor: float,
    crop_px: int,
    scales: Sequence[int],
    aspect: str,
) -> dict[str, Any]:
    """Return what the JSON of every store holds: its maps in order and how they were cropped.

    ``checksums`` as of :func:`crop_into`; see :func:`write_crops` for the other parameters.
    """
    return {
        "format": FORMAT,
        "version": VERSION,
        "study": study,
        "count": len(map_ids),
        "crops_per_map": crops_per_picture(scales),
        "crop_px": crop_px,
        "dtype": "uint8",
        "aspect": aspect,
        "scales": list(scales),
        "scalar": scalar,
        "range_floor": range_floor,
        "map_ids": list(map_ids),
        "sha256": list(checksums),
    }


def crop_into(
    path: str | Path,
    pictures: Iterable[NDArray[np.uint8]],
    *,
    count: int,
    crop_px: int,
    scales: Sequence[int],
    aspect: str,
) -> list[str]:
    """Crop ``count`` pictures into a store at ``path``; return the SHA-256 of each one's crops.

    At most one shard of crops is in memory. See :func:`write_crops` for the other parameters.
    """
    n_crops = crops_per_picture(scales)
    array = create_crop_array(path, (count, n_crops, crop_px, crop_px))
    block = np.empty((MAPS_PER_SHARD, n_crops, crop_px, crop_px), dtype=np.uint8)
    checksums: list[str] = []
    for row, picture in enumerate(tqdm(pictures, "crop", count, disable=None)):
        place = row % MAPS_PER_SHARD
        block[place] = crop_picture(picture, crop_px=crop_px, scales=scales, aspect=aspect)
        checksums.append(sha256_of_arrays(block[place]))
        if place + 1 == MAPS_PER_SHARD or row + 1 == count:
            array[row - place : row + 1] = block[: place + 1]
            _log.info("cropped %d of %d maps", row + 1, count)
    return checksums


def create_crop_array(path: str | Path, shape: tuple[int, int, int, int]) -> zarr.Array[Any]:
    """Create a store at ``path`` and return its empty array of crops, laid out as said above."""
    return zarr.open_group(path, mode="w").create_array(
        "crops",
        shape=shape,
        chunks=(1, *shape[1:]),
        shards=(MAPS_PER_SHARD, *shape[1:]),
        dtype="uint8",
        compressors=ZstdCodec(level=0),
        fill_value=0,
    )


def read_crops(
    zarr_path: str | Path,
    json_path: str | Path,
    *,
    wanted: NDArray[np.bool_] | None = None,
    added: NDArray[np.uint8] | None = None,
    memory_bytes: float = math.inf,
) -> CropStore:
    """Prove every map's crops against its checksum, and keep those that fit into memory.

    Memory is ``memory_bytes`` and one shard. What is not kept is read again, and proved again,
    whenever it is asked for.

    Parameters
    ----------
    zarr_path, json_path
        The store and its JSON.
    wanted
        Maps that will be asked for, shape (n_maps,); only these are kept. None means all.
    added
        Crops (n, n_crops, px, px) of further maps, which follow those of the store; always kept.
    memory_bytes
        Most bytes of crops to keep; the first wanted maps are kept.

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
    added = np.empty((0, *shape[1:]), dtype=np.uint8) if added is None else added
    rows = np.arange(count) if wanted is None else np.flatnonzero(wanted[:count])
    room = max(0.0, memory_bytes - added.nbytes) // math.prod(shape[1:])
    if room < len(rows):
        _log.info("%d of %d maps fit into memory, the others are streamed", room, len(rows))
        rows = rows[: int(room)]
    kept_at = np.full(count + len(added), -1)
    kept_at[rows] = np.arange(len(rows))
    kept_at[count:] = np.arange(len(rows), len(rows) + len(added))
    kept = np.empty((len(rows) + len(added), *shape[1:]), dtype=np.uint8)
    kept[len(rows) :] = added
    damaged: list[str] = []
    for start in range(0, count, MAPS_PER_SHARD):
        block = np.arange(start, min(start + MAPS_PER_SHARD, count))
        crops = np.empty((len(block), *shape[1:]), dtype=np.uint8)
        unreadable = _read_rows(array, crops, block, 0, len(block))
        damaged += [
            map_ids[row]
            for place, row in enumerate(block)
            if place in unreadable or sha256_of_arrays(crops[place]) != checksums[row]
        ]
        keep = kept_at[block] >= 0
        kept[kept_at[block[keep]]] = crops[keep]
    refuse_damaged("crops", damaged, count, where=zarr_path, way_out=_WAY_OUT)
    return CropStore(kept, kept_at, tuple(map_ids), study, tuple(checksums), array, str(zarr_path))


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
    array: zarr.Array[Any],
    crops: NDArray[np.uint8],
    rows: NDArray[np.integer],
    start: int,
    stop: int,
) -> list[int]:
    """Read ``rows`` (consecutive) start … stop into the same places of ``crops``.

    Return the places that could not be read.
    """
    try:
        crops[start:stop] = array[int(rows[start]) : int(rows[stop - 1]) + 1]
    except Exception:  # Zarr's codecs raise what they like on damaged bytes
        if stop - start == 1:
            return [start]
        return [
            place for n in range(start, stop) for place in _read_rows(array, crops, rows, n, n + 1)
        ]
    return []
