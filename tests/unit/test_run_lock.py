"""The lock of a working directory: the second run is told of the first, a dead one is forgotten."""

import fcntl
import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

from strainprint.errors import BadInputError
from strainprint.run_lock import holder, is_held, job_at_work, jobs_at_work, take_lock

HOLD = (
    "import sys, time; from strainprint.run_lock import take_lock; held = take_lock(sys.argv[1]);"
    "print('held', flush=True); time.sleep(60)"
)


@pytest.fixture
def other(tmp_path):
    """Another process that holds the lock of the folder."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()


def test_the_second_is_told_who_holds_the_lock_and_since_when(tmp_path, other):
    assert is_held(tmp_path)
    with pytest.raises(BadInputError) as caught:
        take_lock(tmp_path)
    since = holder(tmp_path)["since"]
    said = f"process {other.pid} on {socket.gethostname()}, since {since}"
    assert said in str(caught.value)
    assert "--directory" in str(caught.value)


def test_a_killed_holder_leaves_no_lock(tmp_path, other):
    other.send_signal(signal.SIGKILL)
    other.wait()
    assert not is_held(tmp_path)
    with take_lock(tmp_path):
        assert is_held(tmp_path)
        assert holder(tmp_path)["pid"] == os.getpid()
    assert not is_held(tmp_path)


def test_who_only_looks_keeps_no_run_and_no_job_from_its_lock(tmp_path):
    with take_lock(tmp_path), job_at_work(tmp_path):
        pass
    for lock, kind, seen in (
        ("strainprint.lock", fcntl.LOCK_SH, is_held),
        ("strainprint-jobs.lock", fcntl.LOCK_EX, jobs_at_work),
    ):
        with open(tmp_path / ".snakemake" / lock, "r+") as looking:
            fcntl.flock(looking, kind)
            threading.Timer(0.1, fcntl.flock, (looking, fcntl.LOCK_UN)).start()
            with take_lock(tmp_path), job_at_work(tmp_path):
                assert seen(tmp_path)


def test_a_folder_where_nothing_ever_ran_is_free(tmp_path):
    assert not is_held(tmp_path)
    assert holder(tmp_path) == {}


def test_jobs_that_outlive_their_run_are_seen_until_the_last_has_ended(tmp_path):
    with take_lock(tmp_path):
        assert not jobs_at_work(tmp_path)
    with job_at_work(tmp_path):
        with job_at_work(tmp_path):
            assert jobs_at_work(tmp_path)
        assert jobs_at_work(tmp_path)
    assert not jobs_at_work(tmp_path)


def test_a_job_that_loaded_while_another_run_began_is_refused(tmp_path):
    with take_lock(tmp_path):
        first = holder(tmp_path)["run"]
        with job_at_work(tmp_path, run=first):
            assert jobs_at_work(tmp_path)
    # As after a kill: nobody has begun since.
    with job_at_work(tmp_path, run=first):
        assert jobs_at_work(tmp_path)
    with (
        take_lock(tmp_path),
        pytest.raises(BadInputError, match=f"process {os.getpid()} on"),
        job_at_work(tmp_path, run=first),
    ):
        pytest.fail("at work beside another run")
    assert not jobs_at_work(tmp_path)


def test_whoever_may_only_read_sees_who_is_at_work(tmp_path, monkeypatch):
    modes = []

    def noting(path, mode="r", **named):
        modes.append(mode)
        return open(path, mode, **named)

    monkeypatch.setattr("strainprint.run_lock.open", noting, raising=False)
    with take_lock(tmp_path):
        modes.clear()
        assert is_held(tmp_path)
    assert modes == ["r"]


def test_a_job_outside_a_run_takes_no_lock(tmp_path):
    with job_at_work(tmp_path):
        assert not jobs_at_work(tmp_path)
    assert not list(tmp_path.iterdir())
