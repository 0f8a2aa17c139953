"""Tables that hold every parameter set against what is known of the paper's specimens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.calibration.memory import cross_validated_probabilities, pair_auc
from strainprint.curves.strength import Estimate, relative_scatter, size_exponent
from strainprint.files import sha256_of_file, whole_directory, write_csv, write_json
from strainprint.report.statistics import (
    accuracy_interval,
    bootstrap_share,
    specimen_resamples,
    wilson_interval,
)
from strainprint.seeds import derive_seed
from strainprint.specimens.naming import RELOADS

TABLES_FORMAT = "strainprint-calibration-tables"

PUBLISHED_KIND = {"width_nm": 125.0, "slip_systems": 2}
"""The kind of specimen whose ten profiles the authors published; their reload is the large one."""

MAP_FEATURES = tuple(
    f"audited_{name}"
    for name in (
        *("zero_fraction", "mean_grey", "top_1_share", "top_5_share", "traces"),
        *("crossing_traces", "faint_traces_from_side", "mean_strain"),
    )
)
"""What the classifier of memory sees: nothing of the body's shape."""

CURVE_FEATURES = ("reload_yield_mpa", "reload_end_mpa")

NETWORK_JUDGES = {
    "published": "published network, pictures as published",
    "audited": "published network, audited pictures",
}


@dataclass(frozen=True)
class ParameterSet:
    """One set of the sweep: what it is for, what it changes, and its tables."""

    name: str
    why: str
    settings: Mapping[str, float]
    specimens: pd.DataFrame
    maps: pd.DataFrame
    pairs: pd.DataFrame
    judged: pd.DataFrame


def read_set(
    folder: str | Path,
    *,
    why: str,
    crystal: Mapping[str, float],
    dynamics: Mapping[str, float],
) -> ParameterSet:
    """Read a set's tables, as measured and judged, from the folder that carries its name."""
    tables = {
        table: pd.read_csv(Path(folder) / f"{table}.csv")
        for table in ("specimens", "maps", "pairs", "judged")
    }
    return ParameterSet(Path(folder).name, why, {**crystal, **dynamics}, **tables)


def _limits(prefix: str, estimate: Estimate) -> dict[str, float]:
    return {
        prefix: estimate.value,
        f"{prefix}_low": estimate.low,
        f"{prefix}_high": estimate.high,
    }


def _by_kind(table: pd.DataFrame) -> Iterator[tuple[float, int, pd.DataFrame]]:
    """Yield width in nm, number of slip systems and the rows of every kind of specimen."""
    for width, systems in sorted(set(zip(table["width_nm"], table["slip_systems"], strict=True))):
        chosen = (table["width_nm"] == width) & (table["slip_systems"] == systems)
        yield float(width), int(systems), table[chosen]


def mean_of_known(values: NDArray[np.float64]) -> float:
    """Return the mean of what is finite, NaN where nothing is."""
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def strength_rows(one: ParameterSet, *, seed: int, resamples: int) -> list[dict[str, Any]]:
    """Return yield and flow stress and their scatter, a row for each width and slip systems."""
    rows = []
    for width, systems, group in _by_kind(one.specimens):
        random = derive_seed(seed, "scatter", one.name, width, systems)
        kept = group[~group["lost"]]
        row: dict[str, Any] = {
            "set": one.name,
            "width_nm": width,
            "slip_systems": systems,
            "specimens": len(kept),
            "lost": int(group["lost"].sum()),
        }
        for kind in ("yield", "flow"):
            values = kept[f"{kind}_mpa"].to_numpy(np.float64)
            row[f"{kind}_mpa"] = mean_of_known(values)
            scatter = relative_scatter(values, seed=random, resamples=resamples)
            row |= _limits(f"{kind}_scatter", scatter)
        rows.append(row)
    return rows


def size_rows(one: ParameterSet, *, seed: int, resamples: int) -> list[dict[str, Any]]:
    """Return the exponents of yield and flow stress against width; none with a single width."""
    rows = []
    kept_ones = one.specimens[~one.specimens["lost"]]
    for systems in sorted(set(kept_ones["slip_systems"])):
        kept = kept_ones[kept_ones["slip_systems"] == systems]
        if kept["width_nm"].nunique() < 2:
            continue
        row: dict[str, Any] = {
            "set": one.name,
            "slip_systems": systems,
            "widths_nm": " ".join(f"{w:g}" for w in sorted(kept["width_nm"].unique())),
            "specimens": len(kept),
        }
        for kind in ("yield", "flow"):
            by_width = {w: g[f"{kind}_mpa"].to_numpy(np.float64) for w, _, g in _by_kind(kept)}
            random = derive_seed(seed, "size", one.name, kind, int(systems))
            exponent = size_exponent(by_width, seed=random, resamples=resamples)
            row |= _limits(f"{kind}_exponent", exponent)
        rows.append(row)
    return rows


def of_published_kind(table: pd.DataFrame) -> pd.DataFrame:
    """Return the rows that can be held against the authors' profiles."""
    chosen = np.ones(len(table), dtype=bool)
    for column, value in PUBLISHED_KIND.items():
        chosen &= (table[column] == value).to_numpy()
    return table[chosen]


def picture_rows(
    one: ParameterSet, published: Mapping[str, Sequence[float]]
) -> list[dict[str, Any]]:
    """Return every picture statistic by prior strain, beside the authors' range where known."""
    maps = of_published_kind(one.maps)
    maps = maps[maps["reload"] == "large"]
    statistics = [
        *("aspect", "zero_fraction", "zero_fraction_truncated", "mean_grey", "top_1_share"),
        *("top_5_share", "angle_deg", "traces", "crossing_traces", "faint_traces_from_side"),
    ]
    # the authors' zeros, whichever way they drew
    published = {**published, "zero_fraction_truncated": published["zero_fraction"]}
    rows = []
    for prior, group in maps.groupby("prior_strain"):
        for statistic in statistics:
            values = group[f"published_{statistic}"].dropna()
            low, high = published.get(statistic, (float("nan"), float("nan")))
            rows.append(
                {
                    "set": one.name,
                    "prior_strain": prior,
                    "statistic": statistic,
                    "maps": len(values),
                    "mean": values.mean(),
                    "lowest": values.min(),
                    "highest": values.max(),
                    "authors_low": low,
                    "authors_high": high,
                    "share_in_range": (
                        float(values.between(low, high).mean())
                        if np.isfinite(low) and len(values)
                        else float("nan")
                    ),
                }
            )
    return rows


def memory_rows(one: ParameterSet, *, seed: int, resamples: int) -> list[dict[str, Any]]:
    """Return what tells two prior strains apart beyond shape, a row for each pair and reload."""
    rows = []
    for width, systems, maps in _by_kind(one.maps):
        pairs = one.pairs[(one.pairs["width_nm"] == width) & (one.pairs["slip_systems"] == systems)]
        for reload in RELOADS:
            shown = maps[maps["reload"] == reload]
            priors = sorted(shown["prior_strain"].unique())
            if len(priors) < 2:
                continue
            label = np.searchsorted(priors, shown["prior_strain"]).astype(np.int64)
            specimen = shown["specimen_id"].to_numpy(object)
            random = derive_seed(seed, "memory", one.name, width, systems, reload)
            seen = {
                "map": list(MAP_FEATURES),
                "map_and_curve": [*MAP_FEATURES, *CURVE_FEATURES],
            }
            probabilities = {
                kind: cross_validated_probabilities(
                    shown[names].fillna(-1.0), label, specimen, seed=random
                )
                for kind, names in seen.items()
            }
            for first, second in combinations(range(len(priors)), 2):
                chosen = pairs[
                    (pairs["first_prior"] == priors[first])
                    & (pairs["second_prior"] == priors[second])
                    & (pairs["reload"] == reload)
                ]
                differ = int((~chosen["same_dislocations"].astype(bool)).sum())
                share = wilson_interval(differ, len(chosen))
                difference = chosen["map_difference"].to_numpy(np.float64)
                weights = specimen_resamples(
                    chosen["specimen_id"], seed=random, resamples=resamples
                )
                # a mean is a share of real values to the bootstrap
                limits = bootstrap_share(difference, weights)
                row: dict[str, Any] = {
                    "set": one.name,
                    "width_nm": width,
                    "slip_systems": systems,
                    "reload": reload,
                    "first_prior": priors[first],
                    "second_prior": priors[second],
                    "specimens": len(chosen),
                    "references_differ": differ / len(chosen),
                    "references_differ_low": share.low,
                    "references_differ_high": share.high,
                    **_limits("map_difference", Estimate(float(difference.mean()), *limits)),
                }
                for kind, values in probabilities.items():
                    auc = pair_auc(
                        values, label, specimen, (first, second), seed=random, resamples=resamples
                    )
                    row |= _limits(f"auc_{kind}", auc)
                rows.append(row)
    return rows


def accuracy_rows(one: ParameterSet, *, seed: int, resamples: int) -> list[dict[str, Any]]:
    """Return how often a forest on map statistics, and the published network, name the prior."""
    maps = of_published_kind(one.maps)
    maps = maps[maps["reload"] == "large"].reset_index(drop=True)
    priors = sorted(maps["prior_strain"].unique())
    if len(priors) < 2:
        return []
    label = np.searchsorted(priors, maps["prior_strain"]).astype(np.int64)
    specimen = maps["specimen_id"].to_numpy(object)
    random = derive_seed(seed, "accuracy", one.name)
    answers: dict[str, tuple[Any, Any]] = {}
    for judge, names in (
        ("forest on audited map statistics", list(MAP_FEATURES)),
        ("the same and reload stresses", [*MAP_FEATURES, *CURVE_FEATURES]),
        ("forest on the picture's length", ["published_aspect"]),
    ):
        probabilities = cross_validated_probabilities(
            maps[names].fillna(-1.0), label, specimen, seed=random
        )
        if np.isfinite(probabilities).all():
            answers[judge] = (probabilities.argmax(axis=1) == label, specimen)
    for study, name in NETWORK_JUDGES.items():
        judged = one.judged[one.judged["study"] == study]
        if len(judged):
            right = judged["named_prior"] == judged["prior_strain"]
            answers[name] = (right, judged["specimen_id"])
    rows = []
    for judge, (correct, whose) in answers.items():
        weights = specimen_resamples(whose, seed=random, resamples=resamples)
        interval, _ = accuracy_interval(correct, whose, weights)
        rows.append(
            {
                "set": one.name,
                "judge": judge,
                "maps": len(correct),
                "classes": len(priors),
                "accuracy": float(np.mean(correct)),
                "accuracy_low": interval.low,
                "accuracy_high": interval.high,
            }
        )
    return rows


def confusion_rows(one: ParameterSet) -> list[dict[str, Any]]:
    """Return how often the published network names which prior, a row for each cell."""
    if one.judged.empty:
        return []
    priors = sorted(one.judged["prior_strain"].unique())
    classes = [
        float(c.removeprefix("p_prior_")) for c in map(str, one.judged) if c.startswith("p_prior_")
    ]
    rows = []
    for study, judged in one.judged.groupby("study"):
        rows += [
            {
                "set": one.name,
                "study": study,
                "prior_strain": prior,
                "named_prior": named,
                "maps": int(
                    ((judged["prior_strain"] == prior) & (judged["named_prior"] == named)).sum()
                ),
            }
            for prior in priors
            for named in classes
        ]
    return rows


def retained_rows(one: ParameterSet) -> list[dict[str, Any]]:
    """Return the number of dislocations that the references hold, by prior strain."""
    maps = one.maps[one.maps["reload"] == "large"]
    return [
        {
            "set": one.name,
            "width_nm": width,
            "slip_systems": systems,
            "prior_strain": prior,
            "specimens": len(group),
            "mean": group["retained"].mean(),
            "lowest": group["retained"].min(),
            "highest": group["retained"].max(),
            "without_any": float((group["retained"] == 0).mean()),
            "relaxed": float(group["relaxed"].astype(bool).mean()),
        }
        for (width, systems, prior), group in maps.groupby(
            ["width_nm", "slip_systems", "prior_strain"]
        )
    ]


def write_comparison(
    sets: Sequence[ParameterSet],
    tables: str | Path,
    tables_json: str | Path,
    *,
    published: Mapping[str, Sequence[float]],
    seed: int,
    resamples: int,
) -> None:
    """Write every table of the sweep as CSV, and ``summary.md`` with one line for each set."""
    how = {"seed": seed, "resamples": resamples}
    parts: dict[str, list[dict[str, Any]]] = {
        "sets": [{"set": s.name, "why": s.why, **s.settings} for s in sets],
        "strength": [row for s in sets for row in strength_rows(s, **how)],
        "size_effect": [row for s in sets for row in size_rows(s, **how)],
        "pictures": [row for s in sets for row in picture_rows(s, published)],
        "retained": [row for s in sets for row in retained_rows(s)],
        "memory": [row for s in sets for row in memory_rows(s, **how)],
        "accuracy": [row for s in sets for row in accuracy_rows(s, **how)],
        "confusion": [row for s in sets for row in confusion_rows(s)],
    }
    with whole_directory(tables) as folder:
        folder.mkdir()
        for name, rows in parts.items():
            write_csv(folder / f"{name}.csv", pd.DataFrame(rows))
        (folder / "summary.md").write_text(
            summary_markdown({name: pd.DataFrame(rows) for name, rows in parts.items()})
        )
        digests = {path.name: sha256_of_file(path) for path in sorted(folder.iterdir())}
    write_json(tables_json, {"format": TABLES_FORMAT, "sha256": digests})


def summary_markdown(tables: Mapping[str, pd.DataFrame]) -> str:
    """Return the Markdown table of the sweep: one line for each set, large reload of 125 nm."""
    heads = [
        *("set", "lost", "yield, MPa", "scatter", "exponent", "retained", "zeros", "mean grey"),
        *("top 1 %", "faint from side", "references differ", "1 − r", "AUC", "forest"),
        *("published network", "the same, audited pictures"),
    ]
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    for name in tables["sets"]["set"]:
        lines.append("| " + " | ".join([name, *_summary_cells(name, tables)]) + " |")
    return "\n".join(lines) + "\n"


def _rows_of(name: str, table: pd.DataFrame, **where: Any) -> pd.DataFrame:
    if table.empty:
        return table
    chosen = table["set"] == name
    for column, value in where.items():
        chosen &= table[column] == value
    return table[chosen]


def _summary_cells(name: str, tables: Mapping[str, pd.DataFrame]) -> list[str]:
    strength = _rows_of(name, tables["strength"], **PUBLISHED_KIND)
    size = _rows_of(name, tables["size_effect"], slip_systems=PUBLISHED_KIND["slip_systems"])
    retained = _rows_of(name, tables["retained"], **PUBLISHED_KIND)
    memory = _rows_of(name, tables["memory"], **PUBLISHED_KIND, reload="large")
    accuracy = _rows_of(name, tables["accuracy"])

    def each(table: pd.DataFrame, column: str, digits: int) -> str:
        return " / ".join(f"{v:.{digits}f}" for v in table[column]) if len(table) else "–"

    def picture(statistic: str, digits: int) -> str:
        return each(_rows_of(name, tables["pictures"], statistic=statistic), "mean", digits)

    def judged(judge: str) -> str:
        one = accuracy[accuracy["judge"] == judge] if len(accuracy) else accuracy
        if one.empty:
            return "–"
        row = one.iloc[0]
        return f"{row.accuracy:.2f} [{row.accuracy_low:.2f}, {row.accuracy_high:.2f}]"

    lost = _rows_of(name, tables["strength"])
    total = int(lost["specimens"].sum() + lost["lost"].sum())
    return [
        f"{int(lost['lost'].sum())} of {total}",
        each(strength, "yield_mpa", 0),
        each(strength, "yield_scatter", 2),
        " / ".join(
            f"{r.yield_exponent:.2f} [{r.yield_exponent_low:.2f}, {r.yield_exponent_high:.2f}]"
            for r in size.itertuples()
        )
        or "–",
        each(retained, "mean", 1),
        picture("zero_fraction", 2),
        picture("mean_grey", 2),
        picture("top_1_share", 2),
        picture("faint_traces_from_side", 1),
        each(memory, "references_differ", 2),
        each(memory, "map_difference", 2),
        each(memory, "auc_map", 2),
        judged("forest on audited map statistics"),
        judged(NETWORK_JUDGES["published"]),
        judged(NETWORK_JUDGES["audited"]),
    ]
