"""The size effect: strength and its scatter against width, with the fitted exponents."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from strainprint.report.markup import Markup, Text, bullets, cell, joined, paragraph, prose, table
from strainprint.report.study_report import Report, by_strictness
from strainprint.report.wording import number, percent, percent_range, slip_label, width_label

_OF = {
    ("yield", "stress"): "yield stress",
    ("flow", "stress"): "flow stress",
    ("yield", "scatter"): "scatter of the yield stress",
    ("flow", "scatter"): "scatter of the flow stress",
}


def size_effect(reports: Sequence[Report]) -> str:
    """Return strengths and exponents of the virgin specimens, which all reports share."""
    strict = by_strictness(reports)[0]
    rows: list[list[Text]] = [
        [
            width_label(row["width_nm"]),
            slip_label(row["slip_systems"]),
            str(row["measure"]),
            cell(str(row["n"]), _missing(row)),
            "–"
            if math.isnan(row["median_mpa"])
            else cell(f"{row['median_mpa']:.0f}", f"{row['p10_mpa']:.0f}–{row['p90_mpa']:.0f}"),
            _text(row["note"])
            if math.isnan(row["scatter"])
            else cell(
                percent(row["scatter"]), percent_range(row["scatter_low"], row["scatter_high"])
            ),
        ]
        for row in strict.tables["strengths"]
    ]
    exponents = strict.tables["strength_exponents"]
    fitted: list[list[Text]] = [
        [
            slip_label(row["slip_systems"]),
            _OF[str(row["measure"]), str(row["of"])],
            str(row["widths"]),
            str(row["n"]),
            _text(row["note"])
            if math.isnan(row["exponent"])
            else cell(
                number(row["exponent"]),
                _text(row["note"])
                if math.isnan(row["exponent_low"])
                else f"{number(row['exponent_low'])} to {number(row['exponent_high'])}",
            ),
            number(row["paper_exponent"]),
        ]
        for row in exponents
    ]
    return (
        f'<div class="figures">{strict.figure("size_effect")}</div>'
        + bullets(
            [
                prose(size_effect_reading(row))
                for row in exponents
                if row["measure"] == "yield" and row["of"] == "stress"
            ]
        )
        + table(
            ["Width", "Slip", "Stress", "n", "Median (MPa)", "Scatter"],
            rows,
            caption=joined(
                Markup(
                    "<b>Strength of the specimens as made</b>, on their first load. Yield: 0.2 % "
                    "offset; flow: mean between 0.5 and 1 % strain; 10–90 % range below the "
                    "median. Scatter: standard deviation over mean, 95 % bootstrap interval. "
                ),
                strict.csv("strengths"),
            ),
            label="Strength of the specimens",
            sortable=True,
            filters=(0, 1, 2),
        )
        + table(
            ["Slip", "Of", "Widths", "n", "Exponent of the width", "Paper"],
            fitted,
            caption=joined(
                Markup(
                    "<b>Fitted exponents</b>: least squares through the logarithms, specimens "
                    "drawn again within each width for the 95 % interval. "
                ),
                strict.csv("strength_exponents"),
            ),
            label="Fitted exponents",
            sortable=True,
        )
        + paragraph(
            prose(
                "The paper’s exponent is that of its reference 12, over 62.5 nm to 2 µm; an "
                "exponent over other widths need not be the same."
            ),
            kind="note",
        )
    )


def _missing(row: Mapping[str, Any]) -> str:
    """Say how many specimens have no such stress and how many were lost, where any."""
    words = []
    if row["without"]:
        words.append(f"{row['without']} without")
    if row["lost"]:
        words.append(f"{row['lost']} lost")
    return ", ".join(words)


def _text(value: object) -> str:
    return value if isinstance(value, str) else "–"


def size_effect_reading(row: Mapping[str, Any]) -> str:
    """Return what a row of ``strength_exponents.csv`` allows to say."""
    slip = slip_label(row["slip_systems"])
    if math.isnan(row["exponent"]):
        return f"**{slip}.** No exponent: {_text(row['note'])}."
    if math.isnan(row["exponent_low"]):
        return (
            f"**{slip}.** Yield stress goes as the width to the power {number(row['exponent'])}; "
            f"{_text(row['note'])}, so nothing can be concluded."
        )
    low, high, printed = row["exponent_low"], row["exponent_high"], row["paper_exponent"]
    if low > 0:
        verdict = "wider is stronger"
    elif high < 0:
        verdict = "narrower is stronger"
    else:
        verdict = "an effect of the width is not shown, since the interval includes zero"
    place = "within" if low <= printed <= high else "outside"
    return (
        f"**{slip}.** Yield stress goes as the width to the power {number(row['exponent'])} "
        f"({number(low)} to {number(high)}, {row['n']} specimens of {row['widths']} widths): "
        f"{verdict}; the paper’s {number(printed)} lies {place} the interval."
    )
