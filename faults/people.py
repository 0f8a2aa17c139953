"""What people do to a run: start a second one beside it, move its folder."""

from __future__ import annotations

from faults.outcome import Bench, Outcome
from faults.runs import Folder, tail


def two_at_once(bench: Bench, outcome: Outcome, *, reopened: tuple[str, ...]) -> None:
    """Start a second run beside one at work: it says who works there, and harms nothing."""
    bench.reopen(*reopened)
    rough = bench.rough
    first, rules = bench.stopped_in_a_job()
    outcome.where.update(["+".join(rules)])
    status, said = rough.run()
    first.go_on()
    first_status, first_said = first.wait()
    named = status != 0 and f"process {first.process.pid} on" in said
    wrong = tail(first_said) if first_status else bench.finish()
    outcome.count(named and not wrong, wrong or tail(said))


def moved(bench: Bench, outcome: Outcome, *, reopened: tuple[str, ...]) -> None:
    """Move the folder of a run that was killed, and of one that is done; call again there."""
    bench.reopen(*reopened)
    run, _ = bench.stopped_in_a_job()
    run.kill()
    home = bench.rough.path
    for state in ("killed", "done"):
        elsewhere = home.with_name(f"{home.name}-{state}")
        home.rename(elsewhere)
        home = elsewhere
        bench.rough = Folder(elsewhere)
        wrong = bench.finish()
        outcome.where.update([state])
        outcome.count(not wrong, f"{state}: {wrong}")
    status, said = bench.rough.run()
    if status or "Nothing to be done" not in said:
        outcome.survived -= 1
        outcome.lost.append(f"something ran in a moved folder: {tail(said)}")
