"""Outages of Slurm under a run: waited out, or ended with one message.

Snakemake's Slurm plugin (2.8.0) forgets every job that it cannot learn the state of: when
accounting is out of reach during one check, Snakemake waits for ever for jobs that nobody asks
about. It hands a job in while the controller is down, fails, and uses up the job's attempts within
half a minute. It asks ever more seldom, up to every three minutes, and ends no earlier than it
asks, also when it is interrupted; and an interrupt that falls into a check cancels no job.

What is used of the plugin is Snakemake's interface of executors: a job that an executor was asked
about either goes on (is given back) or is reported.
"""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import AsyncIterator, Callable, Iterable
from typing import Any

_PING_SECONDS = 60


class OutageGuard:
    """Stands between Snakemake and an executor of Slurm, for the length of a run."""

    def __init__(self, executor: Any, *, patience_s: float, longest_pause_s: float) -> None:
        """Replace the methods by which Snakemake hands in jobs, asks for them and cancels them.

        Parameters
        ----------
        executor
            Of Snakemake's Slurm plugin.
        patience_s
            Longest outage in seconds that is waited out. After it the jobs are cancelled and the
            run ends.
        longest_pause_s
            Longest pause in seconds between two questions for the state of the jobs.
        """
        self._executor = executor
        self._patience_s = patience_s
        self._longest_pause_s = longest_pause_s
        self._ask = executor.check_active_jobs
        self._submit = executor.run_jobs
        self._cancel = executor.cancel_jobs
        self._asked_about: list[Any] = []
        self._reported: set[int] = set()
        self._silent_since: float | None = None
        executor.check_active_jobs = self._check_active_jobs
        executor.run_jobs = self._run_jobs
        executor.cancel_jobs = self._cancel_jobs
        executor.report_job_success = self._noting(executor.report_job_success)
        executor.report_job_error = self._noting(executor.report_job_error)

    def _noting(self, report: Callable[..., None]) -> Callable[..., None]:
        def noted(job: Any, *arguments: Any, **named: Any) -> None:
            self._reported.add(id(job))
            report(job, *arguments, **named)

        return noted

    def _run_jobs(self, jobs: Any) -> None:
        """Hand jobs in once the controller is there; after the patience let sbatch say why not."""
        begun = time.monotonic()
        while controller_is_down():
            if time.monotonic() - begun > self._patience_s:
                break
            self._warn("controller does not answer")
            time.sleep(min(10.0, self._longest_pause_s))
        self._submit(jobs)

    async def _check_active_jobs(self, active: Iterable[Any]) -> AsyncIterator[Any]:
        """Yield the jobs that go on, also those whose state the plugin could not learn."""
        active = list(active)
        self._reported.clear()
        self._asked_about = active
        going_on = [job async for job in self._ask(active)]
        known = self._reported | {id(job) for job in going_on}
        lost = [job for job in active if id(job) not in known]
        down = bool(active) and await asyncio.to_thread(controller_is_down)
        if down:
            self._bear("controller does not answer", active)
        elif lost:
            self._bear("accounting does not answer", active)
        elif active and self._silent_since is not None:
            self._silent_since = None
            self._executor.logger.warning("Slurm answers again.")
        self._executor.next_seconds_between_status_checks = min(
            self._executor.next_seconds_between_status_checks, self._longest_pause_s
        )
        self._asked_about = [*going_on, *lost]
        for job in self._asked_about:
            yield job

    def _cancel_jobs(self, jobs: Iterable[Any]) -> None:
        """Cancel also the jobs that are being asked about, which Snakemake does not list then."""
        jobs = list(jobs)
        known = self._reported | {id(job) for job in jobs}
        self._cancel([*jobs, *(job for job in self._asked_about if id(job) not in known)])

    def _warn(self, what: str) -> None:
        if self._silent_since is None:
            self._silent_since = time.monotonic()
            self._executor.logger.warning(
                f"Slurm's {what}. Jobs that it has go on; it is asked again for "
                f"{_duration(self._patience_s)}."
            )

    def _bear(self, what: str, active: list[Any]) -> None:
        from snakemake_interface_common.exceptions import WorkflowError

        self._warn(what)
        assert self._silent_since is not None
        if time.monotonic() - self._silent_since <= self._patience_s:
            return
        numbers = " ".join(str(job.external_jobid) for job in active)
        try:
            self._cancel(active)
            fate = f"Its jobs ({numbers}) are cancelled."
        except WorkflowError:
            fate = f"Its jobs could not be cancelled; do so before you go on: scancel {numbers}"
        raise WorkflowError(
            f"Slurm's {what}, for {_duration(self._patience_s)} now; this run ends. {fate}\n"
            "  way out: once sacct and scontrol ping answer, the same command again; what is "
            "finished is kept"
        )


def controller_is_down() -> bool:
    """Return whether ``scontrol ping`` finds no controller; False where it cannot tell."""
    try:
        pinged = subprocess.run(
            ["scontrol", "ping"],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=_PING_SECONDS,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return True
    except OSError:
        return False
    return " DOWN" in pinged.stdout and " UP" not in pinged.stdout


def _duration(seconds: float) -> str:
    if seconds >= 3600:
        return f"{seconds / 3600:.0f} h"
    return f"{seconds / 60:.0f} min" if seconds >= 60 else f"{seconds:.0f} s"
