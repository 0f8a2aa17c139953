"""Which training maps resemble a test map, in a network's features or any other space."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.distance import cdist
from sklearn.decomposition import PCA

from strainprint.errors import BadInputError

_WAY_OUT = "delete it and re-run the rule `infer`"


def read_features(path: str | Path, n_maps: int) -> NDArray[np.float32]:
    """Return the network's features of every map, shape (n_maps, n_crops * 64), manifest order.

    Raises
    ------
    BadInputError
        The file is missing, no plain array of numbers, not finite, or of another dataset.
    """
    try:
        features = np.load(path, allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise BadInputError(
            f"not readable as an array ({error})", where=path, way_out=_WAY_OUT
        ) from error
    if (
        not isinstance(features, np.ndarray)
        or features.dtype != np.float32
        or features.ndim != 2
        or features.shape[0] != n_maps
        or features.shape[1] == 0
    ):
        found = (
            f"shape {features.shape}, type {features.dtype}"
            if hasattr(features, "shape")
            else "an archive"
        )
        raise BadInputError(
            f"features are {found}",
            where=path,
            allowed=f"float32 of shape ({n_maps}, n_features)",
            way_out=_WAY_OUT,
        )
    bad = np.flatnonzero(~np.isfinite(features).all(axis=1))
    if bad.size:
        raise BadInputError(
            f"features of {bad.size} maps are not finite, the first in row {bad[0]}",
            where=path,
            way_out=_WAY_OUT,
        )
    return features


def nearest_neighbours(
    query: NDArray[np.floating],
    reference: NDArray[np.floating],
    count: int,
    *,
    query_groups: Sequence[str] | None = None,
    reference_groups: Sequence[str] | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nearest reference rows of every query row, nearest first, and their distances.

    Euclidean in float64; of equally near rows the earlier one comes first. With groups, a
    reference row of the query's own group is never a neighbour.

    Parameters
    ----------
    query, reference
        Shapes (n_query, n_features) and (n_reference, n_features).
    count
        Neighbours asked for; where there are fewer reference rows, all of them are returned.
    query_groups, reference_groups
        Group of every row, e.g. its specimen; both or neither.

    Returns
    -------
    Indices into ``reference`` and distances, both (n_query, min(count, n_reference)); -1 and
    infinity where the other groups have fewer rows.
    """
    if count < 1 or len(reference) == 0:
        raise BadInputError(
            f"{count} neighbours among {len(reference)} training maps",
            allowed="one or more of both",
            way_out="simulate more specimens (per_subset)",
        )
    distances = cdist(
        query.astype(np.float64, copy=False), reference.astype(np.float64, copy=False)
    )
    if query_groups is not None and reference_groups is not None:
        own = np.asarray(query_groups)[:, np.newaxis] == np.asarray(reference_groups)
        distances[own] = np.inf
    order = np.argsort(distances, axis=1, kind="stable")[:, :count].astype(np.int64)
    found = np.take_along_axis(distances, order, axis=1)
    return np.where(np.isfinite(found), order, -1), found


def mean_of_neighbours(
    curves: NDArray[np.float64], nearest: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the mean curve of each row's neighbours, (n_query, n_points); NaN where it has none.

    Parameters
    ----------
    curves
        Curves of the reference rows, (n_reference, n_points).
    nearest
        Indices into them, (n_query, k), -1 for none.
    """
    there = nearest >= 0
    total = np.einsum("ij,ijp->ip", there.astype(float), curves[nearest])
    count = there.sum(axis=1, keepdims=True)
    mean = np.divide(total, count, out=np.full_like(total, np.nan), where=count > 0)
    return np.asarray(mean, dtype=np.float64)


def cross_validated_count(
    curves: NDArray[np.float64],
    nearest: NDArray[np.int64],
    candidates: Sequence[int],
) -> tuple[int, dict[int, float]]:
    """Return the number of neighbours that predicts training curves best, and every one's error.

    The error is the mean over training maps of the relative RMSE of the mean curve of their k
    neighbours; the smallest k wins a tie. When a map's own specimen is never its neighbour, this
    is cross-validation that leaves out one specimen at a time.

    Parameters
    ----------
    curves
        Curves of the training maps, (n_train, n_points).
    nearest
        Each training map's neighbours among them, (n_train, at least the largest candidate or as
        many as there are).
    candidates
        Every k to try.
    """
    scale = np.sqrt(np.mean(curves**2, axis=1))
    errors: dict[int, float] = {}
    for k in sorted(set(candidates)):
        predicted = mean_of_neighbours(curves, nearest[:, :k])
        error = np.sqrt(np.mean((predicted - curves) ** 2, axis=1)) / scale
        known = np.isfinite(error)
        errors[k] = float(error[known].mean()) if known.any() else float("nan")
    usable = {k: error for k, error in errors.items() if np.isfinite(error)}
    # One training specimen leaves nothing to choose by.
    best = min(usable, key=lambda k: (usable[k], k)) if usable else min(errors)
    return best, errors


@dataclass(frozen=True)
class ChosenCount:
    """How many neighbours predict training curves best when none is of the own specimen.

    Attributes
    ----------
    count
        The best number.
    errors
        The mean relative RMSE of every candidate.
    curves
        Curves of the training maps, (n_train, n_points).
    nearest
        Each training map's neighbours of other specimens, nearest first, -1 for none.
    """

    count: int
    errors: dict[int, float]
    curves: NDArray[np.float64]
    nearest: NDArray[np.int64]

    def left_out_mpa(self, count: int) -> NDArray[np.float64]:
        """Return what that many neighbours predict for each training map, as ``curves``."""
        return mean_of_neighbours(self.curves, self.nearest[:, :count])


def choose_count(
    points: NDArray[np.floating],
    curves: NDArray[np.float64],
    specimens: Sequence[str],
    candidates: Sequence[int],
) -> ChosenCount:
    """Choose the number of neighbours on training maps alone, without their own specimens.

    Parameters
    ----------
    points
        Training maps in the space in which neighbours are near, (n_train, n_features).
    curves, specimens
        Theirs, (n_train, n_points) and (n_train,).
    candidates
        Every number to try (:func:`cross_validated_count`).
    """
    nearest, _ = nearest_neighbours(
        points, points, max(candidates), query_groups=specimens, reference_groups=specimens
    )
    count, errors = cross_validated_count(curves, nearest, candidates)
    return ChosenCount(count, errors, curves, nearest)


def component_scores(
    vectors: NDArray[np.floating], train: NDArray[np.bool_], components: int
) -> NDArray[np.float64]:
    """Return principal-component scores of all rows, the components fitted on training rows.

    No more components than the training rows span: min(components, n_train, n_features).
    """
    fitted = vectors[train].astype(np.float64)
    pca = PCA(min(components, *fitted.shape), svd_solver="full").fit(fitted)
    return np.asarray(pca.transform(vectors.astype(np.float64)), dtype=np.float64)
