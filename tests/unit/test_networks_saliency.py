"""Saliency against captum, by hand and on whole pictures."""

import numpy as np
import pytest
import torch
from torch import nn

from strainprint.dataset.crops import crop_boxes, crop_picture
from strainprint.errors import BadInputError
from strainprint.networks.architectures import ResidualNetwork, architecture_of
from strainprint.networks.saliency import KINDS, picture_saliency, saliency

CROPS = np.random.default_rng(0).integers(0, 256, (5, 40, 40), dtype=np.uint8)
LABELS = [0, 1, 2, 2, 0]
GEOMETRY = {"crop_px": 32, "scales": [256, 352], "aspect": "1:3"}


@pytest.fixture(scope="module")
def network() -> ResidualNetwork:
    """Random weights and running statistics, so that batch normalisation does something."""
    made = ResidualNetwork(architecture_of("proposed"), seed=3)
    generator = torch.Generator().manual_seed(1)
    for module in made.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
            nn.init.normal_(module.bias, generator=generator)
    return made.eval()


def oracle(network: ResidualNetwork, kind: str) -> np.ndarray:
    attr = pytest.importorskip("captum.attr", reason="captum (extra `test`) is not installed")
    made = {"plain": attr.Saliency, "rectified": attr.Deconvolution}[kind](network)
    pixels = torch.from_numpy(CROPS).float().unsqueeze(1)
    made = made.attribute(pixels, target=torch.tensor(LABELS)).detach().numpy()
    return np.abs(made[:, 0])


@pytest.mark.filterwarnings("ignore")  # captum says that it sets hooks
@pytest.mark.parametrize("kind", KINDS)
def test_saliency_is_captums(network: ResidualNetwork, kind: str) -> None:
    expected = oracle(network, kind)
    assert expected.max() > 1e-3
    found = saliency(network, CROPS, LABELS, kind=kind)
    assert np.abs(found - expected).max() <= 1e-6 * max(1.0, expected.max())


def test_rectified_differs_from_plain(network: ResidualNetwork) -> None:
    plain, rectified = (saliency(network, CROPS, LABELS, kind=kind) for kind in KINDS)
    assert np.corrcoef(plain.ravel(), rectified.ravel())[0, 1] < 0.9


def test_plain_saliency_is_the_slope_of_the_score(network: ResidualNetwork) -> None:
    pixels = torch.from_numpy(CROPS[:1]).double().unsqueeze(1)
    double = ResidualNetwork(architecture_of("proposed"))
    double.load_state_dict(network.state_dict())
    double = double.double().eval()
    step = 1e-4
    for row, column in ((0, 0), (20, 20), (39, 5)):
        moved = pixels.clone()
        moved[0, 0, row, column] += step
        slope = float(((double(moved) - double(pixels))[0, 0] / step).detach())
        found = saliency(network, CROPS[:1], [0])[0, row, column]
        assert found == pytest.approx(abs(slope), rel=1e-3, abs=1e-6)


def test_saliency_leaves_the_network_alone(network: ResidualNetwork) -> None:
    before = {name: value.clone() for name, value in network.state_dict().items()}
    saliency(network, CROPS, LABELS, kind="rectified")
    assert all(torch.equal(value, before[name]) for name, value in network.state_dict().items())
    assert any(isinstance(module, nn.ReLU) for module in network.modules())
    assert all(p.requires_grad and p.grad is None for p in network.parameters())


def test_what_cannot_be_asked_is_refused(network: ResidualNetwork) -> None:
    with pytest.raises(BadInputError, match="0 to 2"):
        saliency(network, CROPS, [0, 1, 2, 3, 0])
    with pytest.raises(BadInputError, match="uint8"):
        saliency(network, CROPS.astype(np.float32), LABELS)
    with pytest.raises(BadInputError, match="plain or rectified"):
        saliency(network, CROPS, LABELS, kind="guided")


def test_crop_boxes_show_where_a_crop_was_cut() -> None:
    """A picture with one bright pixel: it is bright in exactly the crops whose box holds it."""
    rows, columns = 64, 192
    boxes = crop_boxes(rows, columns, **GEOMETRY)
    for row, column in ((32, 32), (10, 100), (60, 185)):
        picture = np.zeros((rows, columns), dtype=np.uint8)
        picture[row : row + 2, column : column + 2] = 255
        bright = crop_picture(picture, **GEOMETRY).max(axis=(1, 2)) > 60
        top, bottom, left, right = boxes.T
        inside = (top <= row) & (row + 2 <= bottom) & (left <= column) & (column + 2 <= right)
        outside = (row + 4 < top) | (row - 2 > bottom) | (column + 4 < left) | (column - 2 > right)
        assert bright[inside].all()
        assert not bright[outside].any()
        assert inside.any()


def test_a_pictures_saliency_lies_where_its_crops_are(network: ResidualNetwork) -> None:
    picture = np.random.default_rng(1).integers(0, 256, (60, 200), dtype=np.uint8)
    found = picture_saliency(network, picture, 1, **GEOMETRY)
    assert found.shape == picture.shape
    assert np.isfinite(found).all()  # three squares of a picture of 1:3 cover it
    long = picture_saliency(network, picture, 1, crop_px=32, scales=[256], aspect="keep")
    assert np.isnan(long).any()
    assert np.nanmin(long) >= 0
