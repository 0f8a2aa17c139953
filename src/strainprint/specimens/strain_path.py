"""What is done to a specimen before its reload: a strain path, a sequence of loads.

Written as words, ``compress 0.01, unload, pull 0.02``: each load moves the platen by that strain
from where it is, and every path ends unloaded and relaxed whether it says so or not. A plain prior
strain is a path of one load and is named by its number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real

from strainprint.errors import BadInputError

SENSES = {"compression": -1, "tension": 1}
LARGEST_STRAIN = 0.2
"""The small-strain theory keeps the body's shape; a load of more would make that meaningless."""

UNLOAD = "unload"
_VERBS = {"compress": -1, "pull": 1}
_STEPS = "compress STRAIN, pull STRAIN or unload"
_NAME = re.compile(r"[a-z][a-z0-9_-]{0,39}")
_TAKEN = frozenset({"all", "false", "inf", "infinity", "na", "nan", "none", "null", "true"})
"""Names that tables use for sums, or that their readers take for numbers, gaps or truth values."""


@dataclass(frozen=True)
class Step:
    """One step of a path: ``sense`` -1 compresses, +1 pulls by ``strain``, 0 unloads."""

    sense: int
    strain: float = 0.0

    def __str__(self) -> str:
        """Return the step in words, e.g. ``compress 0.01``."""
        if self.sense == 0:
            return UNLOAD
        verb = next(verb for verb, sense in _VERBS.items() if sense == self.sense)
        return f"{verb} {self.strain:.10g}"


@dataclass(frozen=True)
class StrainPath:
    """A named sequence of steps; the unloading at its end is not listed."""

    name: str
    steps: tuple[Step, ...]

    @property
    def total_strain(self) -> float:
        """Sum of the strains of all loads, whatever their sense."""
        return math.fsum(step.strain for step in self.steps)

    @property
    def is_named(self) -> bool:
        """Whether it was given a name; a plain prior strain is named by its number."""
        return self.name[0].isalpha()

    def __str__(self) -> str:
        """Return the whole path in words."""
        return ", ".join([*map(str, self.steps), UNLOAD])


def strain_paths(
    prior_strains: Sequence[float],
    sense: str = "compression",
    paths: Mapping[str, Sequence[str]] | None = None,
) -> tuple[StrainPath, ...]:
    """Return all paths of a study: prior strains ascending, then the named ones by name.

    Parameters
    ----------
    prior_strains
        Strains of single loads; each path is named by its strain as ``%g`` writes it.
    sense
        ``compression`` or ``tension``: the sense of those single loads.
    paths
        Steps by name, each ``compress STRAIN``, ``pull STRAIN`` or ``unload``.

    Raises
    ------
    BadInputError
        No path, a step that is none, a strain out of bounds, or two paths of one name or course.
    """
    plain = sorted(
        _strain(strain, f"specimens.prior_strains[{index}]")
        for index, strain in enumerate(prior_strains)
    )
    found = [StrainPath(f"{strain:g}", (Step(_sense(sense), strain),)) for strain in plain]
    found += [_named(name, steps) for name, steps in sorted((paths or {}).items())]
    if not found:
        raise BadInputError(
            "there is neither a prior strain nor a path",
            where="specimens.prior_strains",
            allowed="one or more",
        )
    for index, path in enumerate(found):
        for other in found[:index]:
            if path.name == other.name or path.steps == other.steps:
                raise BadInputError(
                    f"{path.name} is the same as {other.name} ({other})",
                    where="specimens.prior_strains and specimens.paths",
                    allowed="paths that differ in name (six digits count) and in course",
                )
    return tuple(found)


def _sense(sense: str) -> int:
    if sense not in SENSES:
        raise BadInputError(
            f"sense is {sense!r}", where="specimens.loading.sense", allowed=" or ".join(SENSES)
        )
    return SENSES[sense]


def _strain(strain: float, where: str) -> float:
    if not (isinstance(strain, Real) and 0 < strain <= LARGEST_STRAIN):
        raise BadInputError(
            f"the strain is {strain!r}", where=where, allowed=f"above 0, at most {LARGEST_STRAIN}"
        )
    return strain


def _named(name: str, words: Sequence[str]) -> StrainPath:
    """Return the path of that name, its last unloading left out."""
    where = f"specimens.paths.{name}"
    if not _NAME.fullmatch(name) or name in _TAKEN:
        raise BadInputError(
            f"{name!r} cannot name a path",
            where="specimens.paths",
            allowed="small letters, digits, - and _, a letter first, at most 40, and none of "
            + ", ".join(sorted(_TAKEN)),
        )
    if isinstance(words, str) or not all(isinstance(text, str) for text in words):
        raise BadInputError(f"the value {words!r}", where=where, allowed=f"a list of {_STEPS}")
    steps = [_step(text, f"{where}[{index}]") for index, text in enumerate(words)]
    previous = 0
    for index, step in enumerate(steps):
        if step.sense == previous:
            said = "starts by unloading" if index == 0 else f"{steps[index - 1]!s} before {step!s}"
            raise BadInputError(
                f"{said}: nothing changes in between",
                where=f"{where}[{index}]",
                allowed="a load first, then steps that each do something else",
                way_out="leave it out, or write two loads of one sense as one",
            )
        previous = step.sense
    if steps and steps[-1].sense == 0:
        steps.pop()
    if not steps:
        raise BadInputError("the path is empty", where=where, allowed=f"one or more of {_STEPS}")
    return StrainPath(name, tuple(steps))


def _step(text: str, where: str) -> Step:
    """Return the step that a text like ``compress 0.01`` means."""
    words = text.split()
    if words == [UNLOAD]:
        return Step(0)
    try:
        verb, number = words
        sense, strain = _VERBS[verb], float(number)
    except (KeyError, ValueError) as error:
        raise BadInputError(f"{text!r} is no step", where=where, allowed=_STEPS) from error
    return Step(sense, _strain(strain, where))
