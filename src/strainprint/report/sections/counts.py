"""Table 3: maps in each subset."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from strainprint.dataset.splits import PARTS
from strainprint.report import readings
from strainprint.report.markup import Markup, Text, cell, joined, paragraph, table
from strainprint.report.sections.loadings import loading_grid
from strainprint.report.sections.section import ReportSection
from strainprint.report.study_report import Report
from strainprint.report.wording import class_label, width_label


def _table3(report: Report) -> str:
    sums = [row for row in report.tables["table3"] if row["prior_strain"] == "all"]
    grid_table = table(
        *loading_grid(sums, _table3_cell),
        caption=joined(
            Markup(
                "<b>Maps in each subset</b>, below them training / validation / test and the "
                "paper’s number. "
            ),
            report.csv("table3"),
        ),
        label="Table 3",
        kind="many",
    )
    return grid_table + paragraph(readings.counts_against_paper(sums)) + _by_class(report)


def _by_class(report: Report) -> str:
    """Return the numbers of maps of each class, to sort and to filter."""
    rows: list[list[Text]] = [
        [
            width_label(row["width_nm"]),
            str(row["reload"]),
            str(row["slip_systems"]),
            class_label(row["prior_strain"]),
            *(str(row[part]) if row[part] else "none" for part in PARTS),
            str(row["total"]) if row["total"] else "none",
        ]
        for row in report.tables["table3"]
        if row["prior_strain"] != "all"
    ]
    listed = table(
        ["Width", "Reload", "Slip systems", "Class", "Training", "Validation", "Test", "All"],
        rows,
        caption=Markup("<b>Maps of each class, to sort and filter.</b>"),
        label="Maps of each class",
        sortable=True,
        filters=[0, 1, 2, 3],
    )
    return f"<details><summary>Maps of each class</summary>{listed}</details>"


def _table3_cell(row: Mapping[str, Any] | None) -> Text:
    if row is None:
        return "none"
    known = not math.isnan(row["paper_total"])
    if not row["total"]:
        printed = f"<br>paper {row['paper_total']:.0f}" if known else ""
        return cell("none", Markup(f"all specimens lost{printed}"))
    return cell(
        str(row["total"]),
        Markup(
            f"{row['train']} / {row['validation']} / {row['test']}"
            + (f"<br>paper {row['paper_total']:.0f}" if known else "")
        ),
    )


SECTION = ReportSection("table3", "Table 3: maps in each subset", _table3)
