"""The first screen: the answer, and what this run cannot say."""

from __future__ import annotations

import math
from collections.abc import Sequence

from strainprint.report import paper, readings
from strainprint.report.markup import (
    Markup,
    Text,
    bullets,
    cell,
    interval_track,
    joined,
    paragraph,
    table,
)
from strainprint.report.study_report import Report, by_strictness
from strainprint.report.wording import lower, model_label, percent, percent_range


def answer(reports: Sequence[Report], *, seeds: Sequence[int], threads: int) -> str:
    """Return the accuracies, what they allow to say, and what was run."""
    strict = by_strictness(reports)[0]
    rows = strict.accuracy
    ensemble = rows["ensemble"]
    findings: list[Text] = [
        readings.comparison(ensemble, rows["shape-only"]),
        readings.comparison(ensemble, rows["baseline"]),
        readings.ranking(strict.tables["table1"]),
        readings.against_paper(ensemble),
    ]
    limits = [
        readings.resolution(strict.tables["table1"]),
        "In Table 2: "
        + lower(readings.cells([r for r in strict.tables["table2"] if r["model"] == "ensemble"])),
        _one_draw(seeds),
    ]
    return (
        paragraph(readings.headline(ensemble, rows), kind="lead")
        + paragraph(f"These are the numbers of {lower(strict.title)}, the strictest that was run.")
        + _accuracy_overview(by_strictness(reports))
        + bullets(findings, kind="findings")
        + f'<div class="limits"><h3>What this run cannot say</h3>{bullets(limits)}</div>'
        + "<h3>What was run</h3>"
        + paragraph(
            readings.what_was_run(
                [report.summary for report in reports],
                strict.tables["specimens"],
                strict.networks,
                seeds=seeds,
                threads=threads,
            )
        )
    )


def _one_draw(seeds: Sequence[int]) -> str:
    drawn = (
        "each network was trained from one seed"
        if len(seeds) == 1
        else f"each network was trained from {len(seeds)} seeds"
    )
    return (
        f"One split was drawn and {drawn}: the intervals cover the choice of test specimens, not "
        f"the choice of training specimens"
        + (" or of initial weights." if len(seeds) == 1 else ".")
    )


def _accuracy_overview(reports: Sequence[Report]) -> str:
    """Return accuracies of every model (rows) in every study and split (columns)."""
    models = list(dict.fromkeys(model for report in reports for model in report.accuracy))
    models = [m for m in models if m != "ensemble"] + ["ensemble"]
    rows: list[list[Text]] = []
    for model in models:
        cells: list[Text] = [model_label(model)]
        for report in reports:
            row = report.accuracy.get(model)
            if row is None:
                cells.append("not run")
                continue
            value = Markup(f'<span class="big">{percent(row["accuracy"])}</span>')
            if model == "chance":
                cells.append(cell(value, "commonest class"))
                continue
            low, high = readings.interval_of(row)
            track = interval_track(row["accuracy"], low, high, row["chance"])
            cells.append(joined(value, track, cell("", percent_range(low, high))))
        printed = paper.accuracy(model)
        known = not math.isnan(printed)
        cells.append(
            cell(
                percent(printed, 2) if known else "–",
                f"{paper.TEST_MAPS} test maps" if known else "",
            )
        )
        rows.append(cells)
    key = interval_track(0.6, 0.35, 0.85, 0.15)
    return (
        table(
            ["Model", *(cell(r.study, f"split by {r.split}") for r in reports), "The paper"],
            rows,
            caption=joined(
                Markup(
                    "<b>Share of test maps whose prior strain was named rightly</b>, with 95 % "
                    "intervals (bootstrap over specimens)."
                )
            ),
            label="Accuracy of every model by study and split",
            kind="accuracies",
            strong=[len(rows) - 1],
        )
        + f'<p class="key">0 {key.text} 100 %: dot, accuracy; band, interval; dashes, chance.</p>'
    )
