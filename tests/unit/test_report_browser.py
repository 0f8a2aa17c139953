"""The page of results with gaps: what is missing is said, and a browser shows it, offline."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from browser import chromium
from synthetic_results import build_page, build_results, report_inputs

from strainprint.report.tables import accuracy_table, cell_table, count_table, pair_table

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All lost of 62.5 nm with two slips, one left of 125 nm, and no test map of class 0.1."""
    return build_results(
        tmp_path_factory.mktemp("browser"),
        widths_nm=(62.5, 125.0, 1000.0),
        slip_systems=(1, 2),
        per_subset=3,
        missing_subsets=("w0062.5-s2", "w0125-s2"),
        single_specimens=("w0125-s1",),
        class_without_test="0.1",
    )


@pytest.fixture(scope="module")
def page_file(results: Path) -> Path:
    return build_page(results, studies=("audited",), splits=("specimen",))


@pytest.fixture(scope="module")
def text(page_file: Path) -> str:
    return page_file.read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    with chromium() as made:
        yield made


@pytest.fixture(params=SIZES)
def opened(request: pytest.FixtureRequest, browser: Any, page_file: Path) -> Iterator[Any]:
    """The page with everything it said and asked for, in ``said`` and ``asked``."""
    width, height = SIZES[request.param]
    context = browser.new_context(viewport={"width": width, "height": height}, offline=True)
    page = context.new_page()
    page.said, page.asked = [], []
    page.on("console", lambda message: page.said.append(message.text))
    page.on("pageerror", lambda error: page.said.append(str(error)))
    page.on("request", lambda one: page.asked.append(one.url))
    page.goto(page_file.as_uri())
    yield page
    context.close()


def column(page: Any, table: str, number: int) -> list[str]:
    """Return the first line of each shown cell of a column."""
    return page.eval_on_selector_all(
        f"{table} tbody tr:not([hidden])",
        f"rows => rows.map(row => row.cells[{number}].firstChild.textContent.trim())",
    )


def test_nothing_is_said_on_the_console_and_nothing_asked_for_elsewhere(opened: Any) -> None:
    assert opened.said == []
    assert all(url.startswith(("file:", "data:")) for url in opened.asked)
    assert sum(url.startswith("file:") for url in opened.asked) == 1


def test_every_image_is_drawn(opened: Any) -> None:
    widths = opened.eval_on_selector_all(
        "img", "images => images.map(image => image.complete ? image.naturalWidth : 0)"
    )
    assert len(widths) >= 14
    assert min(widths) > 50


def test_the_page_is_no_wider_than_its_window_whatever_is_folded_out(opened: Any) -> None:
    widths = opened.evaluate(
        """() => {
          const folded = [...document.querySelectorAll("details:not([open])")];
          // What people's data may hold: a choice of a filter with a long name.
          const longest = [...document.querySelectorAll(".filters select")].map(select => {
            select.append(new Option("neighbours ".repeat(9)));
            return select.lastChild;
          });
          const width = () => document.documentElement.scrollWidth;
          const before = width();
          folded.forEach(one => { one.open = true; });
          const unfolded = width();
          folded.forEach(one => { one.open = false; });
          longest.forEach(option => option.remove());
          return [before, unfolded];
        }"""
    )
    assert max(widths) <= opened.viewport_size["width"]


def test_the_first_screen_has_the_answer(opened: Any) -> None:
    """Ours beside the paper's, and the audit."""
    height = opened.viewport_size["height"]
    lead = opened.locator(".lead")
    assert "The paper prints 93.94" in lead.inner_text()
    for place in (lead, opened.locator(".audit h3")):
        box = place.bounding_box()
        assert box["y"] + box["height"] <= height


def test_a_click_on_a_head_sorts_and_another_turns_the_order(opened: Any) -> None:
    table = 'table[data-name="table1"]'
    before = column(opened, table, 0)
    shares = lambda: [float(text.split()[0]) for text in column(opened, table, 2)]  # noqa: E731
    head = opened.locator(f"{table} thead th").nth(2)
    head.locator("button").click()
    assert shares() == sorted(shares())
    assert head.get_attribute("aria-sort") == "ascending"
    head.locator("button").click()
    assert shares() == sorted(shares(), reverse=True)
    assert sorted(column(opened, table, 0)) == sorted(before)


def test_widths_are_sorted_by_size_and_not_as_text(opened: Any) -> None:
    table = 'table[data-name="table2"]'
    opened.locator(f"{table} thead th button").nth(1).click()
    assert list(dict.fromkeys(column(opened, table, 1))) == [
        "62.5\u00a0nm",
        "125\u00a0nm",
        "1\u00a0µm",
    ]


def test_rows_are_chosen_by_width_reload_and_slip(opened: Any) -> None:
    table = 'table[data-name="table2"]'
    rows = len(column(opened, table, 0))
    bar = opened.locator(f"details:has({table}) .filters")
    chosen = {"Width": "1\u00a0µm", "Reload": "large", "Slip systems": "2"}
    for name, value in chosen.items():
        bar.get_by_label(name).select_option(value)
    assert [column(opened, table, n) for n in (1, 2, 3)] == [
        ["1\u00a0µm"] * 2,
        ["large"] * 2,
        ["2"] * 2,
    ]
    assert bar.get_by_role("status").inner_text() == f"2 of {rows} rows"
    for name in chosen:
        bar.get_by_label(name).select_option("")
    assert len(column(opened, table, 0)) == rows


def test_curve_errors_are_chosen_by_width_and_class(opened: Any) -> None:
    table = 'table[data-name="curve-errors"]'
    opened.locator(f"details:has({table}) > summary").click()
    bar = opened.locator(f"details:has({table}) .filters")
    bar.get_by_label("Width").select_option("1\u00a0µm")
    bar.get_by_label("Prior strain").select_option("1\u00a0%")
    assert set(column(opened, table, 1)) == {"1\u00a0µm"}
    assert set(column(opened, table, 2)) == {"1\u00a0%"}
    assert "10 neighbours by network" in column(opened, table, 0)
    bar.get_by_label("Prior strain").select_option("10\u00a0%")
    assert set(column(opened, table, 4)) == {"no test map"}


def test_no_number_is_pushed_off_a_phone_by_the_heads_of_its_row(opened: Any) -> None:
    seen = opened.evaluate(
        """() => Math.min(...[...document.querySelectorAll("tbody tr:first-child td:nth-child(2)")]
          .filter(cell => cell.offsetParent)
          .map(cell => innerWidth - cell.getBoundingClientRect().right))"""
    )
    assert seen >= 0


def test_text_stands_out_from_its_ground(opened: Any) -> None:
    """WCAG AA: a contrast of 4.5 for text and its muted variants."""
    contrast = opened.evaluate(
        """() => {
          const level = text => {
            const part = text.match(/[0-9.]+/g).slice(0, 3).map(x => x / 255)
              .map(x => x <= 0.03928 ? x / 12.92 : ((x + 0.055) / 1.055) ** 2.4);
            return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
          };
          const ground = one => {
            for (; one; one = one.parentElement) {
              const colour = getComputedStyle(one).backgroundColor;
              if (colour !== "rgba(0, 0, 0, 0)") return colour;
            }
            return "rgb(255, 255, 255)";
          };
          return Math.min(...[...document.querySelectorAll("p, li, th, td, small, figcaption, a")]
            .filter(one => one.textContent.trim() && one.offsetParent)
            .map(one => {
              const pair = [level(getComputedStyle(one).color), level(ground(one))].sort();
              return (Math.max(...pair) + 0.05) / (Math.min(...pair) + 0.05);
            }));
        }"""
    )
    assert contrast >= 4.5


def tables(results: Path, name: str) -> pd.DataFrame:
    return pd.read_csv(results / "audited/specimen/report/tables" / f"{name}.csv")


def test_a_missing_subset_is_said_in_the_cells_of_tables_2_and_3(results: Path, text: str) -> None:
    assert "none<small>all specimens lost" in text
    lost = tables(results, "table2").query("width_nm == 62.5 and slip_systems == '2'")
    assert len(lost)
    assert (lost["n"] == 0).all()
    assert (
        tables(results, "table3")
        .query("width_nm == 62.5 and slip_systems == 2")["total"]
        .eq(0)
        .all()
    )


def test_a_class_without_test_maps_is_named_and_has_no_accuracy(results: Path, text: str) -> None:
    row = tables(results, "confusion_ensemble").set_index("prior_strain").loc[0.1]
    assert row["n"] == 0
    assert pd.isna(row["recall"])
    assert "No test map of class 10\u00a0%." in text
    counts = tables(results, "table3")
    assert (counts.loc[counts["prior_strain"] == "0.1", "test"] == 0).all()


def test_a_width_with_one_specimen_has_its_row_and_no_interval_of_medians(
    results: Path, text: str
) -> None:
    cells = tables(results, "table2")
    alone = cells[(cells["width_nm"] == 125) & (cells["model"] == "ensemble")]
    assert (alone["reload"] == "all").sum() == 1
    assert "125\u00a0nm" in text


def test_no_nan_reaches_a_reader(text: str) -> None:
    shown = text.partition("<main>")[2].partition("</main>")[0].lower()
    assert ">nan" not in shown
    assert "nan" not in shown.split()


def test_a_test_part_without_maps_gives_tables_without_numbers(results: Path) -> None:
    inputs = report_inputs(results, "audited", "specimen")
    empty = [type(m)(m.name, m.classes, m.test.iloc[:0]) for m in inputs.models]
    accuracy = accuracy_table(empty, seed=0, resamples=100)
    assert accuracy["accuracy"].isna().all()
    assert (accuracy["n_test"] == 0).all()
    assert pair_table(empty, seed=0, resamples=100)["mcnemar_p"].isna().all()
    assert cell_table(empty, inputs.manifest, inputs.subsets)["accuracy"].isna().all()
    assert len(count_table(inputs.manifest, inputs.parts, inputs.subsets))
