"""A sample of specimens of one parameter set, and everything that is measured on each."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.calibration.memory import map_difference, same_dislocations
from strainprint.calibration.picture_statistics import below_one_grey, picture_statistics
from strainprint.curves.strength import flow_stress_mpa, offset_yield_mpa
from strainprint.errors import BadInputError
from strainprint.files import write_csv
from strainprint.hdf5_files import write_whole_hdf5
from strainprint.maps.picture import grey_picture
from strainprint.maps.render import lay_grid, render_on_grid
from strainprint.maps.scalars import scalar_field
from strainprint.maps.studies import PITCH_NM, STUDIES
from strainprint.specimens.naming import RELOADS, map_name
from strainprint.specimens.record import Shard, SpecimenRecord, read_shard
from strainprint.specimens.rendering import displacement_on_mesh_nm

RELOAD_YIELD_OFFSET = 1e-4
"""Plastic strain of the reload at which its yield stress is read: the small reload reaches it."""

_PAIR_COLUMNS = (
    *("width_nm", "slip_systems", "specimen_id", "first_prior", "second_prior", "reload"),
    *("map_difference", "same_dislocations"),
)


@dataclass(frozen=True)
class Measured:
    """Rows of one specimen for the three tables of :func:`measure_sample`, and its pictures."""

    specimen: dict[str, Any]
    maps: list[dict[str, Any]] = field(default_factory=list)
    pairs: list[dict[str, Any]] = field(default_factory=list)
    pictures: dict[str, NDArray[np.uint8]] = field(default_factory=dict)


def measure_specimen(shard: Shard, specimen: SpecimenRecord) -> Measured:
    """Measure the loading curve, every reload's maps in both studies, and every pair of priors."""
    modulus_mpa = shard.material.plane_strain_modulus_mpa
    about = {"specimen_id": specimen.specimen_id}
    virgin = specimen.virgin_curve
    measured = Measured(
        {
            **about,
            "lost": False,
            "yield_mpa": offset_yield_mpa(virgin.strain, virgin.stress_mpa, modulus_mpa),
            "flow_mpa": flow_stress_mpa(virgin.strain, virgin.stress_mpa),
        }
    )
    displacement = partial(displacement_on_mesh_nm, specimen.crystal, shard.material)
    audited: dict[tuple[str, str], NDArray[np.float64]] = {}
    for name, path in specimen.paths.items():
        rows: dict[str, dict[str, Any]] = {
            reload: {
                **about,
                "map_id": map_name(specimen.specimen_id, name, reload),
                "prior_strain": path.prior_strain,
                "reload": reload,
                "relaxed": path.relaxed,
                "retained": len(path.reference.plane),
                "reload_yield_mpa": offset_yield_mpa(
                    path.reload_strain, path.reload_stress_mpa, modulus_mpa, RELOAD_YIELD_OFFSET
                ),
                "reload_end_mpa": float(
                    np.interp(
                        shard.reload_strains[reload], path.reload_strain, path.reload_stress_mpa
                    )
                ),
            }
            for reload in RELOADS
        }
        for study_name, study in STUDIES.items():
            grid = lay_grid(
                displacement,
                path.reference,
                width_nm=shard.width_nm,
                height_nm=shard.height_nm,
                pitch_nm=PITCH_NM,
                frame=study.frame,
            )
            for reload in RELOADS:
                state = path.small if reload == "small" else path.large
                strain_map = render_on_grid(displacement, grid, state)
                picture, floored = grey_picture(strain_map, study.scalar, study.range_floor)
                statistics = asdict(picture_statistics(picture, strain_map.valid))
                rows[reload] |= {f"{study_name}_{key}": v for key, v in statistics.items()}
                rows[reload][f"{study_name}_floored"] = floored
                values = scalar_field(strain_map, study.scalar)
                rows[reload][f"{study_name}_zero_fraction_truncated"] = below_one_grey(values)
                if study_name == "audited":
                    audited[name, reload] = values
                    rows[reload]["audited_mean_strain"] = float(np.nanmean(values))
                if reload == "large":
                    measured.pictures[f"{study_name}/{rows[reload]['map_id']}"] = picture
        measured.maps.extend(rows.values())
    for one, two in combinations(specimen.paths, 2):
        for reload in RELOADS:
            measured.pairs.append(
                {
                    **about,
                    "first_prior": specimen.paths[one].prior_strain,
                    "second_prior": specimen.paths[two].prior_strain,
                    "reload": reload,
                    "map_difference": map_difference(audited[one, reload], audited[two, reload]),
                    "same_dislocations": same_dislocations(
                        specimen.paths[one].reference, specimen.paths[two].reference
                    ),
                }
            )
    return measured


def measure_sample(
    shards_h5: Sequence[str | Path],
    specimens_csv: str | Path,
    maps_csv: str | Path,
    pairs_csv: str | Path,
    pictures_h5: str | Path,
) -> None:
    """Measure the specimens of one parameter set, of all its widths.

    A set at the edge of what is plausible may lose specimens to run-away multiplication: how many
    is a result.

    Parameters
    ----------
    shards_h5
        Written by :func:`strainprint.specimens.simulate.simulate_shard`.
    specimens_csv
        One row per specimen: yield and flow stress of the virgin loading, or that it was lost.
    maps_csv
        One row per prior strain and reload: statistics of the picture as published and as audited,
        dislocations retained, stresses of the reload.
    pairs_csv
        One row per pair of prior strains and reload: difference of the audited maps, whether the
        references hold the same dislocations.
    pictures_h5
        The large reloads' pictures, one uint8 array for each ``{study}/{map_id}``.
    """
    specimens: list[dict[str, Any]] = []
    maps: list[dict[str, Any]] = []
    pairs: list[dict[str, Any]] = []
    with write_whole_hdf5(pictures_h5) as file:
        for path in tqdm(shards_h5, "measure", disable=None):
            shard = read_shard(path)
            about = {"width_nm": shard.width_nm, "slip_systems": shard.slip_systems}
            for specimen in shard.specimens:
                measured = measure_specimen(shard, specimen)
                specimens.append({**about, **measured.specimen})
                maps += [{**about, **row} for row in measured.maps]
                pairs += [{**about, **row} for row in measured.pairs]
                for where, picture in measured.pictures.items():
                    # no timestamps, so that the same pictures give the same bytes
                    file.create_dataset(where, data=picture, track_times=False)
            for broken in shard.lost:
                specimens.append({**about, "specimen_id": broken.specimen_id, "lost": True})
        if not maps:
            raise BadInputError(
                "every specimen was lost",
                where=shards_h5[0],
                way_out="take this parameter set out of the sweep, or give it milder values",
            )
    write_csv(specimens_csv, pd.DataFrame(specimens))
    write_csv(maps_csv, pd.DataFrame(maps))
    # a single prior strain makes no pair
    write_csv(pairs_csv, pd.DataFrame(pairs, columns=list(_PAIR_COLUMNS)))
