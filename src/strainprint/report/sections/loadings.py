"""Reload and slip systems as the rows of Tables 2 and 3, in the paper's order."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from strainprint.report.wording import slip_label


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
