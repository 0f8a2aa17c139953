"""The correlation baseline: every variant that was tried, and which of them stands in Table 1."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strainprint.report.markup import Markup, Text, cell, joined, paragraph, table
from strainprint.report.sections.accuracy import with_interval
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report
from strainprint.report.wording import percent

_CLASSIFIERS = {
    "forest": "random forest",
    "logistic": "logistic regression",
    "svm": "support vectors",
    "boosted": "boosted trees",
}
_INPUTS = {"raw": "grey levels", "two_state": "two local states"}
_SETTINGS = {
    "n_estimators": "{} trees",
    "C": "C = {}",
    "gamma": "γ = {}",
    "learning_rate": "rate {}",
    "max_iter": "{} trees",
    "max_leaf_nodes": "{} leaves",
}
_WINDOWS = {"whole": "all lags", "pymks": "PyMKS’ window"}


def _variants(report: Report) -> str:
    variants = report.tables["baseline_variants"]
    chosen = next(row for row in variants if row["chosen"] == 1)
    best = max(variants, key=lambda row: float(row["accuracy"]))
    rows: list[list[Text]] = [
        [
            cell(
                _CLASSIFIERS.get(str(row["classifier"]), str(row["classifier"])),
                "chosen, in Table 1" if row["chosen"] == 1 else "",
            ),
            _INPUTS.get(str(row["input"]), str(row["input"])),
            cell(
                _WINDOWS.get(str(row["window"]), str(row["window"])),
                f"{row['largest_row_lag_nm']:g} × {row['largest_column_lag_nm']:g} nm",
            ),
            cell(f"{row['components']} components", _setting(str(row["setting"]))),
            percent(row["cross_validation_accuracy"]),
            with_interval(row),
            percent(row["paper_accuracy"]),
        ]
        for row in variants
    ]
    return (
        table(
            [
                "Classifier",
                "Input",
                "Lags up to (rows × columns)",
                "Chosen setting",
                "Cross-validation, training maps",
                "Accuracy, test maps",
                "Paper",
            ],
            rows,
            caption=joined(
                Markup(
                    "<b>Variants of the correlation baseline</b>: two-point correlations, "
                    "principal components, classifier. Settings and the variant that stands in "
                    "Table 1 are chosen by cross-validation over whole specimens of the "
                    f"training maps, never by test accuracy. {chosen['n_test']} "
                    "test maps, intervals at 95 %. "
                ),
                report.csv("baseline_variants"),
            ),
            label="Variants of the correlation baseline",
            strong=[number for number, row in enumerate(variants) if row["chosen"] == 1],
            sortable=True,
            filters=(0, 1, 2),
        )
        + paragraph(_reading(chosen, best, len(variants)))
        + _missing(chosen)
    )


def _setting(text: str) -> str:
    """Return a classifier's setting for people: ``n_estimators=100`` -> ``100 trees``."""
    pairs = (part.split("=") for part in text.split())
    return ", ".join(_SETTINGS.get(name, name + " {}").format(value) for name, value in pairs)


def _described(variant: Mapping[str, Any]) -> str:
    names = (
        _CLASSIFIERS[str(variant["classifier"])],
        _INPUTS[str(variant["input"])],
        _WINDOWS[str(variant["window"])],
    )
    return ", ".join(names)


def _reading(chosen: Mapping[str, Any], best: Mapping[str, Any], count: int) -> str:
    said = (
        f"The variant chosen on training maps ({_described(chosen)}) names "
        f"{percent(chosen['accuracy'])} of the test maps rightly."
    )
    if best["accuracy"] > chosen["accuracy"]:
        return (
            f"{said} The best variant on the test maps, which nobody could have picked beforehand, "
            f"reaches {percent(best['accuracy'])} ({_described(best)}): the best of "
            f"{count} on the same maps is too good by luck."
        )
    return f"{said} No variant does better on the test maps."


def _missing(chosen: Mapping[str, Any]) -> str:
    untrained = chosen["untrained_classes"]
    # An empty cell is read back as NaN.
    if not isinstance(untrained, str) and untrained != untrained:
        return ""
    return paragraph(f"No training map has the class {untrained}: no variant can name it.")


SECTION = ReportSection(
    "baseline-variants", "Baseline: how strong correlations can be made", _variants
)
