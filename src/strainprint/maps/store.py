"""Map shards: all maps of a shard of specimens in one Zarr group and one JSON manifest.

Maps differ in size, and thousands of small files are slow on every file system, so each component
is one ragged array: the maps in C order one behind the other, ``offset`` saying where each
starts. The manifest carries one SHA-256 per map, so that reading a single map also proves it, and
one over everything.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.codecs import ZstdCodec

from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_arrays, whole_directory, write_json
from strainprint.maps.strain_map import COMPONENTS, StrainMap

FORMAT = "strainprint-maps"
VERSION = 3
RAGGED: dict[str, str] = {**dict.fromkeys(COMPONENTS, "float32"), "valid": "bool"}
DENSE = ("rows", "columns", "offset", "curve_strain", "curve_stress_mpa")
# One file holds 128 MiB, which keeps the results of the paper's 3,672 maps below 5,000 files;
# within it blocks of 2^16 are read on their own, so that fetching a map of 125 nm (15,500 points)
# decodes little more than itself.
BYTES_PER_FILE = 1 << 27
_VALUES_PER_BLOCK = 1 << 16
_REDO = "delete both files of this shard and run the rule again"


@dataclass(frozen=True)
class ShardHeader:
    """What all maps of a shard share. Lengths in nm.

    ``gauge_nm`` is the length over which strain was taken: the virtual strain gauge of the
    instrument, two pitches where the maps are as the simulator knows them.
    """

    study: str
    subset: str
    width_nm: float
    height_nm: float
    slip_systems: int
    pitch_nm: float
    frame: str
    gauge_nm: float


@dataclass(frozen=True)
class MapRecord:
    """What the manifest says of one map.

    ``strain_path`` names what was done before the reload, ``prior_strain`` sums the strains of its
    loads; ``relaxed`` tells whether the reference state had come to rest when its time ran out,
    ``dislocations`` how many it held.
    """

    map_id: str
    specimen_id: str
    specimen: int
    seed: int
    strain_path: str
    prior_strain: float
    reload: str
    reload_strain: float
    relaxed: bool
    dislocations: int


_RECORD_KEYS = tuple(f.name for f in dataclasses.fields(MapRecord))


@dataclass(frozen=True)
class MapEntry:
    """One map on its way into a shard, with its reload curve (MPa) on the shard's strain grid."""

    record: MapRecord
    strain_map: StrainMap
    curve_stress_mpa: NDArray[np.float64]


class _RaggedWriter:
    """Appends to a one-dimensional Zarr array in whole files, so that none is written twice."""

    def __init__(self, group: zarr.Group, name: str, dtype: str) -> None:
        self._values_per_file = BYTES_PER_FILE // np.dtype(dtype).itemsize
        self._array = group.create_array(
            name,
            shape=(0,),
            dtype=dtype,
            chunks=(_VALUES_PER_BLOCK,),
            shards=(self._values_per_file,),
            compressors=ZstdCodec(level=3),
            fill_value=0,
        )
        self._dtype = dtype
        self._waiting: list[NDArray[Any]] = []
        self._count = 0

    def append(self, values: NDArray[Any]) -> None:
        self._waiting.append(values.ravel())
        self._count += values.size
        if self._count >= self._values_per_file:
            self.flush(whole_files_only=True)

    def flush(self, *, whole_files_only: bool = False) -> None:
        if not self._waiting:
            return
        values = np.concatenate(self._waiting)
        count = values.size - (values.size % self._values_per_file if whole_files_only else 0)
        start = self._array.shape[0]
        self._array.resize((start + count,))
        self._array[start:] = values[:count]
        self._waiting, self._count = [values[count:]], values.size - count


def _map_digest(strain_map: StrainMap) -> str:
    return sha256_of_arrays(*(getattr(strain_map, name) for name in RAGGED))


def _shard_digest(dense: dict[str, NDArray[Any]], map_digests: list[str]) -> str:
    return sha256_of_arrays(
        *(dense[name] for name in sorted(dense)), np.array(map_digests, dtype="S64")
    )


def write_map_shard(
    out_zarr: str | Path,
    out_json: str | Path,
    header: ShardHeader,
    curve_strain: NDArray[np.float64],
    entries: Iterable[MapEntry],
    lost: Mapping[str, str] | None = None,
) -> None:
    """Write a shard's maps to ``out_zarr`` and its manifest to ``out_json``, in the order given.

    ``entries`` may be a generator: no more than a few maps are in memory at a time. The two paths
    differ in their suffix only, ``.zarr`` and ``.json``. The manifest comes last. It says of
    each specimen that was ``lost`` why; where none is left, the shard has no map.

    Raises
    ------
    BadInputError
        A map that cannot be used (:meth:`StrainMap.check`), of another pitch or frame than the
        header, twice the same ``map_id``, a curve of the wrong length or not finite, or no map
        although no specimen was lost.
    """
    out_zarr, out_json = Path(out_zarr), Path(out_json)
    if out_zarr != out_json.with_suffix(".zarr"):
        raise BadInputError(f"{out_zarr} and {out_json}", allowed="NAME.zarr beside NAME.json")
    manifest_maps: list[dict[str, Any]] = []
    curves: list[NDArray[np.float64]] = []
    seen: set[str] = set()
    with whole_directory(out_zarr) as partial:
        group = zarr.open_group(partial, mode="w", zarr_format=3)
        ragged = {name: _RaggedWriter(group, name, dtype) for name, dtype in RAGGED.items()}
        for entry in entries:
            record, strain_map = entry.record, entry.strain_map
            strain_map.check(record.map_id)
            if (strain_map.pitch_nm, strain_map.frame) != (header.pitch_nm, header.frame):
                raise BadInputError(
                    f"pitch {strain_map.pitch_nm} nm, frame {strain_map.frame}",
                    where=record.map_id,
                    allowed=f"{header.pitch_nm} nm, {header.frame} as the shard",
                )
            if record.map_id in seen:
                raise BadInputError("two maps of one name", where=record.map_id)
            curve = np.asarray(entry.curve_stress_mpa, dtype=np.float64)
            if curve.shape != curve_strain.shape or not np.isfinite(curve).all():
                raise BadInputError(
                    f"stress curve of shape {curve.shape}, finite: {np.isfinite(curve).all()}",
                    where=record.map_id,
                    allowed=f"{curve_strain.shape}, finite",
                )
            seen.add(record.map_id)
            for name, writer in ragged.items():
                writer.append(getattr(strain_map, name))
            rows, columns = strain_map.shape
            manifest_maps.append(
                {
                    **dataclasses.asdict(record),
                    "rows": rows,
                    "columns": columns,
                    "sha256": _map_digest(strain_map),
                }
            )
            curves.append(curve)
        if not (manifest_maps or lost):
            raise BadInputError("no map to write", where=out_zarr)
        for writer in ragged.values():
            writer.flush()
        rows_array = np.array([m["rows"] for m in manifest_maps], dtype=np.int32)
        columns_array = np.array([m["columns"] for m in manifest_maps], dtype=np.int32)
        sizes = rows_array.astype(np.int64) * columns_array
        dense: dict[str, NDArray[Any]] = {
            "rows": rows_array,
            "columns": columns_array,
            "offset": np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64),
            "curve_strain": np.asarray(curve_strain, dtype=np.float64),
            "curve_stress_mpa": np.reshape(curves, (len(curves), len(curve_strain))),
        }
        for name, values in dense.items():
            group.create_array(name, data=values, compressors=ZstdCodec(level=3))
    write_json(
        out_json,
        {
            "format": FORMAT,
            "version": VERSION,
            **dataclasses.asdict(header),
            "count": len(manifest_maps),
            "lost": dict(lost or {}),
            "sha256": _shard_digest(dense, [m["sha256"] for m in manifest_maps]),
            "maps": manifest_maps,
        },
    )


def read_manifest_json(path: str | Path) -> dict[str, Any]:
    """Read the manifest of a map shard and check that it says all it must.

    Raises
    ------
    BadInputError
        Missing or truncated, of another format or version, or a key is missing.
    """
    content = read_json(path, expected_format=FORMAT)
    if content.get("version") != VERSION:
        raise BadInputError(
            f"version {content.get('version')!r}",
            where=path,
            allowed=str(VERSION),
            way_out="measure the specimens again with this release",
        )
    maps = content.get("maps")
    lost = content.get("lost")
    if not isinstance(lost, dict):
        raise BadInputError("the list of lost specimens is missing", where=path, way_out=_REDO)
    if not isinstance(maps, list) or len(maps) != content.get("count") or not (maps or lost):
        raise BadInputError("list and count of maps disagree", where=path, way_out=_REDO)
    wanted = [
        (content, [f.name for f in dataclasses.fields(ShardHeader)] + ["sha256"]),
        *((entry, [*_RECORD_KEYS, "rows", "columns", "sha256"]) for entry in maps),
    ]
    for entry, keys in wanted:
        missing = [key for key in keys if not isinstance(entry, dict) or key not in entry]
        if missing:
            raise BadInputError(f"keys missing: {missing}", where=path, way_out=_REDO)
    return content


@dataclass(frozen=True)
class MapShard:
    """An open map shard: manifest and curves in memory, maps read one at a time.

    Attributes
    ----------
    path
        The Zarr group.
    header, records
        What the manifest says of the shard and of each map.
    lost
        Why each specimen that the simulator lost is missing, by its name.
    rows, columns
        Map sizes, int32 (n_maps,).
    curve_strain, curve_stress_mpa
        Reload curves on one strain grid, float64 (n_points,) and (n_maps, n_points).
    """

    path: Path
    header: ShardHeader
    records: tuple[MapRecord, ...]
    lost: dict[str, str]
    rows: NDArray[np.int32]
    columns: NDArray[np.int32]
    curve_strain: NDArray[np.float64]
    curve_stress_mpa: NDArray[np.float64]
    _offset: NDArray[np.int64]
    _digests: tuple[str, ...]
    _ragged: dict[str, zarr.Array[Any]]

    @classmethod
    def open(cls, manifest_path: str | Path) -> MapShard:
        """Open a shard by its ``.json`` manifest; the ``.zarr`` lies beside it.

        Everything but the maps themselves is checked here.

        Raises
        ------
        BadInputError
            A missing, truncated or altered file, with its name.
        """
        manifest = read_manifest_json(manifest_path)
        path = Path(manifest_path).with_suffix(".zarr")
        maps = manifest["maps"]
        digests = [str(entry["sha256"]) for entry in maps]
        try:
            group = zarr.open_group(path, mode="r", zarr_format=3)
            dense = {name: np.asarray(_array(group, name)[:]) for name in DENSE}
            ragged = {name: _array(group, name) for name in RAGGED}
        except Exception as error:  # zarr and its codecs raise whatever they like
            raise _unreadable(path, error) from error
        if (
            dense["rows"].tolist() != [entry["rows"] for entry in maps]
            or dense["columns"].tolist() != [entry["columns"] for entry in maps]
            or _shard_digest(dense, digests) != manifest["sha256"]
            or any(array.shape != (dense["offset"][-1],) for array in ragged.values())
        ):
            raise BadInputError(
                "arrays and manifest do not belong together (shapes or SHA-256 differ)",
                where=path,
                way_out=_REDO,
            )
        header_keys = [f.name for f in dataclasses.fields(ShardHeader)]
        return cls(
            path=path,
            header=ShardHeader(**{key: manifest[key] for key in header_keys}),
            records=tuple(MapRecord(**{key: m[key] for key in _RECORD_KEYS}) for m in maps),
            lost=dict(manifest["lost"]),
            rows=dense["rows"],
            columns=dense["columns"],
            curve_strain=dense["curve_strain"],
            curve_stress_mpa=dense["curve_stress_mpa"],
            _offset=dense["offset"],
            _digests=tuple(digests),
            _ragged=ragged,
        )

    @property
    def map_ids(self) -> list[str]:
        """The maps' names, in the order of the shard."""
        return [record.map_id for record in self.records]

    def __len__(self) -> int:
        """Return the number of maps."""
        return len(self.records)

    def __iter__(self) -> Iterator[StrainMap]:
        """Read all maps, one at a time."""
        return (self.map(index) for index in range(len(self)))

    def map(self, index: int) -> StrainMap:
        """Read one map and prove it against its SHA-256.

        Its ``attributes`` are those of the shard and of its record together.

        Raises
        ------
        BadInputError
            No such map, or its values are unreadable, altered or lost.
        """
        if not 0 <= index < len(self):
            raise BadInputError(f"map {index}", where=self.path, allowed=f"0 to {len(self) - 1}")
        start, stop = int(self._offset[index]), int(self._offset[index + 1])
        shape = (int(self.rows[index]), int(self.columns[index]))
        record = self.records[index]
        try:
            parts = {
                name: np.asarray(array[start:stop]).reshape(shape)
                for name, array in self._ragged.items()
            }
        except Exception as error:  # zarr and its codecs raise whatever they like
            raise _unreadable(self.path, error) from error
        header = dataclasses.asdict(self.header)
        strain_map = StrainMap(
            **parts,
            pitch_nm=header.pop("pitch_nm"),
            frame=header.pop("frame"),
            attributes={**header, **dataclasses.asdict(record)},
        )
        if _map_digest(strain_map) != self._digests[index]:
            raise BadInputError(
                f"map {record.map_id} was altered or lost (SHA-256 differs)",
                where=self.path,
                way_out=_REDO,
            )
        return strain_map


def _array(group: zarr.Group, name: str) -> zarr.Array[Any]:
    array = group[name]
    if not isinstance(array, zarr.Array):
        raise TypeError(f"{name!r} is no array")
    return array


def _unreadable(path: Path, error: Exception) -> BadInputError:
    return BadInputError(
        f"not readable as a Zarr group of maps ({type(error).__name__}: {error})",
        where=path,
        way_out=_REDO,
    )
