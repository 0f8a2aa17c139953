"""The page: one self-contained HTML file with every table, figure and what they allow to say."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file, write_whole
from strainprint.report import paper, readings
from strainprint.report.figures.write import FIGURES_FORMAT
from strainprint.report.inputs import lead_network
from strainprint.report.markup import (
    Markup,
    Text,
    bullets,
    cell,
    escaped,
    figure,
    interval_track,
    joined,
    link,
    paragraph,
    prose,
    table,
)
from strainprint.report.page_style import STYLE_SHEET
from strainprint.report.tables import TABLES_FORMAT
from strainprint.report.wording import (
    class_label,
    method_label,
    model_label,
    number,
    p_value,
    percent,
    percent_range,
    points,
    points_range,
    slip_label,
    width_label,
)

TITLE = "Reading a crystal’s deformation history from its strain map"
_BASELINES = ("chance", "shape-only", "baseline")
# Compact as a picture of pixels, not as vectors.
_DRAWN_AS_PNG = frozenset({"strain_maps"})

_READING = (
    "Maps are the samples, not crops; specimens are the clusters. The intervals of accuracies come "
    "from drawing whole specimens again with replacement; where all maps are right or all are "
    "wrong, a Wilson interval over specimens stands instead (column `ci_method` of the CSV).",
    "Wilson intervals and McNemar tests take maps as independent. Maps of one specimen are not, so "
    "these intervals tend to be narrow and these p-values small; none is corrected for the number "
    "of comparisons.",
    "Chance is the share of the commonest class of the test maps.",
    "The paper’s numbers come from its own specimens, which were never published. Ours are "
    "simulated anew, so a difference may lie in the specimens as well as in the method.",
)

Rows = list[dict[str, Any]]


@dataclass(frozen=True)
class Report:
    """Tables and figures of one study and split, read back from their files.

    Attributes
    ----------
    study, split
        What they are about.
    tables
        Rows of every table by its name without suffix.
    figures
        Entry of the figure manifest by the figure's name.
    tables_dir, figures_dir
        Their folders.
    """

    study: str
    split: str
    tables: Mapping[str, Rows]
    figures: Mapping[str, Mapping[str, Any]]
    tables_dir: Path
    figures_dir: Path

    @property
    def anchor(self) -> str:
        """Identifier of this report's section in the page."""
        return escaped(f"{self.study}-{self.split}")

    @property
    def title(self) -> str:
        """Study and split in words."""
        return f"Study {self.study}, split {self.split}"

    @property
    def accuracy(self) -> dict[str, dict[str, Any]]:
        """Rows of Table 1 by model."""
        return {str(row["model"]): row for row in self.tables["table1"]}

    @property
    def networks(self) -> list[str]:
        """Names of the trained networks, in the order of Table 1."""
        return [name for name in self.accuracy if name not in {*_BASELINES, "ensemble"}]

    @property
    def summary(self) -> dict[str, Any]:
        """The row of ``summary.csv``."""
        return self.tables["summary"][0]


@dataclass(frozen=True)
class Section:
    """A headed piece of the page: ``content`` is HTML, ``parts`` follow below it."""

    anchor: str
    title: str
    content: str
    parts: tuple[Section, ...] = ()


def read_report(tables_json: str | Path, figures_json: str | Path) -> Report:
    """Read the tables and figures of one study and split by their manifests.

    The folders are those beside the manifests, of the same name without ``.json``.

    Raises
    ------
    BadInputError
        A file is missing or altered, or the two belong to different studies or splits.
    """
    tables_dir, figures_dir = Path(tables_json).with_suffix(""), Path(figures_json).with_suffix("")
    of_tables = read_json(tables_json, expected_format=TABLES_FORMAT)
    of_figures = read_json(figures_json, expected_format=FIGURES_FORMAT)
    about = (str(of_tables["study"]), str(of_tables["split"]))
    if about != (str(of_figures["study"]), str(of_figures["split"])):
        raise BadInputError(
            f"belongs to study {of_figures['study']}, split {of_figures['split']}",
            where=figures_json,
            allowed=f"study {about[0]}, split {about[1]}, as {tables_json}",
        )
    tables = {}
    for name, digest in of_tables["files"].items():
        path = _proved(tables_dir / Path(name).name, digest)
        frame = pd.read_csv(path, keep_default_na=False, na_values=[""])
        tables[path.stem] = [
            {str(k): v for k, v in row.items()} for row in frame.to_dict("records")
        ]
    figures = {}
    for entry in of_figures["figures"]:
        for kind, digest in entry["sha256"].items():
            _proved(figures_dir / f"{Path(entry['name']).name}.{kind}", digest)
        figures[str(entry["name"])] = entry
    return Report(*about, tables, figures, tables_dir, figures_dir)


def _proved(path: Path, digest: str) -> Path:
    if not path.is_file() or sha256_of_file(path) != digest:
        raise BadInputError(
            "is missing or was altered", where=path, way_out="delete its folder and re-run"
        )
    return path


def write_page(
    page: str | Path,
    *,
    tables: Sequence[str | Path],
    figures: Sequence[str | Path],
    seeds: Sequence[int],
    threads: int,
    studies: Mapping[str, Mapping[str, Any]],
    assumptions: Sequence[str],
    run_facts: Mapping[str, str] | None = None,
) -> None:
    """Write the page of all studies and splits.

    Parameters
    ----------
    page
        HTML file to write; links to tables are relative to it.
    tables, figures
        Manifests that ``write_tables`` and ``write_figures`` wrote, in the same order.
    seeds, threads
        Training seeds, and threads of each training.
    studies
        What each study is: ``frame``, ``scalar`` and ``aspect``, as in the config.
    assumptions
        What is assumed rather than known, one text each; `` `code` `` and ``**strong**`` are set.
    run_facts
        Anything else to state about the run, such as versions or the config's name.

    Raises
    ------
    BadInputError
        No report, or a file that is missing, altered or of another study or split.
    """
    if not tables or len(tables) != len(figures):
        raise BadInputError(
            f"{len(tables)} table and {len(figures)} figure manifests",
            where=page,
            allowed="one of each for every study and split, at least one",
        )
    reports = [read_report(t, f) for t, f in zip(tables, figures, strict=True)]
    folder = Path(page).parent
    sections = [
        Section("answer", "The answer", _answer(reports, seeds=seeds, threads=threads)),
        Section("leaks", "What the shape and the siblings give away", _leaks(reports, studies)),
        Section("specimens", "The simulated specimens", _specimens(reports, folder)),
        *(Section(report.anchor, report.title, "", _parts(report, folder)) for report in reports),
    ]
    facts = {
        "training seeds": ", ".join(map(str, seeds)),
        "threads of each training": str(threads),
        "config seed": str(reports[0].summary["seed"]),
        "bootstrap": f"{reports[0].summary['bootstrap_resamples']} resamples of whole specimens",
        **(run_facts or {}),
    }
    sections += [
        Section("assumed", "What is assumed", _assumed(assumptions)),
        Section("reading", "How to read the numbers", bullets([prose(text) for text in _READING])),
        Section("run", "This run", _facts(facts)),
    ]
    with write_whole(page) as partial:
        partial.write_text(_document(sections), encoding="utf-8")


def _document(sections: Sequence[Section]) -> str:
    contents = "".join(_entry(section) for section in sections)
    body = "\n".join(_section(section) for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="color-scheme" content="light">\n'
        f"<title>{escaped(TITLE)} – strainprint report</title>\n"
        '<link rel="icon" href="data:,">\n'
        f"<style>{STYLE_SHEET}</style>\n</head>\n<body>\n"
        '<a class="skip" href="#answer">Skip to the answer</a>\n<div class="frame">\n'
        f'<header><p class="kicker">strainprint report</p><h1>{escaped(TITLE)}</h1>'
        f'<p class="source">An open reproduction, on specimens simulated for it, of '
        f"{escaped(paper.CITATION)}. Every result on this page stands in a CSV file beside it."
        "</p></header>\n"
        f'<div class="columns"><nav aria-label="Contents"><h2>Contents</h2><ol>{contents}</ol>'
        f"</nav>\n<main>\n{body}\n</main></div>\n"
        "<footer>Made by strainprint from the files in this folder; no part of it is loaded from "
        "elsewhere.</footer>\n</div>\n</body>\n</html>\n"
    )


def _entry(section: Section) -> str:
    """Return a line of the table of contents; parts by their title up to the colon."""
    inner = "".join(
        f'<li><a href="#{part.anchor}">{escaped(part.title.partition(":")[0])}</a></li>'
        for part in section.parts
    )
    below = f"<ol>{inner}</ol>" if inner else ""
    return f'<li><a href="#{section.anchor}">{escaped(section.title)}</a>{below}</li>'


def _section(section: Section, level: int = 2) -> str:
    inner = "".join(_section(part, level + 1) for part in section.parts)
    return (
        f'<section><h{level} id="{section.anchor}">{escaped(section.title)}</h{level}>'
        f"{section.content}{inner}</section>"
    )


# ---- the first screen ----------------------------------------------------------------------------


def by_strictness(reports: Sequence[Report]) -> list[Report]:
    """Return the reports, first those that allow the fewest shortcuts: by specimen, audited."""
    return sorted(reports, key=lambda r: (r.split != "specimen", r.study != "audited"))


def _answer(reports: Sequence[Report], *, seeds: Sequence[int], threads: int) -> str:
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
        + _lower(readings.cells([r for r in strict.tables["table2"] if r["model"] == "ensemble"])),
        _one_draw(seeds),
    ]
    return (
        paragraph(readings.headline(ensemble, rows), kind="lead")
        + paragraph(f"These are the numbers of {_lower(strict.title)}, the strictest that was run.")
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


# ---- leaks ---------------------------------------------------------------------------------------


def _leaks(reports: Sequence[Report], studies: Mapping[str, Mapping[str, Any]]) -> str:
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
                _with_interval(accuracy["shape-only"]),
                _with_interval(accuracy["baseline"]),
                cell(
                    percent_range(accuracy[worst]["accuracy"], accuracy[best]["accuracy"]),
                    f"{len(report.networks)} trained",
                ),
                _with_interval(accuracy["ensemble"]),
                _difference(accuracy["ensemble"], "shape_only"),
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


def _with_interval(row: Mapping[str, Any]) -> Markup:
    return cell(percent(row["accuracy"]), percent_range(*readings.interval_of(row)))


def _difference(row: Mapping[str, Any], reference: str, *, with_p: bool = False) -> Text:
    if math.isnan(row[f"minus_{reference}"]):
        return "–"
    low, high = row[f"minus_{reference}_low"], row[f"minus_{reference}_high"]
    below = "no interval" if math.isnan(low) else escaped(points_range(low, high))
    if with_p:
        below += f"<br>p {escaped(p_value(row[f'mcnemar_p_{reference}']))}"
    return cell(points(row[f"minus_{reference}"]), Markup(below))


# ---- specimens -----------------------------------------------------------------------------------


def _specimens(reports: Sequence[Report], folder: Path) -> str:
    strict = by_strictness(reports)[0]
    facts = strict.tables["specimens"]
    stress = {_group(row): row for row in strict.tables["size_effect"]}
    rows: list[list[Text]] = []
    for row in facts:
        measured = stress.get(_group(row))
        rows.append(
            [
                f"{width_label(row['width_nm'])}, {slip_label(row['slip_systems'])}, "
                f"{class_label(row['prior_strain'])}",
                str(row["specimens"]),
                str(row["maps"]),
                f"{row['dislocations_median']:g} "
                f"({row['dislocations_p10']:.0f}–{row['dislocations_p90']:.0f})",
                percent(row["relaxed_fraction"], 0),
                str(row["range_floored_maps"]),
                "–"
                if measured is None
                else f"{measured['yield_stress_median_mpa']:.0f} "
                f"({measured['yield_stress_p10_mpa']:.0f}–{measured['yield_stress_p90_mpa']:.0f}; "
                f"n = {measured['n']})",
            ]
        )
    shown = list({report.study: report for report in reports}.values())
    maps = "".join(_figure(report, "strain_maps") for report in shown)
    curves = _figure(strict, "stress_strain")
    return (
        paragraph(readings.reference_states(facts))
        + table(
            [
                "Width, slip, prior strain",
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
                    "unloading: median and 10–90 % range. Yield stress: true curves of the test "
                    "maps. "
                ),
                _csv(strict, folder, "specimens", "size_effect"),
            ),
            label="Facts of the simulated specimens",
        )
        + f'<div class="figures">{maps}</div><div class="figures">{curves}</div>'
    )


def _group(row: Mapping[str, Any]) -> tuple[float, int, str]:
    return float(row["width_nm"]), int(row["slip_systems"]), str(row["prior_strain"])


# ---- one study and split -------------------------------------------------------------------------


def _parts(report: Report, folder: Path) -> tuple[Section, ...]:
    """Return the parts of a report's section, in the paper's order."""
    makers: list[tuple[str, str, Callable[[Report, Path], str]]] = [
        ("table1", "Table 1: accuracy", _table1),
        ("confusion", "Figure 2: which classes are confused", _confusion),
        ("table2", "Table 2: accuracy by width, reload and slip", _table2),
        ("features", "Figure 3: what the network sees, and its training", _features),
        ("curves", "Figures 4, 5: stress–strain curves", _curves),
        ("table3", "Table 3: maps in each subset", _table3),
    ]
    return tuple(
        Section(f"{report.anchor}-{name}", title, make(report, folder))
        for name, title, make in makers
    )


def _table1(report: Report, folder: Path) -> str:
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
                _difference(row, "shape_only", with_p=True),
                _difference(row, "baseline", with_p=True),
                percent(row["paper_accuracy"], 2),
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
                _csv(report, folder, "table1"),
            ),
            label="Table 1",
            strong=[len(rows) - 1],
        )
        + bullets(compared, kind="findings")
        + paragraph(readings.ranking(report.tables["table1"]))
        + paragraph(readings.resolution(report.tables["table1"]))
    )


def _confusion(report: Report, folder: Path) -> str:
    names = [name for name in report.tables if name.startswith("confusion_")]
    return f'<div class="figures">{_figure(report, "confusion")}</div>' + paragraph(
        joined("Counts of every model: ", _csv(report, folder, *names)), kind="note"
    )


def _table2(report: Report, folder: Path) -> str:
    table2 = report.tables["table2"]
    parts = []
    for model in dict.fromkeys(row["model"] for row in table2):
        own = [row for row in table2 if row["model"] == model]
        grid = {(_loading(row), float(row["width_nm"])): row for row in own}
        widths = sorted({float(row["width_nm"]) for row in own}, reverse=True)
        loadings = sorted({_loading(row) for row in own}, key=_loading_order)
        rows: list[list[Text]] = [
            [_loading_label(*loading), *(_table2_cell(grid.get((loading, w))) for w in widths)]
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
                    _csv(report, folder, "table2"),
                ),
                label=f"Table 2, {model_label(model)}",
                kind="many",
                strong=[0],
            )
        )
    last = [row for row in table2 if row["model"] == table2[-1]["model"]]
    return "".join(parts) + paragraph(readings.cells(last))


def _loading(row: Mapping[str, Any]) -> tuple[str, str]:
    return str(row["reload"]), str(row["slip_systems"])


def _loading_order(loading: tuple[str, str]) -> tuple[int, int]:
    """Order the rows as the paper does: total, small before large, two slip before one."""
    reload, slip = loading
    return ["all", "small", "large"].index(reload), -int(slip) if slip != "all" else 0


def _loading_label(reload: str, slip: str) -> str:
    return "Total" if reload == "all" else f"{reload.capitalize()} reload, {slip_label(int(slip))}"


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


def _features(report: Report, _folder: Path) -> str:
    return (
        f'<div class="figures">{_figure(report, "projection")}{_figure(report, "histories")}</div>'
    )


def _curves(report: Report, folder: Path) -> str:
    errors = report.tables["curve_errors"]
    methods = list(dict.fromkeys(str(row["method"]) for row in errors))
    middle = [m for m in methods if m.startswith("k") and m[1:].isdigit()]
    total = {
        str(row["method"]): row for row in errors if row["width_nm"] == row["prior_strain"] == "all"
    }
    rows: list[list[Text]] = [
        [
            _capital(method_label(method)),
            str(row["n"]),
            _median(row, "relative_rmse", percent, percent_range),
            _median(row, "r2", number, _plain_range),
            _median(row, "yield_stress_error_mpa", _tenths, _tenths_range),
            _median(row, "yield_stress_absolute_error_mpa", _tenths, _tenths_range),
            _median(row, "rmse_minus_subset_mean", points, points_range)
            if method != "subset_mean"
            else "–",
        ]
        for method, row in total.items()
    ]
    widths = sorted({float(row["width_nm"]) for row in errors if row["width_nm"] != "all"})[::-1]
    by_width = {
        (str(row["method"]), float(row["width_nm"])): row
        for row in errors
        if row["width_nm"] != "all" and row["prior_strain"] == "all"
    }
    narrow: list[list[Text]] = [
        [
            _capital(method_label(method)),
            *(
                _median(by_width[method, width], "relative_rmse", percent, percent_range)
                for width in widths
            ),
        ]
        for method in methods
    ]
    if not rows:
        return paragraph("No test map with a small reload: no curve was predicted.")
    method = middle[len(middle) // 2] if middle else methods[0]
    return (
        f'<div class="figures">{_figure(report, "curve_example")}'
        f"{_figure(report, 'curve_neighbours')}</div>"
        + paragraph(readings.curve_reading(errors, method, report.summary))
        + table(
            [
                "Predicted from",
                "n",
                "Relative RMSE",
                "r²",
                "Yield-stress error (MPa)",
                "Its size (MPa)",
                "RMSE minus mean curve (points)",
            ],
            rows,
            caption=joined(
                Markup(
                    "<b>Errors of the predicted curves</b>: medians over test maps with a small "
                    "reload, 95 % intervals below. "
                ),
                _csv(report, folder, "curve_errors"),
            ),
            label="Errors of the predicted curves",
        )
        + table(
            ["Predicted from", *(width_label(width) for width in widths)],
            narrow,
            caption=Markup(
                "<b>Relative RMSE by width</b>: median and 95 % interval; by class as "
                "well in the CSV."
            ),
            label="Relative RMSE by width",
        )
    )


def _median(
    row: Mapping[str, Any],
    name: str,
    one: Callable[[float], str],
    both: Callable[[float, float], str],
) -> Markup:
    column = f"median_{name}"
    return cell(one(row[column]), both(row[f"{column}_low"], row[f"{column}_high"]))


def _plain_range(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{number(low)} to {number(high)}"


def _tenths(value: float) -> str:
    return number(value, 1)


def _tenths_range(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{_tenths(low)} to {_tenths(high)}"


def _table3(report: Report, folder: Path) -> str:
    sums = [row for row in report.tables["table3"] if row["prior_strain"] == "all"]
    grid = {(_loading(row), float(row["width_nm"])): row for row in sums}
    widths = sorted({float(row["width_nm"]) for row in sums}, reverse=True)
    loadings = sorted({_loading(row) for row in sums}, key=_loading_order)
    rows: list[list[Text]] = [
        [_loading_label(*loading), *(_table3_cell(grid.get((loading, w))) for w in widths)]
        for loading in loadings
    ]
    return table(
        ["Width", *(width_label(width) for width in widths)],
        rows,
        caption=joined(
            Markup(
                "<b>Maps in each subset</b>, below them training / validation / test and the "
                "paper’s number. "
            ),
            _csv(report, folder, "table3"),
        ),
        label="Table 3",
        kind="many",
    )


def _table3_cell(row: Mapping[str, Any] | None) -> Text:
    if row is None:
        return "none"
    known = not math.isnan(row["paper_total"])
    return cell(
        str(row["total"]),
        Markup(
            f"{row['train']} / {row['validation']} / {row['test']}"
            + (f"<br>paper {row['paper_total']:.0f}" if known else "")
        ),
    )


# ---- the rest ------------------------------------------------------------------------------------


def _figure(report: Report, name: str) -> str:
    entry = report.figures.get(name)
    if entry is None:
        raise BadInputError(
            f"figure {name} is missing", where=report.figures_dir, way_out="re-run the figures"
        )
    kind, media_type = ("png", "image/png") if name in _DRAWN_AS_PNG else ("svg", "image/svg+xml")
    return figure(
        (report.figures_dir / f"{name}.{kind}").read_bytes(),
        media_type,
        title=str(entry["title"]),
        caption=str(entry["caption"]),
        alternative=str(entry["alternative"]),
    )


def _csv(report: Report, folder: Path, *names: str) -> Markup:
    """Return links to tables, relative to the page."""
    base = Path(os.path.relpath(report.tables_dir, folder)).as_posix()
    links = [link(f"{base}/{name}.csv", f"{name}.csv").text for name in names]
    return Markup(", ".join(links))


def _assumed(assumptions: Sequence[str]) -> str:
    if not assumptions:
        return paragraph("No list of assumptions was given to this page.")
    return paragraph(
        "What the simulation and the protocol take for granted, with the evidence there is:"
    ) + bullets([prose(text) for text in assumptions])


def _facts(facts: Mapping[str, str]) -> str:
    inner = "".join(f"<dt>{escaped(k)}</dt><dd>{escaped(v)}</dd>" for k, v in facts.items())
    return f'<dl class="facts">{inner}</dl>'


def _lower(text: str) -> str:
    return text[:1].lower() + text[1:]


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]
