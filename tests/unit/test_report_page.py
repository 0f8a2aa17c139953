import base64
import itertools
import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from synthetic_results import CONFIG, build_page, build_results, write_one_page

from strainprint.config import config_digest
from strainprint.errors import BadInputError
from strainprint.report.markup import escaped, prose
from strainprint.report.sections.provenance import BEGIN_OF_RUN, END_OF_RUN
from strainprint.report.sections.specimens import specimens
from strainprint.report.study_report import read_report

SPLITS = ("profile", "specimen")
VOID = {"meta", "link", "img", "br"}


class _Reader(HTMLParser):
    """Collects tags and checks that every one is closed in order."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = build_results(
        tmp_path_factory.mktemp("page"), splits=SPLITS, widths_nm=(62.5,), per_subset=4
    )
    build_page(results, studies=("audited",), splits=SPLITS)
    return results


def _write(results: Path, page: Path, **changes: Any) -> None:
    reports = [results / "audited" / split / "report" for split in SPLITS]
    write_one_page(results, reports, page=page, **changes)


@pytest.fixture(scope="module")
def page(results: Path) -> str:
    return (results / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def tags(page: str) -> list[tuple[str, dict[str, str | None]]]:
    reader = _Reader()
    reader.feed(page)
    assert not reader.open
    return reader.tags


def test_every_figure_is_written_twice_with_a_caption(results: Path) -> None:
    report = results / "audited" / "specimen" / "report"
    content = json.loads((report / "figures.json").read_text())
    names = {entry["name"] for entry in content["figures"]}
    assert names == {
        *("confusion", "projection", "histories", "curve_example", "curve_neighbours"),
        *("curve_cases", "curve_predictability", "size_effect"),
        *("strain_maps", "stress_strain", "filters", "saliency", "saliency_checks"),
        "crops",
    }
    files = {path.name for path in (report / "figures").iterdir()}
    assert files == {f"{name}.{kind}" for name in names for kind in ("svg", "png")}
    for entry in content["figures"]:
        assert "audited" in entry["caption"]
        assert "specimen" in entry["caption"]
        assert entry["alternative"]


def test_every_caption_states_n_and_the_config_in_its_file_and_on_the_page(
    results: Path, page: str
) -> None:
    files = [*results.glob("*/*/report/figures.json"), results / "drawings" / "figures.json"]
    entries = [one for file in files for one in json.loads(file.read_text())["figures"]]
    origin = f"Config {config_digest(CONFIG)}."
    for entry in entries:
        assert re.search(rf" n = .*[1-9].*\. {origin}$", entry["caption"]), entry["name"]
        assert entry["caption"].count("n = ") == 1
    on_page = re.findall(r"<figcaption>(.*?)</figcaption>", page, re.DOTALL)
    captions = {escaped(entry["caption"]) for entry in entries}
    assert {caption.partition("</b> ")[2] for caption in on_page} <= captions


def test_nothing_is_loaded_from_outside_the_page(
    page: str, tags: list[tuple[str, dict[str, str | None]]]
) -> None:
    assert page.count("<script>") == page.count("<script") == 1
    assert "default-src 'none'" in page
    assert "http" not in page.replace("http-equiv", "").replace("http://www.w3.org", "")
    assert "@import" not in page
    assert "url(" not in page
    for tag, attributes in tags:
        if tag in {"img", "link"}:
            source = attributes.get("src") or attributes.get("href") or ""
            assert source.startswith("data:")


def test_every_picture_has_words_and_is_whole(
    tags: list[tuple[str, dict[str, str | None]]],
) -> None:
    pictures = [attributes for tag, attributes in tags if tag == "img"]
    # once: three drawings; maps and crops of a study; curves, widths; where explained: three
    assert len(pictures) == 7 * len(SPLITS) + 3 + 3 + 4
    for picture in pictures:
        assert picture["alt"]
        data = base64.b64decode(str(picture["src"]).partition("base64,")[2])
        assert data.startswith(b"\x89PNG") or data.rstrip().endswith(b"</svg>")


def test_links_lead_to_files_and_sections_that_exist(
    results: Path, tags: list[tuple[str, dict[str, str | None]]]
) -> None:
    anchors = [attributes["id"] for _, attributes in tags if "id" in attributes]
    assert len(set(anchors)) == len(anchors)
    links = [str(attributes["href"]) for tag, attributes in tags if tag == "a"]
    assert any(link.endswith("table1.csv") for link in links)
    for link in links:
        assert link[1:] in anchors if link.startswith("#") else (results / link).is_file()


def test_headings_descend_one_level_at_a_time(
    tags: list[tuple[str, dict[str, str | None]]],
) -> None:
    levels = [int(tag[1]) for tag, _ in tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))


def test_numbers_of_the_page_are_those_of_the_tables(results: Path, page: str) -> None:
    for split in SPLITS:
        table1 = pd.read_csv(results / "audited" / split / "report" / "tables" / "table1.csv")
        section = page.split(f'id="audited-{split}-table1"')[1].split("</table>")[0]
        for row in table1.itertuples():
            assert f"{row.correct} / {row.n_test}" in section
            assert f"{100 * row.accuracy:.1f}\u00a0%" in section
            if row.model != "chance":
                assert f"{100 * row.ci_low:.1f}–{100 * row.ci_high:.1f}\u00a0%" in section


def test_the_answer_is_that_of_the_strictest_split(results: Path, page: str) -> None:
    table1 = pd.read_csv(results / "audited" / "specimen" / "report" / "tables" / "table1.csv")
    ensemble = table1.set_index("model").loc["ensemble"]
    lead = page.split('<p class="lead">')[1].split("</p>")[0]
    assert f"{100 * ensemble['accuracy']:.1f}\u00a0%" in lead
    assert "study audited, split specimen, the strictest" in page


def test_text_from_outside_is_escaped(page: str) -> None:
    assert "&lt;to nearest&gt;; see <code>maps</code>" in page
    assert "a &amp; b" in page
    assert escaped("<b>") == "&lt;b&gt;"
    assert prose("**x** `<y>`").text == "<strong>x</strong> <code>&lt;y&gt;</code>"


def test_the_same_reports_give_the_same_page(results: Path, tmp_path: Path) -> None:
    again = results / "again.html"
    _write(results, again)
    assert again.read_bytes() == (results / "report.html").read_bytes()


@pytest.mark.parametrize("kind", ["svg", "png"])
def test_an_altered_drawing_is_refused(results: Path, tmp_path: Path, kind: str) -> None:
    folder = shutil.copytree(results / "drawings", tmp_path / "drawings")
    (folder / "figures" / f"flow.{kind}").write_bytes(b"half")
    with pytest.raises(BadInputError, match=rf"flow\.{kind}.*altered"):
        _write(results, tmp_path / "page.html", drawings=folder / "figures.json")


def test_an_altered_table_is_refused(results: Path, tmp_path: Path) -> None:
    source = results / "audited" / "specimen" / "report"
    tables = tmp_path / "tables"
    tables.mkdir()
    for path in (source / "tables").iterdir():
        (tables / path.name).write_bytes(path.read_bytes())
    (tables / "table1.csv").write_text("model,accuracy\nensemble,1.0\n")
    (tmp_path / "tables.json").write_bytes((source / "tables.json").read_bytes())
    with pytest.raises(BadInputError, match=r"table1\.csv.*altered"):
        _write(
            results,
            tmp_path / "page.html",
            tables=[tmp_path / "tables.json"],
            figures=[source / "figures.json"],
        )
    assert not (tmp_path / "page.html").exists()


def test_tables_and_figures_of_different_splits_are_refused(results: Path, tmp_path: Path) -> None:
    base = results / "audited"
    with pytest.raises(BadInputError, match="split profile"):
        _write(
            results,
            tmp_path / "page.html",
            tables=[base / "specimen" / "report" / "tables.json"],
            figures=[base / "profile" / "report" / "figures.json"],
        )


def test_two_runs_differ_only_in_machine_and_run_times(results: Path, tmp_path: Path) -> None:
    pages = []
    for seconds in (1.5, 2.5):
        benchmarks = results / f"benchmarks-{seconds}"
        (benchmarks / "train").mkdir(parents=True)
        (benchmarks / "train" / "a.tsv").write_text(f"s\tmax_rss\n{seconds}\t800\n")
        (benchmarks / "damaged.tsv").write_bytes(b"\x00\xff")
        page = results / f"page-{seconds}.html"
        _write(results, page, benchmarks=benchmarks)
        pages.append(page.read_text(encoding="utf-8"))
    assert "<td>1.5</td>" in pages[0]
    outside = [text.partition(BEGIN_OF_RUN)[0] + text.partition(END_OF_RUN)[2] for text in pages]
    assert pages[0] != pages[1]
    assert outside[0] == outside[1]


def test_lost_specimens_are_named_with_the_reason(results: Path) -> None:
    report = read_report(
        results / "audited/specimen/report/tables.json",
        results / "audited/specimen/report/figures.json",
        results,
    )
    assert "No specimen was lost" in specimens([report])
    lost = [{"specimen_id": "w0062.5-s1-00007", "reason": "density above the limit"}]
    broken = replace(report, tables={**report.tables, "lost": lost})
    text = specimens([broken])
    assert "1 specimen broke a check" in text
    assert "w0062.5-s1-00007" in text
    assert "density above the limit" in text
