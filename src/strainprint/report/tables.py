"""Every table of the report for one study and split, as CSV with units in the column names."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from itertools import combinations, product
from pathlib import Path
from typing import Any, Final

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.dataset.manifest import classes_of
from strainprint.dataset.splits import PARTS
from strainprint.errors import BadInputError
from strainprint.files import sha256_of_file, whole_directory, write_csv, write_json
from strainprint.maps.store import MapShard
from strainprint.report import paper
from strainprint.report.baseline_table import baseline_tables
from strainprint.report.curve_tables import curve_tables
from strainprint.report.explanation_tables import explanation_tables
from strainprint.report.inputs import JudgedModel, ReportInputs
from strainprint.report.size_effect_tables import size_effect_tables
from strainprint.report.statistics import (
    FEWEST_SPECIMENS,
    NOT_KNOWN,
    accuracy_interval,
    bootstrap_difference,
    confusion_counts,
    holm_corrected,
    mcnemar_exact,
    specimen_resamples,
    wilson_interval,
)

TABLES_FORMAT = "strainprint-tables"
_GROUP = ["width_nm", "slip_systems", "label"]

_log = logging.getLogger(__name__)


def write_tables(tables_dir: str | Path, tables_json: str | Path, inputs: ReportInputs) -> None:
    """Write all tables of one study and split, and a manifest of their checksums.

    Parameters
    ----------
    tables_dir
        Folder to write, whole or not at all: every table of :data:`TABLES` as CSV.
    tables_json
        Manifest to write: file names and SHA-256.
    inputs
        What the earlier stages left.

    Raises
    ------
    BadInputError
        A table is missing or damaged, or tables do not fit together.
    """
    tables = {name: table for make in TABLES for name, table in make(inputs).items()}
    with whole_directory(tables_dir) as folder:
        folder.mkdir()
        for name, table in tables.items():
            write_csv(folder / f"{name}.csv", table)
    files = {f"{name}.csv": sha256_of_file(Path(tables_dir) / f"{name}.csv") for name in tables}
    content = {"format": TABLES_FORMAT, "version": 1, **inputs.about, "files": files}
    write_json(tables_json, content)
    _log.info("wrote %d tables for study %s, split %s", len(tables), inputs.study, inputs.split)


def _run_tables(inputs: ReportInputs) -> dict[str, pd.DataFrame]:
    return {
        "summary": summary_table(
            inputs.manifest,
            inputs.parts,
            inputs.neighbours,
            **inputs.about,
            seed=inputs.seed,
            resamples=inputs.resamples,
        ),
        "specimens": specimen_table(inputs.manifest, inputs.results_dir),
        "lost": lost_table(inputs.map_shards),
    }


def _accuracy_tables(inputs: ReportInputs) -> dict[str, pd.DataFrame]:
    family = paper.model_family(inputs.leading)
    led = [m for m in inputs.models if paper.model_family(m.name) in {family, "ensemble"}]
    return {
        "table1": accuracy_table(
            inputs.models, seed=inputs.bootstrap_seed("accuracy"), resamples=inputs.resamples
        ),
        "pairs": pair_table(
            inputs.models, seed=inputs.bootstrap_seed("accuracy"), resamples=inputs.resamples
        ),
        "table2": cell_table(led, inputs.manifest, inputs.subsets),
        "table3": count_table(inputs.manifest, inputs.parts, inputs.subsets),
        **{f"confusion_{model.name}": confusion_table(model) for model in inputs.models},
    }


def _curve_tables(inputs: ReportInputs) -> dict[str, pd.DataFrame]:
    return {
        **curve_tables(inputs),
        **size_effect_tables(inputs),
        "size_effect": size_effect_table(inputs.curve_errors, inputs.manifest),
    }


def summary_table(
    manifest: pd.DataFrame,
    parts: pd.Series[str],
    neighbours: pd.DataFrame,
    *,
    study: str,
    split: str,
    seed: int,
    resamples: int,
) -> pd.DataFrame:
    """Return one row of what was run: sizes of the parts and how far siblings are shared."""
    test, train = (parts == "test").to_numpy(), (parts == "train").to_numpy()
    specimens = manifest["specimen_id"]
    known = specimens[test].isin(set(specimens[train]))
    as_paper = neighbours[neighbours["siblings"] == "allowed"]
    nearest = as_paper.sort_values("rank", kind="stable").drop_duplicates("map_id")
    counts = {part: int((parts == part).sum()) for part in PARTS}
    return pd.DataFrame(
        [
            {
                "study": study,
                "split": split,
                "seed": seed,
                "specimens": specimens.nunique(),
                "maps": len(manifest),
                **{f"{part}_maps": counts[part] for part in PARTS},
                **{
                    f"{part}_specimens": specimens[(parts == part).to_numpy()].nunique()
                    for part in PARTS
                },
                "test_maps_with_sibling_in_training": _share(known),
                "nearest_neighbour_same_specimen": _share(nearest["same_specimen"]),
                "range_floored_maps": int(manifest["range_floored"].sum()),
                "bootstrap_resamples": resamples,
            }
        ]
    )


def specimen_table(manifest: pd.DataFrame, results_dir: str | Path) -> pd.DataFrame:
    """Return what the simulation left behind, by width, slip systems and prior strain.

    ``dislocations`` are those retained at the relaxed reference state; each (specimen, prior
    strain) counts once however many reloads were measured.
    """
    facts = pd.DataFrame(
        [
            (record.map_id, record.relaxed, record.dislocations)
            for shard in sorted(manifest["shard"].unique())
            for record in MapShard.open(Path(results_dir) / shard).records
        ],
        columns=["map_id", "relaxed", "dislocations"],
    )
    joined = manifest.merge(facts, on="map_id", how="left")
    if joined["dislocations"].isna().any():
        lost = joined.loc[joined["dislocations"].isna(), "map_id"].iloc[0]
        raise BadInputError(f"map {lost} is in the manifest but in no shard", where=results_dir)
    rows = []
    for key, group in joined.groupby(_GROUP, sort=True):
        once = group.drop_duplicates("specimen_id")
        retained = once["dislocations"].to_numpy(dtype=float)
        rows.append(
            {
                **_named_group(key, group),
                "specimens": len(once),
                "maps": len(group),
                "relaxed_fraction": _share(once["relaxed"]),
                "dislocations_median": float(np.median(retained)),
                "dislocations_p10": float(np.quantile(retained, 0.1)),
                "dislocations_p90": float(np.quantile(retained, 0.9)),
                "range_floored_maps": int(group["range_floored"].sum()),
            }
        )
    return pd.DataFrame(rows)


def lost_table(map_shards: Sequence[Path]) -> pd.DataFrame:
    """Return the specimens that the simulation lost, and why; no row where it lost none."""
    lost: dict[str, str] = {}
    for path in map_shards:
        lost |= MapShard.open(path).lost
    return pd.DataFrame(sorted(lost.items()), columns=["specimen_id", "reason"])


def pair_table(models: Sequence[JudgedModel], *, seed: int, resamples: int) -> pd.DataFrame:
    """Return every pair of models on the same test maps: difference, interval, McNemar's p.

    ``holm_p`` is the p-value after Holm's correction for the number of pairs. Fewer than three
    specimens give no interval.
    """
    specimens = models[0].test["specimen_id"].to_numpy()
    enough = len(np.unique(specimens)) >= FEWEST_SPECIMENS
    weights = specimen_resamples(specimens, seed=seed, resamples=resamples)
    rows = []
    for one, other in combinations(models[::-1], 2):
        a, b = one.correct, other.correct
        difference = bootstrap_difference(a, b, weights) if enough else NOT_KNOWN
        rows.append(
            {
                "model": one.name,
                "other": other.name,
                "n_test": len(a),
                "only_model_right": int((a & ~b).sum()),
                "only_other_right": int((b & ~a).sum()),
                "difference": float(a.mean() - b.mean()) if len(a) else np.nan,
                "difference_low": difference.low,
                "difference_high": difference.high,
                "mcnemar_p": mcnemar_exact(a, b) if len(a) else np.nan,
            }
        )
    table = pd.DataFrame(rows)
    table["holm_p"] = holm_corrected(table["mcnemar_p"].to_numpy())
    return table


def accuracy_table(models: Sequence[JudgedModel], *, seed: int, resamples: int) -> pd.DataFrame:
    """Return Table 1: accuracy of every model with intervals and paired comparisons.

    ``chance`` is the share of the commonest class of the test maps: what naming one class always
    would reach. All models share one set of bootstrap samples, so their differences are paired.
    """
    test = models[0].test
    specimens = test["specimen_id"].to_numpy()
    weights = specimen_resamples(specimens, seed=seed, resamples=resamples)
    commonest = 0 if test.empty else int(test["label"].value_counts().max())
    by_name = {model.name: model for model in models}
    shared = {"n_test": len(test), "n_specimens": len(set(specimens))}
    fixed = {
        "chance": commonest / len(test) if len(test) else np.nan,
        "shape_only_accuracy": _share(by_name["shape-only"].correct),
    }
    rows: list[dict[str, Any]] = [
        {"model": "chance", **shared, "correct": commonest, "accuracy": fixed["chance"], **fixed}
    ]
    for model in models:
        right = model.correct
        interval, method = accuracy_interval(right, specimens, weights)
        wilson = wilson_interval(int(right.sum()), len(right))
        row: dict[str, Any] = {
            "model": model.name,
            **shared,
            "correct": int(right.sum()),
            "accuracy": _share(right),
            "ci_low": interval.low,
            "ci_high": interval.high,
            "ci_method": method,
            "wilson_low": wilson.low,
            "wilson_high": wilson.high,
            **fixed,
        }
        for other in ("shape-only", "baseline"):
            reference = by_name[other].correct
            column = other.replace("-", "_")
            same = model.name == other
            # a bootstrap over one or two specimens shrinks to a point that would look like proof
            known = not same and len(np.unique(specimens)) >= FEWEST_SPECIMENS
            difference = bootstrap_difference(right, reference, weights) if known else NOT_KNOWN
            row |= {
                f"mcnemar_p_{column}": np.nan if same else mcnemar_exact(right, reference),
                f"minus_{column}": np.nan if same else _share(right) - _share(reference),
                f"minus_{column}_low": difference.low,
                f"minus_{column}_high": difference.high,
            }
        rows.append({**row, **_printed(paper.accuracy(model.name), paper.TEST_MAPS)})
    return pd.DataFrame(rows, columns=list(rows[-1]))


def _printed(accuracy: float, test_maps: int) -> dict[str, float]:
    """Return the paper's accuracy with its number of test maps and the interval they allow."""
    known = test_maps > 0 and not np.isnan(accuracy)
    count = test_maps if known else 0
    wilson = wilson_interval(round(accuracy * count) if known else 0, count)
    return {
        "paper_accuracy": accuracy,
        "paper_n_test": count if known else np.nan,
        "paper_low": wilson.low,
        "paper_high": wilson.high,
    }


def cell_table(
    models: Sequence[JudgedModel], manifest: pd.DataFrame, subsets: Sequence[tuple[float, int]]
) -> pd.DataFrame:
    """Return Table 2: accuracy by width, reload and slip; ``all`` marks a width's total.

    A cell without test maps has n = 0 and no accuracy. ``subsets`` are width and slip systems of
    all that was simulated.
    """
    rows = []
    reloads = sorted(manifest["reload"].unique(), reverse=True)
    for model in models:
        for width in sorted({width for width, _ in subsets}, reverse=True):
            at_width = model.test[model.test["width_nm"] == width]
            rows.append(_cell(model.name, width, "all", "all", at_width))
            slips = sorted((slip for other, slip in subsets if other == width), reverse=True)
            for reload, slip in product(reloads, slips):
                cell = at_width[(at_width["reload"] == reload) & (at_width["slip_systems"] == slip)]
                rows.append(_cell(model.name, width, reload, slip, cell))
    return pd.DataFrame(rows)


def _cell(
    model: str, width_nm: float, reload: str, slip: int | str, test: pd.DataFrame
) -> dict[str, Any]:
    right, n = int(test["correct"].sum()), len(test)
    wilson = wilson_interval(right, n)
    total = reload == "all"
    cell: dict[str, Any] = {
        "reload": None if total else reload,
        "slip_systems": None if total else int(slip),
    }
    return {
        "model": model,
        "width_nm": width_nm,
        "reload": reload,
        "slip_systems": slip,
        "n": n,
        "correct": right,
        "accuracy": right / n if n else np.nan,
        "wilson_low": wilson.low,
        "wilson_high": wilson.high,
        **_printed(
            paper.cell_accuracy(model, width_nm, **cell), paper.cell_test_maps(width_nm, **cell)
        ),
    }


def count_table(
    manifest: pd.DataFrame, parts: pd.Series[str], subsets: Sequence[tuple[float, int]]
) -> pd.DataFrame:
    """Return Table 3: maps by subset, class and part; ``all`` marks the sum over classes.

    ``subsets`` are width and slip systems of all that was simulated; of those whose specimens were
    all lost every count is 0.
    """
    counted = manifest.assign(part=parts.to_numpy())
    rows = []
    for (width, slip), reload in product(subsets, sorted(manifest["reload"].unique())):
        of_subset = (counted["width_nm"] == width) & (counted["slip_systems"] == slip)
        subset = counted[of_subset & (counted["reload"] == reload)]
        printed = paper.subset_maps(width, reload=str(reload), slip_systems=slip)
        by_class = [(name, subset[subset["strain_path"] == name]) for name in classes_of(manifest)]
        for name, group in [*by_class, ("all", subset)]:
            rows.append(
                {
                    "width_nm": width,
                    "slip_systems": slip,
                    "reload": reload,
                    "prior_strain": name,
                    **{part: int((group["part"] == part).sum()) for part in PARTS},
                    "total": len(group),
                    "paper_total": printed if name == "all" else np.nan,
                }
            )
    return pd.DataFrame(rows)


def confusion_table(model: JudgedModel) -> pd.DataFrame:
    """Return the confusion counts of one model, with recall and its Wilson interval per class."""
    classes = model.classes
    named = [f"named_{name}" for name in classes]
    counts = confusion_counts(
        model.test["label"].to_numpy(), model.test["named_label"].to_numpy(), len(classes)
    )
    rows = []
    for label, name in enumerate(classes):
        right, n = int(counts[label, label]), int(counts[label].sum())
        wilson = wilson_interval(right, n)
        rows.append(
            {
                "prior_strain": name,
                **dict(zip(named, counts[label].tolist(), strict=True)),
                "n": n,
                "recall": right / n if n else np.nan,
                "wilson_low": wilson.low,
                "wilson_high": wilson.high,
            }
        )
    return pd.DataFrame(rows)


def size_effect_table(errors: pd.DataFrame, manifest: pd.DataFrame) -> pd.DataFrame:
    """Return the true yield stress on reload of the test maps, by width, slip and class."""
    true = errors.drop_duplicates("map_id")[["map_id", "yield_stress_true_mpa"]]
    known = manifest.merge(true, on="map_id", how="inner").dropna(subset="yield_stress_true_mpa")
    rows = []
    for key, group in known.groupby(_GROUP, sort=True):
        stress = group["yield_stress_true_mpa"].to_numpy(dtype=float)
        rows.append(
            {
                **_named_group(key, group),
                "n": len(stress),
                "yield_stress_median_mpa": float(np.median(stress)),
                "yield_stress_p10_mpa": float(np.quantile(stress, 0.1)),
                "yield_stress_p90_mpa": float(np.quantile(stress, 0.9)),
            }
        )
    columns = ["n", "yield_stress_median_mpa", "yield_stress_p10_mpa", "yield_stress_p90_mpa"]
    return pd.DataFrame(rows, columns=["width_nm", "slip_systems", "prior_strain", *columns])


def _named_group(key: tuple[Any, ...], group: pd.DataFrame) -> dict[str, Any]:
    """Return the leading columns of a group by ``_GROUP``: its class by name."""
    width, slip, _ = key
    return {
        "width_nm": width,
        "slip_systems": slip,
        "prior_strain": group["strain_path"].iloc[0],
    }


def _share(values: pd.Series[Any] | NDArray[Any]) -> float:
    """Return the share of true values, nan where there are none to count."""
    counted = np.asarray(values, dtype=float)
    return float(counted.mean()) if counted.size else float("nan")


TABLES: Final[tuple[Callable[[ReportInputs], dict[str, pd.DataFrame]], ...]] = (
    _run_tables,
    _accuracy_tables,
    baseline_tables,
    _curve_tables,
    explanation_tables,
)
"""What makes the tables of a study and split; each gives one or more by the file's stem."""
