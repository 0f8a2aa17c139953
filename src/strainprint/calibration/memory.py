"""What a reload remembers of the prior strain, beyond the shape of the body."""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold

from strainprint.curves.strength import Estimate
from strainprint.report.statistics import specimen_resamples
from strainprint.specimens.state import State

MOVED_NM = 1.0
"""Distance below which a dislocation counts as being where it was."""

_FOLDS = 4
_TREES = 200
_SMALLEST_LEAF = 3


def map_difference(first: NDArray[np.floating], second: NDArray[np.floating]) -> float:
    """Return 1 - Pearson's correlation of two maps over the points where both are finite.

    0 for equal maps and for two maps without any contrast, about 1 for unrelated ones. A map
    without contrast shares nothing with one that has some: 1.
    """
    both = np.isfinite(first) & np.isfinite(second)
    a, b = first[both].astype(np.float64), second[both].astype(np.float64)
    a, b = a - a.mean(), b - b.mean()
    size = np.sqrt((a @ a) * (b @ b))
    if size == 0.0:
        return 0.0 if not a.any() and not b.any() else 1.0
    return float(1.0 - (a @ b) / size)


def same_dislocations(first: State, second: State, moved_nm: float = MOVED_NM) -> bool:
    """Tell whether two states hold the same dislocations at the same places.

    Slip of whole planes is left out: it shows in the body's shape alone.
    """
    if len(first.plane) != len(second.plane):
        return False
    one, two = (np.lexsort((s.position_nm, s.plane)) for s in (first, second))
    return bool(
        np.array_equal(first.plane[one], second.plane[two])
        and np.array_equal(first.sign[one], second.sign[two])
        and np.all(np.abs(first.position_nm[one] - second.position_nm[two]) < moved_nm)
    )


def cross_validated_probabilities(
    features: pd.DataFrame, label: NDArray[np.int64], specimen: NDArray[np.object_], *, seed: int
) -> NDArray[np.float64]:
    """Return the class probabilities (maps, classes) that a forest gives to specimens unseen.

    A small random forest on the features alone, with all maps of a specimen in one fold. NaN rows
    where there are too few specimens for the folds.
    """
    classes = np.unique(label)
    probabilities = np.full((len(label), len(classes)), np.nan)
    if len(np.unique(specimen)) < _FOLDS:
        return probabilities
    values = features.to_numpy(np.float64)
    for train, test in GroupKFold(_FOLDS).split(values, label, specimen):
        forest = RandomForestClassifier(
            _TREES, min_samples_leaf=_SMALLEST_LEAF, random_state=seed % 2**32, n_jobs=1
        ).fit(values[train], label[train])
        where = np.searchsorted(classes, forest.classes_)
        probabilities[test] = 0.0
        probabilities[np.ix_(test, where)] = forest.predict_proba(values[test])
    return probabilities


def pair_auc(
    probabilities: NDArray[np.float64],
    label: NDArray[np.int64],
    specimen: NDArray[np.object_],
    pair: tuple[int, int],
    *,
    seed: int,
    resamples: int = 2000,
) -> Estimate:
    """Return how well two classes are ordered: area under the ROC curve, 0.5 for not at all.

    Of the maps of these two classes, by the share that the second has of both probabilities. The
    interval is a percentile bootstrap over specimens. NaN throughout where a class is missing.
    """
    chosen = np.isin(label, pair) & np.isfinite(probabilities).all(axis=1)
    label, of_both = label[chosen], probabilities[chosen][:, list(pair)]
    second = label == pair[1]
    if second.all() or not second.any():
        return Estimate(float("nan"), float("nan"), float("nan"))
    total = of_both.sum(axis=1)
    score = np.where(total > 0, of_both[:, 1] / np.where(total > 0, total, 1.0), 0.5)
    above = score[second][:, None] - score[~second][None, :]
    wins = (above > 0) + 0.5 * (above == 0)
    weights = specimen_resamples(specimen[chosen], seed=seed, resamples=resamples)
    ones, twos = weights[:, ~second].astype(float), weights[:, second].astype(float)
    shares = ((twos @ wins) * ones).sum(axis=1) / (ones.sum(axis=1) * twos.sum(axis=1))
    low, high = np.quantile(shares, [0.025, 0.975])
    return Estimate(float(wins.mean()), float(low), float(high))
