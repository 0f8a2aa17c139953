"""Classifiers of correlation components, and the settings that cross-validation tries of each.

The paper names a random forest only. The others are there so that a weak classifier is no excuse
for the baseline.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.dummy import DummyClassifier
from sklearn.ensemble import HistGradientBoostingClassifier, RandomForestClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC

from strainprint.errors import BadInputError

CLASSIFIERS = ("forest", "logistic", "svm", "boosted")
"""Random forest, logistic regression, support vectors with a Gaussian kernel, boosted trees."""

_GROWING = ("forest", "boosted")

# Simplest first: of equals, cross-validation takes the first. Support vectors and logistic
# regression see components of unit variance, so gamma times their number is of order 1.
_GRIDS: dict[str, list[dict[str, Any]]] = {
    "logistic": [{"C": c} for c in (0.01, 0.1, 1.0, 10.0, 100.0)],
    "svm": [{"C": c, "gamma": g} for c, g in product((1.0, 10.0, 100.0), (0.003, 0.03, 0.3))],
    "boosted": [
        {"learning_rate": 0.1, "max_iter": count, "max_leaf_nodes": 8} for count in (10, 30, 100)
    ],
}


def settings(classifier: str, trees: Sequence[int]) -> list[dict[str, Any]]:
    """Return the settings that cross-validation tries, simplest first.

    Raises
    ------
    BadInputError
        The classifier is not known.
    """
    if classifier == "forest":
        return [{"n_estimators": count} for count in sorted(set(trees))]
    if classifier not in _GRIDS:
        raise BadInputError(f"classifier {classifier!r}", allowed=", ".join(CLASSIFIERS))
    return _GRIDS[classifier]


def setting_name(setting: dict[str, Any]) -> str:
    """Return a setting as text for tables, e.g. ``C=10 gamma=0.03``."""
    return " ".join(f"{name}={value:g}" for name, value in setting.items())


def unfitted(classifier: str, setting: dict[str, Any], random_state: int) -> Any:
    """Return the scikit-learn classifier."""
    if classifier == "forest":
        return RandomForestClassifier(random_state=random_state, n_jobs=1, **setting)
    if classifier == "logistic":
        return make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000, **setting))
    if classifier == "svm":
        # Ties broken by the decision function, whose largest value is then the predicted class.
        return make_pipeline(StandardScaler(), SVC(break_ties=True, **setting))
    return HistGradientBoostingClassifier(
        random_state=random_state, early_stopping=False, **setting
    )


def fitted_settings(
    classifier: str,
    trees: Sequence[int],
    random_state: int,
    components: NDArray[np.float64],
    labels: NDArray[np.int64],
) -> Iterator[tuple[dict[str, Any], Any]]:
    """Yield every setting with its classifier, fitted; use one before asking for the next.

    The first trees do not depend on how many follow, in a forest and in boosting, so more grow from
    fewer. Where all labels are equal the classifier names this one always.
    """
    single = len(np.unique(labels)) < 2
    model: Any = None
    for setting in settings(classifier, trees):
        if single:
            model = DummyClassifier()
        elif model is not None and classifier in _GROWING:
            model.set_params(**setting)
        else:
            model = unfitted(classifier, setting, random_state)
            if classifier in _GROWING:
                model.set_params(warm_start=True)
        yield setting, model.fit(components, labels)


def class_probabilities(
    model: Any, components: NDArray[np.float64], n_classes: int
) -> NDArray[np.float64]:
    """Return probabilities of all classes, shape (n_maps, n_classes).

    A class that the model was not trained on has probability 0. Support vectors have none of their
    own: theirs is the softmax of the decision function, which keeps the predicted class and is to
    be calibrated.
    """
    probabilities = np.zeros((len(components), n_classes))
    if hasattr(model, "predict_proba"):
        found = model.predict_proba(components)
    else:
        decision = model.decision_function(components)
        if decision.ndim == 1:
            decision = np.stack([-decision, decision], axis=1)
        powers = np.exp(decision - decision.max(axis=1, keepdims=True))
        found = powers / powers.sum(axis=1, keepdims=True)
    probabilities[:, model.classes_] = found
    return probabilities
