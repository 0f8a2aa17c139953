"""The likeness of twins: a variance that is shared by construction comes out."""

import numpy as np
import pytest

from strainprint.experiments.twins import likeness

ONES = np.ones((1, 4000))


def test_equal_twins_are_fully_alike_and_strangers_not_at_all():
    generator = np.random.default_rng(0)
    one = generator.normal(300, 50, (4000, 3))
    np.testing.assert_allclose(likeness(one, one, ONES), 1.0)
    assert np.abs(likeness(one, generator.normal(300, 50, (4000, 3)), ONES)).max() < 0.05


def test_the_share_of_variance_that_twins_have_in_common_comes_out():
    generator = np.random.default_rng(1)
    shared = generator.normal(300, 40, (4000, 1))
    one, other = (shared + generator.normal(0, 30, (4000, 1)) for _ in range(2))
    assert likeness(one, other, ONES)[0, 0] == pytest.approx(40**2 / (40**2 + 30**2), abs=0.03)
    # It is what a reader of the shared part reaches, and no twin does as well by itself.
    reader = 1 - np.sum((one - shared) ** 2) / np.sum((one - one.mean()) ** 2)
    assert likeness(one, other, ONES)[0, 0] == pytest.approx(reader, abs=0.03)


def test_weights_count_pairs_again():
    one, other = np.array([[1.0], [2.0], [4.0]]), np.array([[1.5], [2.0], [3.0]])
    twice = likeness(one[[0, 0, 2]], other[[0, 0, 2]], np.ones((1, 3)))
    np.testing.assert_allclose(likeness(one, other, np.array([[2, 0, 1]])), twice)


def test_elastic_curves_have_no_likeness():
    assert np.isnan(likeness(np.full((3, 1), 5.0), np.full((3, 1), 5.0), np.ones((1, 3)))).all()
