"""A ceiling for every method: how alike specimens are that differ by a few Burgers vectors.

A twin is a specimen simulated again with its sources and obstacles moved a little. What twins do
not share, no method can read from a picture that does not resolve such shifts.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.curves.prediction import reload_curves
from strainprint.dataset.manifest import read_manifest
from strainprint.errors import BadInputError
from strainprint.experiment_record import write_experiment
from strainprint.experiments.judging import accuracy_columns
from strainprint.maps.picture import grey_picture
from strainprint.maps.store import MapShard
from strainprint.networks.inference import predict_picture
from strainprint.networks.predictions import read_predictions
from strainprint.networks.storage import load_network
from strainprint.report.curve_tables import curve_r2_table
from strainprint.report.statistics import FEWEST_SPECIMENS, specimen_resamples

STRAINS = (0.002, 0.005, 0.01)
"""Reload strains of the table, empty where curves end before; the summary has r² at every
strain."""

METHOD = "cv"
"""The prediction of curves that stands beside the ceiling."""

Curves = NDArray[np.float64]

_log = logging.getLogger(__name__)


def likeness(one: Curves, other: Curves, weights: NDArray[Any]) -> Curves:
    """Return r² between twins at every strain, for every row of weights, (n_weights, n_points).

    1 - sum (one - other)² / sum [(one - mean)² + (other - mean)²], the mean that of both: 1 where
    twins are equal, 0 where they are as different as any two specimens of the group. It is the
    intraclass correlation, and the r² of a perfect reader of everything that twins share.

    Parameters
    ----------
    one, other
        Curves of each pair, (n_pairs, n_points).
    weights
        How often each pair counts, (n_weights, n_pairs).
    """
    drawn = weights.astype(np.float64)
    total = 2 * drawn.sum(axis=1, keepdims=True)
    middle = (one.mean(axis=0) + other.mean(axis=0)) / 2
    first, second = one - middle, other - middle
    spread = drawn @ (first**2 + second**2) - (drawn @ (first + second)) ** 2 / total
    apart = drawn @ (one - other) ** 2
    # Elastic stretches differ by rounding only.
    some = spread > 1e-12 * np.maximum(drawn @ (one**2 + other**2), 1e-300)
    ratio = np.divide(apart, spread, out=np.full(spread.shape, np.nan), where=some)
    return np.asarray(1.0 - ratio, dtype=np.float64)


def _points_at(grid: NDArray[np.float64], strains: Sequence[float]) -> dict[float, int]:
    """Return the point of the grid nearest to each strain that has one within half a step."""
    half_step = 0.5 * float(grid[1] - grid[0]) * (1 + 1e-9)
    nearest = {strain: int(np.abs(grid - strain).argmin()) for strain in strains}
    return {
        strain: point for strain, point in nearest.items() if abs(grid[point] - strain) <= half_step
    }


def compare_twins(
    manifest_csv: str | Path,
    results_dir: str | Path,
    twin_shards: Sequence[str | Path],
    networks: Sequence[str | Path],
    ensemble_csv: str | Path,
    curves_csv: str | Path,
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    scalar: str,
    range_floor: float,
    seed: int,
    resamples: int,
    settings: Mapping[str, Any],
) -> None:
    """Write how alike the reload curves of twins are, and how often they are read as one class.

    One row for each width and one for all: pairs of curves, r² between twins at :data:`STRAINS`
    with its interval, the r² that the cross-validated neighbours reach on test maps, and, over
    test maps, how often ensemble reads a map and its twin's as the same class.

    Parameters
    ----------
    manifest_csv, results_dir
        The dataset, and the folder its shard paths are relative to.
    twin_shards
        Map shards of the twins, whose maps are named as those of the specimens.
    networks
        Folders of the ensemble's networks.
    ensemble_csv, curves_csv
        The ensemble's predictions and the predicted curves of the same study and split.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`.
    scalar, range_floor
        How the study draws its pictures.
    seed, resamples
        Of the bootstrap over specimens.
    settings
        For the record.

    Raises
    ------
    BadInputError
        No specimen has a twin, or files do not fit together.
    """
    manifest = read_manifest(manifest_csv)
    read = read_predictions(ensemble_csv)
    said = read.frame[["map_id", "part"]].assign(read=read.predicted_class).set_index("map_id")
    members = [load_network(folder) for folder in networks]
    rows: list[tuple[str, bool]] = []
    curve_of: dict[str, Curves] = {}
    strain = np.zeros(0)
    for path in twin_shards:
        shard = MapShard.open(path)
        strain = shard.curve_strain
        for index, record in enumerate(shard.records):
            name = record.map_id
            if name not in said.index:
                continue  # its specimen was lost
            curve_of[name] = shard.curve_stress_mpa[index]
            if said.loc[name, "part"] != "test":
                continue  # read by networks that were trained on the specimen
            picture, _ = grey_picture(shard.map(index), scalar, range_floor)
            named = np.mean([predict_picture(m, picture)[0] for m in members], axis=0).argmax()
            rows.append((name, bool(named == said.loc[name, "read"])))
    pairs = manifest[manifest["map_id"].isin(curve_of) & (manifest["reload"] == "small")]
    pairs = pairs.reset_index(drop=True)
    if pairs.empty:
        raise BadInputError("no specimen has a twin", where=manifest_csv)
    grid, true_mpa = reload_curves(pairs, results_dir)
    if not np.array_equal(grid, strain):
        raise BadInputError("twins have another strain grid", where=twin_shards[0])
    twin_mpa = np.stack([curve_of[name] for name in pairs["map_id"]])
    readings = pd.DataFrame(rows, columns=["map_id", "same"]).merge(
        manifest[["map_id", "specimen_id", "width_nm"]], on="map_id"
    )
    shown = _points_at(grid, STRAINS)
    predicted = curve_r2_table(
        pd.read_csv(curves_csv),
        manifest,
        strains=grid[sorted(set(shown.values())) or [-1]],
        seed=seed,
        resamples=resamples,
        methods=[METHOD],
        by_class=False,
    )
    table: list[dict[str, Any]] = []
    at_strain: dict[str, list[float | None]] = {}
    for width in (None, *sorted(pairs["width_nm"].unique().tolist())):
        label = "all" if width is None else f"{width:g}"
        chosen = np.ones(len(pairs), bool) if width is None else pairs["width_nm"].eq(width)
        here = np.flatnonzero(chosen)
        one, other = true_mpa[here], twin_mpa[here]
        specimens = pairs["specimen_id"].to_numpy()[here]
        value = likeness(one, other, np.ones((1, len(here))))[0]
        at_strain[label] = [float(v) if np.isfinite(v) else None for v in value]
        low = high = np.full(len(grid), np.nan)
        if len(set(specimens)) >= FEWEST_SPECIMENS:
            weights = specimen_resamples(specimens, seed=seed, resamples=resamples)
            drawn = likeness(one, other, weights)
            known = np.isfinite(drawn).mean(axis=0) > 0.5
            limits = np.nanquantile(drawn[:, known], [0.025, 0.975], axis=0)
            low, high = low.copy(), high.copy()
            low[known], high[known] = limits
        row: dict[str, Any] = {
            "width_nm": label,
            "pairs": len(here),
            "pair_specimens": len(set(specimens)),
        }
        ours = predicted[predicted["width_nm"] == label].set_index("strain")
        for wanted in STRAINS:
            point = shown.get(wanted)
            names = (f"r2_{wanted:g}", f"r2_{wanted:g}_low", f"r2_{wanted:g}_high")
            found = (np.nan,) * 3 if point is None else (value[point], low[point], high[point])
            row |= dict(zip(names, found, strict=True))
            row[f"predicted_r2_{wanted:g}"] = (
                np.nan if point is None else ours["r2"].get(grid[point], np.nan)
            )
        judged = readings if width is None else readings[readings["width_nm"] == width]
        agreement = accuracy_columns(
            judged["same"], judged["specimen_id"], seed=seed, resamples=resamples
        )
        table.append({**row, **agreement})
        _log.info("twins of width %s: %s", label, table[-1])
    write_experiment(
        table_csv,
        summary_json,
        name="twins",
        table=pd.DataFrame(table).rename(columns={"accuracy": "same_class"}),
        n={"pairs": len(pairs), "specimens": int(pairs["specimen_id"].nunique())},
        settings=settings,
        results={"strain": grid.tolist(), "r2_by_width_nm": at_strain},
    )
