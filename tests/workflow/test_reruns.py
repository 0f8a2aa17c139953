"""What runs again: every row of the table in config/README.md, and what the code digest follows."""

import os
import re
from contextlib import contextmanager
from pathlib import Path

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


@pytest.mark.parametrize(
    ("module", "name", "old", "new", "users", "plan"),
    [
        (
            *("maps.scalars", "equivalent_strain", "2.0 / 3.0", "4.0 / 6.0"),
            # `train` and `classify` draw people's maps.
            {
                *("manifest", "crop", "correlate", "figures", "train", "classify"),
                *("judge_noise", "trial_measure", "twins", "crop_layer"),
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
            {"infer", "classify", "explain", "judge_noise", "trial_judge", "twins"},
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


ROOT = Path(__file__).parents[2]
ROW = re.compile(r"^\| (.+?) \| (.+?) \| (\d+) \| (\d+) \|$", re.MULTILINE)
TABLE = {row[0]: row[1:] for row in ROW.findall((ROOT / "config/README.md").read_text())}

OVERLAYS = {
    "nothing": "{}",
    "`run.networks`: one more": "run: {networks: [proposed, res4, res4-l2]}",
    "`run.seeds`: one more": "run: {seeds: [0, 1]}",
    "`seed`": "seed: 1",
    "`specimens.per_subset`: 4 → 6": "specimens: {per_subset: 6}",
    "`specimens.per_subset`: 4 → 5, a short shard": "specimens: {per_subset: 5}",
    "`specimens.dynamics`: a value": "specimens: {dynamics: {time_step_ns: 0.4}}",
    "`maps.pitch_nm`": "maps: {pitch_nm: 2.5}",
    "`studies`: the `frame` of one": "studies: {audited: {frame: deformed}}",
    "`studies`: the `range_floor` of one": "studies: {audited: {range_floor: 2.0e-6}}",
    "`studies`: the `aspect` of one": "studies: {audited: {aspect: '1:3'}}",
    "`dataset.test_fraction`": "dataset: {test_fraction: 0.3}",
    "`dataset.crop_px`": "dataset: {crop_px: 40}",
    "`training.learning_rate`": "training: {learning_rate: 0.002}",
    "`training.devices`": "training: {devices: ['cuda:1']}",
    "`baseline.max_lag_nm`": "baseline: {max_lag_nm: 50.0}",
    "`baseline.trees`": "baseline: {trees: [30]}",
    "`curves.neighbours`": "curves: {neighbours: [1, 3]}",
    "`report.bootstrap_samples`": "report: {bootstrap_samples: 300}",
}
EDITS = {
    "a comment, a docstring or the layout of code": (
        *("dataset/splits.py", "import annotations", "import annotations  # here"),
    ),
    "a function three imports deep (`maps/scalars.py`)": (
        *("maps/scalars.py", "2.0 / 3.0", "4.0 / 6.0"),
    ),
    "the style of the figures": ("report/figures/style.py", '"font.size": 8', '"font.size": 9'),
    # installed_versions() is what the rules are given, whatever is installed here
    "the version of a dependency": (
        *("workflow.py", "return {name: version(name) for name in names}"),
        "return {name: version(name) for name in names} | {'numpy': '1.0'}",
    ),
}
BY_HAND = {
    "a script or module touched, a fresh checkout",
    "the folder of the run moved, `.snakemake` with it",
}


@pytest.fixture(scope="module")
def follows(done):
    """The rules that read what each rule makes, directly or not, and the rule itself."""
    graph = done.snakemake("--rulegraph").stdout
    name = dict(re.findall(r'(\d+)\[label = "(\w+)"', graph))
    after = {rule: {rule} for rule in name.values()}
    edges = [(name[one], name[other]) for one, other in re.findall(r"(\d+) -> (\d+)", graph)]
    for _ in after:
        for one, other in edges:
            after[one] |= after[other]
    return after


def check(row, plan, follows):
    """Compare a plan with what the table says of a row."""
    runs, simulations, trainings = TABLE[row]
    named = set(re.findall(r"`(\w+)`", runs))
    assert named or runs == "nothing"
    rules = set().union(*(follows[rule] for rule in named)) if "follows" in runs else named
    assert set(plan) == rules - {"all"}
    assert (plan["simulate"], plan["train"]) == (int(simulations), int(trainings))


def test_every_row_of_the_table_is_done_here():
    assert set(TABLE) == {*OVERLAYS, *EDITS, *BY_HAND}


@pytest.mark.parametrize("row", OVERLAYS)
def test_an_edited_config_runs_what_the_table_says(done, follows, row):
    (done.root / "config/edit.yaml").write_text(OVERLAYS[row])
    plan = done.plan("--configfile", "config/smoke.yaml", "config/edit.yaml", config="config")
    check(row, plan, follows)


@pytest.mark.parametrize("row", EDITS)
def test_edited_code_runs_what_the_table_says(done, follows, row):
    file, old, new = EDITS[row]
    with edited(done, f"src/strainprint/{file}", old, new):
        check(row, done.plan(), follows)


def test_touched_files_and_a_checkout_run_what_the_table_says(done, follows):
    for file in [*done.root.rglob("*.py"), *done.root.rglob("*.smk"), done.root / "Snakefile"]:
        file.touch()
    check("a script or module touched, a fresh checkout", done.plan(), follows)


def test_a_moved_folder_runs_what_the_table_says(done, follows):
    home = done.workdir
    done.workdir = home.rename(home.with_name("moved"))
    try:
        check("the folder of the run moved, `.snakemake` with it", done.plan(), follows)
    finally:
        done.workdir = done.workdir.rename(home)


def test_only_new_specimens_are_simulated_and_measured(done):
    (done.root / "config/edit.yaml").write_text(OVERLAYS["`specimens.per_subset`: 4 → 6"])
    run = done.snakemake(
        *("--dry-run", "--configfile", "config/smoke.yaml", "config/edit.yaml"), config="config"
    )
    made = set(re.findall(r"output: (results/\S+/w0062.5-s1/\S+)\.(?:h5|zarr)", run.stdout))
    assert made == {
        "results/specimens/w0062.5-s1/0002",
        "results/audited/maps/w0062.5-s1/0002",
        "results/published/maps/w0062.5-s1/0002",
    }
