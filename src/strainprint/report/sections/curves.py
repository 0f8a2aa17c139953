"""Figures 4 and 5: predicted stress-strain curves and their errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strainprint.report import readings
from strainprint.report.markup import Markup, Text, cell, joined, paragraph, table
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report
from strainprint.report.wording import (
    capital,
    class_label,
    method_label,
    number,
    percent,
    percent_range,
    points,
    points_range,
    width_label,
)


def _curves(report: Report) -> str:
    errors = report.tables["curve_errors"]
    methods = list(dict.fromkeys(str(row["method"]) for row in errors))
    total = {
        str(row["method"]): row for row in errors if row["width_nm"] == row["prior_strain"] == "all"
    }
    rows: list[list[Text]] = [
        [
            capital(method_label(method)),
            str(row["n_predicted"]),
            _median(row, "relative_rmse", percent, percent_range),
            _median(row, "r2", number, _plain_range),
            _median(row, "yield_stress_error_mpa", _tenths, _tenths_range),
            _median(row, "yield_stress_absolute_error_mpa", _tenths, _tenths_range),
            _median(row, "rmse_minus_subset_mean", points, points_range)
            if method != "subset_mean"
            else "–",
        ]
        for method, row in total.items()
    ]
    widths = sorted({float(row["width_nm"]) for row in errors if row["width_nm"] != "all"})[::-1]
    by_width = {
        (str(row["method"]), float(row["width_nm"])): row
        for row in errors
        if row["width_nm"] != "all" and row["prior_strain"] == "all"
    }
    narrow: list[list[Text]] = [
        [
            capital(method_label(method)),
            *(
                _median(by_width[method, width], "relative_rmse", percent, percent_range)
                for width in widths
            ),
        ]
        for method in methods
    ]
    if not rows:
        return paragraph("No test map with a small reload: no curve was predicted.")
    method = "cv" if "cv" in methods else methods[0]
    return (
        f'<div class="figures">{report.figure("curve_example")}'
        f"{report.figure('curve_neighbours')}</div>"
        f'<div class="figures">{report.figure("curve_cases")}'
        f"{report.figure('curve_predictability')}</div>"
        + paragraph(readings.curve_reading(errors, method, report.summary))
        + table(
            [
                "Predicted from",
                "n",
                "Relative RMSE",
                "r²",
                "Yield-stress error (MPa)",
                "Size of that error (MPa)",
                "RMSE minus mean curve (points)",
            ],
            rows,
            caption=joined(
                Markup(
                    "<b>Errors of the predicted curves</b>: medians over test maps with a small "
                    "reload, 95 % intervals below (bootstrap over specimens). Neighbours are never "
                    "of the map’s own specimen, except where it is allowed, as in the paper; the "
                    "cross-validated number predicts the training maps best, one specimen left out "
                    "at a time. n: test maps with a neighbour. r² against strain in the second. "
                    "The paper shows curves and prints no errors. "
                ),
                report.csv("curve_errors", "curve_r2"),
            ),
            label="Errors of the predicted curves",
        )
        + table(
            ["Predicted from", *(width_label(width) for width in widths)],
            narrow,
            caption=Markup(
                "<b>Relative RMSE by width</b>: median over test maps and 95 % interval."
            ),
            label="Relative RMSE by width",
        )
        + _cells(errors)
        + _bands(report)
    )


def _cells(errors: Sequence[Mapping[str, Any]]) -> str:
    """Return the errors of every width and class, to sort and to filter."""
    rows: list[list[Text]] = [
        [
            capital(method_label(str(row["method"]))),
            width_label(float(row["width_nm"])),
            "all" if row["prior_strain"] == "all" else class_label(row["prior_strain"]),
            str(row["n_predicted"]),
            *(
                _median(row, name, one, both)
                for name, one, both in (
                    ("relative_rmse", percent, percent_range),
                    ("r2", number, _plain_range),
                    ("yield_stress_error_mpa", _tenths, _tenths_range),
                    ("yield_stress_absolute_error_mpa", _tenths, _tenths_range),
                )
            ),
        ]
        for row in errors
        if row["width_nm"] != "all"
    ]
    listed = table(
        [
            *("Predicted from", "Width", "Prior strain", "n", "Relative RMSE", "r²"),
            *("Yield-stress error (MPa)", "Size of that error (MPa)"),
        ],
        rows,
        caption=Markup(
            "<b>Errors of every width and class, to sort and filter.</b> Medians over test maps "
            "with a small reload, 95 % intervals below (bootstrap over specimens). Yield stress: "
            "0.02 % offset."
        ),
        label="Errors of every width and class",
        name="curve-errors",
        sortable=True,
        filters=[0, 1, 2],
    )
    return f"<details><summary>Errors of every width and class</summary>{listed}</details>"


def _bands(report: Report) -> str:
    """Return how much of the true curves the bands hold, over all maps and for each width."""
    held = [r for r in report.tables["curve_bands"] if r["prior_strain"] == "all"]
    together = _band_table(
        [row for row in held if row["width_nm"] == "all"],
        joined(
            Markup(
                "<b>Do the bands hold what they promise?</b> Share of the strains beyond the small "
                "reload at which the band holds the true stress, mean over test maps; 80 % is what "
                "it is made for. <i>Spread</i>: 10 and 90 % quantile of the neighbours’ curves, "
                "for five neighbours or more. <i>Conformal</i>: by the errors on training "
                "specimens left out one at a time; a width and slip with fewer than nine of them "
                "shares those of all. Last column: mean width of the band over "
                "mean stress. "
            ),
            report.csv("curve_bands"),
        ),
        "Coverage of the bands",
    )
    by_width = _band_table(
        [row for row in held if row["width_nm"] != "all"],
        Markup("<b>Bands by width</b>, as above."),
        "Coverage of the bands by width",
        filters=[0, 1, 2],
    )
    return f"{together}<details><summary>Bands by width</summary>{by_width}</details>"


def _band_table(
    held: Sequence[Mapping[str, Any]], caption: Markup, label: str, filters: Sequence[int] = ()
) -> str:
    rows: list[list[Text]] = [
        [
            capital(method_label(str(row["method"]))),
            str(row["band"]),
            "all" if row["width_nm"] == "all" else width_label(float(row["width_nm"])),
            str(row["n_predicted"]),
            str(row["note"])
            if math.isnan(row["coverage"])
            else cell(
                percent(row["coverage"]),
                "no interval"
                if math.isnan(row["coverage_low"])
                else percent_range(row["coverage_low"], row["coverage_high"]),
            ),
            percent(row["relative_width"], 0),
        ]
        for row in held
    ]
    return table(
        ["Predicted from", "Band", "Specimen width", "n", "Holds", "Band width over stress"],
        rows,
        caption=caption,
        label=label,
        sortable=bool(filters),
        filters=filters,
    )


def _median(
    row: Mapping[str, Any],
    name: str,
    one: Callable[[float], str],
    both: Callable[[float, float], str],
) -> Markup:
    """Return a cell: a median with its interval below it, or why there is none."""
    column = f"median_{name}"
    low, high = row[f"{column}_low"], row[f"{column}_high"]
    if math.isnan(row[column]):
        return cell(str(row["note"]) if isinstance(row["note"], str) else "–")
    return cell(one(row[column]), "no interval" if math.isnan(low) else both(low, high))


def _plain_range(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{number(low)} to {number(high)}"


def _tenths(value: float) -> str:
    return number(value, 1)


def _tenths_range(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{_tenths(low)} to {_tenths(high)}"


SECTION = ReportSection("curves", "Figures 4, 5: stress–strain curves", _curves)
