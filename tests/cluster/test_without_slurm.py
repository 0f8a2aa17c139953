"""Where Slurm cannot be had, the tests are skipped soon and say why; and none leaves it running."""

import os
import signal
import subprocess
import sys
import time

import private_slurm
import pytest


@pytest.fixture
def asked_of_apt(tmp_path, monkeypatch):
    """A machine without Slurm, on which apt-get does as the file `apt-get` of `tmp_path` says."""
    monkeypatch.setattr(private_slurm, "PROGRAMS", ("no-such-daemon",))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    def write(line):
        (tmp_path / "apt-get").write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/asked\n{line}\n')
        (tmp_path / "apt-get").chmod(0o755)
        return tmp_path / "asked"

    return write


def test_an_apt_that_fails_is_asked_no_more_than_needed(asked_of_apt):
    asked = asked_of_apt("exit 100")
    with pytest.raises(private_slurm.NoSlurmError, match="not installed: no-such-daemon"):
        private_slurm.require_programs()
    words = [line.split()[-1] for line in asked.read_text().splitlines()]
    assert words == ["--download-only", "update", "--download-only"]


def test_an_apt_that_hangs_is_not_waited_for(asked_of_apt, monkeypatch):
    monkeypatch.setattr(private_slurm, "LOADING_S", 1)
    # A process of apt's own, which outlives it.
    asked = asked_of_apt("sleep 20 & wait")
    begun = time.monotonic()
    with pytest.raises(private_slurm.NoSlurmError, match="not installed: no-such-daemon"):
        private_slurm.require_programs()
    assert time.monotonic() - begun < 10
    assert len(asked.read_text().splitlines()) == 1


def test_what_tests_that_are_killed_had_started_is_killed_too(tmp_path):
    def sleeper(configuration):
        return subprocess.Popen(
            ["sleep", "60"],
            env={**os.environ, "SLURM_CONF": str(tmp_path / configuration)},
            start_new_session=True,
        )

    ours, of_others = sleeper("slurm.conf"), sleeper("other.conf")
    guard = subprocess.Popen(
        [sys.executable, private_slurm.__file__, str(tmp_path / "slurm.conf")],
        stdin=subprocess.PIPE,
    )
    try:
        with pytest.raises(subprocess.TimeoutExpired):
            ours.wait(0.5)
        # As when the process at its other end dies.
        guard.stdin.close()
        assert guard.wait(20) == 0
        assert ours.wait(5) == -signal.SIGKILL
        assert of_others.poll() is None
    finally:
        for one in (ours, of_others, guard):
            one.kill()
            one.wait()
