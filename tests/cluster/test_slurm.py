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
from private_slurm import ROOT

LIMIT_S = 120


@pytest.fixture
def folder(tmp_path, slurm):
    return stand_in(tmp_path / "run")


def stand_in(folder):
    shutil.copytree(Path(__file__).parent / "stand_in", folder)
    return folder


def interruptible():
    """Undo what a suite in the background of a script hands down: interrupts are ignored there."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def cancel_jobs(slurm, folder):
    """Give back the places of jobs that a failed test leaves: the next would wait for them."""
    listed = [line.split("|") for line in slurm.call("squeue", "-h", "-o", "%i|%Z").splitlines()]
    if left := [number for number, of_folder in listed if of_folder == str(folder)]:
        slurm.call("scancel", *left)


@contextlib.contextmanager
def started(slurm, folder, *arguments):
    """Start the stand-in through the profile; whatever happens, nothing of it is left behind."""
    with (folder / "log").open("a") as log:
        run = subprocess.Popen(
            [
                *(sys.executable, "-m", "snakemake", *arguments),
                *("--workflow-profile", str(ROOT / "profiles/slurm")),
                *("--latency-wait", "5"),
                *("--slurm-init-seconds-before-status-checks", "1"),
                *("--default-resources", "slurm_account=lab", "slurm_partition=main"),
            ],
            cwd=folder,
            env=slurm.environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=interruptible,
        )
    try:
        yield run
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()
        with contextlib.suppress(subprocess.SubprocessError):
            cancel_jobs(slurm, folder)


def log_of(folder):
    return (folder / "log").read_text()


def ends(run, folder, code=0):
    try:
        ended = run.wait(LIMIT_S)
    except subprocess.TimeoutExpired:
        pytest.fail(f"no end within {LIMIT_S} s:\n{log_of(folder)}")
    assert ended == code, log_of(folder)


def finished(slurm, folder, *arguments):
    with started(slurm, folder, *arguments) as run:
        ends(run, folder)


def wait_until(true, folder):
    end = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end, log_of(folder)
        time.sleep(0.2)


def started_jobs(folder):
    begun = folder / "started"
    return begun.read_text().split() if begun.exists() else []


def jobs(slurm, folder, *options, rule=""):
    """Return number, state and memory of the jobs of `folder`, in order."""
    columns = "JobIDRaw,State,ReqMem,Comment,WorkDir"
    listed = slurm.call("sacct", "-X", "-n", "-P", "-o", columns, *options)
    rows = [line.split("|") for line in listed.splitlines()]
    return [tuple(row[:3]) for row in rows if row[4] == str(folder) and rule in row[3]]


def booked(slurm, folder, *states):
    """Wait until Slurm has booked these states of the folder's jobs, and return the jobs.

    The controller tells accounting of new jobs every five seconds, so that a job may be at work, or
    done, before it is booked at all.
    """
    wait_until(lambda: tuple(job[1].split()[0] for job in jobs(slurm, folder)) == states, folder)
    return jobs(slurm, folder)


@pytest.fixture(scope="module")
def done(slurm, tmp_path_factory):
    """A run of every kind of job, finished."""
    folder = stand_in(tmp_path_factory.mktemp("done") / "run")
    gres = ("--set-resources", "by_gres:gpu=0", "by_gres:gres='gpu:1'")
    finished(slurm, folder, "chain", "hungry", "by_gpus", "by_gres", *gres)
    return folder


def test_a_workflow_finishes(done):
    assert (done / "second.txt").read_text() == "1\n"


def test_what_died_of_memory_is_tried_again_with_more(slurm, done):
    def asked():
        return {job[1:] for job in jobs(slurm, done, rule="hungry")}

    wait_until(lambda: ("COMPLETED", "800M") in asked(), done)
    (died,) = asked() - {("COMPLETED", "800M")}
    assert died in {("FAILED", "400M"), ("OUT_OF_MEMORY", "400M")}


def test_a_gpu_is_asked_for_by_gpus_or_by_gres(done):
    assert (done / "by_gpus.txt").read_text() == "0 None"
    assert (done / "by_gres.txt").read_text() == "0 gpu:1"


def test_an_interrupted_run_goes_on_without_what_it_had_finished(slurm, folder):
    (folder / "hold-second").touch()
    with started(slurm, folder, "chain") as run:
        wait_until(lambda: "second" in started_jobs(folder), folder)
        run.send_signal(signal.SIGINT)
        # It ends at the end of the plugin's pause between two questions, which is two seconds here
        # but grows to minutes where nobody shortens it.
        ends(run, folder, 1)
    booked(slurm, folder, "COMPLETED", "CANCELLED")
    (folder / "hold-second").unlink()
    finished(slurm, folder, "chain")
    assert (folder / "second.txt").read_text() == "1\n"
    assert started_jobs(folder) == ["first", "second", "second"]


def test_the_job_of_a_node_that_died_runs_again_under_its_number(slurm, folder):
    (folder / "hold-first").touch()
    with started(slurm, folder, "first") as run:
        wait_until(lambda: started_jobs(folder) == ["first"], folder)
        ((number, *_),) = booked(slurm, folder, "RUNNING")
        try:
            slurm.kill_node()
            (folder / "hold-first").unlink()
        finally:
            slurm.start_node()
        ends(run, folder)
    assert started_jobs(folder) == ["first", "first"]
    ((same_number, *_),) = booked(slurm, folder, "COMPLETED")
    assert same_number == number
    assert "NODE_FAIL" in {job[1] for job in jobs(slurm, folder, "--duplicates")}


def test_an_outage_of_accounting_is_waited_out_or_ends_the_run(slurm, folder, tmp_path):
    hasty = stand_in(tmp_path / "hasty")
    for one in (folder, hasty):
        (one / "hold-first").touch()
    with (
        started(slurm, folder, "first") as run,
        started(slurm, hasty, "first", "--config", "patience_s=4") as hasty_run,
    ):
        for one in (folder, hasty):
            wait_until(lambda one=one: started_jobs(one) == ["first"], one)
        slurm.kill("slurmdbd")
        try:
            ends(hasty_run, hasty, 1)
            wait_until(lambda: "accounting does not answer" in log_of(folder), folder)
            # Ends while nobody can ask for it.
            (folder / "hold-first").unlink()
            wait_until((folder / "first.txt").exists, folder)
        finally:
            slurm.start_accounting()
        ends(run, folder)
    assert "Slurm answers again" in log_of(folder)
    assert "this run ends" in log_of(hasty)
    assert "are cancelled" in log_of(hasty)
    booked(slurm, folder, "COMPLETED")
    booked(slurm, hasty, "CANCELLED")


def test_an_outage_of_the_controller_is_waited_out(slurm, folder, tmp_path):
    (folder / "hold-first").touch()
    later = stand_in(tmp_path / "later")
    with started(slurm, folder, "first") as run, contextlib.ExitStack() as stack:
        wait_until(lambda: started_jobs(folder) == ["first"], folder)
        slurm.halt_controller()
        try:
            later_run = stack.enter_context(started(slurm, later, "first"))
            for one in (folder, later):
                wait_until(lambda one=one: "controller does not answer" in log_of(one), one)
        finally:
            slurm.start_controller()
        # Not earlier: a node whose job ends without a controller tries again after a minute.
        (folder / "hold-first").unlink()
        ends(run, folder)
        ends(later_run, later)
    booked(slurm, folder, "COMPLETED")
    booked(slurm, later, "COMPLETED")
    assert started_jobs(folder) == started_jobs(later) == ["first"]
