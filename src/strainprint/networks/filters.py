"""What a layer's filters look for: pictures that gradient ascent makes a filter answer most to.

Source: Yang et al. 2020 (doi 10.1038/s41598-020-65157-z), Figure 6; start, loss and step as in the
Keras example the paper's software follows (grey noise of 128 ± 10 levels, mean answer of a
filter, gradient divided by its root mean square, step of one grey level).
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strainprint.errors import BadInputError
from strainprint.networks.architectures import (
    NormalizedConvolution,
    ResidualModule,
    ResidualNetwork,
)

_SMALLEST_GRADIENT = 1e-12


@dataclass(frozen=True)
class FilterPictures:
    """The pictures that the filters with the highest answers were driven to.

    Attributes
    ----------
    pictures
        Grey levels, not clipped, shape (n_shown, px, px), highest answer first.
    filters
        Index of each filter in its layer, shape (n_shown,).
    answers
        Mean output of the filter on its picture, shape (n_shown,).
    n_filters
        Filters of the layer.
    """

    pictures: NDArray[np.float32]
    filters: NDArray[np.int64]
    answers: NDArray[np.float64]
    n_filters: int


def excite_filters(
    network: ResidualNetwork, *, px: int, steps: int = 100, shown: int = 9, seed: int = 0
) -> FilterPictures:
    """Drive grey noise by gradient ascent for each filter of the second residual module's last
    convolution, and return the pictures with the highest answers.

    Parameters
    ----------
    network
        As trained, on the device to use; it is not changed.
    px
        Side of the pictures.
    steps
        Steps of gradient ascent, 100 in the paper.
    shown
        Pictures to return, 9 in the paper.
    seed
        Of the noise; every filter starts from the same one.

    Raises
    ------
    BadInputError
        The network has no second residual module, or ``steps`` is below 1.
    """
    if steps < 1:
        raise BadInputError(f"{steps} steps", allowed="1 or more")
    before, layer = _through_second_module(network)
    device = network.classifier.weight.device
    noise = 128 + 10 * (2 * np.random.default_rng(seed).random((px, px)) - 1)
    start = torch.from_numpy(noise.astype(np.float32)).to(device)
    pictures = start.expand(layer.out_channels, 1, px, px).contiguous()
    for _ in range(steps):
        pictures.requires_grad_()
        (gradient,) = torch.autograd.grad(_own_answers(before, layer, pictures).sum(), pictures)
        size = gradient.square().mean(dim=(1, 2, 3), keepdim=True).sqrt()
        pictures = pictures.detach() + gradient / (size + _SMALLEST_GRADIENT)
    with torch.inference_mode():
        answers = _own_answers(before, layer, pictures).double().cpu().numpy()
    best = np.argsort(-answers, kind="stable")[:shown]
    return FilterPictures(
        pictures[:, 0].cpu().numpy()[best], best, answers[best], layer.out_channels
    )


def _through_second_module(network: ResidualNetwork) -> tuple[nn.Sequential, nn.Conv2d]:
    """Return copies of the second residual module's last convolution and of all before it."""
    layers = list(copy.deepcopy(network).eval().requires_grad_(False).layers)
    modules = [i for i, layer in enumerate(layers) if isinstance(layer, ResidualModule)]
    if len(modules) < 2:
        raise BadInputError(
            f"{network.architecture.name} has {len(modules)} residual modules", allowed="2 or more"
        )
    second = layers[modules[1]]
    assert isinstance(second, ResidualModule)
    *before, last = second.body
    assert isinstance(last, NormalizedConvolution)
    return nn.Sequential(*layers[: modules[1]], *before), last.convolution


def _own_answers(before: nn.Sequential, layer: nn.Conv2d, pictures: Tensor) -> Tensor:
    """Return the mean output of filter i on picture i, shape (n_filters,)."""
    of_all: Tensor = layer(before(pictures)).mean(dim=(2, 3))
    return of_all.diagonal()
