"""What an edit runs again: exactly what depends on it."""

import os
from contextlib import contextmanager

import pytest

from strainprint.digest import reached_names

REPORT = {"tables", "figures", "page"}
ENSEMBLE = {"ensemble", "calibrate", "gather_calibrations"}
LEARNING = {
    "split",
    "train",
    "infer",
    *ENSEMBLE,
    "forest",
    "neighbours",
    "explain",
    "predictor",
    *REPORT,
}
DATASET = {"manifest", "crop", "correlate", *LEARNING}


@contextmanager
def edited(project, file, old, new):
    """Edit a file of the checkout, and put it back as it was, its time included."""
    path = project.root / file
    text, status = path.read_bytes(), path.stat()
    project.edit(file, old, new)
    try:
        yield
    finally:
        path.write_bytes(text)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def scripts_that_use(project, module, name):
    return {
        script.stem
        for script in (project.root / "workflow/scripts").glob("*.py")
        if name in reached_names(script, project.root / "src/strainprint").get(module, ())
    }


def test_nothing_changed_nothing_to_do(done):
    assert not done.plan()


def test_comments_checkouts_and_touched_files_run_nothing(done):
    files = [done.root / "workflow/scripts/split.py", done.root / "src/strainprint/files.py"]
    for file in files:
        file.touch()
    first = "from __future__ import annotations"
    with edited(done, "src/strainprint/dataset/splits.py", first, f"{first}  # here"):
        assert not done.plan()


@pytest.mark.parametrize(
    ("module", "name", "old", "new", "users", "plan"),
    [
        (
            *("maps.scalars", "equivalent_strain", "2.0 / 3.0", "4.0 / 6.0"),
            # `train` and `classify` draw people's maps.
            {
                *("manifest", "crop", "correlate", "figures", "train", "classify"),
                *("judge_noise", "trial_measure"),
            },
            DATASET,
        ),
        (
            *("baseline.shape_only", "shape_features", "assign(aspect=", "assign(shape=0, aspect="),
            {"forest"},
            {"forest", *REPORT},
        ),
        (
            *("dataset.splits", "_part_at", "1 - train_fraction", "1.0 - train_fraction"),
            {"split", "split_leaving_out", "draw_split"},
            LEARNING,
        ),
        (
            *("networks.inference", "predict_crops", ".mean(dim=1)", ".sum(dim=1)"),
            {"infer", "classify", "explain", "judge_noise", "trial_judge"},
            LEARNING - {"split", "train", "forest"},
        ),
    ],
)
def test_a_change_some_imports_deep_runs_exactly_what_uses_it(
    done, module, name, old, new, users, plan
):
    assert scripts_that_use(done, f"strainprint.{module}", name) == users
    with edited(done, f"src/strainprint/{module.replace('.', '/')}.py", old, new):
        assert set(done.plan()) == plan


@pytest.mark.parametrize(
    ("overlay", "rules"),
    [
        ("dataset: {test_fraction: 0.3}", LEARNING),
        ("curves: {neighbours: [1, 3]}", {"neighbours", *REPORT}),
        ("report: {bootstrap_samples: 300}", {"tables", "page"}),
        ("training: {learning_rate: 0.002}", LEARNING - {"split", "forest"}),
        ("training: {threads: 2}", LEARNING - {"split", "forest"}),
        ("training: {device: cpu}", LEARNING - {"split", "forest"}),
        (
            "studies: {published: {range_floor: 2.0e-6}}",
            DATASET,
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_an_edited_config_runs_what_depends_on_the_edit(done, overlay, rules):
    (done.root / "config/edit.yaml").write_text(overlay)
    plan = done.plan("--configfile", "config/smoke.yaml", "config/edit.yaml", config="config")
    assert set(plan) == rules


def test_more_specimens_only_add_shards(done):
    with edited(done, "config/smoke.yaml", "per_subset: 4", "per_subset: 6"):
        plan = done.plan()
        assert plan["simulate"] == 1
        assert plan["measure"] == 2


def test_another_network_trains_alone(done):
    with edited(done, "config/smoke.yaml", "[proposed, res4]", "[proposed, res4, res4-l2]"):
        plan = done.plan()
        assert plan["train"] == plan["infer"] == 2
        assert not set(plan) & {"simulate", "measure", "manifest", "crop", "split", "forest"}


def test_another_seed_of_the_config_starts_anew(done):
    with edited(done, "config/config.yaml", "seed: 0", "seed: 1"):
        plan = done.plan()
        assert plan["simulate"] == 2
