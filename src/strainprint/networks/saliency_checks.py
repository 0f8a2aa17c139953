"""Whether saliency tells anything about a network: two checks that a picture of it can fail.

Randomised parameters (Adebayo et al. 2018, arXiv 1810.03292): maps that stay the same when what was
learned is taken away show the picture and not the network. Deletion (Petsiuk et al. 2018, arXiv
1806.07421): where the pixels called salient are blanked first, the answer must fade sooner than
where pixels are blanked at random, or by their brightness alone.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.stats import spearmanr

from strainprint.networks.architectures import ResidualModule, ResidualNetwork, folded
from strainprint.networks.saliency import KINDS, saliency

DELETED_SHARES = (0.0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0)
"""Shares of a crop's pixels that are blanked."""

ORDERS = (*KINDS, "brightness", "random")
"""By what pixels are blanked first: saliency of either kind, grey level, or chance."""


def randomized_networks(
    network: ResidualNetwork, *, seed: int
) -> Iterator[tuple[str, ResidualNetwork]]:
    """Yield the network with more and more of it drawn anew, from the output to the input.

    Names are ``classifier``, ``module 4`` …, ``module 1`` (the residual modules), ``input``: the
    part that was drawn anew last.
    """
    fresh = ResidualNetwork(
        network.architecture, n_classes=network.classifier.out_features, seed=seed
    ).to(network.classifier.weight.device)
    changed = copy.deepcopy(network).eval()
    changed.classifier.load_state_dict(fresh.classifier.state_dict())
    yield "classifier", changed
    modules = [i for i, layer in enumerate(network.layers) if isinstance(layer, ResidualModule)]
    for number, index in reversed(list(enumerate(modules, start=1))):
        changed.layers[index].load_state_dict(fresh.layers[index].state_dict())
        yield f"module {number}", changed
    changed.layers[0].load_state_dict(fresh.layers[0].state_dict())
    yield "input", changed


def randomization_test(
    network: ResidualNetwork, crops: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int
) -> pd.DataFrame:
    """Return how alike saliency stays when parameters are drawn anew.

    Parameters
    ----------
    network
        As trained, on the device to use.
    crops
        Grey levels, shape (n, px, px), uint8.
    labels
        Class asked about for each crop, shape (n,).
    seed
        Of the parameters drawn anew.

    Returns
    -------
    One row for each kind, randomised part and crop: ``kind, randomized, crop, rank_correlation``
    (Spearman's, over pixels; NaN where a map is constant).
    """
    trained = {kind: saliency(network, crops, labels, kind=kind) for kind in KINDS}
    rows = []
    for name, changed in randomized_networks(network, seed=seed):
        for kind in KINDS:
            found = saliency(changed, crops, labels, kind=kind)
            for crop, (one, other) in enumerate(zip(trained[kind], found, strict=True)):
                constant = np.ptp(one) == 0 or np.ptp(other) == 0
                correlation = np.nan if constant else spearmanr(one, other, axis=None).statistic
                rows.append((kind, name, crop, float(correlation)))
    return pd.DataFrame(rows, columns=["kind", "randomized", "crop", "rank_correlation"])


def deletion_test(
    network: ResidualNetwork, crops: NDArray[np.uint8], labels: NDArray[np.int64], *, seed: int
) -> pd.DataFrame:
    """Return how a class's probability changes as pixels are blanked in different orders.

    A blanked pixel is 0, the level of the least strain in a picture.

    Parameters
    ----------
    network, crops, labels
        As for :func:`randomization_test`.
    seed
        Of the random order.

    Returns
    -------
    One row for each order, crop and share of :data:`DELETED_SHARES`: ``order, crop,
    deleted_share, probability``.
    """
    n, px = len(crops), crops.shape[-1]
    priority: dict[str, NDArray[np.float32]] = {
        **{kind: saliency(network, crops, labels, kind=kind) for kind in KINDS},
        "brightness": crops.astype(np.float32),
        "random": np.random.default_rng(seed).random(crops.shape, dtype=np.float32),
    }
    ready = folded(network)
    device = network.classifier.weight.device
    rows = []
    for order in ORDERS:
        ranked = np.argsort(-priority[order].reshape(n, -1), axis=1, kind="stable")
        for share in DELETED_SHARES:
            left = crops.reshape(n, -1).copy()
            np.put_along_axis(left, ranked[:, : round(share * px * px)], 0, axis=1)
            pixels = torch.from_numpy(left.reshape(n, 1, px, px)).to(device).float()
            with torch.inference_mode():
                probabilities = ready(pixels).double().softmax(dim=1).cpu().numpy()
            of_label = probabilities[np.arange(n), labels]
            rows += [(order, crop, share, float(p)) for crop, p in enumerate(of_label)]
    return pd.DataFrame(rows, columns=["order", "crop", "deleted_share", "probability"])
