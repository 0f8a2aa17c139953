"""The paper's baseline: two-point correlations, principal components, random forest; tuned.

The paper publishes neither the number of components nor the size of the forest, nor whether the
correlated field had two local states. All are chosen by cross-validation on the training maps,
folds made of whole specimens, and so are the window of lags and the classifier. Every variant is
reported beside the one chosen, which no test map has a say in.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import Pipeline
from threadpoolctl import threadpool_limits

from strainprint.baseline.classifiers import (
    CLASSIFIERS,
    class_probabilities,
    fitted_settings,
    setting_name,
    settings,
    unfitted,
)
from strainprint.baseline.correlate import read_correlations, read_lag_grid
from strainprint.baseline.features import STATES
from strainprint.baseline.shape_only import shape_probabilities
from strainprint.baseline.two_point import half_plane_lags
from strainprint.dataset.manifest import classes_of, read_manifest
from strainprint.dataset.splits import PARTS, read_split
from strainprint.errors import BadInputError
from strainprint.files import write_csv, write_json
from strainprint.networks.calibration import temperature, tempered
from strainprint.networks.predictions import prediction_metrics, write_predictions
from strainprint.seeds import derive_seed

WINDOWS = ("whole", "pymks")
_VARIANT = ["input", "window", "classifier"]

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Variant:
    """One way to build the baseline, with what cross-validation chose for it.

    Attributes
    ----------
    input
        ``raw`` or ``two_state``.
    window
        ``whole``, or ``pymks`` for the lags that PyMKS 0.4.1 would have kept.
    classifier
        One of :data:`strainprint.baseline.classifiers.CLASSIFIERS`.
    components
        Number of principal components.
    setting
        Settings of the classifier.
    accuracy
        Share of the training maps right when their fold was left out.
    """

    input: str
    window: str
    classifier: str
    components: int
    setting: dict[str, Any]
    accuracy: float

    @property
    def name(self) -> str:
        """The variant in one word, e.g. ``raw-whole-forest``."""
        return f"{self.input}-{self.window}-{self.classifier}"

    def pipeline(self, random_state: int) -> Pipeline:
        """Return the unfitted pipeline: principal components, then the classifier.

        Correlations share one unit and are not scaled: PCA would otherwise weigh lags by their
        noise.
        """
        return Pipeline(
            [
                ("components", PCA(self.components, svd_solver="full")),
                ("classifier", unfitted(self.classifier, self.setting, random_state)),
            ]
        )


def pymks_window_steps(manifest: pd.DataFrame, lag_step_nm: float) -> int:
    """Return the largest lag that PyMKS 0.4.1 would have kept of every map, in lag steps.

    It clamps lags in both directions to (short side - 1) / 2 pixels, and wants maps of one size:
    the narrowest decides.
    """
    short_side = np.minimum(manifest["rows"], manifest["columns"])
    clamped_nm = float((((short_side - 1) // 2) * manifest["pitch_nm"]).min())
    return math.floor(clamped_nm / lag_step_nm + 1e-9)


def windowed(
    vectors: Mapping[str, NDArray[np.float32]],
    max_lag: tuple[int, int],
    pymks_steps: int,
    *,
    inputs: Sequence[str],
    windows: Sequence[str],
) -> dict[tuple[str, str], NDArray[np.float32]]:
    """Return the correlations of each (input, window), (n_maps, n_features).

    Raises
    ------
    BadInputError
        An input or window is not known, or none is asked for.
    """
    for asked, known in ((inputs, STATES), (windows, WINDOWS)):
        if not asked or set(asked) - set(known):
            raise BadInputError(f"baseline of {list(asked)}", allowed=f"one or more of {known}")
    inside = (np.abs(half_plane_lags(max_lag)) <= pymks_steps).all(axis=1)
    kept = {"whole": np.ones_like(inside), "pymks": inside}
    return {
        (name, window): np.ascontiguousarray(vectors[name][:, kept[window]])
        for name in inputs
        for window in windows
    }


def classify_correlations(
    manifest_csv: str | Path,
    split_csv: str | Path,
    correlations_zarr: str | Path,
    correlations_json: str | Path,
    out_predictions_csv: str | Path,
    out_shape_predictions_csv: str | Path,
    out_cross_validation_csv: str | Path,
    out_variants_csv: str | Path,
    out_variant_predictions_csv: str | Path,
    out_metrics_json: str | Path,
    *,
    seed: int,
    inputs: Sequence[str] = STATES,
    windows: Sequence[str] = WINDOWS,
    classifiers: Sequence[str] = CLASSIFIERS,
    components: Sequence[int] = (8, 32),
    trees: Sequence[int] = (100,),
    folds: int = 5,
) -> None:
    """Classify every map by its correlations, by its shape alone and by chance.

    Everything is fitted on the training maps. ``predictions.csv`` and the metrics are of the
    variant with the best cross-validation; the metrics also hold under ``shape_only`` and
    ``chance`` (the commonest training class) what a classifier gets that sees no map.

    Parameters
    ----------
    manifest_csv, split_csv, correlations_zarr, correlations_json
        Inputs, all of one dataset.
    out_predictions_csv, out_shape_predictions_csv
        Class probabilities of the chosen variant, and from the shape alone.
    out_cross_validation_csv
        Columns input, window, classifier, components, setting, fold, n, accuracy.
    out_variants_csv
        One row for each variant with its window in nm, the number of components and the setting
        chosen for it, its cross-validation accuracy, and whether it is the one chosen;
        ``untrained_classes`` lists the classes that no training map has.
    out_variant_predictions_csv
        Columns map_id, part, prior_strain, and the class that each variant names.
    out_metrics_json
        Metrics of the chosen variant.
    seed
        The config's seed.
    inputs, windows, classifiers
        The variants are all combinations.
    components, trees
        Grid of the cross-validation. Components beyond what a fold's training maps span are left
        out. The shape-only forest has the largest number of trees.
    folds
        Folds of whole specimens; no more than there are training specimens.

    Raises
    ------
    BadInputError
        Inputs of different datasets, fewer than two training specimens, training maps of a single
        class, or an impossible grid.
    """
    manifest = read_manifest(manifest_csv)
    parts = read_split(split_csv, manifest)
    step, max_lag = read_lag_grid(correlations_json)
    pymks_steps = pymks_window_steps(manifest, step)
    features = windowed(
        read_correlations(correlations_zarr, correlations_json, manifest),
        max_lag,
        pymks_steps,
        inputs=inputs,
        windows=windows,
    )
    classes = classes_of(manifest)
    labels = manifest["label"].to_numpy()
    train = parts == "train"
    untrained = [name for i, name in enumerate(classes) if not (labels[train] == i).any()]
    if len(untrained) > len(classes) - 2:
        raise BadInputError(
            f"training maps lack the classes {untrained}",
            where=split_csv,
            allowed="two classes or more to tell apart",
            way_out="simulate more specimens (per_subset)",
        )
    if untrained:
        _log.warning("no training map of %s: no variant can name them", ", ".join(untrained))
    random_state = _random_state(seed, "correlation")
    specimens = manifest["specimen_id"].to_numpy()[train]

    # One thread: boosted trees would take every core, and sums depend on how many.
    with threadpool_limits(1):
        scores = cross_validate(
            {key: values[train] for key, values in features.items()},
            labels[train],
            specimens,
            classifiers=classifiers,
            components=components,
            trees=trees,
            folds=folds,
            random_state=random_state,
        )
        variants = best_variants(scores, trees)
        # max takes the first of equals: the paper's own choices come first.
        chosen = max(variants, key=lambda variant: variant.accuracy)
        _log.info("cross-validation chose %s (accuracy %.4f)", chosen, chosen.accuracy)
        named: dict[str, NDArray[Any]] = {}
        explained: dict[str, float] = {}
        for variant in variants:
            values = features[variant.input, variant.window].astype(np.float64)
            pipeline = variant.pipeline(random_state).fit(values[train], labels[train])
            found = class_probabilities(pipeline, values, len(classes))
            named[variant.name] = np.asarray(classes, dtype=object)[found.argmax(axis=1)]
            explained[variant.name] = float(pipeline["components"].explained_variance_ratio_.sum())
            if variant == chosen:
                probabilities = found
        if chosen.classifier == "svm":
            values = features[chosen.input, chosen.window].astype(np.float64)[train]
            out_of_fold = np.zeros((len(values), len(classes)))
            for fit, left_out in _splits(labels[train], specimens, folds):
                pipeline = chosen.pipeline(random_state)
                if len(np.unique(labels[train][fit])) > 1:
                    pipeline.fit(values[fit], labels[train][fit])
                    out_of_fold[left_out] = class_probabilities(
                        pipeline, values[left_out], len(classes)
                    )
            judged = out_of_fold.any(axis=1)
            if judged.any():
                heat = temperature(out_of_fold[judged], labels[train][judged])
                probabilities = tempered(probabilities, heat)
    shape = shape_probabilities(
        manifest,
        train,
        n_classes=len(classes),
        random_state=_random_state(seed, "shape"),
        trees=max(trees),
    )
    commonest = int(np.bincount(labels[train]).argmax())

    window_nm = {
        "whole": (max_lag[0] * step, max_lag[1] * step),
        "pymks": tuple(min(pymks_steps, lag) * step for lag in max_lag),
    }
    write_csv(out_cross_validation_csv, scores)
    write_csv(
        out_variants_csv,
        pd.DataFrame(
            [
                {
                    "variant": variant.name,
                    "input": variant.input,
                    "window": variant.window,
                    "largest_row_lag_nm": window_nm[variant.window][0],
                    "largest_column_lag_nm": window_nm[variant.window][1],
                    "classifier": variant.classifier,
                    "components": variant.components,
                    "setting": setting_name(variant.setting),
                    "explained_variance": explained[variant.name],
                    "cross_validation_accuracy": variant.accuracy,
                    "chosen": int(variant == chosen),
                    "untrained_classes": " ".join(untrained),
                }
                for variant in variants
            ]
        ),
    )
    write_csv(
        out_variant_predictions_csv,
        pd.DataFrame(
            {
                "map_id": manifest["map_id"],
                "part": parts,
                "prior_strain": manifest["strain_path"],
                **named,
            }
        ),
    )
    table = write_predictions(out_predictions_csv, manifest, parts, probabilities, classes)
    shape_table = write_predictions(out_shape_predictions_csv, manifest, parts, shape, classes)
    write_json(
        out_metrics_json,
        {
            **prediction_metrics(table),
            "chosen": {
                "input": chosen.input,
                "window": chosen.window,
                "classifier": chosen.classifier,
                "components": chosen.components,
                "setting": chosen.setting,
                "cross_validation_accuracy": chosen.accuracy,
                "explained_variance": explained[chosen.name],
            },
            "shape_only": prediction_metrics(shape_table),
            "chance": {
                "prior_strain": classes[commonest],
                "accuracy": {
                    part: (
                        float((labels[parts == part] == commonest).mean())
                        if (parts == part).any()
                        else None
                    )
                    for part in PARTS
                },
            },
        },
    )


def cross_validate(
    features: Mapping[tuple[str, str], NDArray[np.float32]],
    labels: NDArray[np.int64],
    groups: NDArray[np.object_],
    *,
    classifiers: Sequence[str] = CLASSIFIERS,
    components: Sequence[int],
    trees: Sequence[int],
    folds: int,
    random_state: int,
) -> pd.DataFrame:
    """Score every point of the grid on folds that leave whole specimens out.

    Scores equal those of :meth:`Variant.pipeline` fitted anew for each point. Two facts save most
    of the work: the first k principal components do not depend on how many are asked for, and a
    forest's first trees not on how many follow. A fold whose training maps are of one class is
    scored as if this class were always named.

    Parameters
    ----------
    features
        For each input and window, correlations (n_maps, n_features) of the training maps.
    labels, groups
        Class and specimen of each map, shape (n_maps,).
    classifiers, components, trees, folds, random_state
        The grid, the number of folds and the classifiers' seed.

    Returns
    -------
    Columns input, window, classifier, components, setting, fold, n (maps left out), accuracy.
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
    splits = _splits(labels, groups, folds)
    rows = []
    for (name, window), values in features.items():
        within = _within(components, values.shape[1], splits)
        for fold, (fit, left_out) in enumerate(splits):
            pca = PCA(within[-1], svd_solver="full").fit(values[fit].astype(np.float64))
            scores = pca.transform(values.astype(np.float64))
            for classifier in classifiers:
                for k in within:
                    for setting, model in fitted_settings(
                        classifier, trees, random_state, scores[fit, :k], labels[fit]
                    ):
                        right = model.predict(scores[left_out, :k]) == labels[left_out]
                        point = (name, window, classifier, k, setting_name(setting), fold)
                        rows.append((*point, len(left_out), float(right.mean())))
            _log.info(
                "cross-validation: %s, %s window, fold %d of %d",
                name,
                window,
                fold + 1,
                len(splits),
            )
    columns = [*_VARIANT, "components", "setting", "fold", "n", "accuracy"]
    return pd.DataFrame(rows, columns=columns)


def best_variants(scores: pd.DataFrame, trees: Sequence[int]) -> list[Variant]:
    """Return each variant with the grid point that got most left-out maps right.

    Of equals, the one with fewer components, then the simpler setting. Variants come with the
    forest first, as the scores list them.
    """
    counted = scores.assign(right=scores["accuracy"] * scores["n"])
    variants = []
    for key, group in counted.groupby(_VARIANT, sort=False):
        name, window, classifier = map(str, key)
        pooled = group.groupby(["components", "setting"], as_index=False)[["right", "n"]].sum()
        order = {setting_name(setting): i for i, setting in enumerate(settings(classifier, trees))}
        columns = (pooled[column].tolist() for column in ("right", "n", "components", "setting"))
        # Whole numbers of maps, so that equals are equal.
        wrong, components, setting, n = min(
            (n - round(right), k, order[text], n)
            for right, n, k, text in zip(*columns, strict=True)
        )
        variants.append(
            Variant(
                name,
                window,
                classifier,
                components,
                settings(classifier, trees)[setting],
                1 - wrong / n,
            )
        )
    return sorted(variants, key=lambda variant: CLASSIFIERS.index(variant.classifier))


def _splits(
    labels: NDArray[np.int64], groups: NDArray[np.object_], folds: int
) -> list[tuple[NDArray[np.int64], NDArray[np.int64]]]:
    splitter = GroupKFold(n_splits=min(folds, len(np.unique(groups))))
    return list(splitter.split(labels, labels, groups))


def _within(
    components: Sequence[int],
    n_features: int,
    splits: Sequence[tuple[NDArray[np.int64], NDArray[np.int64]]],
) -> list[int]:
    """Return the numbers of components that every fold can have, ascending."""
    limit = min(n_features, *(len(fit) for fit, _ in splits))
    within = sorted({k for k in components if k <= limit})
    if not within:
        raise BadInputError(
            f"components {list(components)} of {limit} possible",
            allowed=f"at least one of {limit} or fewer",
            way_out="set baseline.components lower or simulate more specimens",
        )
    return within


def _random_state(seed: int, purpose: str) -> int:
    return derive_seed(seed, "baseline", purpose) % 2**32
