"""Every script behind the maps, one after the other, on a study of synthetic maps."""

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from script_runs import TRAINING, run_script

from strainprint.workflow import Paths

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from dialects import DIALECTS, true_field
from small_study import write_small_maps

STUDY, SPLIT = "audited", "specimen"
CLASSES = ("0.02", "0.1", "there-and-back")
DRAWN = {"scalar": "equivalent", "range_floor": 1e-6}
STUDY_WILDCARDS = {"study": STUDY}
WILDCARDS = {"study": STUDY, "split": SPLIT}


def at(pattern, **wildcards):
    return pattern.format(study=STUDY, split=SPLIT, **wildcards)


def experiment_outputs(name):
    return {
        "table": Paths.experiment_table.format(experiment=name),
        "summary": Paths.experiment_summary.format(experiment=name),
    }


NETWORKS = [{"network": "proposed", "seed": "0"}, {"network": "res4", "seed": "0"}]
DATASET = {"manifest": at(Paths.manifest), "split": at(Paths.split)}
CROPS = {"crops": at(Paths.crops), "crops_manifest": at(Paths.crops_manifest)}
CORRELATIONS = {
    "correlations": at(Paths.correlations),
    "correlations_manifest": at(Paths.correlations_manifest),
}
EXTERNAL = [Paths.external_manifest, Paths.external_maps]
PREDICTIONS = [at(Paths.network_predictions, **network) for network in NETWORKS]


def write_people_maps(folder):
    """Two maps of a microscope, one of which is labelled and trains."""
    field = true_field(columns=10, rows=40)
    for name in ("train", "ask"):
        path, declaration = DIALECTS["matchid2024"](field, folder)
        path.replace(folder / f"{name}.csv")
        lines = [f"{key}: {value}" for key, value in declaration.items()]
        (folder / f"{name}.yaml").write_text("\n".join(lines))
    (folder / "mine.csv").write_text(
        "file,specimen,prior_strain,use\ntrain.csv,a,0.02,train\nask.csv,b,,\n"
    )


@pytest.fixture(scope="module")
def chain(tmp_path_factory):
    """Run the scripts from manifest to page; return the folder and what every log says."""
    folder = tmp_path_factory.mktemp("chain")
    logs = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        maps = [
            str(path.relative_to(folder))
            for path in write_small_maps(
                folder / "results", study=STUDY, widths_nm=(40.0,), classes=CLASSES
            )
        ]
        logs["manifest"] = run_script(
            "manifest",
            input={"maps_manifests": maps},
            output={"manifest": DATASET["manifest"]},
            params={**DRAWN, "classes": list(CLASSES)},
            wildcards=STUDY_WILDCARDS,
        )
        logs["split"] = run_script(
            "split",
            input={"manifest": DATASET["manifest"]},
            output={"split": DATASET["split"]},
            params={"seed": 0, "test_fraction": 0.25, "train_fraction": 0.7},
            wildcards=WILDCARDS,
        )
        logs["crop"] = run_script(
            "crop",
            input={"manifest": DATASET["manifest"]},
            output={"crops": CROPS["crops"], "manifest": CROPS["crops_manifest"]},
            params={**DRAWN, "aspect": "keep", "crop_px": 32, "scales": [256, 288]},
            wildcards=STUDY_WILDCARDS,
        )
        write_people_maps(folder)
        logs["ingest"] = run_script(
            "ingest",
            input={"table": ["mine.csv"], "files": ["train.csv", "ask.csv"]},
            output={"maps": EXTERNAL[1], "manifest": EXTERNAL[0]},
        )
        for network in NETWORKS:
            logs["train"] = run_script(
                "train",
                input={**DATASET, **CROPS, "external": EXTERNAL},
                output={
                    "weights": at(Paths.weights, **network),
                    "history": at(Paths.history, **network),
                    "training": at(Paths.training, **network),
                },
                params={
                    **TRAINING,
                    "precision": "auto",
                    "crops_per_map_per_epoch": 2,
                    "noise_grey_levels": 1.0,
                    "least_contrast": 0.5,
                    "device": "auto",
                    "threads": 1,
                },
                wildcards={**WILDCARDS, **network},
            )
            logs["infer"] = run_script(
                "infer",
                input={**DATASET, **CROPS, "weights": at(Paths.weights, **network)},
                output={
                    "predictions": at(Paths.network_predictions, **network),
                    "features": at(Paths.network_features, **network),
                    "metrics": at(Paths.network_metrics, **network),
                },
                params={"device": "auto", "threads": 1},
                wildcards={**WILDCARDS, **network},
            )
        logs["ensemble"] = run_script(
            "ensemble",
            input={"predictions": PREDICTIONS},
            output={
                "predictions": at(Paths.ensemble_predictions),
                "metrics": at(Paths.ensemble_metrics),
            },
            wildcards=WILDCARDS,
        )
        logs["calibrate"] = run_script(
            "calibrate",
            input={
                "predictions": at(Paths.ensemble_predictions),
                "manifest": DATASET["manifest"],
            },
            output={"calibration": at(Paths.calibration)},
            params={"level": 0.8},
            wildcards=WILDCARDS,
        )
        logs["gather_calibrations"] = run_script(
            "gather_calibrations",
            input={"calibrations": [at(Paths.calibration)]},
            output=experiment_outputs("calibration"),
            params={"names": [[STUDY, SPLIT]], "seed": 0, "resamples": 100},
        )
        logs["predictor"] = run_script(
            "predictor",
            input={
                **DATASET,
                "lead_features": at(Paths.network_features, **NETWORKS[0]),
                "predictions": at(Paths.ensemble_predictions),
                "calibration": at(Paths.calibration),
                "weights": [at(Paths.weights, **network) for network in NETWORKS],
            },
            output={
                "predictor": at(Paths.predictor),
                "references": at(Paths.predictor_references),
            },
            params={"neighbours": [1, 2]},
            wildcards=WILDCARDS,
        )
        logs["classify"] = run_script(
            "classify",
            input={"external": EXTERNAL, "predictor": at(Paths.predictor)},
            output={
                "predictions": at(Paths.external_predictions),
                "curves": at(Paths.external_curves),
            },
            params={"threads": 1},
            wildcards=WILDCARDS,
        )
        logs["correlate"] = run_script(
            "correlate",
            input={"manifest": DATASET["manifest"]},
            output={
                "correlations": CORRELATIONS["correlations"],
                "manifest": CORRELATIONS["correlations_manifest"],
            },
            params={**DRAWN, "max_lag_nm": 10.0},
            wildcards=STUDY_WILDCARDS,
        )
        logs["forest"] = run_script(
            "forest",
            input={**DATASET, **CORRELATIONS},
            output={
                "predictions": at(Paths.baseline_predictions),
                "shape_predictions": at(Paths.shape_predictions),
                "metrics": at(Paths.baseline_metrics),
                "cross_validation": at(Paths.cross_validation),
                "variants": at(Paths.baseline_variants),
                "variant_predictions": at(Paths.baseline_variant_predictions),
            },
            params={
                "seed": 0,
                "inputs": ["raw", "two_state"],
                "windows": ["whole", "pymks"],
                "classifiers": ["forest", "svm"],
                "components": [2],
                "trees": [10],
                "folds": 2,
            },
            wildcards=WILDCARDS,
        )
        logs["neighbours"] = run_script(
            "neighbours",
            input={
                **DATASET,
                **CORRELATIONS,
                "features": at(Paths.network_features, **NETWORKS[0]),
            },
            output={
                "neighbours": at(Paths.neighbours),
                "curves": at(Paths.curves),
                "bands": at(Paths.curve_bands),
                "errors": at(Paths.curve_errors),
                "metrics": at(Paths.curve_metrics),
            },
            params={"youngs_modulus_gpa": 70.0, "poissons_ratio": 0.33, "neighbours": [1, 2]},
            wildcards=WILDCARDS,
        )
        logs["explain"] = run_script(
            "explain",
            input={**DATASET, **CROPS, "weights": [at(Paths.weights, **NETWORKS[0])]},
            output={
                "pictures": at(Paths.explained_pictures),
                "randomization": at(Paths.randomization),
                "deletion": at(Paths.deletion),
                "manifest": at(Paths.explanations),
            },
            params={
                "config_seed": 0,
                "maps": 2,
                "filter_px": 16,
                "filter_steps": 2,
                "device": "auto",
                "threads": 1,
            },
            wildcards=WILDCARDS,
        )
        # The maps of this study were never simulated: strengths that could have been.
        strengths = Path(Paths.strengths)
        strengths.parent.mkdir(parents=True)
        strengths.write_text(
            "specimen_id,width_nm,slip_systems,lost,yield_mpa,flow_mpa\n"
            "a,40,2,0,100,110\nb,40,2,0,120,\nc,40,2,0,140,130\nd,40,2,1,,\n"
        )
        judged = {
            "manifest": DATASET["manifest"],
            "maps_manifests": maps,
            "predictions": PREDICTIONS,
            "ensemble": at(Paths.ensemble_predictions),
            "baseline": at(Paths.baseline_predictions),
            "curves": at(Paths.curves),
            "curve_errors": at(Paths.curve_errors),
            "strengths": Paths.strengths,
            "explanations": [at(Paths.explanations)],
        }
        logs["tables"] = run_script(
            "tables",
            input=judged,
            output={"tables": at(Paths.tables), "manifest": at(Paths.tables_manifest)},
            params={"seed": 0, "bootstrap_samples": 100},
            wildcards=WILDCARDS,
        )
        logs["figures"] = run_script(
            "figures",
            input=judged,
            output={"figures": at(Paths.figures), "manifest": at(Paths.figures_manifest)},
            params={
                **DRAWN,
                **{"aspect": "keep", "crop_px": 32, "scales": [256, 288]},
                **{"seed": 0, "bootstrap_samples": 100, "config_digest": "c0ffee00"},
            },
            wildcards=WILDCARDS,
        )
        logs["drawings"] = run_script(
            "drawings",
            output={"drawings": Paths.drawings, "manifest": Paths.drawings_manifest},
            params={
                "flow": [{"rule": "page", "stage": "report", "reads": [], "writes": ["a"]}],
                "networks": ["proposed", "res4"],
                "lead": "proposed",
                "n_classes": 3,
                "crop_px": 32,
                "config_digest": "c0ffee00",
            },
        )
        logs["page"] = run_script(
            "page",
            input={
                "drawings": Paths.drawings_manifest,
                "tables": [at(Paths.tables_manifest)],
                "figures": [at(Paths.figures_manifest)],
                "experiments": [experiment_outputs("calibration")["summary"]],
            },
            output={"page": Paths.page},
            params={
                "seeds": [0],
                "threads": 1,
                "studies": {
                    STUDY: {"frame": "reference", "scalar": "equivalent", "aspect": "keep"}
                },
                "assumptions": ["`a` = 1: assumed"],
                "run_facts": {"strainprint": "0"},
                "config": {"seed": 0},
            },
        )
    return folder, logs


def test_every_script_makes_its_outputs(chain):
    folder, _ = chain
    made = [
        pattern
        for name, pattern in Paths.patterns().items()
        if not name.startswith(("states", "maps", "trial", "calibration_", "variant"))
        and not name.startswith(("channel", "fitted", "ladder", "layer_", "stack_", "twin_"))
    ]
    for pattern in made:
        for network in NETWORKS:
            file = folder / at(pattern, experiment="calibration", **network)
            assert file.exists(), pattern


def test_nothing_half_written_is_left(chain):
    assert not [path for path in chain[0].rglob("*") if "partial" in path.name]
    assert not list(chain[0].rglob("checkpoint/*"))


def test_logs_say_what_the_library_did(chain):
    _, logs = chain
    for rule in ("manifest", "split", "train", "ensemble", "forest"):
        assert "INFO strainprint." in logs[rule], rule
    assert not any("Traceback" in text for text in logs.values())


def test_training_is_told_that_no_gpu_was_granted(chain):
    training = json.loads((chain[0] / at(Paths.training, **NETWORKS[0])).read_text())
    assert training["device"] == "cpu"


def test_networks_are_told_apart_by_their_folders(chain):
    table = pd.read_csv(chain[0] / at(Paths.tables) / "table1.csv")
    assert {"proposed-seed0", "res4-seed0", "ensemble", "baseline", "shape-only"} <= set(
        table["model"]
    )


def test_a_named_strain_path_is_a_class_from_the_manifest_to_the_page(chain):
    folder, _ = chain
    predictions = pd.read_csv(folder / at(Paths.ensemble_predictions))
    assert "p_prior_there-and-back" in predictions
    assert set(predictions["prior_strain"]) == set(CLASSES)
    table = pd.read_csv(folder / at(Paths.tables) / "specimens.csv")
    assert table["prior_strain"].tolist() == list(CLASSES)
    page = (folder / Paths.page).read_text()
    assert "2\u00a0%, 10\u00a0% and there-and-back" in page


def test_experiments_stand_on_the_page(chain):
    page = (chain[0] / Paths.page).read_text()
    assert 'id="experiment-calibration"' in page
    assert "experiments/calibration/table.csv" in page


def test_peoples_maps_train_and_are_classified(chain):
    folder, _ = chain
    training = json.loads((folder / at(Paths.training, **NETWORKS[0])).read_text())
    simulated = pd.read_csv(folder / DATASET["split"])["part"].value_counts()
    assert training["external_maps"] == ["external-00000"]
    assert training["maps"]["train"] == simulated["train"] + 1
    assert training["maps"]["test"] == simulated["test"]
    table = pd.read_csv(folder / at(Paths.external_predictions), keep_default_na=False)
    assert table["specimen"].tolist() == ["a", "b"]
    assert table["prior_strain"].tolist() == ["0.02", ""]
    assert table["trained_on"].tolist() == [1, 0]
    assert table["in_domain"].tolist() == [0, 0]
    assert table["reason"].str.contains("pitch 40000 nm, trained on 2 nm", regex=False).all()


def test_bad_input_stops_a_script_with_one_clear_error_and_no_output(chain, tmp_path, monkeypatch):
    shutil.copytree(chain[0], tmp_path / "copy")
    monkeypatch.chdir(tmp_path / "copy")
    shutil.rmtree(CROPS["crops"])
    network = {"network": "res4-l2", "seed": "0"}
    output = {
        "weights": at(Paths.weights, **network),
        "history": at(Paths.history, **network),
        "training": at(Paths.training, **network),
    }
    with pytest.raises(SystemExit) as caught:
        run_script(
            "train",
            input={**DATASET, **CROPS},
            output=output,
            params={
                **TRAINING,
                "precision": "auto",
                "crops_per_map_per_epoch": 2,
                "noise_grey_levels": 1.0,
                "least_contrast": 0.5,
                "device": "auto",
                "threads": 1,
            },
            wildcards={**WILDCARDS, **network},
        )
    assert str(caught.value).startswith("error in rule train: ")
    assert "crops.zarr" in str(caught.value)
    assert "Traceback" in Path("results/logs/train.log").read_text()
    assert not any(Path(path).exists() for path in output.values())


def test_the_calibrations_scripts_take_a_set_from_specimens_to_figures(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    trial = {"trial": "little"}
    shard = {**trial, "subset": "w0062.5-s1", "shard": "0000"}
    crystal = {"obstacle_density_per_um2": 500.0}
    specimens = {
        "states": Paths.trial_states.format(**shard),
        "manifest": Paths.trial_states_manifest.format(**shard),
    }
    measured = {
        "specimens": Paths.trial_strengths.format(**trial),
        "maps": Paths.trial_maps.format(**trial),
        "pairs": Paths.trial_pairs.format(**trial),
        "pictures": Paths.trial_pictures.format(**trial),
    }
    judged = Paths.trial_judged.format(**trial)
    tables = {
        "tables": Paths.calibration_tables,
        "manifest": Paths.calibration_tables_manifest,
    }
    figures = {
        "figures": Paths.calibration_figures,
        "manifest": Paths.calibration_figures_manifest,
    }
    run_script(
        "simulate",
        output=specimens,
        params={
            "seed": 0,
            "per_shard": 2,
            "specimens": 2,
            "prior_strains": [0.001],
            "paths": {},
            "reload_strains": {"small": 0.001, "large": 0.01},
            "material": {},
            "crystal": crystal,
            "dynamics": {},
            "loading": {},
            "twin_shift_nm": 0.0,
            "code": "any",
        },
        wildcards=shard,
    )
    run_script(
        "trial_measure",
        input={"states": [specimens["states"]], "manifests": [specimens["manifest"]]},
        output=measured,
        wildcards=trial,
    )
    run_script(
        "strengths",
        input={"states": [specimens["states"]]},
        output={"strengths": Paths.strengths},
    )
    strengths = pd.read_csv(Paths.strengths)
    assert strengths["specimen_id"].tolist() == ["w0062.5-s1-00000", "w0062.5-s1-00001"]
    assert np.isnan(strengths["flow_mpa"]).all()  # loaded to 0.1 % only
    run_script(
        "trial_judge",
        input={"maps": measured["maps"], "pictures": measured["pictures"], "weights": []},
        output={"judged": judged},
        wildcards=trial,
    )
    run_script(
        "trial_compare",
        input={"maps": [measured["maps"]]},
        output=tables,
        params={
            "seed": 0,
            "resamples": 100,
            "published": {"zero_fraction": [0.87, 0.97]},
            "sets": {"little": {"why": "a test", "crystal": crystal, "dynamics": {}}},
        },
    )
    run_script(
        "trial_draw",
        input={**tables, "pictures": [measured["pictures"]]},
        output=figures,
        params={"trials": ["little"], "exponent": -0.55},
    )
    assert "little" in (Path(tables["tables"]) / "summary.md").read_text()
    assert (Path(figures["figures"]) / "examples-little.png").is_file()
