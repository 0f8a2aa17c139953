"""Figures 6 and 7: what the filters look for, saliency, and whether saliency means anything."""

from __future__ import annotations

import math

from strainprint.report import readings
from strainprint.report.markup import Markup, Text, joined, paragraph, table
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report
from strainprint.report.wording import capital, number


def _explanations(report: Report) -> str:
    if "saliency" not in report.figures:
        return paragraph(
            f"Filters and saliency were not computed for split {report.split} "
            "(report.explained_splits in the config)."
        )
    rows: list[list[Text]] = [
        [
            capital(_order_label(str(row["order"]))),
            str(row["n"]),
            number(row["median_area"]),
            number(row["minus_random"]),
            _range(row["minus_random_low"], row["minus_random_high"]),
        ]
        for row in report.tables["saliency_deletion"]
    ]
    checks = (
        table(
            ["Blanked first by", "n", "Median area", "Minus random", "95 % interval"],
            rows,
            caption=joined(
                Markup(
                    "<b>Deletion test.</b> Area under the probability of the class as pixels are "
                    "blanked (0 to 1, smaller fades sooner), and its paired difference to a random "
                    "order. The paper has neither check. "
                ),
                report.csv("saliency_deletion", "saliency_randomization"),
            ),
            label="Deletion test of saliency",
        )
        if rows
        else ""
    )
    return (
        f'<div class="figures">{report.figure("filters")}{report.figure("saliency")}'
        f"{report.figure('saliency_checks')}</div>"
        + paragraph(
            readings.saliency_reading(
                report.tables["saliency_randomization"], report.tables["saliency_deletion"]
            )
        )
        + checks
    )


def _order_label(order: str) -> str:
    return {"brightness": "brightness alone", "random": "random order"}.get(
        order, f"{order} saliency"
    )


def _range(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{number(low)} to {number(high)}"


SECTION = ReportSection("explained", "Figures 6, 7: filters and saliency", _explanations)
