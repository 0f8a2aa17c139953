"""The scripts of the experiments, one after the other, on a small study of synthetic maps."""

import sys
from pathlib import Path

import numpy as np
import pytest
from script_runs import TRAINING, run_script

from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.splits import build_split
from strainprint.dataset.store import write_crops
from strainprint.experiment_record import read_experiment
from strainprint.maps.map_file import write_map_h5
from strainprint.report.experiments import experiment_sections
from strainprint.workflow import Paths, filled

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from small_study import CLASSES, banded_map, write_small_maps

STRICT = {"study": "audited", "split": "specimen"}
DRAWN = {"scalar": "equivalent", "range_floor": 1e-6}
BOOTSTRAP = {"seed": 0, "resamples": 100}
FITTED = {
    "architecture": "res4",
    "config_seed": 0,
    "seed": 0,
    "batch_size": 16,
    "max_epochs": 1,
    "crops_per_map_per_epoch": 1,
}


def strict(name):
    return filled(getattr(Paths, name), **STRICT)


def outputs(experiment):
    return {
        "table": filled(Paths.experiment_table, experiment=experiment),
        "summary": filled(Paths.experiment_summary, experiment=experiment),
    }


DATASET = {"manifest": strict("manifest"), "split": strict("split")}
CROPS = {"crops": strict("crops"), "crops_manifest": strict("crops_manifest")}
ON_CPU = {"device": "cpu", "threads": 1}


def split(script, experiment, variant, **params):
    """Make a split of its own; return its table."""
    path = filled(Paths.variant_split, experiment=experiment, variant=variant)
    run_script(
        script,
        input={"manifest": DATASET["manifest"]},
        output={"split": path},
        params={"seed": 0, "train_fraction": 0.7, **params},
        wildcards={"variant": variant},
    )
    return path


def trained(experiment, variant, split_csv, seed="0", **params):
    """Train and ask one variant; return its files by their name."""
    names = {"experiment": experiment, "variant": variant, "network": "res4", "seed": seed}
    files = {
        name: filled(getattr(Paths, f"variant_{name}"), **names)
        for name in ("weights", "history", "training", "predictions", "features", "metrics")
    }
    made_first = ("weights", "history", "training")
    run_script(
        "train",
        input={"manifest": DATASET["manifest"], "split": split_csv, **CROPS},
        output={name: files[name] for name in made_first},
        params={
            **TRAINING,
            "precision": "fp32",
            "crops_per_map_per_epoch": 1,
            "noise_grey_levels": 0.0,
            "least_contrast": 0.0,
            **ON_CPU,
            **params,
        },
        wildcards=names,
    )
    run_script(
        "infer",
        input={
            "manifest": DATASET["manifest"],
            "split": split_csv,
            **CROPS,
            "weights": files["weights"],
        },
        output={name: files[name] for name in files if name not in made_first},
        params=ON_CPU,
        wildcards=names,
    )
    return files


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A dataset with correlations, and one network trained on it with noise and one without."""
    folder = tmp_path_factory.mktemp("experiments")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        maps = write_small_maps(folder / "results", widths_nm=(40.0, 50.0))
        build_manifest(maps, "results", DATASET["manifest"], classes=list(CLASSES), **DRAWN)
        build_split(
            DATASET["manifest"], DATASET["split"], split="specimen", seed=0, train_fraction=0.7
        )
        write_crops(
            DATASET["manifest"],
            "results",
            CROPS["crops"],
            CROPS["crops_manifest"],
            study="audited",
            aspect="keep",
            crop_px=32,
            scales=[256],
            **DRAWN,
        )
        run_script(
            "correlate",
            input={"manifest": DATASET["manifest"]},
            output={
                "correlations": strict("correlations"),
                "manifest": strict("correlations_manifest"),
            },
            params={**DRAWN, "max_lag_nm": 10.0},
            wildcards={"study": "audited"},
        )
    return folder


@pytest.fixture
def here(folder, monkeypatch):
    monkeypatch.chdir(folder)
    return folder


@pytest.fixture(scope="module")
def plain(folder):
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        return trained("noise", "plain", DATASET["split"])


def shown(experiment):
    """Read an experiment back as the page does."""
    record = read_experiment(outputs(experiment)["summary"])
    assert experiment_sections([outputs(experiment)["summary"]], "results", "c0ffee00")
    return record


def test_noise_meets_networks_trained_with_and_without_it(here, plain):
    augmented = trained("noise", "augmented", DATASET["split"], noise_grey_levels=2.0)
    run_script(
        "judge_noise",
        input={**DATASET, "plain": plain["weights"], "augmented": augmented["weights"]},
        output=outputs("noise"),
        params={
            "grey_levels": [4],
            "displacement_nm": [0.01],
            "settings": STRICT,
            **BOOTSTRAP,
            **ON_CPU,
        },
    )
    record = shown("noise")
    assert len(record.rows) == 2 * 3
    assert record.rows[2]["sigma_pitches"] == pytest.approx(0.005)


def test_a_width_is_left_out(here, plain):
    table = split("split_leaving_out", "leave_out", "width-40")
    unseen = trained("leave_out", "width-40", table)
    run_script(
        "leave_out",
        input={
            "manifest": DATASET["manifest"],
            "groups": [unseen["predictions"]],
            "standard": plain["predictions"],
        },
        output=outputs("leave_out"),
        params={"groups": ["width-40"], "settings": STRICT, **BOOTSTRAP},
    )
    assert shown("leave_out").rows[0]["maps"] == 36


def test_splits_and_seeds_are_drawn_anew(here):
    trainings, predictions = [], []
    for draw in (0, 1):
        table = split("draw_split", "seeds", f"draw-{draw}", test_fraction=0.25)
        for seed in (0, 1):
            files = trained("seeds", f"draw-{draw}", table, seed=str(seed))
            trainings.append([draw, "res4", seed])
            predictions.append(files["predictions"])
    run_script(
        "judge_draws",
        input={"predictions": predictions},
        output=outputs("seeds"),
        params={"trainings": trainings, "lead": "res4", "settings": STRICT},
    )
    assert shown("seeds").n == {"draws": 2, "seeds": 2, "trainings": 4}


def test_channels_and_correlations_are_compared_with_the_picture_alone(here, plain):
    channels = []
    for name in ("exx", "exy"):
        files = {
            "crops": filled(Paths.channel_crops, study="audited", variant=name),
            "manifest": filled(Paths.channel_crops_manifest, study="audited", variant=name),
        }
        run_script(
            "crop",
            input={"manifest": DATASET["manifest"]},
            output=files,
            params={
                "scalar": name,
                "other_scalar": True,
                "range_floor": 1e-6,
                "aspect": "keep",
                "crop_px": 32,
                "scales": [256],
            },
            wildcards={"study": "audited", "variant": name},
        )
        channels.append(files)
    inputs = {
        "channels": {
            "crops": [files["crops"] for files in channels],
            "crops_manifests": [files["manifest"] for files in channels],
        },
        "hybrid": {
            **CROPS,
            "correlations": strict("correlations"),
            "correlations_manifest": strict("correlations_manifest"),
        },
    }
    for experiment, more in inputs.items():
        fitted = filled(Paths.fitted_predictions, experiment=experiment)
        run_script(
            f"fit_{experiment}",
            input={**DATASET, **more},
            output={"predictions": fitted},
            params={"training": FITTED, **ON_CPU},
        )
        run_script(
            "compare_models",
            input={"manifest": DATASET["manifest"]},
            output=outputs(experiment),
            params={
                "models": {"alone": [plain["predictions"]], "with more": [fitted]},
                "settings": STRICT,
                **BOOTSTRAP,
            },
            wildcards={"experiment": experiment},
        )
        assert [row["model"] for row in shown(experiment).rows] == ["alone", "with more"]


def test_peoples_stacks_are_trained_on_and_judged(here):
    rows = []
    for number, specimen in enumerate("abcd"):
        for prior, bands in ((0.01, 1), (0.1, 6)):
            for layer in (1, 2):
                seed = [number, bands, layer]
                strain_map = banded_map(np.random.default_rng(seed), bands, 16, 32)
                file = f"{specimen}-{prior}-{layer}.h5"
                write_map_h5(here / file, strain_map)
                use = "predict" if specimen == "d" else "train"
                rows.append(f"{file},{specimen},{prior},{use},{specimen}-{prior},{layer}")
    head = "file,specimen,prior_strain,use,stack,layer"
    (here / "mine.csv").write_text("\n".join([head, *rows]))
    external = [Paths.external_manifest, Paths.external_maps]
    run_script(
        "ingest",
        input={"table": ["mine.csv"]},
        output={"maps": Paths.external_maps, "manifest": Paths.external_manifest},
    )
    variants = {"layer-1": ["layer-1"], "stack": ["layer-1", "layer-2"]}
    for variant in variants["stack"]:
        run_script(
            "crop_layer",
            input={"external": external},
            output={
                "crops": filled(Paths.layer_crops, variant=variant),
                "manifest": filled(Paths.layer_crops_manifest, variant=variant),
            },
            params={
                **DRAWN,
                "layer": int(variant[-1]),
                "study": "audited",
                "aspect": "keep",
                "crop_px": 32,
                "scales": [256],
            },
            wildcards={"variant": variant},
        )
    predictions, calibrations = [], []
    for variant, layers in variants.items():
        files = {
            name: filled(getattr(Paths, f"stack_{name}"), variant=variant)
            for name in ("weights", "history", "training", "calibration", "predictions")
        }
        run_script(
            "fit_stacks",
            input={
                "external": Paths.external_manifest,
                "crops": [filled(Paths.layer_crops, variant=layer) for layer in layers],
                "crops_manifests": [
                    filled(Paths.layer_crops_manifest, variant=layer) for layer in layers
                ],
            },
            output=files,
            params={"training": FITTED, "train_fraction": 0.7, "level": 0.8, **ON_CPU},
            wildcards={"variant": variant},
        )
        predictions.append(files["predictions"])
        calibrations.append(files["calibration"])
    run_script(
        "judge_stacks",
        input={
            "external": Paths.external_manifest,
            "predictions": predictions,
            "calibrations": calibrations,
        },
        output=outputs("stacks"),
        params={
            "models": ["layer 1 alone", "the stack of 2 layers"],
            "settings": STRICT,
            **BOOTSTRAP,
        },
    )
    record = shown("stacks")
    assert record.n == {"training_stacks": 6, "test_stacks": 2, "test_specimens": 1}
    assert [row["maps"] for row in record.rows] == [2, 2]


def test_prior_strain_is_read_as_a_number(here):
    run_script(
        "regress_strain",
        input={**DATASET, **CROPS},
        output=outputs("regression"),
        params={
            "unseen": [0.01],
            "level": 0.5,
            "training": FITTED,
            "resamples": 100,
            "settings": STRICT,
            **ON_CPU,
        },
    )
    assert shown("regression").rows[-1]["prior_strain"] == "all unseen"
