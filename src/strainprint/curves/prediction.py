"""Stress-strain curves to the large reload, predicted from small-reload maps (paper, Figs 4, 5).

A test map's curve is the mean curve of its nearest training maps in the network's features. Two
baselines need no network: the mean curve of the training maps of the same width and slip systems,
and neighbours in principal components of the two-point correlation.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.baseline.correlate import read_correlations
from strainprint.curves.metrics import (
    YIELD_OFFSET_STRAIN,
    r_squared,
    r_squared_at_strain,
    relative_rmse,
    yield_stress_mpa,
)
from strainprint.curves.neighbours import component_scores, nearest_neighbours, read_features
from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.splits import read_split
from strainprint.errors import BadInputError
from strainprint.files import write_csv, write_json
from strainprint.maps.store import MapShard
from strainprint.specimens.material import Material

# Neighbours in correlation space are given for one k, the middle one of the paper.
CORRELATION_NEIGHBOURS = 5
CORRELATION_COMPONENTS = 32

_log = logging.getLogger(__name__)


def predict_curves(
    manifest_csv: str | Path,
    split_csv: str | Path,
    results_root: str | Path,
    features_npy: str | Path,
    correlations_zarr: str | Path,
    correlations_json: str | Path,
    out_neighbours_csv: str | Path,
    out_curves_csv: str | Path,
    out_errors_csv: str | Path,
    out_metrics_json: str | Path,
    *,
    youngs_modulus_gpa: float,
    poissons_ratio: float,
    neighbours: Sequence[int] = (1, 5, 10),
) -> None:
    """Predict the curve of every small-reload test map, and say how well.

    Parameters
    ----------
    manifest_csv, split_csv, results_root
        The dataset, its split, and the folder its shard paths are relative to.
    features_npy
        The network's features of every map, (n_maps, n_crops * 64), manifest order.
    correlations_zarr, correlations_json
        The dataset's two-point correlations.
    out_neighbours_csv
        Columns map_id, rank, neighbour_map_id, distance, same_specimen (0 or 1).
    out_curves_csv
        Columns map_id, strain, true_mpa, and one ``{method}_mpa`` for each method: ``k1`` and so
        on, ``subset_mean``, ``correlation_k5``.
    out_errors_csv
        One row for each map and method: relative_rmse, r2, true yield stress and its error
        (predicted - true; empty where either curve does not yield).
    out_metrics_json
        Summaries for all maps and for each width, r²(strain), and how many neighbours there were.
    youngs_modulus_gpa, poissons_ratio
        Of the simulated material; they give the elastic line of the yield stress.
    neighbours
        Every k to average over. Where fewer training maps exist all are used, which the metrics
        record.

    Raises
    ------
    BadInputError
        Inputs of different datasets, or no small-reload map to train or to test on.
    """
    counts = sorted({int(k) for k in neighbours})
    if not counts or counts[0] < 1:
        raise BadInputError(f"neighbours are {list(neighbours)}", allowed="whole numbers from 1 on")
    modulus_mpa = Material(
        youngs_modulus_gpa=youngs_modulus_gpa, poissons_ratio=poissons_ratio
    ).plane_strain_modulus_mpa
    manifest = read_manifest(manifest_csv)
    parts = read_split(split_csv, manifest)
    features = read_features(features_npy, len(manifest))
    correlations = read_correlations(correlations_zarr, correlations_json, manifest)["raw"]

    small = (manifest["reload"] == "small").to_numpy()
    kept = small & np.isin(parts, ("train", "test"))
    manifest = manifest[kept].reset_index(drop=True)
    train, test = parts[kept] == "train", parts[kept] == "test"
    if not train.any() or not test.any():
        raise BadInputError(
            f"{train.sum()} small-reload maps train and {test.sum()} test",
            where=split_csv,
            allowed="one or more of both",
            way_out="simulate more specimens (per_subset)",
        )
    strain, stress_mpa = reload_curves(manifest, results_root)
    trained, tested = manifest[train], manifest[test]
    true_mpa, train_mpa = stress_mpa[test], stress_mpa[train]

    nearest, distances = nearest_neighbours(features[kept][test], features[kept][train], counts[-1])
    if nearest.shape[1] < counts[-1]:
        _log.warning(
            "%d neighbours asked for, but only %d small-reload maps train: all are used",
            counts[-1],
            nearest.shape[1],
        )
    predicted = {f"k{k}": train_mpa[nearest[:, :k]].mean(axis=1) for k in counts}
    predicted["subset_mean"] = _subset_mean(trained, tested, train_mpa, where=split_csv)
    scores = component_scores(correlations[kept], train, CORRELATION_COMPONENTS)
    alike, _ = nearest_neighbours(scores[test], scores[train], CORRELATION_NEIGHBOURS)
    predicted[f"correlation_k{CORRELATION_NEIGHBOURS}"] = train_mpa[alike].mean(axis=1)

    neighbour_table = _neighbour_table(trained, tested, nearest, distances)
    errors = _error_table(tested, strain, true_mpa, predicted, modulus_mpa)
    write_csv(out_neighbours_csv, neighbour_table)
    write_csv(out_curves_csv, _curve_table(tested, strain, true_mpa, predicted))
    write_csv(out_errors_csv, errors)
    width_nm = tested["width_nm"].to_numpy()
    write_json(
        out_metrics_json,
        {
            "n": {"train": int(train.sum()), "test": int(test.sum())},
            "neighbours_used": {f"k{k}": min(k, nearest.shape[1]) for k in counts}
            | {f"correlation_k{CORRELATION_NEIGHBOURS}": alike.shape[1]},
            "nearest_is_same_specimen": float(
                neighbour_table.loc[neighbour_table["rank"] == 1, "same_specimen"].mean()
            ),
            "modulus_mpa": modulus_mpa,
            "yield_offset_strain": YIELD_OFFSET_STRAIN,
            "strain": strain.tolist(),
            "all": _summary(errors, true_mpa, predicted, np.ones(len(tested), dtype=bool)),
            "by_width_nm": {
                f"{width:g}": _summary(errors, true_mpa, predicted, width_nm == width)
                for width in np.unique(width_nm)
            },
        },
    )


def reload_curves(
    manifest: pd.DataFrame, results_root: str | Path
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the strain grid, (n_points,), and each row's reload curve in MPa, (n_maps, n_points).

    Raises
    ------
    BadInputError
        A shard does not hold the map that the manifest says, or has another strain grid.
    """
    strain: NDArray[np.float64] | None = None
    stress_mpa: NDArray[np.float64] | None = None
    for name, rows in manifest.reset_index(drop=True).groupby("shard", sort=True):
        path = Path(results_root) / str(name)
        shard = MapShard.open(path)
        if strain is None or stress_mpa is None:
            strain = shard.curve_strain
            stress_mpa = np.empty((len(manifest), len(strain)))
        elif not np.array_equal(strain, shard.curve_strain):
            raise BadInputError(
                "curves have another strain grid than those of the other shards",
                where=path,
                way_out="re-run the rule `measure` for all shards",
            )
        positions = rows["shard_index"].to_numpy()
        held = shard.map_ids
        found = [held[p] if p < len(held) else None for p in positions.tolist()]
        if found != rows["map_id"].tolist():
            raise BadInputError(
                "shard does not hold the maps that the manifest says",
                where=path,
                way_out="re-run the rule `manifest`",
            )
        stress_mpa[rows.index.to_numpy()] = shard.curve_stress_mpa[positions]
    if strain is None or stress_mpa is None:
        raise BadInputError("there is no map to read curves of", where=results_root)
    return strain, stress_mpa


def _subset_mean(
    trained: pd.DataFrame,
    tested: pd.DataFrame,
    train_mpa: NDArray[np.float64],
    *,
    where: str | Path,
) -> NDArray[np.float64]:
    """Mean training curve of each test map's subset, shape (n_test, n_points)."""
    means: dict[str, NDArray[np.float64]] = {}
    for subset in tested["subset"].unique():
        same = (trained["subset"] == subset).to_numpy()
        if not same.any():
            raise BadInputError(
                f"subset {subset} has test maps but no training map with small reload",
                where=where,
                way_out="simulate more specimens of each subset (per_subset)",
            )
        means[subset] = train_mpa[same].mean(axis=0)
    return np.stack([means[subset] for subset in tested["subset"]])


def _neighbour_table(
    trained: pd.DataFrame,
    tested: pd.DataFrame,
    nearest: NDArray[np.int64],
    distances: NDArray[np.float64],
) -> pd.DataFrame:
    n_test, used = nearest.shape
    flat = nearest.ravel()
    specimens = np.repeat(tested["specimen_id"].to_numpy(), used)
    return pd.DataFrame(
        {
            "map_id": np.repeat(tested["map_id"].to_numpy(), used),
            "rank": np.tile(np.arange(1, used + 1), n_test),
            "neighbour_map_id": trained["map_id"].to_numpy()[flat],
            "distance": distances.ravel(),
            "same_specimen": (trained["specimen_id"].to_numpy()[flat] == specimens).astype(int),
        }
    )


def _curve_table(
    tested: pd.DataFrame,
    strain: NDArray[np.float64],
    true_mpa: NDArray[np.float64],
    predicted: dict[str, NDArray[np.float64]],
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "map_id": np.repeat(tested["map_id"].to_numpy(), len(strain)),
            "strain": np.tile(strain, len(tested)),
            "true_mpa": true_mpa.ravel(),
            **{f"{method}_mpa": values.ravel() for method, values in predicted.items()},
        }
    )


def _error_table(
    tested: pd.DataFrame,
    strain: NDArray[np.float64],
    true_mpa: NDArray[np.float64],
    predicted: dict[str, NDArray[np.float64]],
    modulus_mpa: float,
) -> pd.DataFrame:
    rows = []
    keys = tested[["map_id", "subset", "strain_path"]].to_numpy(dtype=object).tolist()
    for index, (map_id, subset, strain_path) in enumerate(keys):
        true = true_mpa[index]
        true_yield = yield_stress_mpa(strain, true, modulus_mpa)
        for method, curves in predicted.items():
            curve = curves[index]
            rows.append(
                {
                    "map_id": map_id,
                    "subset": subset,
                    "prior_strain": strain_path,
                    "method": method,
                    "relative_rmse": relative_rmse(true, curve),
                    "r2": r_squared(true, curve),
                    "yield_stress_true_mpa": true_yield,
                    "yield_stress_error_mpa": yield_stress_mpa(strain, curve, modulus_mpa)
                    - true_yield,
                }
            )
    return pd.DataFrame(rows)


def _summary(
    errors: pd.DataFrame,
    true_mpa: NDArray[np.float64],
    predicted: dict[str, NDArray[np.float64]],
    chosen: NDArray[np.bool_],
) -> dict[str, Any]:
    """Errors of each method over the chosen test maps; None stands for not defined."""
    summary: dict[str, Any] = {}
    for method, curves in predicted.items():
        # Rows of one method stand in the order of the test maps.
        table = errors[errors["method"] == method][chosen]
        yield_error = table["yield_stress_error_mpa"].dropna().abs()
        determination = r_squared_at_strain(true_mpa[chosen], curves[chosen])
        summary[method] = {
            "n": len(table),
            "relative_rmse_mean": float(table["relative_rmse"].mean()),
            "relative_rmse_median": float(table["relative_rmse"].median()),
            "r2_median": _known(float(table["r2"].median())),
            "yield_stress_error_mean_absolute_mpa": _known(float(yield_error.mean())),
            "yield_stress_n": len(yield_error),
            "r2_at_strain": [_known(value) for value in determination.tolist()],
        }
    return summary


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
