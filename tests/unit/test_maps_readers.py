import numpy as np
import pytest
from dialects import (
    DIALECTS,
    SQUARE_ONLY,
    WITHOUT_DISPLACEMENT,
    WITHOUT_STRAIN,
    true_field,
)
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from strainprint.maps.declaration import checked_declaration
from strainprint.maps.gauge import strain_from_displacement
from strainprint.maps.readers.recognise import read_map


def read(path, declaration):
    return read_map(path, checked_declaration(declaration, path.with_suffix(".yaml")))


def expected_strain(name, field, metres):
    """The strain that a file of this dialect holds, or that its displacement gives."""
    if name not in WITHOUT_STRAIN:
        return field.strain("hencky" if name == "gom" else "green_lagrange")
    strain = strain_from_displacement(
        np.where(field.valid, field.u, np.nan),
        np.where(field.valid, field.v, np.nan),
        pitch_x=field.x[1] - field.x[0],
        pitch_y=field.y[1] - field.y[0],
        window_points=3,
        measure="green_lagrange",
    )
    return strain.exx, strain.eyy, strain.exy


def assert_is_the_truth(name, field, measured):
    metres = field.pixel_mm * 1e-3
    assert measured.shape == field.valid.shape
    assert measured.pitch_x_m == pytest.approx((field.x[1] - field.x[0]) * metres, rel=1e-6)
    assert measured.pitch_y_m == pytest.approx((field.y[1] - field.y[0]) * metres, rel=1e-6)
    if name not in WITHOUT_DISPLACEMENT:
        for component, truth in (("u", field.u), ("v", field.v)):
            found = measured.fields[component]
            np.testing.assert_array_equal(np.isfinite(found), field.valid)
            np.testing.assert_allclose(
                found[field.valid], truth[field.valid] * metres, rtol=2e-7, atol=2e-8 * metres
            )
    strains = expected_strain(name, field, metres)
    if name not in WITHOUT_STRAIN:
        np.testing.assert_array_equal(measured.valid, field.valid)
    for component, truth in zip(("exx", "eyy", "exy"), strains, strict=True):
        found = measured.fields[component]
        valid = measured.valid
        # Printed displacements have nine digits.
        tolerance = 1e-7 if name in WITHOUT_STRAIN else 2e-9
        np.testing.assert_allclose(found[valid], truth[valid], rtol=1e-6, atol=tolerance)
    assert ((measured.flags & 7 != 0) == ~field.valid).all()


@pytest.mark.parametrize("name", DIALECTS)
def test_a_file_of_each_dialect_reads_back_as_the_truth(tmp_path, name):
    field = true_field()
    assert_is_the_truth(name, field, read(*DIALECTS[name](field, tmp_path)))


@settings(
    max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    columns=st.integers(8, 20),
    rows=st.integers(8, 20),
    step_x=st.integers(2, 12),
    step_y=st.integers(2, 12),
    stretch=st.floats(-0.02, 0.02),
    shear=st.floats(-0.02, 0.02),
    wave=st.floats(0.0, 0.2),
    hole=st.none() | st.tuples(st.floats(0.25, 0.75), st.floats(0.25, 0.75)),
)
@example(
    # The normal strain is as small as the square of the shear: finite and small strain part there.
    columns=8,
    rows=8,
    step_x=2,
    step_y=2,
    stretch=1e-4,
    shear=0.015625,
    wave=0.0,
    hole=None,
)
def test_one_true_field_reads_back_the_same_from_every_dialect(tmp_path, step_x, step_y, **drawn):
    drawn["stretch"] += 1e-3 * (abs(drawn["stretch"]) < 1e-4)
    for name, write in DIALECTS.items():
        square = name in SQUARE_ONLY
        field = true_field(step_x=step_x, step_y=step_x if square else step_y, **drawn)
        assert_is_the_truth(name, field, read(*write(field, tmp_path)))
