"""What a run has done, is doing, could not do and why, read from its plan and its jobs' logs."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import fmean

from strainprint.run_lock import holder, is_held

PLAN = ".snakemake/strainprint-plan.json"
STARTED = "started by process %d on %s"
FINISHED = "finished after %.1f s"
FAILED = "failed: %s"

_TIME = r"^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d),\d+ \w+ strainprint\.workflow: "
_STARTED = re.compile(_TIME + r"started by process (\d+) on (\S+)$", re.MULTILINE)
_FINISHED = re.compile(_TIME + r"finished after ([\d.]+) s$", re.MULTILINE)
_FAILED = re.compile(_TIME + r"failed: (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Job:
    """One planned job: ``state`` is waiting, running, done, failed or cut short.

    ``seconds`` is how long it took, or has been running; ``why`` is why it failed; ``process``
    says which process runs it, and where.
    """

    rule: str
    name: str
    state: str
    seconds: float = 0.0
    why: str = ""
    process: str = ""


@dataclass(frozen=True)
class Plan:
    """What a run set out to do: every job's rule and log, and how many cores it has."""

    cores: int
    jobs: Sequence[tuple[str, str]]


def write_plan(folder: str | Path, plan: Plan) -> None:
    """Write the plan of the run that begins."""
    path = Path(folder, PLAN)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps({"cores": plan.cores, "jobs": plan.jobs}), encoding="utf-8")


def read_plan(folder: str | Path) -> Plan | None:
    """Read the plan of the last run; None where there is none."""
    try:
        content = json.loads(Path(folder, PLAN).read_text(encoding="utf-8"))
        return Plan(int(content["cores"]), [(rule, log) for rule, log in content["jobs"]])
    except (OSError, ValueError, KeyError, TypeError):
        return None


def read_jobs(folder: str | Path, plan: Plan, rule: str | None = None) -> list[Job]:
    """Return where every job of a plan (or of one of its rules) stands."""
    begun = Path(folder, PLAN).stat().st_mtime
    return [
        _read_job(Path(folder), name, log, begun)
        for name, log in plan.jobs
        if rule is None or name == rule
    ]


def _read_job(folder: Path, rule: str, log: str, begun: float) -> Job:
    name = Path(log).with_suffix("").as_posix().partition("/logs/")[2]
    path = folder / log
    # Half a second: file systems may keep coarse times.
    if not path.is_file() or path.stat().st_mtime < begun - 0.5:
        return Job(rule, name, "waiting")
    text = path.read_text(encoding="utf-8", errors="replace")
    if finished := _FINISHED.search(text):
        return Job(rule, name, "done", float(finished[2]))
    if failed := _FAILED.search(text):
        return Job(rule, name, "failed", why=failed[2])
    started = _STARTED.search(text)
    if started is None:
        return Job(rule, name, "running")
    if started[3] == socket.gethostname() and not Path("/proc", started[2]).exists():
        return Job(rule, name, "cut short", why="its process is gone (killed, or out of memory)")
    elapsed = (datetime.now() - datetime.fromisoformat(started[1])).total_seconds()
    process = f"process {started[2]} on {started[3]}"
    return Job(rule, name, "running", max(0.0, elapsed), process=process)


def jobs_running(folder: str | Path) -> str:
    """Say which jobs of the last run are running, and in which processes."""
    plan = read_plan(folder)
    jobs = read_jobs(folder, plan) if plan else []
    return ", ".join(f"{job.name} ({job.process})" for job in jobs if job.process)


def seconds_left(jobs: Iterable[Job], cores: int) -> float | None:
    """Estimate the time until these jobs are done, from those of their rule that are.

    A job that waits takes as long as the mean of the finished ones of its rule and first wildcard
    (simulations: of one width), else of its rule. None where a rule has none finished yet.
    """
    jobs = list(jobs)
    known: dict[str, list[float]] = {}
    for job in jobs:
        if job.state == "done":
            for key in (job.rule, _kin(job)):
                known.setdefault(key, []).append(job.seconds)
    left = 0.0
    open_jobs = [job for job in jobs if job.state in ("waiting", "running")]
    for job in open_jobs:
        times = known.get(_kin(job)) or known.get(job.rule)
        if times is None:
            return None
        left += max(0.0, fmean(times) - job.seconds)
    return left / max(1, min(cores, len(open_jobs)))


def _kin(job: Job) -> str:
    return "/".join(job.name.split("/")[:2])


def in_words(seconds: float | None) -> str:
    """Say a time left in words."""
    if seconds is None:
        return "time left not known yet"
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"


def stage_line(folder: str | Path, rule: str) -> str:
    """Return one line on a rule of the run: how many of its jobs are done, and the time left."""
    plan = read_plan(folder)
    jobs = read_jobs(folder, plan, rule) if plan else []
    if plan is None or not jobs:
        return ""
    counts = _count(jobs)
    words = [f"{counts.get('done', 0)} of {len(jobs)} done"]
    words += [f"{counts[state]} {state}" for state in counts if state not in ("done", "waiting")]
    if "waiting" in counts or "running" in counts:
        words.append(in_words(seconds_left(jobs, plan.cores)))
    return f"{rule}: {', '.join(words)}"


def stage_lines(folder: str | Path = ".") -> list[str]:
    """Return one such line for every rule of the last run, in the order in which they begin."""
    plan = read_plan(folder)
    return (
        [stage_line(folder, rule) for rule in dict.fromkeys(r for r, _ in plan.jobs)]
        if plan
        else []
    )


def status_line(folder: str | Path = ".") -> str:
    """Return one line: whether a run is at work, what is done, running, failed, and why."""
    plan = read_plan(folder)
    if plan is None:
        return "no run was started here yet"
    jobs = read_jobs(folder, plan)
    held = is_held(folder)
    who = holder(folder)
    parts = []
    if held:
        parts.append(
            f"running since {who.get('since', '?')} (process {who.get('pid', '?')} on "
            f"{who.get('host', '?')})"
        )
    counts = _count(jobs)
    done = counts.get("done", 0)
    parts.append(f"{done} of {len(jobs)} jobs done")
    running = [job.name for job in jobs if job.state == "running"]
    if held and running:
        shown = ", ".join(running[:3]) + (", …" if len(running) > 3 else "")
        parts.append(f"{len(running)} running ({shown})")
    for state in ("failed", "cut short"):
        broken = [job for job in jobs if job.state == state]
        if not held and state == "cut short":
            broken += [job for job in jobs if job.state == "running"]
        if broken:
            why = f": {broken[0].why}" if broken[0].why else ""
            more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
            parts.append(f"{len(broken)} {state} ({broken[0].name}{why}{more})")
    if held:
        parts.append(in_words(seconds_left(jobs, plan.cores)))
    elif done == len(jobs):
        parts.append("finished")
    else:
        parts.append("not running: call snakemake again to go on")
    return "; ".join(parts)


def _count(jobs: Iterable[Job]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for state in ("done", "running", "failed", "cut short", "waiting"):
        found = sum(job.state == state for job in jobs)
        if found:
            counts[state] = found
    return counts
