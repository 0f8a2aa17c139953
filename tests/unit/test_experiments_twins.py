"""The likeness of twins: a variance that is shared by construction comes out."""

import json

import numpy as np
import pandas as pd
import pytest
from small_study import CLASSES, write_small_maps

from strainprint.curves.prediction import reload_curves
from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.splits import build_split
from strainprint.errors import BadInputError
from strainprint.experiments.twins import STRAINS, _points_at, compare_twins, likeness
from strainprint.files import write_csv
from strainprint.maps.picture import grey_picture
from strainprint.maps.store import MapShard
from strainprint.networks.architectures import ARCHITECTURES, ResidualNetwork
from strainprint.networks.inference import predict_picture
from strainprint.networks.predictions import write_predictions
from strainprint.networks.storage import load_network, save_network

ONES = np.ones((1, 4000))


def test_equal_twins_are_fully_alike_and_strangers_not_at_all():
    generator = np.random.default_rng(0)
    one = generator.normal(300, 50, (4000, 3))
    np.testing.assert_allclose(likeness(one, one, ONES), 1.0)
    assert np.abs(likeness(one, generator.normal(300, 50, (4000, 3)), ONES)).max() < 0.05


def test_the_share_of_variance_that_twins_have_in_common_comes_out():
    generator = np.random.default_rng(1)
    shared = generator.normal(300, 40, (4000, 1))
    one, other = (shared + generator.normal(0, 30, (4000, 1)) for _ in range(2))
    assert likeness(one, other, ONES)[0, 0] == pytest.approx(40**2 / (40**2 + 30**2), abs=0.03)
    # It is what a reader of the shared part reaches, and no twin does as well by itself.
    reader = 1 - np.sum((one - shared) ** 2) / np.sum((one - one.mean()) ** 2)
    assert likeness(one, other, ONES)[0, 0] == pytest.approx(reader, abs=0.03)


def test_weights_count_pairs_again():
    one, other = np.array([[1.0], [2.0], [4.0]]), np.array([[1.5], [2.0], [3.0]])
    twice = likeness(one[[0, 0, 2]], other[[0, 0, 2]], np.ones((1, 3)))
    np.testing.assert_allclose(likeness(one, other, np.array([[2, 0, 1]])), twice)


def test_elastic_curves_have_no_likeness():
    assert np.isnan(likeness(np.full((3, 1), 5.0), np.full((3, 1), 5.0), np.ones((1, 3)))).all()


DRAWN = {"scalar": "equivalent", "range_floor": 1e-6}


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """Specimens, a network that read their maps, and twins that are the specimens themselves."""
    root = tmp_path_factory.mktemp("twins")
    shards = write_small_maps(root / "results")
    manifest = build_manifest(
        shards, root / "results", root / "manifest.csv", classes=CLASSES, **DRAWN
    )
    parts = build_split(root / "manifest.csv", root / "split.csv", split="specimen", seed=0)
    network = ResidualNetwork(ARCHITECTURES["res4"], seed=6)
    crops = {"crop_px": 32, "crops_per_map": 6, "scales": [256], "aspect": "keep"}
    save_network(root / "network", network, {"classes": list(CLASSES), "crops": crops})
    trained = load_network(root / "network")
    read = []
    for shard, index in zip(manifest["shard"], manifest["shard_index"], strict=True):
        strain_map = MapShard.open(root / "results" / shard).map(int(index))
        read.append(predict_picture(trained, grey_picture(strain_map, **DRAWN)[0])[0])
    write_predictions(root / "ensemble.csv", manifest, parts["part"], np.array(read), CLASSES)
    strain, stress = reload_curves(manifest, root / "results")
    test = ((parts["part"] == "test") & (manifest["reload"] == "small")).to_numpy()
    write_csv(
        root / "curves.csv",
        pd.DataFrame(
            {
                "map_id": np.repeat(manifest["map_id"].to_numpy()[test], len(strain)),
                "strain": np.tile(strain, int(test.sum())),
                "true_mpa": stress[test].ravel(),
                "cv_mpa": stress[test].ravel(),
            }
        ),
    )
    return root, shards


def compared(root, twins, folder):
    compare_twins(
        root / "manifest.csv",
        root / "results",
        twins,
        [root / "network"],
        root / "ensemble.csv",
        root / "curves.csv",
        folder / "table.csv",
        folder / "summary.json",
        **DRAWN,
        seed=0,
        resamples=100,
        settings={},
    )
    return pd.read_csv(folder / "table.csv").set_index("width_nm")


def test_a_specimen_is_its_own_twin(study, tmp_path):
    root, shards = study
    table = compared(root, shards, tmp_path)
    assert table.index.tolist() == ["all", "30", "40"]
    assert (table["r2_0.01"] == 1).all()
    assert (table["same_class"] == 1).all()
    assert table.loc["all", "pairs"] == 36  # 12 specimens of three classes
    assert table.loc["all", "predicted_r2_0.01"] == 1
    # Read are the test maps alone, both reloads of three specimens of each width at most.
    parts = pd.read_csv(root / "split.csv")["part"]
    assert table.loc["all", "maps"] == (parts == "test").sum()
    summary = json.loads((tmp_path / "summary.json").read_text())
    assert summary["n"] == {"pairs": 36, "specimens": 12}
    assert summary["results"]["r2_by_width_nm"]["30"][-1] == 1


@pytest.mark.parametrize(
    "largest, there",
    [
        (0.0015, {}),
        (0.005, {0.002: 40, 0.005: 100}),
        (0.006, {0.002: 33, 0.005: 83}),
        (0.009, {0.002: 22, 0.005: 56}),
        (0.01, {0.002: 20, 0.005: 50, 0.01: 100}),
        (0.03, {0.002: 7, 0.005: 17, 0.01: 33}),
        (0.9, {0.002: 0, 0.005: 1, 0.01: 1}),
    ],
)
def test_strains_of_the_table_are_those_that_curves_reach(largest, there):
    assert _points_at(np.linspace(0.0, largest, 101), STRAINS) == there


def test_a_strain_that_curves_do_not_reach_has_nothing(study, tmp_path, monkeypatch):
    root, shards = study
    monkeypatch.setattr("strainprint.experiments.twins.STRAINS", (0.002, 0.01, 0.02))
    table = compared(root, shards, tmp_path)
    assert (table["r2_0.01"] == 1).all()
    assert table[["r2_0.02", "r2_0.02_low", "predicted_r2_0.02"]].isna().all(axis=None)


def test_twins_of_some_specimens_are_compared_with_those_alone(study, tmp_path):
    root, shards = study
    table = compared(root, shards[:1], tmp_path)
    assert table.loc["all", "pair_specimens"] == 4


def test_twins_of_nobody_are_refused(study, tmp_path):
    root, _ = study
    others = write_small_maps(tmp_path / "results", widths_nm=(50.0,), specimens=1)
    with pytest.raises(BadInputError, match="no specimen has a twin"):
        compared(root, others, tmp_path)
    assert not (tmp_path / "summary.json").exists()
