"""How often a kind of fault was tried and survived, and the bench on which it is tried."""

from __future__ import annotations

import json
import random
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from faults.runs import Folder, Run, tail


@dataclass
class Outcome:
    """How often one kind of fault was tried and survived, and what went wrong otherwise.

    Attributes
    ----------
    skipped
        Why the kind cannot be tried on this machine; empty where it can.
    lost
        What happened instead, for each fault that was not survived.
    where
        What the faults hit, with how often.
    done
        What of the kind is finished, where it goes on with the rest after a stop.
    complete
        Whether all of it is finished.
    """

    kind: str
    tried: int = 0
    survived: int = 0
    skipped: str = ""
    lost: list[str] = field(default_factory=list)
    where: Counter[str] = field(default_factory=Counter)
    done: list[str] = field(default_factory=list)
    complete: bool = False

    def count(self, survived: bool, what: str) -> None:
        """Count one fault; ``what`` is kept where it was not survived."""
        self.tried += 1
        self.survived += survived
        if not survived:
            self.lost.append(what)

    def lines(self) -> str:
        """Say it: one line, what was hit, and what was lost."""
        said = [f"{self.kind}: {self.survived} of {self.tried} survived{self.skipped and ', '}"]
        said[0] += self.skipped
        if self.where:
            hit = ", ".join(f"{name} {count}" for name, count in sorted(self.where.items()))
            said.append(f"  hit: {hit}")
        return "\n".join([*said, *(f"  lost: {text}" for text in self.lost)])


@dataclass
class Bench:
    """A finished run to hold others against, and a folder to do harm to.

    Attributes
    ----------
    undisturbed
        The finished run; it is never harmed.
    contents
        The SHA-256 of its results.
    rough
        The folder for the harm.
    took_s
        Seconds that the whole run takes.
    draw
        Where random moments come from.
    records
        The folder in which outcomes are kept.
    """

    undisturbed: Folder
    contents: dict[str, str]
    rough: Folder
    took_s: float
    draw: random.Random
    records: Path

    def keep(self, outcome: Outcome) -> None:
        """Keep what was seen of a kind until now, so that a later call goes on from here."""
        (self.records / f"{outcome.kind}.json").write_text(json.dumps(vars(outcome)))

    def still_to_do(self, outcome: Outcome, items: Iterable[str]) -> Iterator[str]:
        """Yield those items that are not done yet, and keep what was seen of each."""
        for item in items:
            if item not in outcome.done:
                yield item
                outcome.done.append(item)
                self.keep(outcome)

    def finish(self, *targets: str) -> str:
        """Call again in the harmed folder; return how it ends otherwise than undisturbed, or ""."""
        status, said = self.rough.run(*targets)
        if status:
            return tail(said)
        found = self.rough.contents()
        names = sorted({*found, *self.contents})
        other = [name for name in names if found.get(name) != self.contents.get(name)]
        return f"differs: {', '.join(other[:5])}" if other else ""

    def stopped_in_a_job(self) -> tuple[Run, list[str]]:
        """Start a run in the harmed folder, and stop it when a job is at work there.

        Returns the run and the rules at work.
        """
        began = time.time()
        run = self.rough.start()
        while not run.ended() and self.rough.cut_short(began) in (["starting"], ["between"]):
            time.sleep(0.02)
        run.pause()
        return run, sorted(set(self.rough.cut_short(began)))

    def reopen(self, *names: str) -> None:
        """Make the rough folder a copy of the finished run without some results.

        With none named, nothing at all is done there.
        """
        if not names:
            self.rough.empty()
            return
        self.rough.become(self.undisturbed)
        self.rough.remove(*names)
