"""Table 2: accuracy by width, reload and slip."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from strainprint.report import readings
from strainprint.report.markup import Markup, Text, cell, escaped, joined, paragraph, table
from strainprint.report.sections.loadings import loading_label, loading_of, loading_order
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report
from strainprint.report.wording import model_label, percent, percent_range, width_label


def _table2(report: Report) -> str:
    table2 = report.tables["table2"]
    parts = []
    for model in dict.fromkeys(row["model"] for row in table2):
        own = [row for row in table2 if row["model"] == model]
        grid = {(loading_of(row), float(row["width_nm"])): row for row in own}
        widths = sorted({float(row["width_nm"]) for row in own}, reverse=True)
        loadings = sorted({loading_of(row) for row in own}, key=loading_order)
        rows: list[list[Text]] = [
            [loading_label(*loading), *(_table2_cell(grid.get((loading, w))) for w in widths)]
            for loading in loadings
        ]
        parts.append(
            table(
                ["Width", *(width_label(width) for width in widths)],
                rows,
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
    return "".join(parts) + paragraph(readings.cells(last))


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
            f"{row['correct']} / {row['n']} · "
            f"{escaped(percent_range(row['wilson_low'], row['wilson_high']))}"
            + (f"<br>paper {escaped(printed)}" if known else "")
        ),
    )


SECTION = ReportSection("table2", "Table 2: accuracy by width, reload and slip", _table2)
