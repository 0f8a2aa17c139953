"""A working directory, runs of the smoke preset in it, and what they left there."""

from __future__ import annotations

import atexit
import contextlib
import csv
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil

from strainprint.status import read_jobs, read_plan

ROOT = Path(__file__).parents[1]
CORES = "2"
LIMIT_S = 900

_NOT_COMPARED = {"logs", "benchmarks", ".snakemake"}
# The page tells machine and run times.
_OF_ONE_RUN = {"report.html", "records/report.html.json"}


class Run:
    """Snakemake at work, as the head of a process group of its own.

    What it says goes to a file, which processes that outlive it can write to as to a terminal.
    """

    def __init__(
        self,
        command: Sequence[str],
        *,
        in_child: Callable[[], None] | None = None,
    ) -> None:
        """Start it; ``in_child`` is called in the new process."""
        self._output = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - read later
        self.process = subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"},
            stdout=self._output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=in_child,
        )
        # It is no child that ends with this process.
        atexit.register(self.kill)

    def ended(self) -> bool:
        """Tell whether it has ended."""
        return self.process.poll() is not None

    def wait(self, limit_s: float = LIMIT_S) -> tuple[int, str]:
        """Wait for its end; return its exit status and all that it said. All is killed at last.

        Raises
        ------
        TimeoutExpired
            It was still at work after ``limit_s``; it is killed then, too.
        """
        try:
            self.process.wait(limit_s)
        finally:
            self.kill()
        self._output.seek(0)
        return self.process.returncode, self._output.read()

    def kill(self) -> None:
        """Send SIGKILL to everything that it started, and wait until its head is gone."""
        # A process that was waited for has given its number back.
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()

    def pause(self) -> None:
        """Stop everything that it started where it is; killing it still works."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGSTOP)

    def go_on(self) -> None:
        """Let go on what was stopped, whether its head is still there or not."""
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGCONT)

    def kill_head(self) -> list[psutil.Process]:
        """Send SIGKILL to Snakemake alone; return the processes that it leaves behind."""
        left: list[psutil.Process] = []
        with contextlib.suppress(psutil.NoSuchProcess):
            left = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.wait()
        return left


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
    ) -> Run:
        """Start Snakemake on the smoke preset.

        ``before`` stands before the command; ``in_child`` is called in the new process.
        """
        command = [*before, sys.executable, "-m", "snakemake", *arguments, "--cores", CORES]
        command += ["--directory", str(self.path), "--configfile", "config/smoke.yaml"]
        return Run(command, in_child=in_child)

    def run(
        self,
        *arguments: str,
        before: Sequence[str] = (),
        in_child: Callable[[], None] | None = None,
    ) -> tuple[int, str]:
        """Run Snakemake to its end; return its exit status and all that it said."""
        return self.start(*arguments, before=before, in_child=in_child).wait()

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

    def made_from(self) -> dict[str, tuple[str, list[str]]]:
        """Return for every output of the run the rule that makes it and what that rule reads."""
        status, said = self.run("--detailed-summary", "--quiet", "all")
        lines = said.splitlines()
        head = next((n for n, line in enumerate(lines) if line.startswith("output_file\t")), None)
        if status or head is None:
            raise RuntimeError(tail(said))
        rows = csv.DictReader(lines[head:], delimiter="\t")
        return {
            row["output_file"]: (
                row["rule"],
                [one for one in row["input-file(s)"].split(",") if one],
            )
            for row in rows
            if row.get("rule")
        }

    def cut_short(self, since: float) -> list[str]:
        """Return the rules whose jobs a kill ended.

        ``starting`` where the run had not begun yet, ``between`` where no job was past loading its
        libraries.

        ``since``: when the run began (seconds since the epoch).
        """
        plan = read_plan(self.path)
        file = self.path / ".snakemake/strainprint-plan.json"
        if plan is None or file.stat().st_mtime < since:
            return ["starting"]
        jobs = read_jobs(self.path, plan)
        return [job.rule for job in jobs if job.state in ("cut short", "running")] or ["between"]

    def become(self, other: Folder) -> None:
        """Hold a copy of another folder, times and all, and nothing else."""
        self.empty()
        shutil.copytree(other.path, self.path, dirs_exist_ok=True)

    def remove(self, *names: str) -> None:
        """Remove files and folders, whether they are there or not."""
        for name in names:
            path = self.path / name
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)

    def empty(self) -> None:
        """Remove everything in it; the folder itself, which may be a mount, stays."""
        self.remove(*(entry.name for entry in self.path.iterdir()))


def tail(said: str, lines: int = 12) -> str:
    """Return the last lines of what a run said, without where on this machine its log is."""
    kept = [line for line in said.splitlines() if not line.startswith("Complete log")]
    return "\n".join(kept[-lines:])
