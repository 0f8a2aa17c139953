"""Which training maps resemble a test map, in a network's features or any other space."""

from __future__ import annotations

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
    query: NDArray[np.floating], reference: NDArray[np.floating], count: int
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Return the nearest reference rows of every query row, nearest first, and their distances.

    Euclidean in float64; of equally near rows the earlier one comes first.

    Parameters
    ----------
    query, reference
        Shapes (n_query, n_features) and (n_reference, n_features).
    count
        Neighbours asked for; where there are fewer reference rows, all of them are returned.

    Returns
    -------
    Indices into ``reference`` and distances, both (n_query, min(count, n_reference)).
    """
    if count < 1 or len(reference) == 0:
        raise BadInputError(
            f"{count} neighbours among {len(reference)} training maps",
            allowed="one or more of both",
            way_out="simulate more specimens (per_subset)",
        )
    distances = cdist(query.astype(np.float64), reference.astype(np.float64))
    order = np.argsort(distances, axis=1, kind="stable")[:, :count]
    return order.astype(np.int64), np.take_along_axis(distances, order, axis=1)


def component_scores(
    vectors: NDArray[np.floating], train: NDArray[np.bool_], components: int
) -> NDArray[np.float64]:
    """Return principal-component scores of all rows, the components fitted on training rows.

    No more components than the training rows span: min(components, n_train, n_features).
    """
    fitted = vectors[train].astype(np.float64)
    pca = PCA(min(components, *fitted.shape), svd_solver="full").fit(fitted)
    return np.asarray(pca.transform(vectors.astype(np.float64)), dtype=np.float64)
