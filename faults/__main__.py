"""Every kind of fault against the smoke preset: ``python -m faults``; the last line is JSON."""

from __future__ import annotations

import argparse
import json
import random
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from faults import crashes, damage, people, storage
from faults.outcome import Bench, Outcome
from faults.runs import Folder, tail

# What is removed to begin with: all that follows the data set of one study, or its last jobs.
_HALF = ("results/report.html", "results/audited/specimen")
_LATE = ("results/report.html", "results/audited/specimen/predictor")


def main() -> int:
    """Run the chosen kinds; 0 where every fault was survived."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    parser.add_argument("--kinds", nargs="+", choices=_KINDS, default=list(_KINDS))
    parser.add_argument("--kills", type=int, default=30, help="moments to kill at (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument(
        "--folder",
        type=Path,
        help="where to work (default: a temporary folder); what was done there is not done again",
    )
    options = parser.parse_args()
    # So that the runs are ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with tempfile.TemporaryDirectory() as temporary:
        base = options.folder or Path(temporary)
        base.mkdir(parents=True, exist_ok=True)
        bench = _bench(base)
        if bench is None:
            return 1
        outcomes = [
            _outcome(bench, kind, kills=options.kills, seed=options.seed) for kind in options.kinds
        ]
    tried, survived = (sum(getattr(one, key) for one in outcomes) for key in ("tried", "survived"))
    print(
        json.dumps(
            {
                "tried": tried,
                "survived": survived,
                "kinds": {one.kind: [one.survived, one.tried] for one in outcomes},
                "skipped": {one.kind: one.skipped for one in outcomes if one.skipped},
            }
        )
    )
    return 0 if tried == survived else 1


def _bench(base: Path) -> Bench | None:
    """Make the undisturbed run, or bring the one in the folder up to date; None where it fails."""
    calm, record = Folder(base / "undisturbed"), base / "undisturbed.json"
    took_s = json.loads(record.read_text())["took_s"] if record.exists() else None
    # The first call compiles; how long one takes is seen from the second.
    for _ in range(1 if took_s else 2):
        if not took_s:
            calm.empty()
        begun = time.perf_counter()
        status, said = calm.run()
        if status:
            print(tail(said, 40))
            return None
    took_s = took_s or time.perf_counter() - begun
    record.write_text(json.dumps({"took_s": took_s}))
    contents = calm.contents()
    print(f"undisturbed: {len(contents)} files", flush=True)
    return Bench(calm, contents, Folder(base / "disturbed"), took_s, random.Random(), base)


def _outcome(bench: Bench, kind: str, *, kills: int, seed: int) -> Outcome:
    """Try one kind, or go on with it; what is done is kept in the folder."""
    record = bench.records / f"{kind}.json"
    outcome = Outcome(kind)
    if record.exists():
        outcome = Outcome(**json.loads(record.read_text()))
        outcome.where = Counter(outcome.where)
    while outcome.tried < kills if kind == "kill" else not outcome.complete:
        # Rounds of kills differ, whether one call does them or several.
        bench.draw = random.Random(f"{seed}/{kind}/{outcome.tried}")
        _KINDS[kind](bench, outcome, kills)
        outcome.complete = True
        bench.keep(outcome)
    print(outcome.lines(), flush=True)
    return outcome


def _damages(bench: Bench, outcome: Outcome, _: int) -> None:
    damage.damages(bench, outcome, readers=damage.one_of_each_kind(bench))


def _verified(bench: Bench, outcome: Outcome, _: int) -> None:
    damage.verified(bench, outcome, names=tuple(damage.one_of_each_kind(bench)))


_KINDS: dict[str, Callable[[Bench, Outcome, int], None]] = {
    "kill": lambda bench, outcome, kills: crashes.kills(
        bench,
        outcome,
        most=min(15, kills - outcome.tried),
        # From nothing first, then the half that is made of most different jobs.
        reopened=_HALF if outcome.tried else (),
    ),
    "worker": lambda bench, outcome, _: crashes.workers(bench, outcome, moments=4, reopened=_HALF),
    "orphans": lambda bench, outcome, _: crashes.orphans(bench, outcome, moments=3, reopened=_HALF),
    "memory": lambda bench, outcome, _: crashes.little_memory(
        bench, outcome, limits_mb=(400, 700, 1000, 1500), reopened=_HALF
    ),
    "disk": lambda bench, outcome, _: storage.full_disk(
        bench, outcome, rooms_mb=(0, 1, 2, 4), reopened=_HALF
    ),
    "permission": lambda bench, outcome, _: storage.forbidden(
        bench,
        outcome,
        reopened=_LATE,
        unwritable=(
            ".snakemake/strainprint.lock",
            "results/audited/specimen",
            "results/records/audited/specimen/predictor",
        ),
        unreadable=("results/audited/dataset/manifest.csv", "results/audited/dataset/crops.zarr"),
    ),
    "damage": _damages,
    "verify": _verified,
    "leftovers": lambda bench, outcome, _: damage.leftovers(
        bench,
        outcome,
        wanted={
            "results/specimens/*/*.parts/*/*.h5": (),
            "results/*/*/networks/*/checkpoint/*": _HALF,
            "results/**/.*.partial": _LATE,
        },
    ),
    "notes": lambda bench, outcome, _: damage.notes(
        bench,
        outcome,
        reopened=_LATE,
        names=(
            ".snakemake/strainprint.lock",
            ".snakemake/strainprint-plan.json",
            ".snakemake/metadata/*",
            "results/records/audited/**/*.json",
            "results/logs/**/*.log",
        ),
    ),
    "two at once": lambda bench, outcome, _: people.two_at_once(bench, outcome, reopened=_LATE),
    "moved": lambda bench, outcome, _: people.moved(bench, outcome, reopened=_LATE),
}

if __name__ == "__main__":
    sys.exit(main())
