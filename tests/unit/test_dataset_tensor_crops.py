"""Integer tensor crops have Pillow's bits."""

import numpy as np
import pytest
import torch

from strainprint.dataset.crops import crop_picture
from strainprint.dataset.tensor_crops import crop_tensor
from strainprint.errors import BadInputError

DEVICES = [
    "cpu",
    pytest.param(
        "cuda", marks=pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
    ),
]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("aspect", ["1:3", "keep"])
@pytest.mark.parametrize("crop_px", [224, 56])
@pytest.mark.parametrize("shape", [(31, 124), (62, 201), (256, 768), (500, 1999), (1, 1), (3, 70)])
def test_tensor_crops_equal_pillow_bit_for_bit(shape, crop_px, aspect, device):
    picture = np.random.default_rng(shape[1]).integers(0, 256, shape, dtype=np.uint8)
    given = torch.from_numpy(picture).to(device)
    crops = crop_tensor(given, crop_px=crop_px, aspect=aspect)
    assert crops.device.type == device
    expected = crop_picture(picture, crop_px=crop_px, aspect=aspect)
    np.testing.assert_array_equal(crops.cpu().numpy(), expected)


def test_black_and_white_extremes_equal_pillow():
    checks = (np.indices((90, 333)).sum(0) % 2 * 255).astype(np.uint8)
    np.testing.assert_array_equal(crop_tensor(torch.from_numpy(checks)), crop_picture(checks))


@pytest.mark.parametrize(
    "picture", [torch.zeros(62, 248), torch.zeros(0, 248).byte(), torch.zeros(6, 9, 3).byte()]
)
def test_what_is_no_grey_picture_is_refused(picture):
    with pytest.raises(BadInputError, match="picture"):
        crop_tensor(picture)
