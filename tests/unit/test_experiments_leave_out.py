"""Leaving a group of specimens out: it alone tests, and the comparison is map by map."""

import numpy as np
import pandas as pd
import pytest
from small_study import write_small_maps

from strainprint.dataset.manifest import build_manifest, classes_of
from strainprint.dataset.splits import read_split
from strainprint.errors import BadInputError
from strainprint.experiment_record import read_experiment
from strainprint.experiments.leave_out import leave_out, left_out, split_leaving_out
from strainprint.networks.predictions import write_predictions


@pytest.fixture(scope="module")
def manifest_csv(tmp_path_factory):
    folder = tmp_path_factory.mktemp("leave_out")
    maps = write_small_maps(folder / "results")
    path = folder / "manifest.csv"
    build_manifest(
        maps,
        folder / "results",
        path,
        classes=["0.001", "0.01", "0.1"],
        scalar="equivalent",
        range_floor=1e-6,
    )
    return path


def read(manifest_csv):
    return pd.read_csv(manifest_csv, dtype={"strain_path": str})


def test_the_group_alone_tests_and_specimens_stay_whole(manifest_csv, tmp_path):
    table = split_leaving_out(
        manifest_csv, tmp_path / "split.csv", name="width-30", seed=0, train_fraction=0.82
    )
    manifest = read(manifest_csv)
    assert (table["part"] == "test").tolist() == (manifest["width_nm"] == 30).tolist()
    assert table.groupby("specimen_id")["part"].nunique().max() == 1
    dealt = table[table["part"] != "test"].drop_duplicates("specimen_id")["part"]
    assert dealt.value_counts().to_dict() == {"train": 5, "validation": 1}  # 0.18 of 6
    assert set(read_split(tmp_path / "split.csv", manifest)) == {"train", "validation", "test"}


@pytest.mark.parametrize("name", ["slip-2", "width-99"])  # everything, nothing
def test_a_group_must_be_some_but_not_all_maps(manifest_csv, tmp_path, name):
    with pytest.raises(BadInputError, match="left-out group"):
        split_leaving_out(
            manifest_csv, tmp_path / "split.csv", name=name, seed=0, train_fraction=0.8
        )


def test_names_of_groups():
    assert left_out("width-62.5") == ("width_nm", 62.5)
    assert left_out("slip-1") == ("slip_systems", 1.0)
    for wrong in ("height-3", "width", "width-x"):
        with pytest.raises(BadInputError):
            left_out(wrong)


def test_models_are_compared_on_the_maps_that_both_test(manifest_csv, tmp_path):
    manifest = read(manifest_csv)
    classes, labels = classes_of(manifest), manifest["label"].to_numpy()

    def say(name, named, parts):
        path = tmp_path / f"{name}.csv"
        write_predictions(path, manifest, parts, np.eye(3)[named], classes)
        return path

    of_group = (manifest["width_nm"] == 30).to_numpy()
    of_specimen = manifest["specimen"].isin([0, 1, 2]).to_numpy()
    # Without the group: right on its reloads of 0.1 % strain alone; with it: always right.
    small = (manifest["reload"] == "small").to_numpy()
    unseen = say(
        "a", np.where(small, labels, (labels + 1) % 3), np.where(of_group, "test", "train")
    )
    seen = say("b", labels, np.where(of_specimen, "test", "train"))
    leave_out(
        manifest_csv,
        {"width-30": unseen},
        seen,
        tmp_path / "table.csv",
        tmp_path / "summary.json",
        seed=0,
        resamples=200,
        settings={"study": "audited"},
    )
    record = read_experiment(tmp_path / "summary.json")
    (row,) = record.rows
    assert (row["maps"], row["specimens"], row["shared_maps"]) == (36, 6, 18)
    assert row["accuracy"] == row["accuracy_unseen"] == 0.5
    assert row["accuracy_seen"] == 1.0
    assert row["difference"] == row["difference_low"] == row["difference_high"] == -0.5
    assert row["mcnemar_p"] == pytest.approx(2 * 0.5**9)  # nine maps, all one way
    assert row["chance"] == pytest.approx(1 / 3)
    assert record.n == {"maps": 72, "specimens": 12}
