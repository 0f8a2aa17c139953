"""The simulated specimens: what was left in them, how they look, how strong they are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strainprint.report import readings
from strainprint.report.markup import Markup, Text, joined, paragraph, table
from strainprint.report.study_report import Report, by_strictness
from strainprint.report.wording import class_label, counted, percent, slip_label, width_label


def specimens(reports: Sequence[Report]) -> str:
    """Return facts, maps and reload curves of the simulated specimens."""
    strict = by_strictness(reports)[0]
    facts = strict.tables["specimens"]
    stress = {_group(row): row for row in strict.tables["size_effect"]}
    rows: list[list[Text]] = []
    for row in facts:
        measured = stress.get(_group(row))
        rows.append(
            [
                width_label(row["width_nm"]),
                slip_label(row["slip_systems"]),
                class_label(row["prior_strain"]),
                str(row["specimens"]),
                str(row["maps"]),
                f"{row['dislocations_median']:g} "
                f"({row['dislocations_p10']:.0f}–{row['dislocations_p90']:.0f})",
                percent(row["relaxed_fraction"], 0),
                str(row["range_floored_maps"]),
                "no test map"
                if measured is None
                else f"{measured['yield_stress_median_mpa']:.0f} "
                f"({measured['yield_stress_p10_mpa']:.0f}–{measured['yield_stress_p90_mpa']:.0f}; "
                f"n = {measured['n']})",
            ]
        )
    shown = list({report.study: report for report in reports}.values())
    maps = "".join(report.figure("strain_maps") for report in shown)
    curves = strict.figure("stress_strain")
    return (
        paragraph(readings.reference_states(facts))
        + _lost(strict)
        + table(
            [
                "Width",
                "Slip",
                "Prior strain",
                "Specimens",
                "Maps",
                "Retained dislocations",
                "At rest",
                "Nearly uniform maps",
                "Yield stress on reload (MPa)",
            ],
            rows,
            caption=joined(
                Markup(
                    "<b>What the simulation left behind</b>, at the reference state after "
                    "unloading: median and 10–90 % range. Yield stress: 0.02 % offset on the true "
                    "curves of the test maps, 10–90 % range. "
                ),
                strict.csv("specimens", "size_effect"),
            ),
            label="Facts of the simulated specimens",
            sortable=True,
            filters=(0, 1, 2),
        )
        + f'<div class="figures">{maps}</div><div class="figures">{curves}</div>'
    )


def _lost(report: Report) -> str:
    """Return the specimens that the simulation lost, by name, each with the reason."""
    lost = report.tables["lost"]
    if not lost:
        return paragraph("No specimen was lost: each passed every check of the simulation.")
    rows: list[list[Text]] = [[str(row["specimen_id"]), str(row["reason"])] for row in lost]
    return paragraph(
        f"{counted(len(lost), 'specimen')} broke a check of the simulation and gave no map; the "
        "numbers on this page do not know of them."
    ) + table(
        ["Lost specimen", "Why"],
        rows,
        caption=joined(Markup("<b>Lost specimens.</b> "), report.csv("lost")),
        label="Lost specimens",
        kind="words",
    )


def _group(row: Mapping[str, Any]) -> tuple[float, int, str]:
    return float(row["width_nm"]), int(row["slip_systems"]), str(row["prior_strain"])
