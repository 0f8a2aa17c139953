"""Table 1: accuracy of every model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from strainprint.report import readings
from strainprint.report.inputs import lead_network
from strainprint.report.markup import Markup, Text, bullets, cell, escaped, joined, paragraph, table
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report
from strainprint.report.wording import (
    model_label,
    p_value,
    percent,
    percent_range,
    points,
    points_range,
)


def _table1(report: Report) -> str:
    rows: list[list[Text]] = []
    for row in report.tables["table1"]:
        chance = row["model"] == "chance"
        rows.append(
            [
                model_label(row["model"]),
                f"{row['correct']} / {row['n_test']}",
                percent(row["accuracy"]),
                "–" if chance else percent_range(*readings.interval_of(row)),
                "–" if chance else percent_range(row["wilson_low"], row["wilson_high"]),
                difference(row, "shape_only", with_p=True),
                difference(row, "baseline", with_p=True),
                _paper_cell(row),
            ]
        )
    compared = [
        readings.comparison(report.accuracy[name], report.accuracy[other])
        for name in (lead_network(report.networks), "ensemble")
        for other in ("shape-only", "baseline")
    ]
    return (
        table(
            [
                "Model",
                "Right",
                "Accuracy",
                "95 % interval (specimens)",
                "Wilson interval (maps)",
                "Minus shape only (points)",
                "Minus correlations (points)",
                "The paper",
            ],
            rows,
            caption=joined(
                Markup(
                    "<b>Prediction accuracy of different models.</b> Differences are paired on "
                    "the same test maps, with 95 % interval and exact McNemar p. "
                ),
                report.csv("table1"),
            ),
            label="Table 1",
            name="table1",
            sortable=True,
            strong=[len(rows) - 1],
        )
        + bullets(compared, kind="findings")
        + paragraph(readings.ranking(report.tables["table1"]))
        + paragraph(readings.resolution(report.tables["table1"]))
        + paragraph(readings.WHAT_DIFFERS, kind="note")
        + _pairs(report)
    )


def _paper_cell(row: Mapping[str, Any]) -> Text:
    if math.isnan(row["paper_accuracy"]):
        return "not printed"
    verdict = readings.paper_verdict(row)
    below = f"{escaped(percent_range(row['paper_low'], row['paper_high']))}<br>{verdict}"
    return cell(percent(row["paper_accuracy"], 2), Markup(below))


def _pairs(report: Report) -> str:
    """Return every pair of models on the same test maps, to sort and to filter."""
    rows: list[list[Text]] = [
        [
            model_label(row["model"]),
            model_label(row["other"]),
            points(row["difference"]),
            points_range(row["difference_low"], row["difference_high"]),
            str(row["only_model_right"]),
            str(row["only_other_right"]),
            p_value(row["mcnemar_p"]).removeprefix("= "),
            p_value(row["holm_p"]).removeprefix("= "),
        ]
        for row in report.tables["pairs"]
    ]
    listed = table(
        [
            *("Model", "Against", "Difference (points)", "95 % interval"),
            *("Only model right", "Only other right", "McNemar p", "Holm p"),
        ],
        rows,
        caption=joined(
            Markup(
                "<b>Every pair of models on the same test maps.</b> Interval: bootstrap over "
                "specimens; p: exact McNemar test over maps, and after Holm’s correction for all "
                "pairs. "
            ),
            report.csv("pairs"),
        ),
        label="Paired comparisons",
        sortable=True,
        filters=[0, 1],
    )
    return f"<details><summary>Every pair of models compared</summary>{listed}</details>"


SECTION = ReportSection("table1", "Table 1: accuracy", _table1)


def with_interval(row: Mapping[str, Any]) -> Markup:
    """Return a cell of Table 1: an accuracy with its interval."""
    return cell(percent(row["accuracy"]), percent_range(*readings.interval_of(row)))


def difference(row: Mapping[str, Any], reference: str, *, with_p: bool = False) -> Text:
    """Return a cell: the paired difference to a baseline with its interval, in points."""
    if math.isnan(row[f"minus_{reference}"]):
        return "–"
    low, high = row[f"minus_{reference}_low"], row[f"minus_{reference}_high"]
    below = "no interval" if math.isnan(low) else escaped(points_range(low, high))
    if with_p:
        below += f"<br>p {escaped(p_value(row[f'mcnemar_p_{reference}']))}"
    return cell(points(row[f"minus_{reference}"]), Markup(below))
