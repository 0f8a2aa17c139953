"""The paper's baseline: two-point correlations, principal components, random forest.

The paper publishes neither the number of components nor the size of the forest, nor whether the
correlated field had two local states. All three are chosen by cross-validation on the training
maps, folds made of whole specimens, and reported.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.ensemble import RandomForestClassifier
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline

from strainprint.baseline.correlate import read_correlations
from strainprint.baseline.shape_only import shape_probabilities
from strainprint.dataset.manifest import classes_of, read_manifest
from strainprint.dataset.splits import PARTS, read_split
from strainprint.errors import BadInputError
from strainprint.files import write_csv, write_json
from strainprint.networks.predictions import prediction_metrics, write_predictions
from strainprint.seeds import derive_seed

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class ForestChoice:
    """One point of the cross-validation grid."""

    states: str
    components: int
    trees: int


def correlation_pipeline(choice: ForestChoice, random_state: int) -> Pipeline:
    """Return the unfitted pipeline: principal components, then a random forest.

    Correlations share one unit and are not scaled: PCA would otherwise weigh lags by their noise.
    """
    return Pipeline(
        [
            ("components", PCA(choice.components, svd_solver="full")),
            ("forest", RandomForestClassifier(choice.trees, random_state=random_state, n_jobs=1)),
        ]
    )


def classify_correlations(
    manifest_csv: str | Path,
    split_csv: str | Path,
    correlations_zarr: str | Path,
    correlations_json: str | Path,
    out_predictions_csv: str | Path,
    out_shape_predictions_csv: str | Path,
    out_cross_validation_csv: str | Path,
    out_metrics_json: str | Path,
    *,
    seed: int,
    components: Sequence[int] = (8, 32),
    trees: Sequence[int] = (100, 300),
    folds: int = 5,
) -> None:
    """Classify every map by its correlations, by its shape alone and by chance.

    Everything is fitted on the training maps. The metrics hold the correlation baseline's accuracy
    by part, what cross-validation chose, and under ``shape_only`` and ``chance`` (the commonest
    training class) what a classifier gets that sees no map.

    Parameters
    ----------
    manifest_csv, split_csv, correlations_zarr, correlations_json
        Inputs, all of one dataset.
    out_predictions_csv, out_shape_predictions_csv, out_cross_validation_csv, out_metrics_json
        Outputs. Columns of the cross-validation: states, components, trees, fold, n, accuracy.
    seed
        The config's seed.
    components, trees
        Grid of the cross-validation. Components beyond what a fold's training maps span are left
        out. The shape-only forest has the largest number of trees.
    folds
        Folds of whole specimens; no more than there are training specimens.

    Raises
    ------
    BadInputError
        Inputs of different datasets, fewer than two training specimens, or an impossible grid.
    """
    manifest = read_manifest(manifest_csv)
    parts = read_split(split_csv, manifest)
    vectors = read_correlations(correlations_zarr, correlations_json, manifest)
    classes = classes_of(manifest)
    labels = manifest["label"].to_numpy()
    train = parts == "train"
    random_state = _random_state(seed, "correlation")

    scores = cross_validate(
        {states: values[train] for states, values in vectors.items()},
        labels[train],
        manifest["specimen_id"].to_numpy()[train],
        components=components,
        trees=trees,
        folds=folds,
        random_state=random_state,
    )
    choice, accuracy = best_choice(scores)
    _log.info("cross-validation chose %s (accuracy %.4f)", choice, accuracy)
    features = vectors[choice.states].astype(np.float64)
    pipeline = correlation_pipeline(choice, random_state).fit(features[train], labels[train])
    probabilities = np.zeros((len(manifest), len(classes)))
    probabilities[:, pipeline.classes_] = pipeline.predict_proba(features)
    shape = shape_probabilities(
        manifest,
        train,
        n_classes=len(classes),
        random_state=_random_state(seed, "shape"),
        trees=max(trees),
    )
    commonest = int(np.bincount(labels[train]).argmax())

    write_csv(out_cross_validation_csv, scores)
    table = write_predictions(out_predictions_csv, manifest, parts, probabilities, classes)
    shape_table = write_predictions(out_shape_predictions_csv, manifest, parts, shape, classes)
    write_json(
        out_metrics_json,
        {
            **prediction_metrics(table),
            "chosen": {
                "states": choice.states,
                "components": choice.components,
                "trees": choice.trees,
                "cross_validation_accuracy": accuracy,
                "explained_variance": float(pipeline["components"].explained_variance_ratio_.sum()),
            },
            "shape_only": prediction_metrics(shape_table),
            "chance": {
                "prior_strain": classes[commonest],
                "accuracy": {
                    part: float((labels[parts == part] == commonest).mean()) for part in PARTS
                },
            },
        },
    )


def cross_validate(
    features: dict[str, NDArray[np.float32]],
    labels: NDArray[np.int64],
    groups: NDArray[np.object_],
    *,
    components: Sequence[int],
    trees: Sequence[int],
    folds: int,
    random_state: int,
) -> pd.DataFrame:
    """Score every point of the grid on folds that leave whole specimens out.

    Scores equal those of :func:`correlation_pipeline` fitted anew for each point. Two facts save
    most of the work: the first k principal components do not depend on how many are asked for,
    and a forest's first trees not on how many follow.

    Parameters
    ----------
    features
        For each kind of input, correlations (n_maps, n_features) of the training maps.
    labels, groups
        Class and specimen of each map, shape (n_maps,).
    components, trees, folds, random_state
        The grid, the number of folds and the forest's seed.

    Returns
    -------
    Columns states, components, trees, fold, n (maps left out), accuracy.
    """
    n_groups = len(np.unique(groups))
    if n_groups < 2 or folds < 2:
        raise BadInputError(
            f"{n_groups} training specimens in {folds} folds",
            allowed="two or more of both",
            way_out="simulate more specimens (per_subset)",
        )
    if not components or not trees or min(*components, *trees) < 1:
        raise BadInputError(
            f"components {list(components)}, trees {list(trees)}", allowed="1 or more of each"
        )
    splitter = GroupKFold(n_splits=min(folds, n_groups))
    splits = list(splitter.split(labels, labels, groups))
    n_features = min(values.shape[1] for values in features.values())
    limit = min(n_features, *(len(fit) for fit, _ in splits))
    within = sorted({k for k in components if k <= limit})
    if not within:
        raise BadInputError(
            f"components {list(components)} of {limit} possible",
            allowed=f"at least one of {limit} or fewer",
            way_out="set baseline.components lower or simulate more specimens",
        )
    rows = []
    for states, values in features.items():
        for fold, (fit, left_out) in enumerate(splits):
            pca = PCA(within[-1], svd_solver="full").fit(values[fit].astype(np.float64))
            scores = pca.transform(values.astype(np.float64))
            for k in within:
                forest = RandomForestClassifier(
                    random_state=random_state, n_jobs=1, warm_start=True
                )
                for n_trees in sorted(set(trees)):
                    forest.set_params(n_estimators=n_trees)
                    forest.fit(scores[fit, :k], labels[fit])
                    right = forest.predict(scores[left_out, :k]) == labels[left_out]
                    rows.append((states, k, n_trees, fold, len(left_out), float(right.mean())))
            _log.info("cross-validation: %s, fold %d of %d", states, fold + 1, len(splits))
    return pd.DataFrame(rows, columns=["states", "components", "trees", "fold", "n", "accuracy"])


def best_choice(scores: pd.DataFrame) -> tuple[ForestChoice, float]:
    """Return the grid point with the most left-out maps right, and its accuracy.

    Of equals, the one with fewer components, then fewer trees, then raw input.
    """
    counted = scores.assign(right=scores["accuracy"] * scores["n"])
    pooled = counted.groupby(["components", "trees", "states"], as_index=False)[
        ["right", "n"]
    ].sum()
    # Whole numbers of maps, so that equals are equal; argmax takes the first of them.
    right = np.rint(pooled["right"].to_numpy())
    best = int(right.argmax())
    states, components, trees, count = (
        pooled[name].tolist()[best] for name in ("states", "components", "trees", "n")
    )
    return ForestChoice(states, components, trees), float(right[best]) / count


def _random_state(seed: int, purpose: str) -> int:
    return derive_seed(seed, "baseline", purpose) % 2**32
