"""Stress-strain curves to the large reload, predicted from small-reload maps (paper, Figs 4, 5).

A test map's curve is the mean curve of its nearest training maps in the network's features, none
of them of its own specimen. Two baselines need no network: the mean curve of the training maps of
the same width and slip systems, and neighbours in principal components of the two-point
correlation. A last row does as the paper does, whose neighbours may be the same specimen.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.baseline.correlate import read_correlations
from strainprint.curves.bands import FEWEST_NEIGHBOURS, conformal_bands, neighbour_spread
from strainprint.curves.metrics import (
    YIELD_OFFSET_STRAIN,
    r_squared,
    r_squared_at_strain,
    relative_rmse,
    yield_stress_mpa,
)
from strainprint.curves.neighbours import (
    choose_count,
    component_scores,
    mean_of_neighbours,
    nearest_neighbours,
    read_features,
)
from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.splits import read_split
from strainprint.errors import BadInputError
from strainprint.files import write_csv, write_json
from strainprint.maps.store import MapShard
from strainprint.specimens.material import Material

# Neighbours in correlation space are given for one fixed k, the middle one of the paper.
CORRELATION_NEIGHBOURS = 5
CORRELATION_COMPONENTS = 32

CANDIDATES = (1, 2, 3, 5, 7, 10, 15, 20, 30, 50)
"""Numbers of neighbours that cross-validation on the training maps chooses from, with the config's
own."""

_log = logging.getLogger(__name__)

Curves = NDArray[np.float64]
Bands = dict[str, tuple[Curves, Curves]]


@dataclass(frozen=True)
class Predicted:
    """What the methods say.

    Attributes
    ----------
    curves
        Curves of the test maps in MPa by method, (n_test, n_points).
    bands
        Limits by ``{method}_spread`` and ``{method}_conformal``, each (n_test, n_points).
    used
        Neighbours that each test map's curve is the mean of, by method, (n_test,).
    chosen
        The cross-validated k by method, with the mean relative RMSE of every candidate.
    """

    curves: dict[str, Curves]
    bands: Bands
    used: dict[str, NDArray[np.int64]]
    chosen: dict[str, tuple[int, dict[int, float]]]


def predict_curves(
    manifest_csv: str | Path,
    split_csv: str | Path,
    results_root: str | Path,
    features_npy: str | Path,
    correlations_zarr: str | Path,
    correlations_json: str | Path,
    out_neighbours_csv: str | Path,
    out_curves_csv: str | Path,
    out_bands_csv: str | Path,
    out_errors_csv: str | Path,
    out_metrics_json: str | Path,
    *,
    youngs_modulus_gpa: float,
    poissons_ratio: float,
    neighbours: Sequence[int] = (1, 5, 10),
) -> None:
    """Predict the curve of every small-reload test map, and say how well.

    Methods: ``k1`` and so on, neighbours in the network's features; ``cv``, as many of them as
    predict the training maps best, one specimen left out at a time; ``subset_mean``;
    ``correlation_k5`` and ``correlation_cv``; ``paper_k1`` and so on, neighbours of which some may
    be of the map's own specimen. All others leave the map's own specimen out.

    Parameters
    ----------
    manifest_csv, split_csv, results_root
        The dataset, its split, and the folder its shard paths are relative to.
    features_npy
        The network's features of every map, (n_maps, n_crops * 64), manifest order.
    correlations_zarr, correlations_json
        The dataset's two-point correlations.
    out_neighbours_csv
        Columns map_id, siblings (``left out`` or ``allowed``), rank, neighbour_map_id, distance,
        same_specimen (0 or 1).
    out_curves_csv
        Columns map_id, strain, true_mpa, and one ``{method}_mpa`` for each method.
    out_bands_csv
        Columns map_id, strain, and ``{method}_{kind}_low_mpa`` and ``..._high_mpa`` of the bands
        of :mod:`strainprint.curves.bands`, the kinds ``spread`` and ``conformal``.
    out_errors_csv
        One row for each map and method: neighbours used, relative_rmse, r2, true yield stress and
        its error (predicted - true; empty where either curve does not yield). A map without a
        training map of another specimen has empty cells.
    out_metrics_json
        Summaries for all maps and for each width, r²(strain), the cross-validation, and how many
        neighbours there were.
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

    seen = features[kept]
    as_paper, as_paper_distances = nearest_neighbours(seen[test], seen[train], counts[-1])
    if as_paper.shape[1] < counts[-1]:
        _log.warning(
            "%d neighbours asked for, but only %d small-reload maps train: all are used",
            counts[-1],
            as_paper.shape[1],
        )
    said = Predicted({}, {}, {}, {})
    nearest, distances = _predict_from_space(
        said, "", counts, seen[test], seen[train], trained, tested, train_mpa
    )
    _predict_subset_mean(said, trained, tested, train_mpa)
    scores = component_scores(correlations[kept], train, CORRELATION_COMPONENTS)
    _predict_from_space(
        *(said, "correlation_", [CORRELATION_NEIGHBOURS], scores[test], scores[train]),
        *(trained, tested, train_mpa),
    )
    for k in counts:
        said.curves[f"paper_k{k}"] = mean_of_neighbours(train_mpa, as_paper[:, :k])
        said.used[f"paper_k{k}"] = (as_paper[:, :k] >= 0).sum(axis=1)

    neighbour_table = pd.concat(
        [
            _neighbour_table(trained, tested, nearest, distances, "left out"),
            _neighbour_table(trained, tested, as_paper, as_paper_distances, "allowed"),
        ]
    )
    errors = _error_table(tested, strain, true_mpa, said, modulus_mpa)
    write_csv(out_neighbours_csv, neighbour_table)
    write_csv(out_curves_csv, _curve_table(tested, strain, true_mpa, said.curves))
    write_csv(out_bands_csv, _band_table(tested, strain, said.bands))
    write_csv(out_errors_csv, errors)
    width_nm = tested["width_nm"].to_numpy()
    first = neighbour_table[
        (neighbour_table["siblings"] == "allowed") & (neighbour_table["rank"] == 1)
    ]
    write_json(
        out_metrics_json,
        {
            "n": {"train": int(train.sum()), "test": int(test.sum())},
            "without_neighbour": int((said.used[f"k{counts[0]}"] == 0).sum()),
            "neighbours_used": {name: int(used.max()) for name, used in said.used.items()},
            "cross_validation": {
                method: {
                    "k": best,
                    "relative_rmse_mean": {str(k): _known(e) for k, e in tried.items()},
                }
                for method, (best, tried) in said.chosen.items()
            },
            "nearest_is_same_specimen": float(first["same_specimen"].mean()),
            "modulus_mpa": modulus_mpa,
            "yield_offset_strain": YIELD_OFFSET_STRAIN,
            "strain": strain.tolist(),
            "all": _summary(errors, true_mpa, said.curves, np.ones(len(tested), dtype=bool)),
            "by_width_nm": {
                f"{width:g}": _summary(errors, true_mpa, said.curves, width_nm == width)
                for width in np.unique(width_nm)
            },
        },
    )


def _predict_from_space(
    said: Predicted,
    prefix: str,
    counts: Sequence[int],
    test_points: NDArray[np.floating],
    train_points: NDArray[np.floating],
    trained: pd.DataFrame,
    tested: pd.DataFrame,
    train_mpa: Curves,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Add every ``{prefix}k{k}`` and ``{prefix}cv``; return neighbours and their distances."""
    own, others = trained["specimen_id"].tolist(), tested["specimen_id"].tolist()
    candidates = sorted({*CANDIDATES, *counts})
    chosen_count = choose_count(train_points, train_mpa, own, candidates)
    said.chosen[f"{prefix}cv"] = chosen_count.count, chosen_count.errors
    nearest, distances = nearest_neighbours(
        test_points, train_points, candidates[-1], query_groups=others, reference_groups=own
    )
    methods = {f"{prefix}k{k}": k for k in counts} | {f"{prefix}cv": chosen_count.count}
    for method, k in methods.items():
        chosen = nearest[:, :k]
        said.curves[method] = mean_of_neighbours(train_mpa, chosen)
        said.used[method] = (chosen >= 0).sum(axis=1)
        if k >= FEWEST_NEIGHBOURS:
            said.bands[f"{method}_spread"] = neighbour_spread(train_mpa, chosen)
        said.bands[f"{method}_conformal"] = conformal_bands(
            train_mpa,
            chosen_count.left_out_mpa(k),
            trained["subset"].tolist(),
            own,
            said.curves[method],
            tested["subset"].tolist(),
        )
    most = max(methods.values())
    return nearest[:, :most], distances[:, :most]


def _predict_subset_mean(
    said: Predicted, trained: pd.DataFrame, tested: pd.DataFrame, train_mpa: Curves
) -> None:
    """Add the mean curve of the other training specimens of the same width and slip systems."""
    among, left_out = (_of_subset(part, trained) for part in (tested, trained))
    method = "subset_mean"
    said.curves[method] = mean_of_neighbours(train_mpa, among)
    said.used[method] = (among >= 0).sum(axis=1)
    said.bands[f"{method}_spread"] = neighbour_spread(train_mpa, among)
    said.bands[f"{method}_conformal"] = conformal_bands(
        train_mpa,
        mean_of_neighbours(train_mpa, left_out),
        trained["subset"].tolist(),
        trained["specimen_id"].tolist(),
        said.curves[method],
        tested["subset"].tolist(),
    )


def _of_subset(asked: pd.DataFrame, trained: pd.DataFrame) -> NDArray[np.int64]:
    """Return the training maps of each row's subset but not of its specimen, -1 for none."""
    same = asked["subset"].to_numpy()[:, np.newaxis] == trained["subset"].to_numpy()
    same &= asked["specimen_id"].to_numpy()[:, np.newaxis] != trained["specimen_id"].to_numpy()
    order = np.argsort(~same, axis=1, kind="stable")
    there = np.take_along_axis(same, order, axis=1)
    return np.where(there, order, -1)[:, : max(1, int(same.sum(axis=1).max()))]


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


def _neighbour_table(
    trained: pd.DataFrame,
    tested: pd.DataFrame,
    nearest: NDArray[np.int64],
    distances: NDArray[np.float64],
    siblings: str,
) -> pd.DataFrame:
    n_test, used = nearest.shape
    there = nearest.ravel() >= 0
    flat = nearest.ravel()[there]
    specimens = np.repeat(tested["specimen_id"].to_numpy(), used)[there]
    return pd.DataFrame(
        {
            "map_id": np.repeat(tested["map_id"].to_numpy(), used)[there],
            "siblings": siblings,
            "rank": np.tile(np.arange(1, used + 1), n_test)[there],
            "neighbour_map_id": trained["map_id"].to_numpy()[flat],
            "distance": distances.ravel()[there],
            "same_specimen": (trained["specimen_id"].to_numpy()[flat] == specimens).astype(int),
        }
    )


def _curve_table(
    tested: pd.DataFrame,
    strain: NDArray[np.float64],
    true_mpa: NDArray[np.float64],
    predicted: dict[str, Curves],
) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "map_id": np.repeat(tested["map_id"].to_numpy(), len(strain)),
            "strain": np.tile(strain, len(tested)),
            "true_mpa": true_mpa.ravel(),
            **{f"{method}_mpa": values.ravel() for method, values in predicted.items()},
        }
    )


def _band_table(tested: pd.DataFrame, strain: NDArray[np.float64], bands: Bands) -> pd.DataFrame:
    columns: dict[str, NDArray[np.float64]] = {}
    for name, (low, high) in bands.items():
        # A thousandth of a MPa is far below what any limit is known to.
        columns |= {f"{name}_low_mpa": low.ravel().round(3) + 0.0}
        columns |= {f"{name}_high_mpa": high.ravel().round(3) + 0.0}
    return pd.DataFrame(
        {
            "map_id": np.repeat(tested["map_id"].to_numpy(), len(strain)),
            "strain": np.tile(strain, len(tested)),
            **columns,
        }
    )


def _error_table(
    tested: pd.DataFrame,
    strain: NDArray[np.float64],
    true_mpa: NDArray[np.float64],
    said: Predicted,
    modulus_mpa: float,
) -> pd.DataFrame:
    rows = []
    keys = tested[["map_id", "subset", "strain_path"]].to_numpy(dtype=object).tolist()
    for index, (map_id, subset, strain_path) in enumerate(keys):
        true = true_mpa[index]
        true_yield = yield_stress_mpa(strain, true, modulus_mpa)
        for method, curves in said.curves.items():
            curve = curves[index]
            rows.append(
                {
                    "map_id": map_id,
                    "subset": subset,
                    "prior_strain": strain_path,
                    "method": method,
                    "neighbours": int(said.used[method][index]),
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
        known = np.isfinite(curves).all(axis=1) & chosen
        yield_error = table["yield_stress_error_mpa"].dropna().abs()
        determination = [
            _known(value)
            for value in (
                r_squared_at_strain(true_mpa[known], curves[known]).tolist() if known.any() else []
            )
        ]
        summary[method] = {
            "n": len(table),
            "n_predicted": int(known.sum()),
            "relative_rmse_mean": _known(float(table["relative_rmse"].mean())),
            "relative_rmse_median": _known(float(table["relative_rmse"].median())),
            "r2_median": _known(float(table["r2"].median())),
            "yield_stress_error_mean_absolute_mpa": _known(float(yield_error.mean())),
            "yield_stress_n": len(yield_error),
            "r2_at_strain": determination,
        }
    return summary


def _known(value: float) -> float | None:
    return value if np.isfinite(value) else None
