"""The ensemble is the mean of its members, and members must speak of the same maps."""

import json

import numpy as np
import pandas as pd
import pytest

from strainprint.errors import BadInputError
from strainprint.networks.ensemble import average_predictions
from strainprint.networks.predictions import read_predictions, write_predictions

CLASSES = ("0.001", "0.1")
MANIFEST = pd.DataFrame({"map_id": ["a", "b"], "strain_path": ["0.001", "0.1"]})


def member(path, probabilities, manifest=MANIFEST, parts=("train", "test"), classes=CLASSES):
    write_predictions(path, manifest, parts, probabilities, classes)
    return path


def test_probabilities_are_averaged_and_the_majority_can_be_outvoted(tmp_path):
    members = [
        member(tmp_path / "1.csv", [[0.9, 0.1], [0.55, 0.45]]),
        member(tmp_path / "2.csv", [[0.7, 0.3], [0.55, 0.45]]),
        member(tmp_path / "3.csv", [[0.2, 0.8], [0.1, 0.9]]),
    ]
    average_predictions(members, tmp_path / "out" / "p.csv", tmp_path / "out" / "m.json")
    table = read_predictions(tmp_path / "out" / "p.csv")
    np.testing.assert_allclose(table.probabilities, [[0.6, 0.4], [0.4, 0.6]], atol=1e-9)
    assert table.predicted_class.tolist() == [0, 1]
    metrics = json.loads((tmp_path / "out" / "m.json").read_text())
    assert metrics["accuracy"] == {"train": 1.0, "validation": None, "test": 1.0}
    assert metrics["members"] == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"manifest": MANIFEST.assign(map_id=["a", "c"])}, "map_id"),
        ({"manifest": MANIFEST.assign(map_id=["b", "a"])}, "map_id"),
        ({"manifest": MANIFEST.assign(strain_path=["0.1", "0.1"])}, "prior_strain"),
        ({"parts": ("train", "train")}, "part"),
        ({"classes": ("0.001", "0.1", "0.2"), "probabilities": [[1, 0, 0], [0, 1, 0]]}, "classes"),
    ],
)
def test_members_that_differ_are_refused_by_name(tmp_path, change, message):
    first = member(tmp_path / "first.csv", [[0.9, 0.1], [0.5, 0.5]])
    probabilities = change.pop("probabilities", [[0.9, 0.1], [0.5, 0.5]])
    other = member(tmp_path / "other.csv", probabilities, **change)
    with pytest.raises(BadInputError, match=message) as error:
        average_predictions([first, other], tmp_path / "p.csv", tmp_path / "m.json")
    assert "other.csv" in str(error.value)
    assert not (tmp_path / "p.csv").exists()


def test_an_ensemble_of_nobody_is_refused(tmp_path):
    with pytest.raises(BadInputError, match="members"):
        average_predictions([], tmp_path / "p.csv", tmp_path / "m.json")
