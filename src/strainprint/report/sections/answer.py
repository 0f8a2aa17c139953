"""The first screen: the answer, and what this run cannot say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strainprint.report import paper, readings
from strainprint.report.markup import (
    Markup,
    Text,
    bullets,
    cell,
    interval_track,
    joined,
    link,
    paragraph,
    prose,
    table,
)
from strainprint.report.statistics import wilson_interval
from strainprint.report.study_report import Report, by_strictness
from strainprint.report.wording import lower, model_label, percent, percent_range


def answer(
    reports: Sequence[Report],
    studies: Mapping[str, Mapping[str, Any]],
    *,
    seeds: Sequence[int],
    threads: int,
    ceiling: bool,
) -> str:
    """Return the accuracies, what they allow to say, and what was run."""
    strict = by_strictness(reports)[0]
    rows = strict.accuracy
    ensemble = rows["ensemble"]
    findings: list[Text] = [
        readings.comparison(ensemble, rows["baseline"]),
        readings.ranking(strict.tables["table1"]),
        readings.against_paper(ensemble),
    ]
    limits = [
        readings.resolution(strict.tables["table1"]),
        "In Table 2: "
        + lower(readings.cells([r for r in strict.tables["table2"] if r["model"] == "ensemble"])),
        _one_draw(seeds),
        ""
        if ceiling
        else prose(
            "How far any method could get with the curves: no specimen was simulated again with "
            "its sources moved a little (`experiments: [twins]` in the config)."
        ),
    ]
    return (
        paragraph(
            f"{readings.headline(ensemble, rows)} {readings.printed(ensemble)} (Ours: "
            f"{lower(strict.title)}, the strictest that was run: "
            f"{readings.protocol(studies.get(strict.study, {}), strict.split)}.)",
            kind="lead",
        )
        + _audit(reports)
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


def _audit(reports: Sequence[Report]) -> str:
    """Return in few lines how much of the accuracy comes without the slip pattern."""
    ordered = by_strictness(reports)
    strict, loose = ordered[0], ordered[-1]
    found: list[Text] = [
        readings.shape_against_chance(report.accuracy["shape-only"], of=lower(report.title))
        for report in dict.fromkeys((loose, strict))
    ]
    found.append(readings.comparison(strict.accuracy["ensemble"], strict.accuracy["shape-only"]))
    share = loose.summary["test_maps_with_sibling_in_training"]
    if loose is not strict and share > 0:
        found.append(
            f"Dealt out map by map, as the paper did, {percent(share)} of the test maps have a "
            "sibling of the same specimen in training."
        )
    more = link("#leaks", "more").text
    return f'<div class="audit"><h3>What the audit found ({more})</h3>{bullets(found)}</div>'


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
        theirs = (
            wilson_interval(round(printed * paper.TEST_MAPS), paper.TEST_MAPS)
            if printed > 0
            else None
        )
        cells.append(
            "–"
            if theirs is None
            else joined(
                Markup(f'<span class="big">{percent(printed, 2)}</span>'),
                interval_track(printed, theirs.low, theirs.high, 1 / 3),
                cell("", f"{percent_range(*theirs)}, {paper.TEST_MAPS} maps"),
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
