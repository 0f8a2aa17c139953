"""The page in a real browser, offline: at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browser import chromium
from synthetic_results import build_page, build_results

SIZES = {"desktop": (1280, 800), "phone": (390, 844)}


@pytest.fixture(scope="module")
def page_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    results = build_results(
        tmp_path_factory.mktemp("browser"),
        splits=("specimen",),
        widths_nm=(62.5, 1000.0),
        slip_systems=(1, 2),
        per_subset=4,
    )
    return build_page(results, studies=("audited",), splits=("specimen",))


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


def test_the_page_is_no_wider_than_its_window(opened: Any) -> None:
    assert opened.evaluate("document.documentElement.scrollWidth") <= opened.viewport_size["width"]


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
    assert list(dict.fromkeys(column(opened, table, 1))) == ["62.5\u00a0nm", "1\u00a0µm"]


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
