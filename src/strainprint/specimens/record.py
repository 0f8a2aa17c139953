"""Specimens on disk: one HDF5 file per shard, with units, every parameter and every seed.

Layout: attributes of the file name the subset, the geometry and all parameters (JSON, units in the
names). One group per specimen holds its ``crystal`` and one group ``prior_NAME`` per strain path:
the curve of every leg (``legs/0`` ...), the ``reload`` curve and the states ``reference`` and one
per reload strain. A state is small: plane, position, sign and slip per plane; any strain map is
rendered from it. Specimens that broke a physical check lie apart, in ``lost/``: crystal, last
state, and why.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file, write_json
from strainprint.hdf5_files import write_whole_hdf5
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.loading import Curve, History, Leg
from strainprint.specimens.material import Material
from strainprint.specimens.state import State

FORMAT = "strainprint-specimens"
VERSION = 2
REFERENCE = "reference"
_LOST = "lost"
_PRIOR = "prior_"

_UNITS = {
    "plane_angle": "rad",
    "plane_origin_nm": "nm",
    "source_position_nm": "nm",
    "source_strength_mpa": "MPa",
    "source_length_nm": "nm",
    "obstacle_position_nm": "nm",
    "obstacle_strength_mpa": "MPa",
    "position_nm": "nm",
    "stress_mpa": "MPa",
    "whole_plane_slip": "Burgers vectors",
}


@dataclass(frozen=True)
class LoadingPath:
    """One strain path of one specimen, as read back.

    Attributes
    ----------
    prior_strain
        Sum of the strains of all loads of the path.
    legs
        Every step with its curve, the unloading at the end included.
    reference, small, large
        Relaxed state before the reload and the states at the reload strains.
    reload
        The reload, from the reference to the large reload strain.
    relaxed
        Whether everything came to rest at zero load within the hold time.
    """

    prior_strain: float
    legs: tuple[Leg, ...]
    reference: State
    small: State
    large: State
    reload: Leg
    relaxed: bool

    @property
    def reload_strain(self) -> NDArray[np.float64]:
        """Strain of the reload since its start, (n,), positive along its sense."""
        return self.reload.curve.strain

    @property
    def reload_stress_mpa(self) -> NDArray[np.float64]:
        """Stress of the reload, (n,), positive along its sense."""
        return self.reload.curve.stress_mpa


@dataclass(frozen=True)
class SpecimenRecord:
    """One specimen as read back; ``paths`` by name, in the order in which the shard lists them."""

    index: int
    specimen_id: str
    seed: int
    crystal: Crystal
    paths: dict[str, LoadingPath]

    @property
    def virgin_curve(self) -> Curve:
        """The longest first load: the stress-strain curve of the virgin crystal."""
        first = (path.legs[0].curve for path in self.paths.values())
        return max(first, key=lambda curve: float(curve.strain[-1]))


@dataclass(frozen=True)
class LostSpecimen:
    """A specimen whose run broke a physical check.

    Attributes
    ----------
    reason
        Which check, with the numbers.
    doing
        The steps of its path up to the one that it broke at.
    state
        Its last state, sound or not.
    """

    index: int
    specimen_id: str
    seed: int
    crystal: Crystal
    reason: str
    doing: str
    state: State

    @property
    def strain(self) -> float:
        """Engineering strain U/h that it reached, tension positive."""
        return self.state.platen_displacement_nm / self.crystal.height_nm


@dataclass(frozen=True)
class Shard:
    """Some specimens of one subset; ``parameters`` are the settings they were made with."""

    subset: str
    width_nm: float
    height_nm: float
    slip_systems: int
    material: Material
    reload_strains: dict[str, float]
    parameters: dict[str, Any]
    specimens: list[SpecimenRecord]
    lost: list[LostSpecimen]


@dataclass(frozen=True)
class SimulatedSpecimen:
    """One specimen as the simulator hands it over for writing."""

    index: int
    specimen_id: str
    seed: int
    crystal: Crystal
    histories: Sequence[History]
    largest_identity_error: float


def _put(group: h5py.Group, name: str, values: NDArray[Any]) -> None:
    # no timestamps, so that the same specimens give the same bytes
    dataset = group.create_dataset(name, data=values, track_times=False)
    if name in _UNITS:
        dataset.attrs["units"] = _UNITS[name]


def _put_leg(group: h5py.Group, leg: Leg) -> None:
    group.attrs["step"] = leg.step
    group.attrs["sense"] = leg.sense
    group.attrs["start_strain"] = leg.start_strain
    for name, values in vars(leg.curve).items():
        _put(group, name, values)


def _put_crystal(group: h5py.Group, crystal: Crystal) -> None:
    for name, value in vars(crystal).items():
        if isinstance(value, np.ndarray):
            _put(group, name, value)
        else:
            group.attrs[name] = value


def _put_state(group: h5py.Group, state: State) -> None:
    _put(group, "plane", state.plane.astype(np.int32))
    _put(group, "position_nm", state.position_nm)
    _put(group, "sign", state.sign.astype(np.int8))
    _put(group, "whole_plane_slip", state.whole_plane_slip.astype(np.int32))
    group.attrs["platen_displacement_nm"] = state.platen_displacement_nm


def write_shard(
    path: str | Path,
    manifest: str | Path,
    *,
    subset: str,
    material: Material,
    reload_strains: Mapping[str, float],
    parameters: Mapping[str, Any],
    specimens: Sequence[SimulatedSpecimen],
    lost: Sequence[LostSpecimen] = (),
) -> None:
    """Write specimens to HDF5 and a JSON manifest beside it, whole or not at all.

    A shard of which every specimen was lost is a valid one without specimens.
    """
    first = [*(s.crystal for s in specimens), *(s.crystal for s in lost)][0]
    with write_whole_hdf5(path) as file:
        file.attrs["format"] = FORMAT
        file.attrs["version"] = VERSION
        file.attrs["subset"] = subset
        file.attrs["width_nm"] = first.width_nm
        file.attrs["height_nm"] = first.height_nm
        file.attrs["slip_systems"] = first.slip_systems
        file.attrs["material"] = json.dumps(asdict(material), sort_keys=True)
        file.attrs["reload_strains"] = json.dumps(dict(reload_strains), sort_keys=True)
        file.attrs["parameters"] = json.dumps(dict(parameters), sort_keys=True)
        for specimen in specimens:
            group = file.create_group(specimen.specimen_id)
            group.attrs["index"] = specimen.index
            group.attrs["seed"] = specimen.seed
            group.attrs["largest_identity_error"] = specimen.largest_identity_error
            _put_crystal(group.create_group("crystal"), specimen.crystal)
            for order, history in enumerate(specimen.histories):
                prior = group.create_group(f"{_PRIOR}{history.path.name}")
                prior.attrs["order"] = order
                prior.attrs["path"] = str(history.path)
                prior.attrs["prior_strain"] = history.path.total_strain
                prior.attrs["relaxed"] = history.relaxed
                for number, leg in enumerate(history.legs):
                    _put_leg(prior.create_group(f"legs/{number}"), leg)
                _put_leg(prior.create_group("reload"), history.reload)
                for name, state in history.states.items():
                    _put_state(prior.create_group(name), state)
        for broken in lost:
            group = file.create_group(f"{_LOST}/{broken.specimen_id}")
            for name in ("index", "seed", "reason", "doing", "strain"):
                group.attrs[name] = getattr(broken, name)
            _put_crystal(group.create_group("crystal"), broken.crystal)
            _put_state(group.create_group("state"), broken.state)
    write_json(
        manifest,
        {
            "format": FORMAT,
            "version": VERSION,
            "subset": subset,
            "count": len(specimens),
            "specimens": [s.specimen_id for s in specimens],
            "seeds": [s.seed for s in specimens],
            "lost": [
                {
                    "specimen_id": broken.specimen_id,
                    "seed": broken.seed,
                    "reason": broken.reason,
                    "doing": broken.doing,
                    "strain": broken.strain if np.isfinite(broken.strain) else None,
                    "group": f"{_LOST}/{broken.specimen_id}",
                }
                for broken in lost
            ],
            "largest_identity_error": max((s.largest_identity_error for s in specimens), default=0),
            "sha256": sha256_of_file(path),
        },
    )


def join_shards(parts: Sequence[str | Path], path: str | Path, manifest: str | Path) -> None:
    """Write the specimens of several shards of the same settings as one, whole or not at all.

    Each part has its manifest beside it.

    Raises
    ------
    BadInputError
        A part is missing or damaged.
    """
    contents = [
        read_json(Path(part).with_suffix(".json"), expected_format=FORMAT) for part in parts
    ]
    with write_whole_hdf5(path) as file:
        for part in parts:
            verify_shard(part, Path(part).with_suffix(".json"))
            with h5py.File(part, "r") as source:
                for name, value in source.attrs.items():
                    file.attrs[name] = value
                for name in source:
                    if name != _LOST:
                        source.copy(name, file)
                for name in source.get(_LOST, {}):
                    source.copy(f"{_LOST}/{name}", file.require_group(_LOST))
    write_json(
        manifest,
        {
            **{key: contents[0][key] for key in ("format", "version", "subset")},
            "count": sum(content["count"] for content in contents),
            **{
                key: [value for content in contents for value in content[key]]
                for key in ("specimens", "seeds", "lost")
            },
            "largest_identity_error": max(
                content["largest_identity_error"] for content in contents
            ),
            "sha256": sha256_of_file(path),
        },
    )


def _any_state(group: h5py.Group) -> State:
    return State(
        plane=group["plane"][()].astype(np.int64),
        position_nm=group["position_nm"][()],
        sign=group["sign"][()].astype(np.int64),
        whole_plane_slip=group["whole_plane_slip"][()].astype(np.int64),
        platen_displacement_nm=float(group.attrs["platen_displacement_nm"]),
    )


def _state(group: h5py.Group, crystal: Crystal) -> State:
    """Return a state, every dislocation on its plane."""
    state = _any_state(group)
    n, planes = len(state.plane), len(crystal.plane_angle)
    inside = np.isfinite(state.position_nm) & (state.position_nm >= 0)
    inside &= state.position_nm <= crystal.plane_length_nm
    sound = (
        state.position_nm.shape == (n,)
        and state.sign.shape == (n,)
        and state.whole_plane_slip.shape == (planes,)
        and bool(np.all((state.plane >= 0) & (state.plane < planes)))
        and bool(np.all(np.abs(state.sign) == 1))
        and bool(inside.all())
        and np.isfinite(state.platen_displacement_nm)
    )
    if not sound:
        raise BadInputError(
            "state holds a dislocation off its plane, or arrays of unequal length",
            where=group.name,
        )
    return state


def _crystal(group: h5py.Group) -> Crystal:
    values = {name: dataset[()] for name, dataset in group.items()}
    crystal = Crystal(
        width_nm=float(group.attrs["width_nm"]),
        height_nm=float(group.attrs["height_nm"]),
        slip_systems=int(group.attrs["slip_systems"]),
        plane_length_nm=float(group.attrs["plane_length_nm"]),
        **values,
    )
    planes, length = len(crystal.plane_angle), crystal.plane_length_nm
    sound = crystal.plane_origin_nm.shape == (planes, 2)
    sound &= all(bool(np.isfinite(array).all()) for array in values.values())
    for on_plane, position, others in (
        (
            crystal.source_plane,
            crystal.source_position_nm,
            (crystal.source_strength_mpa, crystal.source_kind, crystal.source_length_nm),
        ),
        (
            crystal.obstacle_plane,
            crystal.obstacle_position_nm,
            (crystal.obstacle_strength_mpa,),
        ),
    ):
        sound &= all(array.shape == on_plane.shape for array in (position, *others))
        sound &= bool(np.all((on_plane >= 0) & (on_plane < planes)))
        sound &= bool(np.all((position >= 0) & (position <= length)))
    if not sound:
        raise BadInputError(
            "crystal holds a defect off its planes, or arrays of unequal length",
            where=group.name,
        )
    return crystal


def _leg(group: h5py.Group) -> Leg:
    return Leg(
        step=str(group.attrs["step"]),
        sense=int(group.attrs["sense"]),
        start_strain=float(group.attrs["start_strain"]),
        curve=Curve(**{field.name: group[field.name][()] for field in fields(Curve)}),
    )


def _path(prior: h5py.Group, crystal: Crystal) -> LoadingPath:
    return LoadingPath(
        prior_strain=float(prior.attrs["prior_strain"]),
        legs=tuple(_leg(prior[f"legs/{number}"]) for number in range(len(prior["legs"]))),
        **{state: _state(prior[state], crystal) for state in (REFERENCE, "small", "large")},
        reload=_leg(prior["reload"]),
        relaxed=bool(prior.attrs["relaxed"]),
    )


def _specimen(name: str, group: h5py.Group) -> SpecimenRecord:
    crystal = _crystal(group["crystal"])
    priors = [prior for key, prior in group.items() if key.startswith(_PRIOR)]
    priors.sort(key=lambda prior: int(prior.attrs["order"]))
    return SpecimenRecord(
        index=int(group.attrs["index"]),
        specimen_id=name,
        seed=int(group.attrs["seed"]),
        crystal=crystal,
        paths={
            prior.name.rpartition("/")[2].removeprefix(_PRIOR): _path(prior, crystal)
            for prior in priors
        },
    )


def _lost(name: str, group: h5py.Group) -> LostSpecimen:
    return LostSpecimen(
        index=int(group.attrs["index"]),
        specimen_id=name,
        seed=int(group.attrs["seed"]),
        crystal=_crystal(group["crystal"]),
        reason=str(group.attrs["reason"]),
        doing=str(group.attrs["doing"]),
        state=_any_state(group["state"]),
    )


def read_shard(path: str | Path) -> Shard:
    """Read a shard of specimens and, where its manifest lies beside it, compare it with that.

    Raises
    ------
    BadInputError
        The file is missing, truncated, of another format, or holds an impossible crystal or state.
    """
    path = Path(path)
    way_out = "delete it and run the simulation again"
    if not path.is_file():
        raise BadInputError("file is missing", where=path, way_out=way_out)
    manifest = path.with_suffix(".json")
    if manifest.is_file() and read_json(manifest).get("format") == FORMAT:
        verify_shard(path, manifest)
    try:
        with h5py.File(path, "r") as file:
            found = (file.attrs.get("format"), file.attrs.get("version"))
            if found != (FORMAT, VERSION):
                raise BadInputError(
                    f"format {found[0]}, version {found[1]}",
                    allowed=f"{FORMAT}, version {VERSION}",
                )
            return Shard(
                subset=str(file.attrs["subset"]),
                width_nm=float(file.attrs["width_nm"]),
                height_nm=float(file.attrs["height_nm"]),
                slip_systems=int(file.attrs["slip_systems"]),
                material=Material(**json.loads(file.attrs["material"])),
                reload_strains=json.loads(file.attrs["reload_strains"]),
                parameters=json.loads(file.attrs["parameters"]),
                specimens=[_specimen(n, group) for n, group in file.items() if n != _LOST],
                lost=[_lost(name, group) for name, group in file.get(_LOST, {}).items()],
            )
    except BadInputError as error:
        raise BadInputError(str(error), where=path, way_out=way_out) from error
    except (OSError, KeyError, TypeError, ValueError, RuntimeError) as error:
        raise BadInputError(
            f"not readable as specimens ({error})", where=path, way_out=way_out
        ) from error


def verify_shard(path: str | Path, manifest: str | Path) -> None:
    """Compare a shard with the checksum in its manifest; BadInputError where they differ."""
    expected = read_json(manifest, expected_format=FORMAT).get("sha256")
    if sha256_of_file(path) != expected:
        raise BadInputError(
            f"content differs from its manifest {manifest}",
            where=path,
            way_out="delete both and run the simulation again",
        )
