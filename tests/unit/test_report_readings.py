"""Sentences follow the numbers: each verdict is reached by numbers that force it."""

import math

import pytest

from strainprint.report import readings
from strainprint.report.sections.size_effect import size_effect_reading
from strainprint.report.wording import method_label, model_label, p_value, percent_range, points

NAN = math.nan


def _row(model: str, accuracy: float, low: float, high: float, **more: object) -> dict[str, object]:
    return {
        "model": model,
        "n_test": 72,
        "n_specimens": 12,
        "accuracy": accuracy,
        "ci_low": low,
        "ci_high": high,
        "chance": 1 / 3,
        "paper_accuracy": NAN,
        "minus_shape_only_low": NAN,
        "minus_shape_only_high": NAN,
        "minus_baseline_low": NAN,
        "minus_baseline_high": NAN,
        **more,
    }


SHAPE = _row("shape-only", 0.5, 0.4, 0.6)


def _ensemble(low: float, high: float, *, ci: tuple[float, float] = (0.7, 0.9)) -> dict:
    return _row(
        "ensemble",
        0.8,
        *ci,
        minus_shape_only=(low + high) / 2,
        minus_shape_only_low=low,
        minus_shape_only_high=high,
    )


def test_a_difference_above_zero_is_called_better() -> None:
    text = readings.comparison(_ensemble(0.1, 0.5), SHAPE)
    assert text == (
        "The ensemble is better than the shape-only baseline: +30.0 points "
        "(paired, 95 % interval +10.0 to +50.0)."
    )


def test_overlapping_intervals_are_said_even_where_the_difference_is_clear() -> None:
    text = readings.comparison(_ensemble(0.1, 0.5, ci=(0.55, 0.9)), SHAPE)
    assert "is better than" in text
    assert "intervals overlap" in text


def test_a_difference_that_touches_zero_is_not_called_better() -> None:
    text = readings.comparison(_ensemble(0.0, 0.5, ci=(0.55, 0.9)), SHAPE)
    assert "cannot be told from the shape-only baseline at this size" in text
    assert "includes zero and their own intervals overlap" in text
    assert "better" not in text


def test_too_few_specimens_conclude_nothing() -> None:
    row = _row("ensemble", 0.8, 0.3, 0.9, minus_shape_only=0.3)
    text = readings.comparison(row, SHAPE)
    assert "differ by +30.0 points, on too few specimens" in text
    assert "better" not in text


def test_a_difference_below_zero_is_called_worse() -> None:
    assert "is worse than" in readings.comparison(_ensemble(-0.4, -0.1), SHAPE)


@pytest.mark.parametrize(
    ("low", "verdict"), [(0.30, "cannot be told from chance"), (0.34, "above chance")]
)
def test_shape_is_above_chance_only_where_its_interval_is(low: float, verdict: str) -> None:
    row = _row("shape-only", 0.45, low, 0.6)
    assert verdict in readings.shape_against_chance(row)


def test_resolution_names_the_widths_of_the_intervals() -> None:
    rows = [
        _row("chance", 1 / 3, NAN, NAN),
        _row("shape-only", 0.5, 0.4, 0.6),
        _ensemble(0.1, 0.34, ci=(0.7, 0.82)),
    ]
    text = readings.resolution(rows)
    assert "12 to 20 points wide" in text
    assert "about 12 points" in text


def test_networks_that_overlap_are_not_ranked() -> None:
    rows = [_row("proposed-seed0", 0.8, 0.7, 0.9), _row("ensemble", 0.85, 0.75, 0.95)]
    assert "does not rank them" in readings.ranking(rows)
    rows[0] = _row("proposed-seed0", 0.5, 0.4, 0.6)
    assert "do not overlap" in readings.ranking(rows)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (0.6, 0.8, "lies above our interval"),
        (0.97, 0.99, "lies below our interval"),
        (0.8, 0.97, "overlaps ours"),
    ],
)
def test_the_papers_number_is_placed_with_its_own_interval(
    low: float, high: float, verdict: str
) -> None:
    text = readings.against_paper(_row("ensemble", 0.8, low, high, paper_accuracy=0.9394))
    assert verdict in text
    assert "93.94" in text
    assert "92.2–95.3" in text


def test_no_comparison_where_the_paper_prints_nothing() -> None:
    assert readings.against_paper(SHAPE) == ""


def test_cells_without_test_maps_are_counted() -> None:
    cell = {"reload": "small", "n": 6, "wilson_low": 0.2, "wilson_high": 0.7}
    text = readings.cells([cell, {**cell, "n": 0}, {**cell, "reload": "all", "n": 99}])
    assert "rests on 6 test maps" in text
    assert "50 points wide" in text
    assert "1 cell without a test map" in text


def test_a_sibling_effect_is_claimed_only_where_intervals_part() -> None:
    summary = {"test_maps_with_sibling_in_training": 0.75}
    high, low = _row("ensemble", 0.9, 0.85, 0.95), _row("ensemble", 0.6, 0.5, 0.7)
    assert "siblings in training raise" in readings.split_leak(high, low, summary)
    assert "scores higher" in readings.split_leak(low, high, summary)
    near = _row("ensemble", 0.8, 0.65, 0.9)
    assert "neither shown nor excluded" in readings.split_leak(near, low, summary)


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [
        (-0.2, -0.1, "the maps tell more"),
        (0.1, 0.2, "worse than knowing"),
        (-0.1, 0.1, "not told apart"),
        (NAN, NAN, "one specimen alone"),
    ],
)
def test_curves_are_judged_against_the_mean_curve(low: float, high: float, verdict: str) -> None:
    row = {
        "width_nm": "all",
        "prior_strain": "all",
        "method": "k5",
        "n": 9,
        "median_relative_rmse": 0.1,
        "median_relative_rmse_low": 0.08,
        "median_relative_rmse_high": 0.12,
        "median_yield_stress_error_mpa": -3.2,
        "median_rmse_minus_subset_mean": (low + high) / 2,
        "median_rmse_minus_subset_mean_low": low,
        "median_rmse_minus_subset_mean_high": high,
    }
    text = readings.curve_reading([row], "k5", {"nearest_neighbour_same_specimen": 0.5})
    assert verdict in text
    assert "50.0\u00a0% of the test maps is the same specimen" in text
    assert "−3.2 MPa" in text


def test_what_was_run_names_sizes_seeds_and_threads() -> None:
    text = readings.what_was_run(
        [{"specimens": 48, "maps": 288, "study": "audited", "split": "specimen"}],
        [
            {"width_nm": 125.0, "slip_systems": 2, "prior_strain": name}
            for name in ("0.1", "there-and-back")
        ],
        ["proposed-seed0", "proposed-seed1"],
        seeds=[0, 1],
        threads=1,
    )
    for part in ("48 specimens", "1 width", "two slip", "288 maps", "2 networks", "1 thread"):
        assert part in text
    assert "seed 0 and seed 1" in text
    assert "10\u00a0% and there-and-back" in text


def test_names_and_numbers_for_people() -> None:
    assert model_label("res4-l2-seed3") == "Res4 with L2, seed 3"
    assert method_label("correlation_k5") == "5 neighbours by correlations"
    assert method_label("k1") == "1 neighbour by network"
    assert percent_range(0.6, 0.824) == "60.0–82.4\u00a0%"
    assert (points(-0.051), points(0.0001), points(NAN)) == ("−5.1", "0.0", "–")
    assert (p_value(0.00001), p_value(0.0123)) == ("< 0.001", "= 0.012")


@pytest.mark.parametrize(
    ("low", "high", "verdict"),
    [(-0.2, -0.1, "fade sooner"), (0.1, 0.2, "fade later"), (-0.1, 0.1, "no sooner or later")],
)
def test_brightness_is_held_against_a_random_order_as_saliency_is(
    low: float, high: float, verdict: str
) -> None:
    deletion = [
        {"order": order, "minus_random_low": low, "minus_random_high": high}
        for order in ("plain", "brightness", "random")
    ]
    text = readings.saliency_reading([], deletion)
    assert text.count(verdict) == 2
    assert "by brightness alone, which needs no network, answers" in text


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.1, 0.3, "wider is stronger; the paper’s −0.55 lies outside"),
        (-0.7, -0.4, "narrower is stronger; the paper’s −0.55 lies within"),
        (-0.1, 0.4, "not shown, since the interval includes zero; the paper’s −0.55 lies outside"),
    ],
)
def test_a_size_effect_is_claimed_only_where_the_interval_leaves_out_zero(
    low: float, high: float, said: str
) -> None:
    row = {"exponent": (low + high) / 2, "exponent_low": low, "exponent_high": high}
    fit = {**row, "slip_systems": 1, "paper_exponent": -0.55, "n": 24, "widths": 2, "note": ""}
    assert said in size_effect_reading(fit)


def test_a_protocol_says_what_it_gives_away() -> None:
    assert "whose length tells" in readings.protocol({"frame": "deformed"}, "profile")
    assert readings.protocol({"frame": "reference"}, "specimen").endswith("specimen that trained")
