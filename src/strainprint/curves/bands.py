"""Bands around a predicted stress-strain curve that should hold the middle 80 % of true curves.

Two kinds. The *spread* is the 10 and 90 % quantile of the neighbours' own curves at every strain:
what the paper's pictures suggest, with no promise. The *conformal* band moves the prediction by
the 10 and 90 % quantiles of the errors that the same method makes on training specimens that it
did not see: at each single strain it holds at least 80 % of the curves of new specimens like those
of the training set, on average over training sets.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.networks.calibration import conformal_thresholds

TAIL = 0.1
"""Share of true curves that may lie below a band, and above it."""

FEWEST_NEIGHBOURS = 5
"""Neighbours below which a spread says nothing: 10 and 90 % quantiles of four curves are guesses"""

FEWEST_SPECIMENS = 9
"""Training specimens below which no conformal limit of 90 % exists: n / (n + 1) must reach it."""


def neighbour_spread(
    curves: NDArray[np.float64], nearest: NDArray[np.int64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the 10 and 90 % quantiles of the neighbours' curves, both (n_query, n_points).

    NaN for rows with fewer than :data:`FEWEST_NEIGHBOURS` neighbours. Arguments as in
    :func:`strainprint.curves.neighbours.mean_of_neighbours`.
    """
    low = np.full((len(nearest), curves.shape[1]), np.nan)
    high = low.copy()
    for row, near in enumerate(nearest):
        chosen = curves[near[near >= 0]]
        if len(chosen) >= FEWEST_NEIGHBOURS:
            low[row], high[row] = np.quantile(chosen, [TAIL, 1 - TAIL], axis=0)
    return low, high


def relative_errors(
    true_mpa: NDArray[np.float64], predicted_mpa: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return errors in mean stresses of the predicted curve, as given, and which rows are finite.

    So strong and weak specimens compare; both arguments (n, n_points).
    """
    errors = (true_mpa - predicted_mpa) / predicted_mpa.mean(axis=1, keepdims=True)
    return errors, np.isfinite(errors).all(axis=1)


def clustered_limits(
    scores: NDArray[np.float64], clusters: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return limits that a new cluster's score leaves with at most 10 % chance on either side.

    Every cluster weighs the same, shared among its rows, and one more of the same weight stands
    for the new one beyond either end.

    Parameters
    ----------
    scores
        Shape (n, n_points).
    clusters
        Cluster of every row, e.g. its specimen.

    Returns
    -------
    Lower and upper limits, both (n_points,); infinite with fewer than :data:`FEWEST_SPECIMENS`
    clusters. Source: split conformal prediction for two-layer hierarchical data, Dunn, Wasserman
    and Ramdas, J. Am. Stat. Assoc. 118 (2023) 2491, pooled CDF.
    """
    if len(scores) != len(clusters) or not len(scores):
        raise BadInputError(f"{len(scores)} scores of {len(clusters)} maps", allowed="one or more")
    low, high = (
        conformal_thresholds(sign * scores, 1 - TAIL, clusters=clusters) for sign in (-1, 1)
    )
    return -low, high


def conformal_bands(
    true_mpa: NDArray[np.float64],
    left_out_mpa: NDArray[np.float64],
    subsets: Sequence[str],
    specimens: Sequence[str],
    predicted_mpa: NDArray[np.float64],
    predicted_subsets: Sequence[str],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the conformal band of each predicted curve, both limits (n_test, n_points), in MPa.

    Errors are those of :func:`relative_errors`. A subset with :data:`FEWEST_SPECIMENS` training
    specimens or more has limits of its own; the others share those of all subsets. NaN where there
    is no limit or no curve.

    Parameters
    ----------
    true_mpa, left_out_mpa
        Training curves, and what the method predicts for them without their specimen,
        (n_train, n_points).
    subsets, specimens
        Of the training maps.
    predicted_mpa, predicted_subsets
        Curves predicted for test maps, (n_test, n_points), and their subsets.
    """
    scores, known = relative_errors(true_mpa, left_out_mpa)
    of_subset, of_specimen = np.asarray(subsets), np.asarray(specimens)
    test_subsets = np.asarray(predicted_subsets)
    low, high = np.full_like(predicted_mpa, np.nan), np.full_like(predicted_mpa, np.nan)
    for subset in np.unique(test_subsets):
        chosen = known & (of_subset == subset)
        if len(np.unique(of_specimen[chosen])) < FEWEST_SPECIMENS:
            chosen = known
        if not chosen.any():
            continue
        below, above = clustered_limits(scores[chosen], of_specimen[chosen].tolist())
        here = test_subsets == subset
        level = predicted_mpa[here].mean(axis=1, keepdims=True)
        low[here] = predicted_mpa[here] + below * level
        high[here] = predicted_mpa[here] + above * level
    unknown = ~(np.isfinite(low) & np.isfinite(high))
    low[unknown] = high[unknown] = np.nan
    return low, high
