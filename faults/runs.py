"""A working directory, runs of the smoke preset in it, and what they left there."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[1]
CORES = "2"
LIMIT_S = 900

_NOT_COMPARED = {"logs", "benchmarks", ".snakemake"}
# The page tells machine and run times.
_OF_ONE_RUN = {"report.html", "records/report.html.json"}


class Folder:
    """A working directory of the workflow, made where it is missing."""

    def __init__(self, path: Path) -> None:  # noqa: D107
        self.path = path
        path.mkdir(parents=True, exist_ok=True)

    def start(
        self,
        *arguments: str,
        before: Sequence[str] = (),
        in_child: Callable[[], None] | None = None,
    ) -> subprocess.Popen[str]:
        """Start Snakemake on the smoke preset, as the head of a process group of its own.

        ``before`` stands before the command; ``in_child`` is called in the new process.
        """
        command = [*before, sys.executable, "-m", "snakemake", *arguments, "--cores", CORES]
        command += ["--directory", str(self.path), "--configfile", "config/smoke.yaml"]
        source = str(ROOT / "src")
        return subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": source, "OMP_NUM_THREADS": "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            preexec_fn=in_child,
        )

    def run(
        self,
        *arguments: str,
        before: Sequence[str] = (),
        in_child: Callable[[], None] | None = None,
    ) -> tuple[int, str]:
        """Run Snakemake to its end; return its exit status and all that it said."""
        process = self.start(*arguments, before=before, in_child=in_child)
        try:
            said, _ = process.communicate(timeout=LIMIT_S)
        finally:
            kill_group(process)
        return process.returncode, said

    def contents(self) -> dict[str, str]:
        """Return the SHA-256 of every result that the same config must give again, by its name."""
        results = self.path / "results"
        return {
            file.relative_to(results).as_posix(): hashlib.sha256(file.read_bytes()).hexdigest()
            for file in sorted(results.rglob("*"))
            if file.is_file()
            and not _NOT_COMPARED & set(file.relative_to(results).parts)
            and file.name != ".snakemake_timestamp"
            and file.relative_to(results).as_posix() not in _OF_ONE_RUN
        }

    def empty(self) -> None:
        """Remove everything in it; the folder itself, which may be a mount, stays."""
        for entry in self.path.iterdir():
            if entry.is_dir():
                shutil.rmtree(entry)
            else:
                entry.unlink()


def kill_group(process: subprocess.Popen[str]) -> None:
    """Send SIGKILL to everything that a run started, and wait until it is gone."""
    # A process that was waited for has given its number back.
    if process.returncode is None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def tail(said: str, lines: int = 12) -> str:
    """Return the last lines of what a run said."""
    return "\n".join(said.splitlines()[-lines:])
