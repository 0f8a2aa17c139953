"""Measure the specimens of a shard: every strain path and reload becomes a strain map."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.errors import BadInputError
from strainprint.maps.instrument import Instrument
from strainprint.maps.map_file import (
    table_row,
    write_map_h5,
    write_maps_csv,
    write_picture_png,
)
from strainprint.maps.picture import grey_picture
from strainprint.maps.render import lay_grid, render_on_grid
from strainprint.maps.store import MapEntry, MapRecord, ShardHeader, write_map_shard
from strainprint.maps.studies import PITCH_NM, study_of
from strainprint.seeds import generator
from strainprint.specimens.naming import RELOADS, map_name
from strainprint.specimens.record import Shard, read_shard
from strainprint.specimens.rendering import displacement_on_mesh_nm

# Central differences reach over two pitches.
_POINTWISE_GAUGE = 2

_log = logging.getLogger(__name__)


def reload_curve(
    strain: NDArray[np.float64],
    stress_mpa: NDArray[np.float64],
    grid: NDArray[np.float64],
    where: object = None,
) -> NDArray[np.float64]:
    """Return the stress (MPa) of a recorded reload curve on a strain grid, linear in between.

    Where the platen stood still while the stress dropped, the curve has several stresses at one
    strain: the last one counts.

    Raises
    ------
    BadInputError
        Strain runs backwards, holds NaN, or ends before the grid does.
    """
    finite = np.isfinite(strain).all() and np.isfinite(stress_mpa).all()
    if strain.shape != stress_mpa.shape or strain.size < 2 or not finite:
        raise BadInputError("reload curve is empty, uneven or not finite", where=where)
    if (np.diff(strain) < 0).any():
        raise BadInputError("strain runs backwards in the reload curve", where=where)
    if strain[0] > grid[0] + 1e-9 or strain[-1] < grid[-1] * (1 - 1e-6):
        raise BadInputError(
            f"reload curve spans {strain[0]:g} to {strain[-1]:g}",
            where=where,
            allowed=f"{grid[0]:g} to {grid[-1]:g}",
        )
    last = np.append(np.diff(strain) > 0, True)
    return np.asarray(np.interp(grid, strain[last], stress_mpa[last]), dtype=np.float64)


def measured_maps(
    shard: Shard,
    *,
    frame: str,
    pitch_nm: float,
    reloads: Sequence[str],
    curve_strain: NDArray[np.float64],
    instrument: Instrument | None = None,
) -> Iterator[MapEntry]:
    """Measure specimen by specimen, strain paths in the shard's order, reloads in the order given.

    The grid is laid once for all reloads after a path. ``pitch_nm`` is that of the grid: the
    pixel of the ``instrument`` where there is one.
    """
    for specimen in tqdm(shard.specimens, "measure", disable=None):
        displacement = partial(displacement_on_mesh_nm, specimen.crystal, shard.material)
        for name, path in specimen.paths.items():
            curve = reload_curve(
                path.reload_strain,
                path.reload_stress_mpa,
                curve_strain,
                where=f"{specimen.specimen_id}, strain path {name}",
            )
            grid = lay_grid(
                displacement,
                path.reference,
                width_nm=shard.width_nm,
                height_nm=shard.height_nm,
                pitch_nm=pitch_nm,
                frame=frame,
            )
            for reload in reloads:
                record = MapRecord(
                    map_id=map_name(specimen.specimen_id, name, reload),
                    specimen_id=specimen.specimen_id,
                    specimen=specimen.index,
                    seed=specimen.seed,
                    strain_path=name,
                    prior_strain=path.prior_strain,
                    reload=reload,
                    reload_strain=shard.reload_strains[reload],
                    relaxed=bool(path.relaxed),
                    dislocations=len(path.reference.plane),
                )
                loaded = path.small if reload == "small" else path.large
                strain_map = render_on_grid(displacement, grid, loaded)
                if instrument is not None:
                    noise = generator(specimen.seed, record.map_id, "displacement noise")
                    strain_map = instrument.measure(
                        strain_map.with_attributes(map_id=record.map_id), noise
                    )
                yield MapEntry(record, strain_map, curve)
        _log.info("measured %s", specimen.specimen_id)


def _check_reloads(reloads: Sequence[str]) -> None:
    if not reloads or not set(reloads) <= set(RELOADS) or len(set(reloads)) < len(reloads):
        raise BadInputError(f"reloads are {list(reloads)}", allowed="small, large or both")


def _gauge_nm(pitch_nm: float, instrument: Instrument | None) -> float:
    """Return the length over which strain is taken."""
    return pitch_nm * (_POINTWISE_GAUGE if instrument is None else instrument.gauge_px)


def measure_shard(
    specimens_h5: str | Path,
    out_zarr: str | Path,
    out_json: str | Path,
    *,
    study: str,
    frame: str,
    pitch_nm: float = PITCH_NM,
    reloads: Sequence[str] = RELOADS,
    curve_points: int = 101,
    instrument: Instrument | None = None,
) -> None:
    """Measure a shard of specimens into a map shard (:func:`write_map_shard`).

    Parameters
    ----------
    specimens_h5
        What the simulator wrote.
    out_zarr, out_json
        The map shard and its manifest, equal but for the suffix.
    study, frame, pitch_nm
        Name of the study, body that the grid lies on, grid pitch.
    reloads
        Which reload steps to measure.
    curve_points
        Points of the common strain grid of the reload curves, 0 to the largest reload strain; by
        default those that the simulator records, 1e-4 apart.
    instrument
        The correlation to measure with, whose pixel is the grid's pitch; None takes the strain that
        the simulator knows at the points of the grid.

    Raises
    ------
    BadInputError
        A file or state that cannot be used; nothing is left behind.
    """
    _check_reloads(reloads)
    shard = read_shard(specimens_h5)
    curve_strain = np.linspace(0.0, max(shard.reload_strains.values()), curve_points)
    write_map_shard(
        out_zarr,
        out_json,
        ShardHeader(
            study=study,
            subset=shard.subset,
            width_nm=shard.width_nm,
            height_nm=shard.height_nm,
            slip_systems=shard.slip_systems,
            pitch_nm=pitch_nm * (1 if instrument is None else instrument.step_px),
            frame=frame,
            gauge_nm=_gauge_nm(pitch_nm, instrument),
        ),
        curve_strain,
        measured_maps(
            shard,
            frame=frame,
            pitch_nm=pitch_nm,
            reloads=reloads,
            curve_strain=curve_strain,
            instrument=instrument,
        ),
        lost={specimen.specimen_id: specimen.reason for specimen in shard.lost},
    )


def measure_to_folder(
    specimens_h5: str | Path,
    folder: str | Path,
    *,
    study: str,
    pitch_nm: float = PITCH_NM,
    reloads: Sequence[str] = RELOADS,
    instrument: Instrument | None = None,
) -> list[Path]:
    """Measure specimens into single files: one HDF5 and one PNG for each map, and ``maps.csv``.

    The PNG of a map carries its name and the suffix ``.png``. Returns the HDF5 files.
    ``instrument`` as in :func:`measure_shard`.
    """
    _check_reloads(reloads)
    how = study_of(study)
    shard = read_shard(specimens_h5)
    folder = Path(folder)
    curve_strain = np.linspace(0.0, max(shard.reload_strains.values()), 2)
    written: list[Path] = []
    rows = []
    for entry in measured_maps(
        shard,
        frame=how.frame,
        pitch_nm=pitch_nm,
        reloads=reloads,
        curve_strain=curve_strain,
        instrument=instrument,
    ):
        record = entry.record
        strain_map = entry.strain_map.with_attributes(
            study=study,
            subset=shard.subset,
            width_nm=shard.width_nm,
            height_nm=shard.height_nm,
            slip_systems=shard.slip_systems,
            gauge_nm=_gauge_nm(pitch_nm, instrument),
            **vars(record),
        )
        picture, floored = grey_picture(strain_map, how.scalar, how.range_floor)
        if floored:
            _log.warning("%s: strain is uniform, its picture is all dark", record.map_id)
        target = folder / f"{record.map_id}.h5"
        write_map_h5(target, strain_map)
        write_picture_png(target.with_suffix(".png"), picture)
        rows.append(table_row(target.name, strain_map))
        written.append(target)
    write_maps_csv(folder / "maps.csv", rows)
    return written
