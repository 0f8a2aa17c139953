"""Processes that die: killed together, one alone, head alone, and for lack of memory."""

from __future__ import annotations

import random
import resource
import subprocess
import time

import psutil

from faults.outcome import Bench, Outcome
from faults.runs import tail

# Ours, Python's, and the system's while libraries are loaded.
_NO_MEMORY = (
    *("not enough memory", "MemoryError", "annot allocate memory", "failed to map segment"),
    "out of memory",
)


def kills(bench: Bench, outcome: Outcome, *, most: int, reopened: tuple[str, ...] = ()) -> None:
    """Kill whole process groups at random moments, until a run gets through or ``most`` are done.

    Each call goes on where the one before was killed. ``reopened`` names results to begin without,
    instead of all; only what the page needs anew is made again, so they must hold all between
    them and it.
    """
    rough = bench.rough
    bench.reopen(*reopened)
    hit: list[str] = []
    longest_s = bench.took_s / 5
    while len(hit) < most:
        began = time.time()
        try:
            rough.start().wait(bench.draw.uniform(0.2, longest_s))
            break
        except subprocess.TimeoutExpired:
            hit.append("+".join(sorted(set(rough.cut_short(began)))))
    wrong = bench.finish()
    outcome.where.update(hit)
    for _ in hit:
        outcome.count(not wrong, wrong)


def workers(
    bench: Bench, outcome: Outcome, *, moments: int, reopened: tuple[str, ...] = ()
) -> None:
    """Kill one job's process, as the kernel does where memory is out, and call again each time."""
    bench.reopen(*reopened)
    named = 0
    for _ in range(moments):
        run, _ = bench.stopped_in_a_job()
        struck = _kill_a_worker(run.process.pid, bench.draw)
        run.go_on()
        status, said = run.wait()
        outcome.where.update(struck)
        named += all(status != 0 and f"Error in rule {rule}" in said for rule in struck)
    wrong = bench.finish()
    for number in range(sum(outcome.where.values())):
        outcome.count(not wrong and number < named, wrong or "the job was not named")


def _kill_a_worker(parent: int, draw: random.Random) -> list[str]:
    """Kill one job's process if there is one; return its rule."""
    try:
        children = psutil.Process(parent).children(recursive=True)
        workers = [one for one in children if any("scripts" in word for word in one.cmdline()[-1:])]
        if not workers:
            return []
        victim = draw.choice(workers)
        script = victim.cmdline()[-1]
        victim.kill()
    except psutil.Error:
        return []
    return [script.split(".")[-2]]


def orphans(
    bench: Bench, outcome: Outcome, *, moments: int, reopened: tuple[str, ...] = ()
) -> None:
    """Kill Snakemake alone, so that its jobs go on without it, and call again at once.

    The call says which are still at work; when they are gone the next one finishes.
    """
    for _ in bench.still_to_do(outcome, (f"moment {number}" for number in range(moments))):
        bench.reopen(*reopened)
        run, rules = bench.stopped_in_a_job()
        left = run.kill_head()
        outcome.where.update(["+".join(rules)])
        status, said = bench.rough.run()
        named = status != 0 and all(f"{rule}/" in said for rule in rules)
        run.go_on()
        psutil.wait_procs(left, timeout=120)
        wrong = bench.finish()
        outcome.count(named and not wrong, wrong or tail(said))


def little_memory(
    bench: Bench, outcome: Outcome, *, limits_mb: tuple[int, ...], reopened: tuple[str, ...] = ()
) -> None:
    """Give every process too little address space for some job, more each time, at last enough."""
    bench.reopen(*reopened)
    named = []
    for limit_mb in limits_mb:
        limit = limit_mb << 20
        status, said = bench.rough.run(
            in_child=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))  # type: ignore[misc]
        )
        if status:
            named.append("" if any(words in said for words in _NO_MEMORY) else tail(said))
            outcome.where.update([f"{limit_mb} MB"])
    wrong = bench.finish()
    for other in named:
        outcome.count(not (wrong or other), wrong or other)
