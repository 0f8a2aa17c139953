"""The two ways to measure that the project compares, as the command line knows them.

The workflow takes its studies from the config; a test keeps the two in step.
"""

from __future__ import annotations

from dataclasses import dataclass

from strainprint.errors import BadInputError

PITCH_NM = 2.0
"""Grid pitch of the authors' maps, at every width (physics.md 1)."""


@dataclass(frozen=True)
class Study:
    """A named way to measure and draw maps.

    ``frame``: on which body the grid lies; ``scalar``: what the picture shows; ``range_floor``:
    smallest strain range that is drawn from black to white.
    """

    frame: str
    scalar: str
    range_floor: float


STUDIES = {
    # As the authors did (learning.md 4): the picture's length betrays the prior strain.
    "published": Study(frame="deformed", scalar="equivalent", range_floor=1e-6),
    # Without that size cue.
    "audited": Study(frame="reference", scalar="equivalent", range_floor=1e-6),
}


def study_of(name: str) -> Study:
    """Return the study of that name."""
    if name not in STUDIES:
        raise BadInputError(f"unknown study {name!r}", allowed=", ".join(STUDIES))
    return STUDIES[name]
