"""The page: one self-contained HTML file with every table, figure and what they allow to say."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from strainprint.config import config_digest
from strainprint.errors import BadInputError
from strainprint.experiment_record import read_experiment
from strainprint.files import write_whole
from strainprint.report import paper
from strainprint.report.experiments import experiment_sections
from strainprint.report.markup import bullets, escaped, paragraph, prose
from strainprint.report.page_script import SCRIPT
from strainprint.report.page_style import STYLE_SHEET
from strainprint.report.sections import (
    accuracy,
    baseline,
    confusion,
    counts,
    curves,
    explanations,
    features,
    loading_cells,
)
from strainprint.report.sections.answer import answer
from strainprint.report.sections.leaks import leaks
from strainprint.report.sections.method import method
from strainprint.report.sections.provenance import config_listing, facts_list, this_run
from strainprint.report.sections.section import ReportSection, Section
from strainprint.report.sections.size_effect import size_effect
from strainprint.report.sections.specimens import specimens
from strainprint.report.study_report import Report, read_report

TITLE = "Reading a crystal’s deformation history from its strain map"

SECTIONS: Final[tuple[ReportSection, ...]] = (
    accuracy.SECTION,
    baseline.SECTION,
    confusion.SECTION,
    loading_cells.SECTION,
    features.SECTION,
    curves.SECTION,
    explanations.SECTION,
    counts.SECTION,
)
"""What is shown of every study and split, in the paper's order."""

_READING = (
    "Maps are the samples, not crops; specimens are the clusters. The intervals of accuracies come "
    "from drawing whole specimens again with replacement; where all maps are right or all are "
    "wrong, a Wilson interval over specimens stands instead, and where every specimen has the same "
    "share of right maps, one over maps (column `ci_method` of the CSV).",
    "Wilson intervals and McNemar tests take maps as independent. Maps of one specimen are not, so "
    "these intervals tend to be narrow and these p-values small. Only the column Holm p is "
    "corrected for the number of comparisons.",
    "Chance is the share of the commonest class of the test maps.",
    "The paper’s numbers come from its own specimens, which were never published. Ours are "
    "simulated anew, so a difference may lie in the specimens as well as in the method.",
)


def write_page(
    page: str | Path,
    *,
    tables: Sequence[str | Path],
    figures: Sequence[str | Path],
    seeds: Sequence[int],
    threads: int,
    studies: Mapping[str, Mapping[str, Any]],
    assumptions: Sequence[str],
    drawings: str | Path,
    config: Mapping[str, Any],
    benchmarks: str | Path,
    run_facts: Mapping[str, str] | None = None,
    experiments: Sequence[str | Path] = (),
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
    drawings
        Manifest that ``write_drawings`` wrote.
    config
        The whole config; its digest stands in the caption of every figure.
    benchmarks
        Folder of Snakemake's benchmarks; what is there is told in the last section, the only one
        in which two runs of one config may differ.
    run_facts
        Anything else to state about the run, such as versions or the config's name.
    experiments
        Summaries of the experiments that were run.

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
    folder = Path(page).parent
    digest = config_digest(config)
    ceiling = any(read_experiment(summary).name == "twins" for summary in experiments)
    reports = [read_report(t, f, folder) for t, f in zip(tables, figures, strict=True)]
    sections = [
        Section(
            "answer",
            "The answer",
            answer(reports, studies, seeds=seeds, threads=threads, ceiling=ceiling),
        ),
        Section("leaks", "What the shape and the siblings give away", leaks(reports, studies)),
        Section("method", "The method", method(drawings, reports)),
        Section("specimens", "The simulated specimens", specimens(reports)),
        Section("size-effect", "The size effect", size_effect(reports)),
        *(Section(report.anchor, report.title, "", _parts(report)) for report in reports),
    ]
    if experiments:
        asked = tuple(experiment_sections(experiments, folder, digest))
        sections.append(Section("experiments", "Experiments", "", asked))
    facts = {
        "training seeds": ", ".join(map(str, seeds)),
        "threads of each training": str(threads),
        "config seed": str(reports[0].summary["seed"]),
        "bootstrap": f"{reports[0].summary['bootstrap_resamples']} resamples of whole specimens",
        "config": digest,
        **(run_facts or {}),
    }
    sections += [
        Section("assumed", "What is assumed", _assumed(assumptions)),
        Section("reading", "How to read the numbers", bullets([prose(text) for text in _READING])),
        Section("provenance", "Provenance", facts_list(facts) + config_listing(config)),
        Section("run", "Machine and run times", this_run(benchmarks)),
    ]
    with write_whole(page) as partial:
        partial.write_text(_document(sections), encoding="utf-8")


def _document(sections: Sequence[Section]) -> str:
    contents = "".join(_entry(section) for section in sections)
    body = "\n".join(_section(section) for section in sections)
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        # the browser itself refuses whatever is not in this file
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'; img-src data:; '
        "style-src 'unsafe-inline'; script-src 'unsafe-inline'\">\n"
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
        "elsewhere.</footer>\n</div>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
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


def _parts(report: Report) -> tuple[Section, ...]:
    return tuple(
        Section(f"{report.anchor}-{one.name}", one.title, one.content(report)) for one in SECTIONS
    )


def _assumed(assumptions: Sequence[str]) -> str:
    if not assumptions:
        return paragraph("No list of assumptions was given to this page.")
    return paragraph(
        "What the simulation and the protocol take for granted, with the evidence there is:"
    ) + bullets([prose(text) for text in assumptions])
