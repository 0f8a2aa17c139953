"""Every kind of fault against the smoke preset: ``python -m faults``; the last line is JSON."""

from __future__ import annotations

import argparse
import json
import random
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from faults import kinds
from faults.kinds import Outcome
from faults.runs import Folder, tail


def main() -> int:
    """Run the chosen kinds; 0 where every fault was survived."""
    parser = argparse.ArgumentParser(prog="faults", description=__doc__)
    names = ("kill", "worker", "memory", "disk", "permission", "damage")
    parser.add_argument("--kinds", nargs="+", choices=names, default=names)
    parser.add_argument("--kills", type=int, default=30, help="moments to kill at (default 30)")
    parser.add_argument("--seed", type=int, default=0, help="of the moments")
    parser.add_argument("--folder", type=Path, help="where to work (default: a temporary folder)")
    parser.add_argument(
        "--longest-s", type=float, help="latest moment (default: a third of the undisturbed run)"
    )
    options = parser.parse_args()
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as temporary:
        base = options.folder or Path(temporary)
        calm = Folder(base / "undisturbed")
        start = time.perf_counter()
        status, said = calm.run()
        if status:
            print(tail(said, 40))
            return 1
        took_s = time.perf_counter() - start
        longest_s = options.longest_s or took_s / 3
        same = calm.contents()
        print(f"undisturbed: {len(same)} files, {took_s:.0f} s", flush=True)
        rough = Folder(base / "disturbed")
        todo: dict[str, Callable[[], Outcome]] = {
            "kill": lambda: kinds.kills(
                rough, same, moments=options.kills, longest_s=longest_s, draw=draw
            ),
            "worker": lambda: kinds.killed_workers(
                rough, same, moments=3, longest_s=2 * longest_s, draw=draw
            ),
            "memory": lambda: kinds.little_memory(rough, same),
            "disk": lambda: kinds.full_disk(rough, same),
            "permission": lambda: kinds.forbidden(
                calm, same, ("results/audited", "results/published/dataset")
            ),
            "damage": lambda: kinds.damages(calm, same, tuple(kinds.READERS)),
        }
        outcomes = []
        for name in options.kinds:
            outcomes.append(todo[name]())
            one = outcomes[-1]
            print(f"{one.kind}: {one.survived} of {one.tried} survived {one.skipped}", flush=True)
            for text in one.lost:
                print(f"  lost: {text}", flush=True)
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


if __name__ == "__main__":
    sys.exit(main())
