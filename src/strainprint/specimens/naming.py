"""Names of subsets, specimens and maps, in one place so that paths and tables agree."""

from __future__ import annotations

import re

from strainprint.errors import BadInputError

RELOADS = ("small", "large")
"""The reload steps, in the order in which a specimen sees them."""

_SUBSET = re.compile(r"w(\d{4}(?:\.\d+)?)-s([12])")


def subset_name(width_nm: float, slip_systems: int) -> str:
    """Return e.g. ``w0125-s2`` for a width of 125 nm and two slip systems."""
    whole, _, fraction = f"{width_nm:g}".partition(".")
    return f"w{whole:0>4}{'.' + fraction if fraction else ''}-s{slip_systems}"


def parse_subset(name: str) -> tuple[float, int]:
    """Return (width in nm, slip systems) of a subset name; the inverse of :func:`subset_name`."""
    match = _SUBSET.fullmatch(name)
    if match is None:
        raise BadInputError(f"{name!r} is not a subset", allowed="like w0125-s2 or w0062.5-s1")
    return float(match[1]), int(match[2])


def specimen_name(subset: str, specimen: int) -> str:
    """Return e.g. ``w0125-s2-00012``."""
    return f"{subset}-{specimen:05d}"


def map_name(specimen_id: str, path: str, reload: str) -> str:
    """Return e.g. ``w0125-s2-00012-p0.1-large``; a named path stands without the ``p``."""
    prior = path if path[0].isalpha() else f"p{path}"
    return f"{specimen_id}-{prior}-{reload}"
