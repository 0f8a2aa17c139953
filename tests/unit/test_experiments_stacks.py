"""Stacks of people's maps: layers as channels, on stacks whose class only one layer shows."""

import json

import numpy as np
import pandas as pd
import pytest
import torch
from small_study import banded_map

from strainprint.dataset.crops import crop_picture
from strainprint.dataset.stacks import write_layer_crops
from strainprint.dataset.store import CropStore, read_crops
from strainprint.errors import BadInputError
from strainprint.experiment_record import read_experiment
from strainprint.experiments.stacks import deal_stacks, fit_stacks, judge_stacks
from strainprint.maps.external_maps import ExternalMap, read_external, stacks_of
from strainprint.maps.ingest import ingest_maps
from strainprint.maps.map_file import read_map_h5, write_map_h5
from strainprint.maps.picture import grey_picture
from strainprint.networks.storage import load_network, save_network
from strainprint.networks.training import TrainingSettings, train

HOW = {"scalar": "equivalent", "range_floor": 1e-6, "aspect": "keep"}
CROPPED = {**HOW, "study": "audited", "crop_px": 32, "scales": [256]}
TRAINING = {
    "architecture": "res4",
    "config_seed": 0,
    "seed": 0,
    "batch_size": 12,
    "learning_rate": 0.003,
    "max_epochs": 6,
    "batch_norm_momentum": 0.8,
    "crops_per_map_per_epoch": 6,
}
BANDS = {"0.01": 0, "0.1": 9}
TRAIN, TEST = "abcdef", "xyz"


def write_table(folder, rows):
    columns = ["file", "specimen", "prior_strain", "use", "stack", "layer"]
    pd.DataFrame(rows, columns=columns).to_csv(folder / "mine.csv", index=False)


def ingested(folder, layers):
    """Read the table's maps and crop each layer; return the store and JSON of each."""
    ingest_maps(folder / "mine.csv", folder / "maps", folder / "maps.json")
    stores = []
    for layer in range(1, layers + 1):
        stores.append((folder / f"layer-{layer}.zarr", folder / f"layer-{layer}.json"))
        write_layer_crops(
            folder / "maps.json", folder / "maps", *stores[-1], layer=layer, **CROPPED
        )
    return stores


@pytest.fixture(scope="module")
def mine(tmp_path_factory):
    """Nine specimens, each with a stack of either class: the first layer is the same in both.

    A stack `swapped` is one of them with its layers exchanged.
    """
    folder = tmp_path_factory.mktemp("stacks")
    rows = []
    for number, specimen in enumerate(TRAIN + TEST):
        blind = banded_map(np.random.default_rng([number, 9]), 4, 16, 32)
        write_map_h5(folder / f"{specimen}-blind.h5", blind)
        for prior, bands in BANDS.items():
            telling = banded_map(np.random.default_rng([number, bands]), bands, 16, 32)
            write_map_h5(folder / f"{specimen}-{prior}.h5", telling)
            use = "train" if specimen in TRAIN else "predict"
            told = (specimen, prior, use, f"{specimen} {prior}")
            # The rows of a stack may come in any order.
            rows.append((f"{specimen}-{prior}.h5", *told, 2))
            rows.append((f"{specimen}-blind.h5", *told, 1))
    rows.append(("x-0.01.h5", "", "", "", "swapped", 1))
    rows.append(("x-blind.h5", "", "", "", "swapped", 2))
    write_table(folder, rows)
    ingested(folder, 2)
    return folder


def fitted(mine, directory, layers, **options):
    fit_stacks(
        mine / "maps.json",
        [(mine / f"layer-{layer}.zarr", mine / f"layer-{layer}.json") for layer in layers],
        directory,
        train_fraction=0.7,
        level=0.6,
        training=TRAINING,
        **options,
    )
    return pd.read_csv(
        directory / "predictions.csv", dtype={"stack": str, "prior_strains_possible": str}
    ).set_index("stack")


@pytest.fixture(scope="module")
def networks(mine):
    return {
        name: fitted(mine, mine / name, layers)
        for name, layers in {"layer-1": [1], "stack": [1, 2]}.items()
    }


@pytest.fixture(scope="module")
def record(mine, networks):
    judge_stacks(
        mine / "maps.json",
        {
            name: (mine / name / "predictions.csv", mine / name / "calibration.json")
            for name in networks
        },
        mine / "table.csv",
        mine / "summary.json",
        seed=0,
        resamples=100,
        settings={},
    )
    return read_experiment(mine / "summary.json")


def test_a_class_that_the_second_layer_alone_shows_is_learned_from_the_stack(networks, record):
    # Blind to the class, a network says the same of both stacks of a specimen: half are right.
    assert [row["accuracy"] for row in record.rows] == [0.5, 1.0]
    assert record.rows[1]["difference"] == 0.5
    assert record.n == {"training_stacks": 12, "test_stacks": 6, "test_specimens": 3}
    assert record.results["commonest_class"] == 0.5
    blind = networks["layer-1"].filter(like="p_prior")
    for specimen in TRAIN + TEST:
        assert blind.loc[f"{specimen} 0.01"].tolist() == blind.loc[f"{specimen} 0.1"].tolist()


def test_every_stack_is_predicted_and_says_what_it_was_for(networks):
    table = networks["stack"]
    assert table["part"].value_counts().to_dict() == {"train": 8, "validation": 4, "predict": 7}
    assert table.groupby("specimen")["part"].nunique().eq(1).all()
    assert table.loc["swapped", ["specimen", "prior_strain"]].isna().all()
    assert np.allclose(table.filter(like="p_prior").sum(axis=1), 1)


def test_probabilities_are_calibrated_on_validation_stacks_and_judged_on_those_that_test(
    mine, networks, record
):
    for name, table in networks.items():
        content = json.loads((mine / name / "calibration.json").read_text())
        parts = content["parts"]
        assert (parts["validation"]["maps"], parts["validation"]["specimens"]) == (4, 2)
        assert (parts["test"]["maps"], parts["test"]["specimens"]) == (6, 3)
        # Two validation specimens bear a level of 0.6, the one beyond them at infinity.
        assert content["threshold"] is not None
        for when in ("before", "after"):
            assert sum(one["maps"] for one in parts["test"][when]["reliability"]) == 6
        # All validation stacks are named rightly, which must not make anything surer.
        assert content["temperature"] >= 1
        possible = table["prior_strains_possible"].fillna("").str.split()
        tested = table.loc[[f"{s} {prior}" for s in TEST for prior in BANDS]]
        held = [prior in possible[f"{s} {prior}"] for s in TEST for prior in BANDS]
        assert parts["test"]["coverage"] == np.mean(held)
        named = possible[tested.index].str.len().mean()
        assert parts["test"]["classes_named"] == pytest.approx(named)
    assert {one["panel"] for one in record.results["reliability"]} == set(networks)
    assert sum(one["maps"] for one in record.results["reliability"]) == 2 * 2 * 6


def test_exchanged_layers_are_another_input(networks):
    # The network learned to look for bands in the second layer, where the blind one has some.
    named = networks["stack"]["prior_strain_predicted"]
    assert (named["x 0.01"], named["swapped"]) == (0.01, 0.1)


def test_every_layer_is_cropped_with_the_same_windows_as_a_map_of_its_own(mine):
    for layer, file in ((1, "b-blind.h5"), (2, "b-0.1.h5")):
        store = read_crops(mine / f"layer-{layer}.zarr", mine / f"layer-{layer}.json")
        picture, _ = grey_picture(read_map_h5(mine / file), HOW["scalar"], HOW["range_floor"])
        alone = crop_picture(picture, crop_px=32, scales=[256], aspect="keep")
        assert np.array_equal(store.kept[store.map_ids.index("b 0.1")], alone)


def test_a_stack_of_one_layer_trains_to_the_same_bytes_as_the_map_alone(mine, tmp_path):
    stacks = [(specimen, prior) for specimen in TRAIN for prior in BANDS]
    names = [f"{specimen}-{prior}.h5" for specimen, prior in stacks]
    rows = [
        (str(name), specimen, prior, "train", name, 1)
        for name, (specimen, prior) in zip(names, stacks, strict=True)
    ]
    write_table(tmp_path, rows)
    for name in names:
        (tmp_path / name).write_bytes((mine / name).read_bytes())
    (store,) = ingested(tmp_path, 1)
    fit_stacks(
        tmp_path / "maps.json", [store], tmp_path / "stack",
        train_fraction=0.7, level=0.6, training=TRAINING,
    )  # fmt: skip
    pictures = [
        grey_picture(read_map_h5(mine / name), HOW["scalar"], HOW["range_floor"])[0]
        for name in names
    ]
    crops = np.stack([crop_picture(p, crop_px=32, scales=[256], aspect="keep") for p in pictures])
    # The training of the paper's networks wants a test map too, and does not look at it.
    parts = pd.read_csv(tmp_path / "stack" / "predictions.csv")["part"].tolist()
    alone = train(
        CropStore.of_array(np.concatenate([crops, crops[:1]])),
        np.array([list(BANDS).index(prior) for _, prior in [*stacks, stacks[0]]]),
        np.array([*parts, "test"]),
        TrainingSettings(**TRAINING),
        classes=list(BANDS),
        device=torch.device("cpu"),
    )
    save_network(tmp_path / "alone", alone.network, {"classes": list(BANDS), "crops": {}})
    weights = [tmp_path / name / "weights.safetensors" for name in ("stack", "alone")]
    assert weights[0].read_bytes() == weights[1].read_bytes()
    assert load_network(tmp_path / "stack").classes == ("0.01", "0.1")


def test_layers_streamed_from_the_store_train_to_the_same_bytes(mine, networks, tmp_path):
    fitted(mine, tmp_path / "streamed", [1, 2], crops_memory_gb=0.0)
    for name in ("weights.safetensors", "predictions.csv", "history.csv"):
        assert (tmp_path / "streamed" / name).read_bytes() == (mine / "stack" / name).read_bytes()
    assert not (tmp_path / "streamed" / "checkpoint").exists()


def test_further_stacks_to_predict_change_no_weight(mine, networks, tmp_path):
    table = pd.read_csv(mine / "mine.csv", dtype=str, keep_default_na=False)
    table[table["use"] == "train"].to_csv(tmp_path / "mine.csv", index=False)
    for file in mine.glob("*.h5"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    ingested(tmp_path, 2)
    fewer = fitted(tmp_path, tmp_path / "fewer", [1, 2])
    assert len(fewer) == 12
    weights = [folder / "weights.safetensors" for folder in (tmp_path / "fewer", mine / "stack")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_network_of_stacks_reads_no_single_map(mine, networks):
    with pytest.raises(BadInputError, match="reads stacks of 2 maps") as caught:
        load_network(mine / "stack")
    assert "maps.external" in str(caught.value)


def test_crops_of_other_stacks_are_refused(mine, networks, tmp_path):
    content = json.loads((mine / "layer-2.json").read_text())
    content["map_ids"][0] = "another"
    (tmp_path / "other.json").write_text(json.dumps(content))
    with pytest.raises(BadInputError, match="not those of the manifest"):
        fit_stacks(
            mine / "maps.json",
            [(mine / "layer-2.zarr", tmp_path / "other.json")],
            tmp_path,
            train_fraction=0.7,
            level=0.6,
            training=TRAINING,
        )
    with pytest.raises(BadInputError, match="no layer 3 in a "):
        write_layer_crops(
            mine / "maps.json", mine / "maps", tmp_path / "c", tmp_path / "c.json",
            layer=3, **CROPPED,
        )  # fmt: skip


def one(stack, specimen, prior_strain, use="train"):
    return ExternalMap(stack, "", "measured", specimen, prior_strain, "", use, "", stack, 1)


def dealt(stacks, train_fraction=0.75, seed=0):
    return deal_stacks(stacks, seed=seed, train_fraction=train_fraction, where="mine.csv").tolist()


def test_specimens_are_dealt_out_whole_and_every_class_validates():
    both = [one(f"{s}{p}", f"s{s}", p) for s in range(8) for p in (0.01, 0.1)]
    parts = dealt(both)
    assert parts[::2] == parts[1::2]
    assert parts.count("validation") == 2 * 2
    assert dealt(both, seed=1) != parts
    few = [one(f"{s}{p}", "", p) for s in range(2) for p in (0.01, 0.1)]  # each its own specimen
    assert sorted(dealt(few)) == ["train", "train", "validation", "validation"]
    with pytest.raises(BadInputError, match="left to validate on stacks of prior_strain") as no:
        dealt([*few[:3], one("last", "", 0.1, "predict")])
    assert "two or more specimens" in str(no.value)


def test_one_class_or_no_test_is_refused(mine, tmp_path):
    content = json.loads((mine / "maps.json").read_text())
    for what, change, said in (
        ("prior_strain", lambda row: 0.1 if row["use"] == "train" else row["prior_strain"],
         "two or more different"),
        ("specimen", lambda row: "a", "a specimen that does not train"),
    ):  # fmt: skip
        maps = [{**row, what: change(row)} for row in content["maps"]]
        (tmp_path / "maps.json").write_text(json.dumps({**content, "maps": maps}))
        assert len(stacks_of(read_external(tmp_path / "maps.json"))) == 19
        with pytest.raises(BadInputError, match=said):
            if what == "prior_strain":
                fit_stacks(
                    tmp_path / "maps.json",
                    [(mine / "layer-1.zarr", mine / "layer-1.json")],
                    tmp_path,
                    train_fraction=0.7,
                    level=0.6,
                    training=TRAINING,
                )
            else:
                judge_stacks(
                    tmp_path / "maps.json", {}, tmp_path / "t.csv", tmp_path / "s.json",
                    seed=0, resamples=100, settings={},
                )  # fmt: skip
