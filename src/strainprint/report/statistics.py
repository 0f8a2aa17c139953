"""Intervals, paired tests and confusion counts for models judged on clustered test maps.

Maps are the samples and specimens are the clusters: one specimen gives up to six maps, which are
not independent. Totals therefore carry a bootstrap over whole specimens, cells of a table a Wilson
interval, and two models on one test set are compared map by map.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binomtest

from strainprint.errors import BadInputError


class Interval(NamedTuple):
    """Lower and upper limit of a confidence interval, in the unit of the estimate."""

    low: float
    high: float

    def overlaps(self, other: Interval) -> bool:
        """Tell whether the two closed intervals share a point."""
        return self.low <= other.high and other.low <= self.high


NOT_KNOWN = Interval(float("nan"), float("nan"))


def wilson_interval(successes: int, trials: int, *, confidence: float = 0.95) -> Interval:
    """Return the Wilson score interval of a share; (nan, nan) where there is no trial.

    Wilson, J. Am. Stat. Assoc. 22 (1927) 209; no continuity correction.
    """
    if trials == 0:
        return NOT_KNOWN
    limits = binomtest(int(successes), int(trials)).proportion_ci(confidence, method="wilson")
    return Interval(float(limits.low), float(limits.high))


def mcnemar_exact(correct_a: ArrayLike, correct_b: ArrayLike) -> float:
    """Return the two-sided exact McNemar p-value of two models on the same test maps.

    Only maps on which exactly one of the two is right count; under equality each is a fair coin.
    The test takes maps as independent, so siblings of one specimen make p too small.

    Parameters
    ----------
    correct_a, correct_b
        Booleans, shape (n_maps,), in the same order.
    """
    a, b = _paired(correct_a, correct_b)
    only_a, only_b = int((a & ~b).sum()), int((b & ~a).sum())
    if only_a + only_b == 0:
        return 1.0
    return float(binomtest(only_a, only_a + only_b, 0.5).pvalue)


def holm_corrected(p_values: ArrayLike) -> NDArray[np.float64]:
    """Return p-values corrected for their number by Holm's step-down method; NaN stays NaN.

    Holm, Scand. J. Stat. 6 (1979) 65.
    """
    values = np.asarray(p_values, dtype=float)
    corrected = np.full(values.shape, np.nan)
    known = np.flatnonzero(np.isfinite(values))
    order = known[np.argsort(values[known], kind="stable")]
    steps = values[order] * np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(steps), 1.0)
    return corrected


FEWEST_SPECIMENS = 3
"""Below this number of specimens no interval of a paired difference is given."""


def specimen_resamples(
    specimens: ArrayLike, *, seed: int, resamples: int = 2000
) -> NDArray[np.int64]:
    """Return how often each map counts in each bootstrap sample of whole specimens.

    Parameters
    ----------
    specimens
        Specimen name of every map, shape (n_maps,).
    seed
        Seed of the resampling; one seed for all models makes their differences paired.

    Returns
    -------
    Array of shape (resamples, n_maps): the number of times the map's specimen was drawn.
    """
    names, cluster = np.unique(np.asarray(specimens), return_inverse=True)
    if names.size == 0:
        return np.zeros((resamples, 0), dtype=np.int64)
    random = np.random.Generator(np.random.PCG64(seed))
    drawn = random.multinomial(names.size, np.full(names.size, 1 / names.size), size=resamples)
    counts: NDArray[np.int64] = drawn[:, cluster]
    return counts


def bootstrap_share(
    correct: ArrayLike, weights: NDArray[np.int64], *, confidence: float = 0.95
) -> Interval:
    """Return the percentile interval of a share under :func:`specimen_resamples` weights."""
    values = np.asarray(correct, dtype=float)
    if values.size == 0:
        return NOT_KNOWN
    return _percentiles(weights @ values / weights.sum(axis=1), confidence)


def bootstrap_difference(
    correct_a: ArrayLike,
    correct_b: ArrayLike,
    weights: NDArray[np.int64],
    *,
    confidence: float = 0.95,
) -> Interval:
    """Return the interval of share(a) - share(b) on the same maps, resampled together."""
    a, b = _paired(correct_a, correct_b)
    if a.size == 0:
        return NOT_KNOWN
    difference = a.astype(float) - b.astype(float)
    return _percentiles(weights @ difference / weights.sum(axis=1), confidence)


def bootstrap_median(
    values: ArrayLike, weights: NDArray[np.int64], *, confidence: float = 0.95
) -> Interval:
    """Return the interval of the median under :func:`specimen_resamples` weights.

    Every resampled median is the lower weighted median, so each is a value that was observed.
    """
    observed = np.asarray(values, dtype=float)
    if observed.size == 0:
        return NOT_KNOWN
    order = np.argsort(observed, kind="stable")
    mass = np.cumsum(weights[:, order], axis=1)
    at = (2 * mass >= mass[:, -1:]).argmax(axis=1)
    return _percentiles(observed[order][at], confidence)


def accuracy_interval(
    correct: ArrayLike,
    specimens: ArrayLike,
    weights: NDArray[np.int64],
    *,
    confidence: float = 0.95,
) -> tuple[Interval, str]:
    """Return the interval of an accuracy and the name of the method that gave it.

    The cluster bootstrap, except where it cannot work: when every map is right or every map is
    wrong all resamples agree and the interval would shrink to a point. There the Wilson interval
    is taken with the number of specimens as the number of trials. Where every specimen has the same
    share of right maps (a model that names one class only), resamples agree as well; maps of one
    specimen are then no more alike than others, and the Wilson interval is taken over maps.
    """
    values = np.asarray(correct, dtype=bool)
    if values.size == 0:
        return NOT_KNOWN, "no test maps"
    n_specimens = np.unique(np.asarray(specimens)).size
    if values.all() or not values.any():
        wins = n_specimens if values.all() else 0
        return wilson_interval(wins, n_specimens, confidence=confidence), "Wilson over specimens"
    drawn = bootstrap_share(values, weights, confidence=confidence)
    if drawn.low == drawn.high:
        wins = int(values.sum())
        return wilson_interval(wins, values.size, confidence=confidence), "Wilson over maps"
    return drawn, "bootstrap over specimens"


def confusion_counts(true: ArrayLike, predicted: ArrayLike, n_classes: int) -> NDArray[np.int64]:
    """Return counts of shape (n_classes, n_classes), rows the true and columns the named class."""
    true_label = np.asarray(true, dtype=np.int64)
    named_label = np.asarray(predicted, dtype=np.int64)
    for labels in (true_label, named_label):
        if labels.size and (labels.min() < 0 or labels.max() >= n_classes):
            raise BadInputError(
                f"class label {int(labels.min())} … {int(labels.max())}",
                allowed=f"0 … {n_classes - 1}",
            )
    counts = np.bincount(true_label * n_classes + named_label, minlength=n_classes**2)
    return counts.astype(np.int64).reshape(n_classes, n_classes)


def _paired(first: ArrayLike, second: ArrayLike) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    a, b = np.asarray(first, dtype=bool), np.asarray(second, dtype=bool)
    if a.shape != b.shape:
        raise BadInputError(
            f"{a.size} and {b.size} test maps", allowed="two models judged on the same maps"
        )
    return a, b


def _percentiles(samples: NDArray[Any], confidence: float) -> Interval:
    tail = (1 - confidence) / 2
    low, high = np.quantile(samples, [tail, 1 - tail])
    return Interval(float(low), float(high))
