"""Noise on grey levels and displacements; the filter of crops that show nothing."""

import dataclasses

import numpy as np
import pytest
import torch
from small_study import banded_map

from strainprint.dataset.store import CropStore
from strainprint.errors import BadInputError
from strainprint.experiments.noise import noisy_crops, noisy_map
from strainprint.networks.architectures import ARCHITECTURES, ResidualNetwork
from strainprint.networks.inference import predict_crops
from strainprint.networks.informative import informative_crops, informative_of_store
from strainprint.networks.noise import with_noise
from strainprint.networks.training import TrainingSettings, draw_crops


def test_grey_noise_has_its_deviation_stays_in_range_and_repeats():
    grey = torch.full((200, 1, 32, 32), 128.0)
    draw = lambda: with_noise(grey, 5.0, torch.Generator().manual_seed(1))  # noqa: E731
    noisy = draw()
    assert float(noisy.std()) == pytest.approx(np.sqrt(25 + 1 / 12), rel=0.01)  # and rounding
    assert torch.equal(noisy, noisy.round())
    assert torch.equal(noisy, draw())
    black = with_noise(torch.zeros(100, 1, 8, 8), 5.0, torch.Generator().manual_seed(1))
    assert float(black.min()) == 0.0
    assert with_noise(grey, 0.0, torch.Generator()) is grey


def test_test_noise_is_that_of_training():
    crops = np.full((24, 32, 32), 128, dtype=np.uint8)
    noisy = noisy_crops(crops, 5.0, np.random.default_rng(0))
    assert noisy.dtype == np.uint8
    assert noisy.std() == pytest.approx(np.sqrt(25 + 1 / 12), rel=0.02)


def test_displacement_noise_reaches_strain_as_a_central_difference_says():
    clean = banded_map(np.random.default_rng(0), 0, 60, 240)
    noisy = noisy_map(clean, 0.01, np.random.default_rng(1))
    inner = (slice(2, -2), slice(2, -2))
    error = (noisy.eyy - clean.eyy)[inner]
    # (u[i+1] - u[i-1]) / (2 pitch): sqrt(2) sigma / 4 nm
    assert error.std() == pytest.approx(np.sqrt(2) * 0.01 / 4, rel=0.03)
    shear = (noisy.exy - clean.exy)[inner]
    assert shear.std() == pytest.approx(0.01 / 4, rel=0.03)  # half of the sum of two such
    assert noisy.shape == clean.shape


def crops_of_contrasts(*deviations):
    """One map whose crops are black and white halves, of the given standard deviations."""
    crops = np.zeros((1, len(deviations), 8, 8), dtype=np.uint8)
    for index, deviation in enumerate(deviations):
        crops[0, index, :4] = 2 * deviation
    return crops


def test_the_filter_keeps_crops_by_their_share_of_the_richest():
    crops = crops_of_contrasts(100, 50, 49, 0)
    assert informative_crops(crops, 0.5).tolist() == [[True, True, False, False]]
    assert informative_crops(crops, 1.0).tolist() == [[True, False, False, False]]
    assert informative_crops(crops, 0.0).all()
    assert informative_crops(crops_of_contrasts(0, 0), 1.0).all()
    with pytest.raises(BadInputError):
        informative_crops(crops, 1.5)


def test_only_informative_crops_are_drawn_and_others_do_not_count():
    crops = np.concatenate([crops_of_contrasts(100, 0, 90, 0), crops_of_contrasts(10, 10, 10, 10)])
    kept = informative_of_store(CropStore.of_array(crops), np.array([0, 1]), 0.5)
    settings = TrainingSettings("res4", 0, 0, crops_per_map_per_epoch=3, least_contrast=0.5)
    drawn = draw_crops(np.array([0, 1]), 4, settings, 1, kept)
    assert sorted(drawn[drawn < 4]) == [0, 2]  # all that the map has
    assert (drawn >= 4).sum() == 3
    network = ResidualNetwork(ARCHITECTURES["res4"], seed=0).eval()
    alone = predict_crops(network, crops[:1, [0, 2]])[0]
    np.testing.assert_allclose(predict_crops(network, crops[:1], 0.5)[0], alone, atol=1e-7)
    assert not np.allclose(predict_crops(network, crops[:1])[0], alone, atol=1e-4)


@pytest.mark.parametrize("wrong", [{"noise_grey_levels": -1.0}, {"least_contrast": 2.0}])
def test_settings_out_of_range_are_refused(wrong):
    with pytest.raises(BadInputError):
        dataclasses.replace(TrainingSettings("res4", 0, 0), **wrong)
