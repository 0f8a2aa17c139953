"""The shape-only baseline: what class can be read without looking at the map.

Pictures of bodies that were shortened differ in their shape, and a min-max scaled picture betrays
by its mean grey how peaked its strain is (learning.md 4). A network that only matches this
baseline has learned nothing about dislocations.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.ensemble import RandomForestClassifier

FEATURES = ("rows", "columns", "aspect", "grey_mean", "grey_zero_fraction")


def shape_features(manifest: pd.DataFrame) -> NDArray[np.float64]:
    """Return height, width, aspect (columns / rows) and grey statistics, shape (n_maps, 5)."""
    table = manifest.assign(aspect=manifest["columns"] / manifest["rows"])
    return table[list(FEATURES)].to_numpy(dtype=np.float64)


def shape_probabilities(
    manifest: pd.DataFrame,
    train: NDArray[np.bool_],
    *,
    n_classes: int,
    random_state: int,
    trees: int,
) -> NDArray[np.float64]:
    """Fit a random forest on the training maps' shapes; return probabilities of all maps.

    Parameters
    ----------
    manifest
        The dataset's manifest, n_maps rows.
    train
        True for training maps, shape (n_maps,).
    n_classes, random_state, trees
        Number of classes, seed and size of the forest.

    Returns
    -------
    Shape (n_maps, n_classes); a class without a training map has probability 0.
    """
    features = shape_features(manifest)
    forest = RandomForestClassifier(trees, random_state=random_state, n_jobs=1)
    forest.fit(features[train], manifest["label"].to_numpy()[train])
    probabilities = np.zeros((len(manifest), n_classes))
    probabilities[:, forest.classes_] = forest.predict_proba(features)
    return probabilities
