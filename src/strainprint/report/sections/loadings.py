"""Reload and slip systems as the rows of Tables 2 and 3, in the paper's order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from strainprint.report.markup import Text
from strainprint.report.wording import slip_label, width_label


def loading_of(row: Mapping[str, Any]) -> tuple[str, str]:
    """Return (reload, slip systems) of a table's row; ``all`` marks a sum."""
    return str(row["reload"]), str(row["slip_systems"])


def loading_order(loading: tuple[str, str]) -> tuple[int, int]:
    """Order the rows as the paper does: total, small before large, two slip before one."""
    reload, slip = loading
    return ["all", "small", "large"].index(reload), -int(slip) if slip != "all" else 0


def loading_label(reload: str, slip: str) -> str:
    """Return a row's heading, e.g. ``Small reload, two slip``."""
    return "Total" if reload == "all" else f"{reload.capitalize()} reload, {slip_label(int(slip))}"


def loading_grid(
    rows: Sequence[Mapping[str, Any]], write: Callable[[Mapping[str, Any] | None], Text]
) -> tuple[list[str], list[list[Text]]]:
    """Return head and rows of a table with a row for each loading and a column for each width.

    Widths run from wide to narrow. ``write`` makes a cell from a table's row, None where there is
    none.
    """
    grid = {(loading_of(row), float(row["width_nm"])): row for row in rows}
    widths = sorted({float(row["width_nm"]) for row in rows}, reverse=True)
    loadings = sorted({loading_of(row) for row in rows}, key=loading_order)
    return ["Width", *(width_label(width) for width in widths)], [
        [loading_label(*loading), *(write(grid.get((loading, width))) for width in widths)]
        for loading in loadings
    ]
