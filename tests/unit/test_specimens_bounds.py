import math

import pytest

from strainprint.errors import BadInputError
from strainprint.specimens.bounds import NOT_NEGATIVE, POSITIVE, SCATTER, Bounds
from strainprint.specimens.crystal import CrystalSettings
from strainprint.specimens.material import Material
from strainprint.specimens.rules import DynamicsSettings

NO_NUMBER = [math.nan, math.inf, -math.inf, True, "5", None]


@pytest.mark.parametrize(
    ("bounds", "inside", "outside"),
    [
        (POSITIVE, [1e-9, 3, 1e300], [0.0, -1.0]),
        (NOT_NEGATIVE, [0.0, 2], [-1e-12]),
        (SCATTER, [0.0, 0.999], [1.0, -0.1]),
        (Bounds(1, whole=True), [1, 7], [0, 1.5, 2.0]),
    ],
)
def test_bounds_hold_what_they_say(bounds, inside, outside):
    assert all(value in bounds for value in inside)
    assert not any(value in bounds for value in [*outside, *NO_NUMBER])


@pytest.mark.parametrize(
    ("kind", "section", "name", "value", "allowed"),
    [
        (CrystalSettings, "crystal", "bulk_source_strength_mpa", -50.0, "> 0"),
        (CrystalSettings, "crystal", "surface_source_strength_mpa", 0.0, "> 0"),
        (CrystalSettings, "crystal", "obstacle_strength_mpa", math.nan, "finite"),
        (CrystalSettings, "crystal", "obstacle_density_per_um2", -1.0, ">= 0"),
        (CrystalSettings, "crystal", "bulk_source_density_per_um2", math.inf, "finite"),
        (CrystalSettings, "crystal", "bulk_source_scatter", 1.0, ">= 0 and < 1"),
        (CrystalSettings, "crystal", "plane_spacing_nm", 0.0, "> 0"),
        (CrystalSettings, "crystal", "aspect", "4", "number"),
        (DynamicsSettings, "dynamics", "nucleation_time_ns", 0.0, "> 0"),
        (DynamicsSettings, "dynamics", "largest_glide_nm", -1.0, "> 0"),
        (DynamicsSettings, "dynamics", "velocity_cutoff_nm_per_ns", -1.0, ">= 0"),
        (DynamicsSettings, "dynamics", "hold_steps", 10.5, "whole number >= 1"),
        (DynamicsSettings, "dynamics", "density_limit_per_um2", math.nan, "finite"),
        (Material, "material", "poissons_ratio", 0.5, ">= 0 and < 0.5"),
        (Material, "material", "drag_pa_s", math.inf, "finite"),
    ],
)
def test_an_impossible_setting_is_refused_by_name_with_what_is_allowed(
    kind, section, name, value, allowed
):
    with pytest.raises(BadInputError) as caught:
        kind(**{name: value})
    said = str(caught.value)
    assert f"specimens.{section}.{name}" in said
    assert repr(value) in said
    assert allowed in said
