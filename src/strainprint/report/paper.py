"""The numbers that Yang et al., Sci. Rep. 10 (2020) print, for setting beside ours.

Source: Tables 1-3 and the text of section 2.1 of doi 10.1038/s41598-020-65157-z. The paper gives
no intervals; those that follow from its test size are computed, never stored.
"""

from __future__ import annotations

from typing import Final

CITATION: Final = "Yang et al., Scientific Reports 10 (2020), doi 10.1038/s41598-020-65157-z"
TEST_MAPS: Final = 891
MAPS: Final = 3648
YIELD_EXPONENT: Final = -0.55  # section 1, of its reference 12

# Table 1; keys are model names of this project without the seed.
ACCURACY: Final[dict[str, float]] = {
    "baseline": 0.6824,
    "proposed": 0.9248,
    "res4-l2": 0.9158,
    "res4": 0.9001,
    "ensemble": 0.9394,
}

_WIDTHS_NM: Final = (2000.0, 1000.0, 500.0, 250.0, 125.0, 62.5)

# Table 2, in percent; rows (reload, slip systems), columns the widths above. None: all cells.
_TABLE2_PERCENT: Final[dict[str, dict[tuple[str, int] | None, tuple[float, ...]]]] = {
    "proposed": {
        None: (95.24, 96.00, 93.15, 92.67, 88.51, 89.33),
        ("small", 2): (100, 100, 94.59, 100, 92.11, 92.31),
        ("small", 1): (97.22, 100, 97.22, 94.44, 100, 94.44),
        ("large", 2): (89.19, 89.74, 94.59, 89.74, 78.95, 79.49),
        ("large", 1): (94.44, 94.44, 86.11, 86.11, 83.33, 91.67),
    },
    "ensemble": {
        None: (97.28, 97.33, 95.21, 94.00, 89.19, 90.67),
        ("small", 2): (100, 100, 91.89, 97.44, 89.47, 94.87),
        ("small", 1): (100, 100, 94.44, 91.67, 100, 94.44),
        ("large", 2): (89.19, 92.31, 97.30, 92.31, 84.21, 82.05),
        ("large", 1): (100, 97.22, 97.22, 94.44, 83.33, 91.67),
    },
}

# Test maps behind Table 2, which the paper does not print: the only whole numbers that give all its
# percentages and sum to its 891 (at 1 µm small reload, where both cells are 100 %, those of large).
_TABLE2_TEST_MAPS: Final[dict[tuple[str, int], tuple[int, ...]]] = {
    ("small", 2): (38, 39, 37, 39, 38, 39),
    ("small", 1): (36, 36, 36, 36, 36, 36),
    ("large", 2): (37, 39, 37, 39, 38, 39),
    ("large", 1): (36, 36, 36, 36, 36, 36),
}

# Section 2.1, of the proposed network: misclassified test maps as (true class, named class or None
# where the paper does not say which).
CONFUSED: Final[dict[tuple[str, str | None], int]] = {
    ("0.001", None): 10,
    ("0.01", "0.001"): 42,
    ("0.01", "0.1"): 3,
    ("0.1", None): 12,
}

# Table 3: maps per subset, all classes and parts together.
_TABLE3_MAPS: Final[dict[tuple[str, int], tuple[int, ...]]] = {
    ("small", 2): (154, 156, 154, 156, 155, 156),
    ("small", 1): (147, 147, 149, 150, 150, 150),
    ("large", 2): (151, 156, 154, 156, 155, 156),
    ("large", 1): (150, 147, 149, 150, 150, 150),
}


def model_family(model: str) -> str:
    """Return the model name without its seed: ``res4-l2-seed3`` -> ``res4-l2``."""
    return model.rsplit("-seed", 1)[0]


def accuracy(model: str) -> float:
    """Return the accuracy that Table 1 prints for this architecture, nan where it has none."""
    return ACCURACY.get(model_family(model), float("nan"))


def cell_accuracy(
    model: str, width_nm: float, *, reload: str | None = None, slip_systems: int | None = None
) -> float:
    """Return the accuracy that Table 2 prints for a cell (or a width's total), nan if none."""
    rows = _TABLE2_PERCENT.get(model_family(model), {})
    key = None if reload is None or slip_systems is None else (reload, slip_systems)
    if key not in rows or width_nm not in _WIDTHS_NM:
        return float("nan")
    return round(rows[key][_WIDTHS_NM.index(width_nm)] / 100, 4)


def cell_test_maps(
    width_nm: float, *, reload: str | None = None, slip_systems: int | None = None
) -> int:
    """Return the number of test maps of a cell of Table 2 (or of a width), 0 where it has none."""
    if width_nm not in _WIDTHS_NM:
        return 0
    at = _WIDTHS_NM.index(width_nm)
    if reload is None or slip_systems is None:
        return sum(row[at] for row in _TABLE2_TEST_MAPS.values())
    row = _TABLE2_TEST_MAPS.get((reload, slip_systems))
    return 0 if row is None else row[at]


def subset_maps(width_nm: float, *, reload: str, slip_systems: int) -> float:
    """Return the number of maps that Table 3 prints for a subset, nan where it prints none."""
    row = _TABLE3_MAPS.get((reload, slip_systems))
    if row is None or width_nm not in _WIDTHS_NM:
        return float("nan")
    return float(row[_WIDTHS_NM.index(width_nm)])
