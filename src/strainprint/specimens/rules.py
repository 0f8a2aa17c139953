"""What moves dislocations: numerical and kinetic choices, as settings and as kernels take them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from strainprint.errors import BadInputError
from strainprint.specimens.bounds import NOT_NEGATIVE, POSITIVE, Bounds, check_bounds

THRESHOLD_TOLERANCE = 1e-9
"""Share of a threshold by which rounding may miss it."""


@dataclass(frozen=True)
class DynamicsSettings:
    """Numerical and kinetic choices; evidence in config/README.md.

    Attributes
    ----------
    nucleation_time_ns
        Time a source must stay above its strength before it emits.
    time_step_ns
        Largest step while a source charges and feels a glide by 0.2 MPa or more.
    rest_time_step_ns
        Step while none does: the implicit step then only finds the rest position. It grows while
        nothing limits it.
    largest_glide_nm
        Largest distance a dislocation glides in one step beside another one (half a plane spacing
        by default, so that neighbours on adjacent planes cannot pass unseen).
    free_glide_nm
        The same far from any other: in between, a fifth of the distance to the nearest.
    velocity_cutoff_nm_per_ns
        Cut-off of the glide velocity, 0 for none (1 nm/ns = 1 m/s).
    rest_velocity_nm_per_ns, rest_glide_nm
        Below this velocity, or where a whole rest step would move it less than this distance
        (partners bound in each other's cores), a dislocation counts as at rest where a state is
        kept.
    passing_mpa
        Stress out of balance up to which it does so while the platen is on its way, at thresholds
        and at recorded points, where that is more.
    annihilation_distance_nm
        Opposite dislocations on one plane closer than this annihilate.
    exit_distance_nm
        A dislocation closer than this to a free side leaves.
    hold_time_ns, hold_steps
        Longest time and most steps spent at one platen position; reaching either is recorded.
    source_hardening
        Share of its threshold by which every emission raises a source's threshold. 0: never.
    density_limit_per_um2
        Above it the run is unphysical and stops with an error (mean spacing of 5 nm by default).
    """

    nucleation_time_ns: float = 10.0
    time_step_ns: float = 0.5
    rest_time_step_ns: float = 50.0
    largest_glide_nm: float = 1.25
    free_glide_nm: float = 10.0
    velocity_cutoff_nm_per_ns: float = 0.0
    rest_velocity_nm_per_ns: float = 0.5
    passing_mpa: float = 2.0
    rest_glide_nm: float = 1e-3
    annihilation_distance_nm: float = 1.5
    exit_distance_nm: float = 0.5
    hold_time_ns: float = 1e6
    hold_steps: int = 5000
    source_hardening: float = 0.002
    density_limit_per_um2: float = 4e4

    def __post_init__(self) -> None:
        """Refuse what no clock and no glide law can have."""
        check_bounds(
            self,
            "dynamics",
            {
                "nucleation_time_ns": POSITIVE,
                "time_step_ns": POSITIVE,
                "rest_time_step_ns": POSITIVE,
                "largest_glide_nm": POSITIVE,
                "free_glide_nm": POSITIVE,
                "velocity_cutoff_nm_per_ns": NOT_NEGATIVE,
                "rest_velocity_nm_per_ns": POSITIVE,
                "passing_mpa": POSITIVE,
                "rest_glide_nm": POSITIVE,
                "annihilation_distance_nm": POSITIVE,
                "exit_distance_nm": POSITIVE,
                "hold_time_ns": POSITIVE,
                "hold_steps": Bounds(1, whole=True),
                "source_hardening": NOT_NEGATIVE,
                "density_limit_per_um2": POSITIVE,
            },
        )
        if 0.0 < self.velocity_cutoff_nm_per_ns <= self.rest_velocity_nm_per_ns:
            raise BadInputError(
                f"velocity_cutoff_nm_per_ns is {self.velocity_cutoff_nm_per_ns:g}: "
                "everything would count as at rest",
                where="specimens.dynamics.velocity_cutoff_nm_per_ns",
                allowed="0 for none, or more than rest_velocity_nm_per_ns "
                f"({self.rest_velocity_nm_per_ns:g})",
            )


class Rules(NamedTuple):
    """:class:`DynamicsSettings` as the kernels take them."""

    nucleation_time: float
    time_step: float
    rest_time_step: float
    largest_glide: float
    free_glide: float
    velocity_cutoff: float
    rest_velocity: float
    rest_glide: float
    annihilation_distance: float
    exit_distance: float
    hold_time: float
    hold_steps: int
    source_hardening: float


def make_rules(settings: DynamicsSettings) -> Rules:
    """Return the settings as a plain tuple."""
    return Rules(
        nucleation_time=settings.nucleation_time_ns,
        time_step=settings.time_step_ns,
        rest_time_step=settings.rest_time_step_ns,
        largest_glide=settings.largest_glide_nm,
        free_glide=settings.free_glide_nm,
        velocity_cutoff=settings.velocity_cutoff_nm_per_ns,
        rest_velocity=settings.rest_velocity_nm_per_ns,
        rest_glide=settings.rest_glide_nm,
        annihilation_distance=settings.annihilation_distance_nm,
        exit_distance=settings.exit_distance_nm,
        hold_time=settings.hold_time_ns,
        hold_steps=settings.hold_steps,
        source_hardening=settings.source_hardening,
    )


def make_passing_rules(settings: DynamicsSettings, mobility: float) -> Rules:
    """Return the rules while the platen is on its way; mobility in nm/ns per MPa."""
    rules = make_rules(settings)
    passing = max(rules.rest_velocity, mobility * settings.passing_mpa)
    if rules.velocity_cutoff > 0.0:
        # what reaches the cut-off moves
        passing = min(passing, rules.velocity_cutoff)
    return rules._replace(rest_velocity=passing)
