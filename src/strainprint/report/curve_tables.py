"""Tables of the predicted stress-strain curves: errors, r² against strain, what the bands hold.

``all`` stands for every width or every class. A cell without an answer says why in its column
``note``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.curves.bands import TAIL
from strainprint.errors import BadInputError
from strainprint.report.inputs import ReportInputs
from strainprint.report.statistics import (
    FEWEST_SPECIMENS,
    NOT_KNOWN,
    Interval,
    bootstrap_median,
    bootstrap_share,
    specimen_resamples,
)

MEASURES = (
    *("relative_rmse", "r2", "yield_stress_error_mpa", "yield_stress_absolute_error_mpa"),
    "rmse_minus_subset_mean",
)
"""What :func:`curve_error_table` gives medians of."""

R2_STRAINS = 10
"""Strains at which :func:`curve_r2_table` is written, evenly up to the largest."""

_BAND = re.compile(r"(?P<method>.+)_(?P<kind>spread|conformal)_low_mpa")

Curves = NDArray[np.float64]
Resamples = Callable[[NDArray[Any]], NDArray[np.int64]]


def curve_tables(inputs: ReportInputs) -> dict[str, pd.DataFrame]:
    """Return the tables of this module by their file's stem."""
    drawn = {"seed": inputs.bootstrap_seed("curve errors"), "resamples": inputs.resamples}
    manifest, curves = inputs.manifest, inputs.curve_table
    grid = _strains(curves)
    spaced = np.linspace(0, len(grid) - 1, R2_STRAINS + 1).round().astype(int)[1:]
    return {
        "curve_errors": curve_error_table(inputs.curve_errors, manifest, **drawn),
        "curve_r2": curve_r2_table(
            curves,
            manifest,
            strains=grid[np.unique(spaced)],
            seed=drawn["seed"],
            resamples=drawn["resamples"],
        ),
        "curve_bands": curve_band_table(inputs.curve_bands, curves, manifest, **drawn),
    }


def curve_error_table(
    errors: pd.DataFrame, manifest: pd.DataFrame, *, seed: int, resamples: int
) -> pd.DataFrame:
    """Return median curve errors by width, class and method, with bootstrap intervals.

    ``rmse_minus_subset_mean`` is the median over the same maps of the relative RMSE minus that of
    the mean curve of the subset: below 0 the method knows more than width and slip tell.
    """
    known = _with_facts(errors.drop(columns="prior_strain"), manifest)
    plain = known[known["method"] == "subset_mean"].set_index("map_id")["relative_rmse"]
    known["rmse_minus_subset_mean"] = known["relative_rmse"] - known["map_id"].map(plain)
    known["yield_stress_absolute_error_mpa"] = known["yield_stress_error_mpa"].abs()
    weights = _resampling(seed, resamples)
    rows = []
    for width, name, group in _groups(known, manifest):
        for method in dict.fromkeys(known["method"]):
            chosen = group[group["method"] == method]
            row = _leading(width, name, method, chosen, chosen["relative_rmse"].notna().to_numpy())
            for measure in MEASURES:
                values = chosen[measure].to_numpy(dtype=float)
                finite = np.isfinite(values)
                specimens = chosen["specimen_id"].to_numpy()[finite]
                interval = NOT_KNOWN
                if len(set(specimens)) > 1:
                    interval = bootstrap_median(values[finite], weights(specimens))
                median = float(np.median(values[finite])) if finite.any() else np.nan
                row |= _with_limits(f"median_{measure}", median, interval)
            rows.append(row)
    columns = ["width_nm", "prior_strain", "method", "n", "n_predicted", "n_specimens", "note"]
    columns += [f"median_{name}{end}" for name in MEASURES for end in ("", "_low", "_high")]
    return pd.DataFrame(rows, columns=columns)


def curve_r2_table(
    curves: pd.DataFrame,
    manifest: pd.DataFrame,
    *,
    strains: NDArray[np.float64],
    seed: int,
    resamples: int,
    methods: Sequence[str] | None = None,
    by_class: bool = True,
) -> pd.DataFrame:
    """Return r² over test maps at some strains, by width, class and method.

    1 - sum (true - predicted)² / sum (true - mean)², over the maps of the group: 1 is perfect, 0
    what the group's own mean stress would score, below 0 worse. Intervals are of the bootstrap
    over specimens; none with fewer than three.

    Parameters
    ----------
    curves, manifest
        ``curves.csv`` and the dataset's manifest.
    strains
        Which points of the curves' grid, ascending.
    seed, resamples
        Of the bootstrap.
    methods
        All if None.
    by_class
        Whether each class is also given by itself.
    """
    # tables keep ten digits
    wanted = np.isclose(curves["strain"].to_numpy()[:, None], strains, rtol=1e-8, atol=0.0)
    table = _with_facts(curves[wanted.any(axis=1)], manifest)
    shown = methods or [name.removesuffix("_mpa") for name in curves.columns[3:]]
    weights = _resampling(seed, resamples)
    rows = []
    for width, name, group in _groups(table, manifest):
        if name != "all" and not by_class:
            continue
        maps = group.drop_duplicates("map_id")
        true = _by_map(group, "true_mpa", len(strains))
        for method in shown:
            predicted = _by_map(group, f"{method}_mpa", len(strains))
            there = np.asarray(np.isfinite(predicted).all(axis=1))
            lead = _leading(width, name, method, maps, there)
            specimens = maps["specimen_id"].to_numpy()[there]
            ones = np.ones((1, int(there.sum())))
            value = _weighted_r2(true[there], predicted[there], ones)[0]
            low = high = np.full(len(strains), np.nan)
            if len(set(specimens)) >= FEWEST_SPECIMENS:
                drawn = _weighted_r2(true[there], predicted[there], weights(specimens))
                low, high = _quantiles(drawn)
            rows += [
                {**lead, "strain": strain, **_with_limits("r2", value[i], (low[i], high[i]))}
                for i, strain in enumerate(strains.tolist())
            ]
    columns = ["width_nm", "prior_strain", "method", "strain", "n", "n_predicted", "n_specimens"]
    return pd.DataFrame(rows, columns=[*columns, "r2", "r2_low", "r2_high", "note"])


def curve_band_table(
    bands: pd.DataFrame, curves: pd.DataFrame, manifest: pd.DataFrame, *, seed: int, resamples: int
) -> pd.DataFrame:
    """Return how much of the true curves each band holds, and how wide it is.

    ``coverage`` is the mean over maps of the share of strains beyond the small reload, which the
    map did not see, at which the band holds the true stress; ``nominal`` is what it is made for.
    ``relative_width`` is the band's mean width there over the mean true stress.
    """
    joined = curves[["map_id", "strain", "true_mpa"]].merge(
        bands, on=["map_id", "strain"], how="left", validate="one_to_one"
    )
    joined = _with_facts(joined, manifest)
    unseen = joined[joined["strain"] > joined["reload_strain"] * (1 + 1e-9)]
    weights = _resampling(seed, resamples)
    named = [match for name in bands.columns if (match := _BAND.fullmatch(str(name)))]
    true = unseen["true_mpa"]
    scores: dict[str, pd.DataFrame] = {}
    for match in named:
        low, high = (unseen[f"{match['method']}_{match['kind']}_{x}_mpa"] for x in ("low", "high"))
        # Limits are written to a thousandth of a MPa.
        held = ((low <= true + 1e-3) & (true <= high + 1e-3)).astype(float).where(low.notna())
        by_map = pd.DataFrame({"held": held, "width": high - low, "true": true}).groupby(
            unseen["map_id"], sort=False
        )
        scores[match[0]] = by_map.mean()
    maps = unseen.drop_duplicates("map_id")
    rows = []
    for width, name, group in _groups(maps, manifest):
        for match in named:
            score = scores[match[0]].loc[group["map_id"]]
            there = score["held"].notna().to_numpy()
            lead = _leading(width, name, match["method"], group, there)
            if len(group) and not there.any():
                lead["note"] = "too few training specimens or neighbours for a band"
            held_share = score["held"].to_numpy()[there]
            specimens = group["specimen_id"].to_numpy()[there]
            interval = NOT_KNOWN
            if len(set(specimens)) >= FEWEST_SPECIMENS:
                interval = bootstrap_share(held_share, weights(specimens))
            coverage = float(held_share.mean()) if there.any() else np.nan
            relative = (score["width"] / score["true"]).to_numpy()[there]
            rows.append(
                {
                    **lead,
                    "band": match["kind"],
                    "nominal": 1 - 2 * TAIL,
                    **_with_limits("coverage", coverage, interval),
                    "relative_width": float(relative.mean()) if there.any() else np.nan,
                }
            )
    columns = ["width_nm", "prior_strain", "method", "band", "n", "n_predicted", "n_specimens"]
    columns += ["nominal", "coverage", "coverage_low", "coverage_high", "relative_width", "note"]
    return pd.DataFrame(rows, columns=columns)


# ---- groups, notes, resampling -------------------------------------------------------------------


def _groups(table: pd.DataFrame, manifest: pd.DataFrame) -> Iterator[tuple[str, str, pd.DataFrame]]:
    """Yield every width and class of the manifest with its rows, also where there are none."""
    classes = manifest.sort_values("label", kind="stable")["strain_path"].drop_duplicates()
    widths = sorted(manifest["width_nm"].unique().tolist())
    for width in (None, *widths):
        at_width = table if width is None else table[table["width_nm"] == width]
        label = "all" if width is None else f"{width:g}"
        yield label, "all", at_width
        for name in classes:
            yield label, str(name), at_width[at_width["strain_path"] == name]


def _with_facts(table: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    facts = ["map_id", "specimen_id", "width_nm", "label", "strain_path", "reload_strain"]
    known = table.merge(manifest[facts], on="map_id", how="left")
    if known["width_nm"].isna().any():
        lost = known.loc[known["width_nm"].isna(), "map_id"].iloc[0]
        raise BadInputError(f"curves name map {lost}, which is not in the manifest")
    return known


def _leading(
    width: str, name: str, method: str, chosen: pd.DataFrame, predicted: NDArray[np.bool_]
) -> dict[str, Any]:
    """Return the leading columns of a row; its note where something is missing."""
    specimens = chosen["specimen_id"].to_numpy()[predicted]
    count = len(set(specimens))
    note = ""
    if chosen.empty:
        note = "no test map"
    elif not count:
        note = "no training map of another specimen"
    elif count < FEWEST_SPECIMENS:
        note = "one test specimen" if count == 1 else "two test specimens"
    return {
        "width_nm": width,
        "prior_strain": name,
        "method": method,
        "n": len(chosen),
        "n_predicted": len(specimens),
        "n_specimens": count,
        "note": note,
    }


def _with_limits(
    name: str, value: float, limits: Interval | tuple[float, float]
) -> dict[str, float]:
    low, high = limits
    return {name: float(value), f"{name}_low": float(low), f"{name}_high": float(high)}


def _resampling(seed: int, resamples: int) -> Resamples:
    """Return a function from specimens to bootstrap weights that draws each set only once."""
    drawn: dict[tuple[str, ...], NDArray[np.int64]] = {}

    def weights(specimens: NDArray[Any]) -> NDArray[np.int64]:
        key = tuple(specimens.tolist())
        if key not in drawn:
            drawn.clear()  # groups come one after the other: only the last can come again
            drawn[key] = specimen_resamples(specimens, seed=seed, resamples=resamples)
        return drawn[key]

    return weights


def _strains(curves: pd.DataFrame) -> NDArray[np.float64]:
    return np.sort(curves["strain"].unique()).astype(np.float64)


def _by_map(group: pd.DataFrame, column: str, points: int) -> Curves:
    return group[column].to_numpy(dtype=np.float64).reshape(-1, points)


def _weighted_r2(true: Curves, predicted: Curves, weights: NDArray[Any]) -> Curves:
    """Return r² at every strain for every row of weights, shape (n_weights, n_points)."""
    if len(true) == 0:
        return np.full((len(weights), true.shape[1]), np.nan)
    drawn = weights.astype(np.float64)
    centred = true - true.mean(axis=0)
    total = drawn.sum(axis=1, keepdims=True)
    spread = drawn @ centred**2 - (drawn @ centred) ** 2 / total
    residual = drawn @ (true - predicted) ** 2
    # Elastic stretches differ by rounding only: no spread worth explaining.
    some = spread > 1e-12 * np.maximum(drawn @ true**2, 1e-300)
    ratio = np.divide(residual, spread, out=np.full(spread.shape, np.nan), where=some)
    return np.asarray(1.0 - ratio, dtype=np.float64)


def _quantiles(drawn: Curves) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 2.5 and 97.5 % quantiles of each column; NaN where half the draws have none."""
    known = np.isfinite(drawn).mean(axis=0) > 0.5
    low, high = np.full(drawn.shape[1], np.nan), np.full(drawn.shape[1], np.nan)
    if known.any():
        low[known], high[known] = np.nanquantile(drawn[:, known], [0.025, 0.975], axis=0)
    return low, high
