"""profiles/slurm through a real sbatch, on a stand-in for the workflow."""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 100


@pytest.fixture
def folder(tmp_path, slurm):
    shutil.copy(Path(__file__).parent / "stand_in/Snakefile", tmp_path)
    return tmp_path


@contextlib.contextmanager
def started(slurm, folder, *arguments):
    """Start the stand-in through the profile; whatever happens, nothing of it is left behind."""
    with (folder / "log").open("a") as log:
        run = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", *arguments),
                *("--workflow-profile", str(ROOT / "profiles/slurm")),
                *("--latency-wait", "5"),
                *("--slurm-init-seconds-before-status-checks", "3"),
                *("--default-resources", "slurm_account=lab", "slurm_partition=main"),
            ],
            cwd=folder,
            env={
                **slurm.environment,
                "PYTHONPATH": str(ROOT / "src"),
                "PATH": f"{slurm.folder / 'bin'}:{Path(sys.executable).parent}:"
                f"{slurm.environment['PATH']}",
            },
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def finished(slurm, folder, *arguments):
    with started(slurm, folder, *arguments) as run:
        assert run.wait(LIMIT_S) == 0, (folder / "log").read_text()


def jobs(slurm, folder):
    """Return state and memory of every job of `folder`, in order, once Slurm has booked it."""
    time.sleep(2)
    listed = slurm.call("sacct", "-X", "-n", "-P", "-o", "JobIDRaw,State,ReqMem,WorkDir")
    rows = [line.split("|") for line in listed.splitlines()]
    return [(state, memory) for _, state, memory, place in rows if place == str(folder)]


def test_a_workflow_finishes_through_sbatch(slurm, folder):
    finished(slurm, folder, "chain")
    assert (folder / "second.txt").read_text() == "1\n"
    assert jobs(slurm, folder) == [("COMPLETED", "400M")] * 2


def test_a_job_that_died_of_memory_is_tried_again_with_more(slurm, folder):
    finished(slurm, folder, "hungry")
    died, passed = jobs(slurm, folder)
    assert (died[1], passed) == ("400M", ("COMPLETED", "800M"))
    assert died[0] in {"FAILED", "OUT_OF_MEMORY"}


def test_an_interrupted_run_goes_on_without_what_it_had_finished(slurm, folder):
    (folder / "wait").touch()
    with started(slurm, folder, "chain") as run:
        end = time.monotonic() + LIMIT_S
        while not (folder / "started").exists() or "second" not in (folder / "started").read_text():
            assert time.monotonic() < end, (folder / "log").read_text()
            time.sleep(0.5)
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 1
    (folder / "wait").unlink()
    finished(slurm, folder, "chain")
    assert (folder / "second.txt").read_text() == "1\n"
    assert (folder / "started").read_text().split() == ["first", "second"]
