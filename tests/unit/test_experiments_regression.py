"""Prior strain as a number: pictures whose brightness tells it, strains never trained on."""

import numpy as np
import pytest
from small_study import write_small_maps

from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.splits import build_split
from strainprint.dataset.store import write_crops
from strainprint.experiment_record import read_experiment
from strainprint.experiments.beyond import fit_classifier
from strainprint.experiments.regression import regress_strain
from strainprint.networks.predictions import read_predictions

DRAWN = {"scalar": "equivalent", "range_floor": 1e-6}
TRAINING = {
    "architecture": "res4",
    "config_seed": 0,
    "seed": 0,
    "batch_size": 16,
    "max_epochs": 2,
    "batch_norm_momentum": 0.9,
    "crops_per_map_per_epoch": 2,
}


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("regression")
    results = folder / "results"
    maps = write_small_maps(results, widths_nm=(40.0,))
    classes = ["0.001", "0.01", "0.1"]
    build_manifest(maps, results, folder / "manifest.csv", classes=classes, **DRAWN)
    build_split(
        folder / "manifest.csv",
        folder / "split.csv",
        split="specimen",
        seed=0,
        train_fraction=0.7,
    )
    how = {"study": "audited", "range_floor": 1e-6, "aspect": "keep", "crop_px": 32}
    for scalar in ("equivalent", "exx", "exy"):
        write_crops(
            folder / "manifest.csv",
            results,
            folder / f"{scalar}.zarr",
            folder / f"{scalar}.json",
            scalar=scalar,
            scales=[256],
            other_scalar=scalar != "equivalent",
            **how,
        )
    return folder


def test_unseen_strains_are_judged_and_not_trained_on(dataset, tmp_path):
    regress_strain(
        dataset / "manifest.csv",
        dataset / "split.csv",
        dataset / "equivalent.zarr",
        dataset / "equivalent.json",
        tmp_path / "table.csv",
        tmp_path / "summary.json",
        unseen=[0.01],
        level=0.5,
        training=TRAINING,
        checkpoint_dir=tmp_path / "checkpoint",
        resamples=100,
        settings={},
    )
    record = read_experiment(tmp_path / "summary.json")
    rows = {str(row["prior_strain"]): row for row in record.rows}
    assert list(rows) == ["0.001", "0.01", "0.1", "all seen", "all unseen"]
    assert [row["trained_on"] for row in rows.values()] == [1, 0, 1, 1, 0]
    test_specimens = record.n["test_specimens"]
    assert all(np.isnan(row["rmse_low"]) == (test_specimens < 3) for row in record.rows)
    assert rows["all seen"]["maps"] == 2 * rows["all unseen"]["maps"] == 4 * test_specimens
    # Both strains trained on lie one decade from their middle, the unseen one in it.
    assert rows["all seen"]["rmse_of_constant"] == pytest.approx(1.0)
    assert rows["all unseen"]["rmse_of_constant"] == pytest.approx(0.0, abs=1e-9)
    assert record.n["training_maps"] % 4 == 0
    assert record.results["factor"] > 0
    assert not (tmp_path / "checkpoint").exists()


def test_channels_are_checked_stacked_and_asked(dataset, tmp_path):
    channels = [(dataset / f"{name}.zarr", dataset / f"{name}.json") for name in ("exx", "exy")]
    fit_classifier(
        dataset / "manifest.csv",
        dataset / "split.csv",
        channels,
        tmp_path / "predictions.csv",
        training=TRAINING,
        checkpoint_dir=tmp_path / "checkpoint",
    )
    table = read_predictions(tmp_path / "predictions.csv")
    assert len(table.frame) == 36
    assert np.ptp(table.probabilities[:, 0]) > 0
    assert not (tmp_path / "checkpoint").exists()
