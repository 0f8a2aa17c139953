"""Table 2: accuracy by width, reload and slip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from strainprint.report import readings
from strainprint.report.markup import Markup, Text, cell, escaped, joined, paragraph, table
from strainprint.report.sections.loadings import loading_grid
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report
from strainprint.report.wording import model_label, percent, percent_range, width_label


def _table2(report: Report) -> str:
    table2 = report.tables["table2"]
    parts = []
    for model in dict.fromkeys(row["model"] for row in table2):
        own = [row for row in table2 if row["model"] == model]
        parts.append(
            table(
                *loading_grid(own, _table2_cell),
                caption=joined(
                    Markup(
                        f"<b>{escaped(model_label(model))}</b>: accuracy, with right / n, the "
                        "Wilson interval and the paper’s value. "
                    ),
                    report.csv("table2"),
                ),
                label=f"Table 2, {model_label(model)}",
                kind="many",
                strong=[0],
            )
        )
    last = [row for row in table2 if row["model"] == table2[-1]["model"]]
    return (
        "".join(parts)
        + paragraph(readings.cells(last))
        + paragraph(readings.cells_against_paper(table2))
        + _all_cells(table2)
    )


def _all_cells(table2: list[dict[str, Any]]) -> str:
    """Return the same cells one below the other, to sort and to filter."""
    rows: list[list[Text]] = [
        [
            model_label(row["model"]),
            width_label(row["width_nm"]),
            str(row["reload"]),
            str(row["slip_systems"]),
            f"{row['correct']} / {row['n']}",
            percent(row["accuracy"]) if row["n"] else "no test map",
            percent_range(row["wilson_low"], row["wilson_high"]),
            percent(row["paper_accuracy"], 2),
            "–" if math.isnan(row["paper_n_test"]) else f"{row['paper_n_test']:.0f}",
            percent_range(row["paper_low"], row["paper_high"]),
        ]
        for row in table2
    ]
    listed = table(
        [
            *("Model", "Width", "Reload", "Slip systems", "Right", "Accuracy", "Wilson interval"),
            *("The paper", "Its test maps", "Their interval"),
        ],
        rows,
        caption=Markup(
            "<b>Every cell, to sort and filter.</b> The paper prints no numbers of test maps: they "
            "are worked back from its percentages."
        ),
        label="Every cell of Table 2",
        name="table2",
        sortable=True,
        filters=[0, 1, 2, 3],
    )
    return f"<details open><summary>Every cell as a row</summary>{listed}</details>"


def _table2_cell(row: Mapping[str, Any] | None) -> Text:
    if row is None:
        return "not run"
    if not row["n"]:
        return "no test map"
    printed = percent(row["paper_accuracy"], 2)
    known = not math.isnan(row["paper_accuracy"])
    return cell(
        percent(row["accuracy"]),
        Markup(
            f"{row['correct']} / {row['n']}<br>"
            f"{escaped(percent_range(row['wilson_low'], row['wilson_high']))}"
            + (f"<br>paper {escaped(printed)}" if known else "")
        ),
    )


SECTION = ReportSection("table2", "Table 2: accuracy by width, reload and slip", _table2)
