"""Snakemake killed while a job of it still loads its libraries: the job lets the next run be."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIMIT_S = 60

SNAKEFILE = """
from strainprint.workflow import begin_run

onstart:
    begin_run(workflow)

rule made:
    output: "results/made.txt"
    log: "results/logs/made.log"
    script: "made.py"
"""

SCRIPT = """
import os, time

with open("loading", "a") as out:
    out.write(f"{os.getpid()}\\n")
while os.path.exists("hold"):
    time.sleep(0.05)

from strainprint.workflow import job_log

with job_log(snakemake), open("worked", "a") as out, open(snakemake.output[0], "w") as made:
    out.write(f"{os.getpid()}\\n")
    made.write("1")
"""


@pytest.fixture
def start(tmp_path):
    (tmp_path / "Snakefile").write_text(SNAKEFILE)
    (tmp_path / "made.py").write_text(SCRIPT)
    begun = []

    def start():
        with (tmp_path / "said").open("a") as said:
            run = subprocess.Popen(
                [sys.executable, "-m", "snakemake", "--cores", "1", "--nolock"],
                cwd=tmp_path,
                env={**os.environ, "PYTHONPATH": str(ROOT / "src")},
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        begun.append(run)
        return run

    yield start
    for run in begun:
        # Also what outlives its head.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(run.pid, signal.SIGKILL)
        run.wait()


def lines(path):
    return path.read_text().splitlines() if path.exists() else []


def wait_until(true, folder):
    end = time.monotonic() + LIMIT_S
    while not true():
        assert time.monotonic() < end, (folder / "said").read_text()
        time.sleep(0.05)


def test_a_job_of_a_killed_run_leaves_its_work_to_the_next_run(start, tmp_path):
    (tmp_path / "hold").touch()
    killed = start()
    wait_until(lambda: len(lines(tmp_path / "loading")) == 1, tmp_path)
    killed.kill()
    killed.wait()
    following = start()
    wait_until(lambda: len(lines(tmp_path / "loading")) == 2, tmp_path)
    (tmp_path / "hold").unlink()
    assert following.wait(LIMIT_S) == 0, (tmp_path / "said").read_text()
    wait_until(lambda: "another has begun here since" in (tmp_path / "said").read_text(), tmp_path)
    assert lines(tmp_path / "worked") == lines(tmp_path / "loading")[1:]
    assert (tmp_path / "results/made.txt").read_text() == "1"
