import numpy as np
import pytest

from strainprint.errors import BadInputError
from strainprint.report.statistics import (
    Interval,
    accuracy_interval,
    bootstrap_difference,
    bootstrap_median,
    bootstrap_share,
    confusion_counts,
    mcnemar_exact,
    specimen_resamples,
    wilson_interval,
)


@pytest.mark.parametrize(
    ("right", "low", "high"), [(837, 92.18, 95.33), (824, 90.56, 94.04), (608, 65.11, 71.21)]
)
def test_wilson_interval_of_the_papers_accuracies(right: int, low: float, high: float) -> None:
    interval = wilson_interval(right, 891)
    assert 100 * interval.low == pytest.approx(low, abs=0.005)
    assert 100 * interval.high == pytest.approx(high, abs=0.005)


def test_wilson_interval_of_all_right_stays_below_one_at_its_lower_end() -> None:
    # n / (n + z^2) with z = 1.959964
    assert wilson_interval(6, 6).low == pytest.approx(6 / (6 + 1.959964**2), rel=1e-6)
    assert wilson_interval(6, 6).high == pytest.approx(1.0)


def test_wilson_interval_of_no_trial_is_not_known() -> None:
    assert all(np.isnan(wilson_interval(0, 0)))


def test_mcnemar_by_hand() -> None:
    # 1 map only a has right, 5 only b: p = 2 (C(6,0) + C(6,1)) / 2^6 = 14/64
    a = [True] * 1 + [False] * 5 + [True] * 10 + [False] * 3
    b = [False] * 1 + [True] * 5 + [True] * 10 + [False] * 3
    assert mcnemar_exact(a, b) == pytest.approx(14 / 64)
    assert mcnemar_exact(b, a) == pytest.approx(14 / 64)


def test_mcnemar_of_equal_models_is_one() -> None:
    assert mcnemar_exact([True, False], [True, False]) == 1.0


def test_models_on_different_test_sets_are_refused() -> None:
    with pytest.raises(BadInputError, match="3 and 2 test maps"):
        mcnemar_exact([True, False, True], [True, False])


def test_resamples_keep_the_number_of_specimens_and_siblings_together() -> None:
    specimens = np.array(["a", "b", "a", "c", "c", "c"])
    weights = specimen_resamples(specimens, seed=3, resamples=500)
    assert weights.shape == (500, 6)
    assert (weights[:, 0] == weights[:, 2]).all()
    assert (weights[:, 3] == weights[:, 4]).all()
    assert (weights[:, [0, 1, 3]].sum(axis=1) == 3).all()


def test_resamples_depend_on_the_seed_alone() -> None:
    specimens = np.repeat(["a", "b", "c"], 2)
    first = specimen_resamples(specimens, seed=1, resamples=50)
    assert np.array_equal(first, specimen_resamples(specimens, seed=1, resamples=50))
    assert not np.array_equal(first, specimen_resamples(specimens, seed=2, resamples=50))


def test_bootstrap_of_single_map_specimens_has_the_binomial_width() -> None:
    correct = np.arange(400) < 280
    weights = specimen_resamples(np.arange(400), seed=0, resamples=4000)
    interval = bootstrap_share(correct, weights)
    half = 1.96 * np.sqrt(0.7 * 0.3 / 400)
    assert interval.low == pytest.approx(0.7 - half, abs=0.006)
    assert interval.high == pytest.approx(0.7 + half, abs=0.006)


def test_siblings_that_agree_widen_the_interval_by_the_root_of_their_number() -> None:
    correct = np.arange(400) < 280
    alone = bootstrap_share(correct, specimen_resamples(np.arange(400), seed=0))
    specimens = np.arange(400) // 4
    together = bootstrap_share(correct, specimen_resamples(specimens, seed=0))
    ratio = (together.high - together.low) / (alone.high - alone.low)
    assert ratio == pytest.approx(2.0, rel=0.1)


def test_paired_difference_of_a_model_with_itself_is_exactly_zero() -> None:
    correct = np.array([True, False, True, True])
    weights = specimen_resamples(["a", "a", "b", "c"], seed=0, resamples=200)
    assert bootstrap_difference(correct, correct, weights) == Interval(0.0, 0.0)


def test_bootstrap_median_of_equal_values_is_that_value() -> None:
    weights = specimen_resamples(["a", "b", "c"], seed=0, resamples=200)
    assert bootstrap_median([2.5, 2.5, 2.5], weights) == Interval(2.5, 2.5)


def test_bootstrap_median_covers_the_median_of_a_normal_sample() -> None:
    values = np.random.Generator(np.random.PCG64(0)).standard_normal(400)
    interval = bootstrap_median(values, specimen_resamples(np.arange(400), seed=0))
    # standard error of a normal median: 1.2533 / sqrt(n)
    assert interval.high - interval.low == pytest.approx(2 * 1.96 * 1.2533 / 20, rel=0.25)
    assert interval.low <= np.median(values) <= interval.high


def test_interval_where_all_maps_are_right_does_not_shrink_to_a_point() -> None:
    specimens = np.repeat(["a", "b", "c", "d"], 3)
    weights = specimen_resamples(specimens, seed=0, resamples=200)
    interval, method = accuracy_interval(np.ones(12, bool), specimens, weights)
    assert method == "Wilson over specimens"
    assert interval == wilson_interval(4, 4)


def test_interval_where_every_specimen_has_the_same_share_does_not_shrink_to_a_point() -> None:
    specimens = np.repeat(["a", "b", "c", "d"], 3)
    weights = specimen_resamples(specimens, seed=0, resamples=200)
    interval, method = accuracy_interval([True, False, False] * 4, specimens, weights)
    assert (interval, method) == (wilson_interval(4, 12), "Wilson over maps")


def test_interval_of_a_single_specimen_falls_back_to_wilson_over_maps() -> None:
    weights = specimen_resamples(["a"] * 4, seed=0, resamples=200)
    correct = [True, True, False, True]
    interval, method = accuracy_interval(correct, ["a"] * 4, weights)
    assert (interval, method) == (wilson_interval(3, 4), "Wilson over maps")


def test_confusion_counts_have_true_classes_in_rows() -> None:
    counts = confusion_counts([0, 0, 1, 2, 2], [0, 1, 1, 0, 2], 3)
    assert counts.tolist() == [[1, 1, 0], [0, 1, 0], [1, 0, 1]]


def test_confusion_of_an_unknown_class_is_refused() -> None:
    with pytest.raises(BadInputError, match="class label"):
        confusion_counts([0, 3], [0, 1], 3)
