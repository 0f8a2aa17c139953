"""The prediction table: what is written is read, and what is wrong is named."""

import numpy as np
import pandas as pd
import pytest

from strainprint.errors import BadInputError
from strainprint.networks.predictions import (
    accuracy_by_part,
    prediction_metrics,
    read_predictions,
    write_predictions,
)

CLASSES = ("0.001", "0.01", "0.1")
MANIFEST = pd.DataFrame(
    {
        "map_id": ["a", "b", "c", "d"],
        "strain_path": ["0.001", "0.01", "0.1", "0.1"],
        "label": [0, 1, 2, 2],
    }
)
PARTS = ["train", "train", "test", "test"]
PROBABILITIES = np.array([[0.8, 0.1, 0.1], [0.6, 0.3, 0.1], [0.0, 0.25, 0.75], [0.2, 0.5, 0.3]])


def test_what_is_written_is_read(tmp_path):
    path = tmp_path / "predictions.csv"
    written = write_predictions(path, MANIFEST, PARTS, PROBABILITIES, CLASSES)
    read = read_predictions(path)
    pd.testing.assert_frame_equal(written.frame, read.frame)
    assert read.classes == CLASSES
    np.testing.assert_array_equal(read.probabilities, PROBABILITIES)
    assert read.predicted_class.tolist() == [0, 0, 2, 1]
    assert read.true_class.tolist() == [0, 1, 2, 2]
    header = path.read_text().splitlines()[0]
    assert header == (
        "map_id,part,prior_strain,prior_strain_predicted,p_prior_0.001,p_prior_0.01,p_prior_0.1"
    )


def test_a_class_may_be_the_name_of_a_strain_path(tmp_path):
    names = ("0.01", "back-and-forth")
    manifest = pd.DataFrame({"map_id": ["a", "b"], "strain_path": [names[1], names[0]]})
    written = write_predictions(
        tmp_path / "p.csv", manifest, ["train", "test"], [[0.4, 0.6], [0.3, 0.7]], names
    )
    read = read_predictions(tmp_path / "p.csv")
    pd.testing.assert_frame_equal(written.frame, read.frame)
    assert read.classes == names
    assert read.true_class.tolist() == [1, 0]
    assert read.frame["prior_strain_predicted"].tolist() == [names[1], names[1]]


def test_metrics_by_hand(tmp_path):
    table = write_predictions(tmp_path / "p.csv", MANIFEST, PARTS, PROBABILITIES, CLASSES)
    assert accuracy_by_part(table) == {"train": 0.5, "validation": None, "test": 0.5}
    metrics = prediction_metrics(table)
    assert metrics["n"] == {"train": 2, "validation": 0, "test": 2}
    assert metrics["confusion"]["test"] == [[0, 0, 0], [0, 0, 0], [0, 1, 1]]
    assert metrics["log_loss"]["test"] == pytest.approx(-(np.log(0.75) + np.log(0.3)) / 2)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.replace("0.75", "0.74"), "map c"),
        (lambda t: t.replace("0.75", "nan"), "map c"),
        (lambda t: t.replace("\nb,", "\na,"), "twice"),
        (lambda t: t.replace("test", "exam"), "exam"),
        (lambda t: t.replace("b,train,0.01,", "b,train,0.02,"), "no class"),
        (lambda t: t.replace("a,train,0.001,0.001", "a,train,0.001,0.01"), "most probable"),
        (lambda t: t.replace("part,", "share,"), "columns"),
        (lambda t: t.replace("p_prior_0.1", "p_prior_x"), "no class"),
        (lambda t: t.replace("b,train,0.01,", "b,train,soft,"), "no class"),
        (lambda t: t.replace("0.75", "soft"), "no number"),
        (lambda t: "", "not readable"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, change, message):
    path = tmp_path / "predictions.csv"
    write_predictions(path, MANIFEST, PARTS, PROBABILITIES, CLASSES)
    path.write_text(change(path.read_text()))
    with pytest.raises(BadInputError, match=message):
        read_predictions(path)


def test_a_missing_table_is_named(tmp_path):
    with pytest.raises(BadInputError, match="nowhere"):
        read_predictions(tmp_path / "nowhere.csv")


def test_probabilities_of_another_shape_are_refused(tmp_path):
    with pytest.raises(BadInputError, match="fit together"):
        write_predictions(tmp_path / "p.csv", MANIFEST, PARTS, PROBABILITIES[:, :2], CLASSES)
    assert not (tmp_path / "p.csv").exists()
