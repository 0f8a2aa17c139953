"""The whole workflow on the smoke preset, for real: simulate to report, then once more."""

import json
import os
import random
import re
import subprocess
import sys
from functools import partial
from importlib.metadata import version
from pathlib import Path

import pandas as pd
import pytest
from faults import crashes, damage, people, storage
from faults.outcome import Bench, Outcome
from faults.runs import Folder
from scale import config_of, files_at_most

ROOT = Path(__file__).parents[2]
STUDIES = ("published", "audited")
PAGE = {"report.html", "records/report.html.json"}


def snakemake(workdir, *arguments, packages=()):
    """Run the smoke preset; ``packages`` are folders to find packages in before all others."""
    return subprocess.run(
        [
            *(sys.executable, "-m", "snakemake", *arguments, "--cores", "2"),
            *("--directory", str(workdir), "--configfile", "config/smoke.yaml"),
        ],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, [*packages, ROOT / "src"]))},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )


def contents(folder):
    """Return the bytes of every result that the same config must give again."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and not {"logs", "benchmarks", ".snakemake"} & set(path.parts)
    }


@pytest.fixture(scope="module")
def smoke(tmp_path_factory):
    workdir = tmp_path_factory.mktemp("smoke")
    run = snakemake(workdir)
    assert run.returncode == 0, run.stdout + run.stderr
    return workdir


@pytest.fixture(scope="module")
def results(smoke):
    return smoke / "results"


def test_files_are_as_many_as_the_benchmark_of_scale_says_and_hardly_fewer(smoke):
    plan = snakemake(smoke, "--dry-run", "--forceall").stdout
    at_most = files_at_most(plan, config_of("config/smoke.yaml"))
    there = sum(path.is_file() for path in (smoke / "results").rglob("*"))
    assert 0.85 * at_most < there <= at_most


def test_the_report_is_one_self_contained_page(results):
    page = (results / "report.html").read_text()
    assert "<html" in page
    assert not re.findall(r"<(?:script|link|img)[^>]*(?:src|href)=\"(?!data:|#)[^\"]*\"", page)
    for study in STUDIES:
        assert study in page


@pytest.mark.parametrize("study", STUDIES)
def test_every_model_is_judged_on_the_same_test_maps(results, study):
    table = pd.read_csv(results / study / "specimen/report/tables/table1.csv")
    assert {"proposed-seed0", "res4-seed0", "ensemble", "baseline", "shape-only"} <= set(
        table["model"]
    )
    predictions = [
        pd.read_csv(path)
        for path in (results / study / "specimen").rglob("*predictions.csv")
        if path.name != "variant_predictions.csv"
    ]
    assert len(predictions) == 5
    for one in predictions:
        assert set(one["part"]) >= {"test"}
        tested = one.loc[one["part"] == "test", "map_id"]
        assert list(tested) == list(predictions[0].loc[predictions[0]["part"] == "test", "map_id"])


@pytest.mark.parametrize("study", STUDIES)
def test_all_specimens_reach_the_data_set_and_none_crosses_the_split(results, study):
    manifest = pd.read_csv(results / study / "dataset/manifest.csv")
    assert len(manifest) == 4 * 3 * 2
    split = pd.read_csv(results / study / "dataset/splits/specimen.csv")
    assert split.groupby("specimen_id")["part"].nunique().eq(1).all()


def test_every_job_left_a_log_and_a_benchmark(results):
    logs = {path.relative_to(results / "logs").with_suffix("") for path in results.rglob("*.log")}
    benchmarks = {
        path.relative_to(results / "benchmarks").with_suffix("") for path in results.rglob("*.tsv")
    }
    assert logs == benchmarks
    assert len({path.parts[0] for path in logs}) == 20


def test_no_job_used_four_gigabytes(results):
    for path in results.rglob("*.tsv"):
        peak_mb = pd.read_csv(path, sep="\t", na_values="-")["max_rss"].max()
        assert not peak_mb > 4000, path


def test_manifests_hold_no_path_of_this_machine(results):
    for path in results.rglob("*.json"):
        if "zarr" in str(path):
            continue
        assert str(results) not in path.read_text(), path
        assert json.loads(path.read_text())


def test_a_second_run_does_nothing(smoke):
    before = contents(smoke / "results")
    run = snakemake(smoke)
    assert run.returncode == 0, run.stderr
    assert "Nothing to be done" in run.stdout + run.stderr
    assert contents(smoke / "results") == before


def test_versions_that_change_between_two_runs_are_said_and_nothing_is_mixed(smoke, tmp_path):
    def without_page():
        found = contents(smoke / "results")
        return {name: found[name] for name in found.keys() - PAGE}

    # What a newer package leaves in an environment, and Snakemake and the jobs ask for.
    metadata = tmp_path / "numba-9.9.9.dist-info/METADATA"
    metadata.parent.mkdir()
    metadata.write_text("Metadata-Version: 2.1\nName: numba\nVersion: 9.9.9\n")
    before = without_page()
    made = sum(name.startswith("records/") for name in before)
    run = snakemake(smoke, packages=[tmp_path])
    assert run.returncode == 0, run.stdout + run.stderr
    said = run.stdout + run.stderr
    assert f"files made with other versions: {made + 1} with numba {version('numba')}" in said
    assert "(now 9.9.9). They are kept" in said
    assert "page: 1 of 1 done" in said
    assert without_page() == before
    page = smoke / "results/report.html"
    mixed = f"<dd>{version('numba')} ({made} files) and 9.9.9 (this page)</dd>"
    assert mixed in page.read_text()
    run = snakemake(smoke)
    assert run.returncode == 0, run.stdout + run.stderr
    assert "9.9.9" in run.stdout + run.stderr
    assert "9.9.9" not in page.read_text()
    assert without_page() == before


def test_a_deleted_file_that_is_asked_for_is_made_again_bit_for_bit(smoke):
    folder = Path("results/audited/specimen")
    lost = [folder / "baseline/predictions.csv", folder / "curves/errors.csv"]
    before = [(smoke / path).read_bytes() for path in lost]
    for path in lost:
        (smoke / path).unlink()
    run = snakemake(smoke, *map(str, lost))
    assert run.returncode == 0, run.stdout + run.stderr
    assert [(smoke / path).read_bytes() for path in lost] == before


def test_a_damaged_map_store_is_named_and_nothing_finished_is_lost(smoke):
    store = smoke / "results/audited/maps/w0062.5-s1/0000.zarr"
    chunk = max((p for p in store.rglob("c/*") if p.is_file()), key=lambda p: p.stat().st_size)
    whole, times = chunk.read_bytes(), chunk.stat()
    chunk.write_bytes(whole[: len(whole) // 2])
    os.utime(chunk, ns=(times.st_atime_ns, times.st_mtime_ns))
    before = contents(smoke / "results/published")
    try:
        run = snakemake(smoke, "--forcerun", "crop", "--until", "crop")
        assert run.returncode == 1
        assert "error in rule crop" in run.stdout + run.stderr
        assert "0000.zarr" in run.stdout + run.stderr
        assert "way out" in run.stdout + run.stderr
    finally:
        chunk.write_bytes(whole)
    published = contents(smoke / "results/published")
    assert published == before
    # What the failed job left without a store, nothing else needs: it comes back when asked for.
    assert snakemake(smoke, "results/audited/dataset/crops.json").returncode == 0
    assert (smoke / "results/audited/dataset/crops.zarr").is_dir()


# One job that nothing but the final target reads.
LEAF = ("results/audited/specimen/predictor",)

# A short version of the kinds of `make faults`, with how many faults it tries.
FAULTS = {
    "disk": (1, partial(storage.full_disk, rooms_mb=(0,), reopened=LEAF)),
    "kill": (2, partial(crashes.kills, most=2, reopened=LEAF)),
    "worker": (1, partial(crashes.workers, moments=1, reopened=LEAF)),
    "orphans": (1, partial(crashes.orphans, moments=1, reopened=LEAF)),
    "two at once": (1, partial(people.two_at_once, reopened=LEAF)),
    "memory": (1, partial(crashes.little_memory, limits_mb=(400,), reopened=LEAF)),
    "permission": (
        1,
        partial(storage.forbidden, unwritable=("results/audited/specimen",), reopened=LEAF),
    ),
}


class InOneFolder(Bench):
    """One fault after the other in one folder; whether it comes to the same is seen at the end."""

    def reopen(self, *names):
        if not self.rough.contents():
            self.rough.become(self.undisturbed)
        self.rough.remove(*names)

    def finish(self, *targets):
        return ""


@pytest.fixture(scope="module")
def in_one_folder(smoke, tmp_path_factory):
    calm = Folder(smoke)
    rough = Folder(tmp_path_factory.mktemp("rough"))
    records = tmp_path_factory.mktemp("records")
    return InOneFolder(calm, calm.contents(), rough, 20.0, random.Random(0), records)


@pytest.mark.parametrize("kind", FAULTS)
def test_a_fault_is_named(in_one_folder, kind):
    tries, fault = FAULTS[kind]
    outcome = Outcome(kind)
    fault(in_one_folder, outcome)
    if outcome.skipped:
        pytest.skip(outcome.skipped)
    assert (outcome.tried, outcome.lost) == (tries, [])


def test_after_all_these_faults_the_next_call_gives_the_same_results(in_one_folder):
    in_one_folder.reopen(*LEAF)
    half = in_one_folder.rough.path / "results/audited/specimen/.report.1.partial"
    half.mkdir()
    assert Bench.finish(in_one_folder) == ""


def test_damaged_files_are_named_by_verify_and_made_anew_alone(in_one_folder):
    bench = Bench(**vars(in_one_folder))
    names = ("results/audited/dataset/splits/specimen.csv", "results/audited/dataset/crops.zarr")
    outcome = Outcome("verify")
    damage.verified(bench, outcome, names=names)
    assert (outcome.tried, outcome.lost) == (2, [])


def test_a_store_that_lost_a_chunk_is_named_by_its_reader_and_made_anew(in_one_folder):
    bench = Bench(**vars(in_one_folder))
    network = "results/audited/specimen/networks/res4-seed0/predictions.csv"
    readers = {"results/audited/dataset/crops.zarr": network}
    outcome = Outcome("damage")
    damage.damages(bench, outcome, readers=readers, harms=())
    assert (outcome.tried, outcome.lost) == (1, [])
