"""What the shape of the picture and siblings of a specimen give away."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from strainprint.report import readings
from strainprint.report.markup import Markup, Text, bullets, cell, escaped, joined, paragraph, table
from strainprint.report.sections.accuracy import difference, with_interval
from strainprint.report.study_report import Report
from strainprint.report.wording import percent, percent_range


def leaks(reports: Sequence[Report], studies: Mapping[str, Mapping[str, Any]]) -> str:
    """Return what each study and split lets a model know without reading the slip pattern."""
    by_name = {(report.study, report.split): report for report in reports}
    names = list(dict.fromkeys(report.study for report in reports))
    splits = list(dict.fromkeys(report.split for report in reports))
    said: list[Text] = []
    for report in reports:
        said.append(
            joined(
                Markup(f"<b>{escaped(report.title)}.</b> "),
                readings.shape_against_chance(report.accuracy["shape-only"]),
                " ",
                readings.comparison(report.accuracy["ensemble"], report.accuracy["shape-only"]),
            )
        )
    for study in names:
        if (study, "profile") in by_name and (study, "specimen") in by_name:
            profile, specimen = by_name[study, "profile"], by_name[study, "specimen"]
            reading = readings.split_leak(
                profile.accuracy["ensemble"], specimen.accuracy["ensemble"], profile.summary
            )
            said.append(joined(Markup(f"<b>Siblings, study {escaped(study)}.</b> "), reading))
    for split in splits:
        if ("published", split) in by_name and ("audited", split) in by_name:
            reading = readings.study_leak(
                by_name["published", split].accuracy["shape-only"],
                by_name["audited", split].accuracy["shape-only"],
                ("published", "audited"),
            )
            said.append(joined(Markup(f"<b>Shape, split by {escaped(split)}.</b> "), reading))
    rows: list[list[Text]] = []
    for report in reports:
        summary, accuracy = report.summary, report.accuracy
        best = max(report.networks, key=lambda name: float(accuracy[name]["accuracy"]))
        worst = min(report.networks, key=lambda name: float(accuracy[name]["accuracy"]))
        rows.append(
            [
                f"{report.study}, {report.split}",
                percent(summary["test_maps_with_sibling_in_training"]),
                percent(accuracy["chance"]["accuracy"]),
                with_interval(accuracy["shape-only"]),
                with_interval(accuracy["baseline"]),
                cell(
                    percent_range(accuracy[worst]["accuracy"], accuracy[best]["accuracy"]),
                    f"{len(report.networks)} trained",
                ),
                with_interval(accuracy["ensemble"]),
                difference(accuracy["ensemble"], "shape_only"),
            ]
        )
    described = [
        joined(Markup(f"<b>{escaped(name)}</b>: "), _study_words(studies[name]))
        for name in names
        if name in studies
    ]
    return (
        paragraph(
            "A network can be right for the wrong reason. If maps are laid on the deformed body, "
            "its length tells the prior strain; if maps of one specimen stand on both sides of a "
            "split, the network may recognise the specimen. Each study is a way to measure, each "
            "split a way to divide; the shape-only baseline sees height, width and grey statistics "
            "and no pattern."
        )
        + bullets(described)
        + table(
            [
                "Study, split",
                "Test maps with a sibling in training",
                "Chance",
                "Shape only",
                "Correlations",
                "Networks, lowest to highest",
                "Ensemble",
                "Ensemble minus shape only (points)",
            ],
            rows,
            caption=Markup(
                "<b>Accuracy by study and split.</b> Intervals at 95 %; the last column is paired "
                "on the same test maps."
            ),
            label="Accuracy by study and split",
        )
        + bullets(said, kind="findings")
    )


def _study_words(study: Mapping[str, Any]) -> str:
    aspect = str(study.get("aspect", "keep"))
    shape = "its own proportions kept" if aspect == "keep" else f"stretched to {aspect}"
    return (
        f"grid on the {study.get('frame', '?')} body, "
        f"{str(study.get('scalar', '?')).replace('_', ' ')} strain, every picture scaled to its "
        f"own range, {shape}."
    )
