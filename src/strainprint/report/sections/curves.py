"""Figures 4 and 5: predicted stress-strain curves and their errors."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from strainprint.report import readings
from strainprint.report.markup import Markup, Text, cell, joined, paragraph, table
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report
from strainprint.report.wording import (
    capital,
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
    middle = [m for m in methods if m.startswith("k") and m[1:].isdigit()]
    total = {
        str(row["method"]): row for row in errors if row["width_nm"] == row["prior_strain"] == "all"
    }
    rows: list[list[Text]] = [
        [
            capital(method_label(method)),
            str(row["n"]),
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
    method = middle[len(middle) // 2] if middle else methods[0]
    return (
        f'<div class="figures">{report.figure("curve_example")}'
        f"{report.figure('curve_neighbours')}</div>"
        + paragraph(readings.curve_reading(errors, method, report.summary))
        + table(
            [
                "Predicted from",
                "n",
                "Relative RMSE",
                "r²",
                "Yield-stress error (MPa)",
                "Its size (MPa)",
                "RMSE minus mean curve (points)",
            ],
            rows,
            caption=joined(
                Markup(
                    "<b>Errors of the predicted curves</b>: medians over test maps with a small "
                    "reload, 95 % intervals below. "
                ),
                report.csv("curve_errors"),
            ),
            label="Errors of the predicted curves",
        )
        + table(
            ["Predicted from", *(width_label(width) for width in widths)],
            narrow,
            caption=Markup(
                "<b>Relative RMSE by width</b>: median and 95 % interval; by class as "
                "well in the CSV."
            ),
            label="Relative RMSE by width",
        )
    )


def _median(
    row: Mapping[str, Any],
    name: str,
    one: Callable[[float], str],
    both: Callable[[float, float], str],
) -> Markup:
    column = f"median_{name}"
    return cell(one(row[column]), both(row[f"{column}_low"], row[f"{column}_high"]))


def _plain_range(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{number(low)} to {number(high)}"


def _tenths(value: float) -> str:
    return number(value, 1)


def _tenths_range(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{_tenths(low)} to {_tenths(high)}"


SECTION = ReportSection("curves", "Figures 4, 5: stress–strain curves", _curves)
