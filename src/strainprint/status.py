"""What a run has done, is doing, could not do and why, read from its plan and its jobs' logs."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
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


def read_jobs(
    folder: str | Path, plan: Plan, *, rule: str | None = None, held: bool = True
) -> list[Job]:
    """Return where every job of a plan (or of one of its rules) stands.

    Where the lock of the run is not ``held``, what seems to run was cut short.
    """
    begun = Path(folder, PLAN).stat().st_mtime
    jobs = [
        _read_job(Path(folder), name, log, begun)
        for name, log in plan.jobs
        if rule is None or name == rule
    ]
    if held:
        return jobs
    return [replace(job, state="cut short") if job.state == "running" else job for job in jobs]


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


def earlier_seconds(folder: str | Path, rules: Iterable[str]) -> dict[str, list[float]]:
    """Return how long jobs of rules took in runs before the last, by rule and by :func:`_kin`."""
    begun = Path(folder, PLAN).stat().st_mtime
    found: dict[str, list[float]] = {}
    for rule in dict.fromkeys(rules):
        logs = Path(folder, "results", "logs")
        for path in [logs / f"{rule}.log", *(logs / rule).rglob("*.log")]:
            if path.is_file() and path.stat().st_mtime < begun - 0.5:
                finished = _FINISHED.search(path.read_text(encoding="utf-8", errors="replace"))
                if finished:
                    name = path.relative_to(logs).with_suffix("").as_posix()
                    for key in {rule, _kin(name)}:
                        found.setdefault(key, []).append(float(finished[2]))
    return found


def time_left(folder: str | Path, jobs: Iterable[Job], cores: int) -> str:
    """Say the time until these jobs are done, estimated from those of their rule that are.

    A job that waits takes as long as the mean of the finished ones of its rule and first wildcard
    (simulations: of one width), in this run or an earlier one, else as long as those of its rule.
    Rules of which none has ever finished here are named and not counted.
    """
    jobs = list(jobs)
    known: dict[str, list[float]] = {}
    for job in jobs:
        if job.state == "done":
            for key in {job.rule, _kin(job.name)}:
                known.setdefault(key, []).append(job.seconds)
    open_jobs = [job for job in jobs if job.state in ("waiting", "running")]
    new = [job.rule for job in open_jobs if _kin(job.name) not in known]
    earlier = earlier_seconds(folder, new) if new else {}
    left: list[float] = []
    unknown: dict[str, None] = {}
    for job in open_jobs:
        kin = _kin(job.name)
        times = known.get(kin) or earlier.get(kin) or known.get(job.rule) or earlier.get(job.rule)
        if times is None:
            unknown[job.rule] = None
        else:
            left.append(max(0.0, fmean(times) - job.seconds))
    if not left:
        return "time left not known yet"
    words = in_words(sum(left) / max(1, min(cores, len(left))))
    return f"{words} without {_few(list(unknown))}" if unknown else words


def _kin(name: str) -> str:
    """Return rule and first wildcard of a job's name."""
    return "/".join(name.split("/")[:2])


def _few(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (", …" if len(names) > 3 else "")


def in_words(seconds: float) -> str:
    """Say a time left in words."""
    if seconds < 90:
        return f"about {seconds:.0f} s left"
    if seconds < 5400:
        return f"about {seconds / 60:.0f} min left"
    return f"about {seconds / 3600:.1f} h left"


def stage_line(folder: str | Path, rule: str, *, held: bool = True) -> str:
    """Return one line on a rule of the run: how many of its jobs are done, failed, why, time left.

    Empty where the rule is not planned.
    """
    plan = read_plan(folder)
    jobs = read_jobs(folder, plan, rule=rule, held=held) if plan else []
    if plan is None or not jobs:
        return ""
    counts = _count(jobs)
    words = [f"{counts.get('done', 0)} of {len(jobs)} done"]
    if "running" in counts:
        words.append(f"{counts['running']} running")
    words += [_broken(jobs, state) for state in ("failed", "cut short") if state in counts]
    if held and ("waiting" in counts or "running" in counts):
        words.append(time_left(folder, jobs, plan.cores))
    return f"{rule}: {', '.join(words)}"


def stage_lines(folder: str | Path = ".") -> list[str]:
    """Return one such line for every rule of the last run, in the order in which they begin."""
    plan = read_plan(folder)
    held = is_held(folder)
    rules = dict.fromkeys(rule for rule, _ in plan.jobs) if plan else ()
    return [stage_line(folder, rule, held=held) for rule in rules]


def status_line(folder: str | Path = ".") -> str:
    """Return one line: whether a run is at work, what is done, running, failed, and why."""
    plan = read_plan(folder)
    if plan is None:
        return "no run was started here yet"
    held = is_held(folder)
    jobs = read_jobs(folder, plan, held=held)
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
    if running:
        parts.append(f"{len(running)} running ({_few(running)})")
    parts += [_broken(jobs, state) for state in ("failed", "cut short") if state in counts]
    if held:
        parts.append(time_left(folder, jobs, plan.cores))
    elif done == len(jobs):
        parts.append("finished")
    else:
        parts.append("not running: call snakemake again to go on")
    return "; ".join(parts)


def _broken(jobs: Iterable[Job], state: str) -> str:
    """Say how many jobs failed or were cut short, which the first of them is, and why."""
    broken = [job for job in jobs if job.state == state]
    why = f": {broken[0].why}" if broken[0].why else ""
    more = f" and {len(broken) - 1} more" if len(broken) > 1 else ""
    return f"{len(broken)} {state} ({broken[0].name}{why}{more})"


def _count(jobs: Iterable[Job]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for state in ("done", "running", "failed", "cut short", "waiting"):
        found = sum(job.state == state for job in jobs)
        if found:
            counts[state] = found
    return counts
