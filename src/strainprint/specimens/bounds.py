"""What no crystal, press or clock can have: settings out of bounds are refused by name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import inf, isfinite
from numbers import Integral, Real

from strainprint.errors import BadInputError


@dataclass(frozen=True)
class Bounds:
    """An interval of allowed values; ``whole`` asks for whole numbers."""

    low: float
    high: float = inf
    low_allowed: bool = True
    whole: bool = False

    def __contains__(self, value: object) -> bool:
        """Return whether ``value`` is a finite number (no truth value) within the bounds."""
        if isinstance(value, bool) or not isinstance(value, Integral if self.whole else Real):
            return False
        number = float(value)
        above = number >= self.low if self.low_allowed else number > self.low
        return isfinite(number) and above and number < self.high

    def __str__(self) -> str:
        """Say what is allowed, e.g. ``a finite number > 0``."""
        kind = "a whole number" if self.whole else "a finite number"
        upper = "" if self.high == inf else f" and < {self.high:g}"
        return f"{kind} {'>=' if self.low_allowed else '>'} {self.low:g}{upper}"


POSITIVE = Bounds(0.0, low_allowed=False)
NOT_NEGATIVE = Bounds(0.0)
SCATTER = Bounds(0.0, 1.0)
"""A relative standard deviation of strengths: at 1 and above most draws would be no strength."""


def check_bounds(settings: object, section: str, bounds: Mapping[str, Bounds]) -> None:
    """Check attributes of ``settings`` against their bounds.

    Raises
    ------
    BadInputError
        A value out of bounds, named as ``specimens.{section}.{attribute}``.
    """
    for name, allowed in bounds.items():
        value = getattr(settings, name)
        if value not in allowed:
            raise BadInputError(
                f"{name} is {value!r}",
                where=f"specimens.{section}.{name}",
                allowed=str(allowed),
            )


def check_fit(width_nm: float, plane_spacing_nm: float, surface_source_depth_nm: float) -> None:
    """Check that slip planes and surface sources fit a specimen of this width.

    Raises
    ------
    BadInputError
        Planes further apart than the specimen is wide, or sources at both ends of a plane (twice
        as long as the specimen is wide) that would lie beyond each other.
    """
    for name, value in (
        ("plane_spacing_nm", plane_spacing_nm),
        ("surface_source_depth_nm", surface_source_depth_nm),
    ):
        if value >= width_nm:
            raise BadInputError(
                f"{name} is {value:g} at a width of {width_nm:g} nm",
                where=f"specimens.crystal.{name}",
                allowed="less than the width of the narrowest specimen",
            )
