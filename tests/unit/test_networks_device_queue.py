"""GPUs are handed out one to a job, and come back however the job ends."""

import fcntl
import os
import signal
import subprocess
import sys
import threading
from contextlib import ExitStack
from types import SimpleNamespace

import pytest

from strainprint import workflow
from strainprint.errors import BadInputError
from strainprint.networks import device_queue
from strainprint.networks.device_queue import chosen_devices, take_device

TWO = {"cuda:0": "GPU-a", "cuda:1": "GPU-b"}
TAKE = (
    "import sys; from strainprint.networks.device_queue import take_device;"
    f"name, held = take_device({TWO!r}, sys.argv[1]); print(name, flush=True); sys.stdin.read()"
)


@pytest.fixture
def job(tmp_path):
    """Start processes that take one of two devices each, say which, and hold it."""
    with ExitStack() as running:

        def start():
            process = subprocess.Popen(
                [sys.executable, "-c", TAKE, str(tmp_path)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
            )
            running.enter_context(process)
            running.callback(process.kill)
            return process

        yield start


def test_jobs_take_different_devices_and_the_next_waits_for_the_one_that_is_killed(job):
    first, second = job(), job()
    taken = {process.stdout.readline().strip(): process for process in (first, second)}
    assert set(taken) == set(TWO)
    third = job()
    said = []
    reader = threading.Thread(target=lambda: said.append(third.stdout.readline().strip()))
    reader.start()
    reader.join(timeout=1.0)
    assert said == []
    taken["cuda:1"].send_signal(signal.SIGKILL)
    reader.join(timeout=20.0)
    assert said == ["cuda:1"]


def test_a_job_that_ends_gives_its_device_back(job, tmp_path):
    process = job()
    assert process.stdout.readline() == "cuda:0\n"
    process.communicate()
    name, held = take_device(TWO, tmp_path)
    held.close()
    assert name == "cuda:0"


def test_the_order_of_the_list_decides_and_none_takes_all():
    assert list(chosen_devices([], TWO)) == ["cuda:0", "cuda:1"]
    assert chosen_devices(["cuda:1", "cuda:0"], TWO) == {"cuda:1": "GPU-b", "cuda:0": "GPU-a"}
    assert chosen_devices([], {}) == {}


@pytest.mark.parametrize(("visible", "allowed"), [(TWO, "cuda:0, cuda:1"), ({}, "none: torch")])
def test_a_list_longer_than_the_machine_is_refused(visible, allowed):
    with pytest.raises(BadInputError) as caught:
        chosen_devices([*visible, "cuda:7"], visible)
    assert "training.devices: this machine has no device cuda:7" in str(caught.value)
    assert f"allowed: {allowed}" in str(caught.value)
    assert "way out: take it out of the list" in str(caught.value)


def test_a_device_has_one_lock_whatever_its_number(tmp_path):
    """As in two jobs whose CUDA_VISIBLE_DEVICES differ."""
    _, held = take_device({"cuda:0": "GPU-a"}, tmp_path)
    name, other = take_device({"cuda:0": "GPU-a", "cuda:1": "GPU-b"}, tmp_path)
    held.close()
    other.close()
    assert name == "cuda:1"
    _, held = take_device({"cuda:0": "GPU-b"}, tmp_path)
    name, other = take_device(TWO, tmp_path)
    held.close()
    other.close()
    assert name == "cuda:0"


def test_a_lock_whose_file_was_cleaned_away_counts_for_nothing(tmp_path, monkeypatch):
    one = {"cuda:0": "GPU-a"}
    path = tmp_path / "GPU-a.lock"
    path.touch()
    os.utime(path, (0, 0))
    flock, opened = fcntl.flock, []

    def clean_before(handle, how):
        opened.append(os.fstat(handle.fileno()).st_ino)
        if len(opened) == 1:
            path.rename(tmp_path / "cleaned away")
        flock(handle, how)

    monkeypatch.setattr(device_queue.fcntl, "flock", clean_before)
    monkeypatch.setattr(device_queue, "_POLL_S", 0.01)
    _, held = take_device(one, tmp_path)
    assert len(opened) == 2
    assert os.fstat(held.fileno()).st_ino == path.stat().st_ino == opened[1] != opened[0]
    held.close()
    os.utime(path, (0, 0))
    _, held = take_device(one, tmp_path)
    held.close()
    assert path.stat().st_mtime > 1e9


def test_locks_lie_in_a_folder_of_the_user_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(device_queue.tempfile, "gettempdir", lambda: str(tmp_path))
    _, held = take_device(TWO)
    held.close()
    (folder,) = tmp_path.iterdir()
    assert folder.stat().st_mode & 0o077 == 0
    another = folder.stat().st_uid + 1
    monkeypatch.setattr(device_queue.os, "getuid", lambda: another)
    folder.rename(tmp_path / f"strainprint-devices-{another}")
    with pytest.raises(BadInputError, match="belongs to another user"):
        take_device(TWO)


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Two GPUs, and jobs whose locks end with the test."""
    held = []
    monkeypatch.setattr(workflow, "_held", held)
    monkeypatch.setattr(device_queue, "visible_devices", lambda: TWO)
    monkeypatch.setattr(device_queue.tempfile, "gettempdir", lambda: str(tmp_path))

    def granted(kind, *, devices=(), **resources):
        return workflow.granted_device(
            SimpleNamespace(
                params=SimpleNamespace(device=kind),
                resources=resources,
                config={"training": {"devices": list(devices)}},
            )
        )

    yield granted
    for lock in held:
        lock.close()


def test_jobs_on_the_cpu_hold_nothing(machine, tmp_path):
    assert machine("auto", gpu=0, devices=["cuda:7"]) == "cpu"
    assert machine("cpu", gpu=1, devices=["cuda:7"]) == "cpu"
    assert list(tmp_path.iterdir()) == []


def test_a_job_with_a_gpu_takes_one_of_the_list(machine):
    assert machine("auto", gpu=1, devices=["cuda:1"]) == "cuda:1"
    assert machine("cuda", gpu=0) == "cuda:0"


def test_a_gpu_that_a_cluster_gave_by_gres_is_a_gpu(machine):
    assert machine("auto", gpu=0, gres="gpu:a100:1") == "cuda:0"
    assert machine("auto", gpu=0, gres="fpga:1") == "cpu"


def test_without_any_gpu_the_kind_is_kept_for_who_prepares_it(machine, monkeypatch):
    monkeypatch.setattr(device_queue, "visible_devices", dict)
    assert machine("auto", gpu=1) == "auto"
    with pytest.raises(BadInputError, match="no device cuda:0"):
        machine("auto", gpu=1, devices=["cuda:0"])
