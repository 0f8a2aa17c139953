"""Networks beyond the paper's: several channels, vectors beside the pictures, other targets.

The protocol is that of :mod:`strainprint.networks.training`: the same draws of crops, Adam, early
stopping on the validation loss, the best epoch's weights. With one channel, no vectors and
cross-entropy it gives the same weights bit for bit.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm import tqdm

from strainprint.dataset.store import CropStore
from strainprint.errors import BadInputError
from strainprint.networks.architectures import N_FEATURES, Architecture, ResidualNetwork, folded
from strainprint.networks.training import TrainingSettings, adam, crops_of_maps, draw_crops, l2_loss
from strainprint.seeds import derive_seed

_CROPS_PER_BATCH = 96

_log = logging.getLogger(__name__)

Loss = Callable[[Tensor, Tensor], Tensor]
"""Mean loss of outputs (n, n_outputs) against targets (n,)."""


class BranchedNetwork(ResidualNetwork):
    """A residual network with a second branch for a vector beside each crop.

    The vector (standardised) passes a dense layer of 64 and ReLU, and is laid beside the 64
    features of the crop before the last layer, after the authors' later DKACNN (IJCNN 2019), whose
    second branch takes the two-point correlation.

    ASSUME: the sizes of DKACNN's layers are not followed; 64 gives both branches the same say.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        n_side: int,
        n_inputs: int = 1,
        n_outputs: int = 3,
        seed: int = 0,
        batch_norm_momentum: float = 0.99,
    ) -> None:
        """Build the network and draw its initial weights from ``seed`` alone.

        ``n_side`` is the length of the vectors, ``n_inputs`` the channels of a crop.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # for the layers of torch's own initial weights
            super().__init__(
                architecture,
                n_classes=n_outputs,
                n_inputs=n_inputs,
                seed=seed,
                batch_norm_momentum=batch_norm_momentum,
            )
            self.branch = nn.Sequential(nn.Linear(n_side, N_FEATURES), nn.ReLU())
            self.classifier = nn.Linear(2 * N_FEATURES, n_outputs)

    def joined(self, crops: Tensor, side: Tensor) -> Tensor:
        """Return outputs (n, n_outputs) of crops (n, c, h, w) and their vectors (n, n_side)."""
        both = torch.cat((self.features(crops), self.branch(side)), dim=1)
        outputs: Tensor = self.classifier(both)
        return outputs


@dataclass(frozen=True)
class Examples:
    """What a network is fitted to.

    Attributes
    ----------
    channels
        One crop store for each channel, of the same maps and crops.
    targets
        One number or class index for each map, shape (n_maps,).
    parts
        ``train``, ``validation`` or anything else of each map.
    side
        A vector for each map, shape (n_maps, n_side), float32; None for none.
    """

    channels: Sequence[CropStore]
    targets: Tensor
    parts: NDArray[np.str_]
    side: NDArray[np.float32] | None = None

    def __post_init__(self) -> None:
        """Refuse what does not belong together."""
        shapes = {store.shape for store in self.channels}
        n_maps = len(self.parts)
        if len(shapes) != 1 or next(iter(shapes))[0] != n_maps or len(self.targets) != n_maps:
            raise BadInputError(
                f"channels of shapes {sorted(shapes)}, {len(self.targets)} targets, {n_maps} parts",
                allowed="one shape for all channels, and one target and part for each map",
            )
        if self.side is not None and len(self.side) != n_maps:
            raise BadInputError(f"{len(self.side)} vectors for {n_maps} maps")

    @property
    def n_crops(self) -> int:
        """Crops of each map."""
        return self.channels[0].shape[1]

    def batch(self, numbers: NDArray[np.int64], device: torch.device) -> tuple[Tensor, ...]:
        """Return crops (n, c, px, px), targets (n,) and, if any, vectors (n, n_side)."""
        grey = np.stack([store.take(numbers) for store in self.channels], axis=1)
        rows = torch.from_numpy(numbers // self.n_crops)
        batch = [torch.from_numpy(grey).to(device).float(), self.targets[rows].to(device)]
        if self.side is not None:
            batch.append(torch.from_numpy(self.side)[rows].to(device))
        return tuple(batch)


def outputs_of(network: ResidualNetwork, crops: Tensor, *side: Tensor) -> Tensor:
    """Return outputs (n, n_outputs) of a network with or without a second branch."""
    if side:
        assert isinstance(network, BranchedNetwork)
        return network.joined(crops, *side)
    outputs: Tensor = network(crops)
    return outputs


def fit(
    network: ResidualNetwork,
    examples: Examples,
    settings: TrainingSettings,
    loss: Loss,
    *,
    device: torch.device,
) -> pd.DataFrame:
    """Fit a network in place and leave it with the weights of the best epoch, on the CPU.

    Parameters
    ----------
    network
        With its initial weights.
    examples
        See :class:`Examples`; those that neither train nor validate are not looked at.
    settings
        Of the training; its architecture decides whether kernels are penalised. Noise, the filter
        of crops and bf16 are not offered here.
    loss
        Of a batch.
    device
        Where to train.

    Returns
    -------
    One row for each epoch: epoch, train_loss, validation_loss.

    Raises
    ------
    BadInputError
        Nothing trains or validates, or the loss is not finite.
    """
    train_rows = np.flatnonzero(examples.parts == "train")
    of_validation = crops_of_maps(np.flatnonzero(examples.parts == "validation"), examples.n_crops)
    if not len(train_rows) or not len(of_validation):
        raise BadInputError(
            f"{len(train_rows)} maps train and {len(of_validation)} crops validate",
            allowed="one or more of each",
            way_out="make more specimens",
        )
    network.to(device)
    optimizer = adam(network, settings)
    history: list[dict[str, float]] = []
    best_epoch, best_weights = 0, dict[str, Tensor]()
    while len(history) < settings.max_epochs and len(history) - best_epoch < settings.patience:
        epoch = len(history) + 1
        order = draw_crops(train_rows, examples.n_crops, settings, epoch)
        network.train()
        total = torch.zeros((), dtype=torch.float64, device=device)
        for numbers in _batches(order, settings.batch_size, f"epoch {epoch}"):
            crops, target, *side = examples.batch(numbers, device)
            of_batch = loss(outputs_of(network, crops, *side), target)
            optimizer.zero_grad()
            of_batch.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            total += of_batch.detach().double() * len(numbers)
        penalty = l2_loss(network, settings.l2_penalty)
        row = {
            "epoch": epoch,
            "train_loss": float(total) / len(order) + penalty,
            "validation_loss": _mean_loss(network, examples, of_validation, loss, device) + penalty,
        }
        if not math.isfinite(row["train_loss"] + row["validation_loss"]):
            raise BadInputError(
                f"loss is not finite after epoch {epoch}",
                where=settings.architecture,
                way_out="lower training.learning_rate or look at the crops",
            )
        history.append(row)
        if best_epoch == 0 or row["validation_loss"] < history[best_epoch - 1]["validation_loss"]:
            best_epoch = epoch
            best_weights = {name: value.clone() for name, value in network.state_dict().items()}
        _log.info("epoch %d: loss %.4f; validation %.4f (best epoch %d)", *row.values(), best_epoch)
    network.load_state_dict(best_weights)
    network.cpu().eval()
    return pd.DataFrame(history)


def crop_outputs(
    network: ResidualNetwork, examples: Examples, *, device: torch.device
) -> NDArray[np.float64]:
    """Return the outputs of every crop of every map, shape (n_maps, n_crops, n_outputs)."""
    ready = folded(network).to(device)
    n_maps, n_crops = len(examples.parts), examples.n_crops
    outputs = np.empty((n_maps, n_crops, network.classifier.out_features))
    with torch.inference_mode():
        for row in tqdm(range(n_maps), "predict", unit="map", disable=None):
            numbers = crops_of_maps(np.array([row]), n_crops)
            crops, _, *side = examples.batch(numbers, device)
            outputs[row] = outputs_of(ready, crops, *side).double().cpu().numpy()
    return outputs


def class_probabilities(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the softmax averaged over a map's crops: (n_maps, n_crops, k) → (n_maps, k)."""
    powers = np.exp(outputs - outputs.max(axis=2, keepdims=True))
    return np.asarray((powers / powers.sum(axis=2, keepdims=True)).mean(axis=1))


def initial_seed(settings: TrainingSettings) -> int:
    """Return the seed of the initial weights, that of the paper's networks."""
    return derive_seed(settings.config_seed, "network", settings.seed, "weights")


def _mean_loss(
    network: ResidualNetwork,
    examples: Examples,
    numbers: NDArray[np.int64],
    loss: Loss,
    device: torch.device,
) -> float:
    ready = folded(network)
    total = 0.0
    with torch.inference_mode():
        for some in _batches(numbers, _CROPS_PER_BATCH, "validation"):
            crops, target, *side = examples.batch(some, device)
            total += float(loss(outputs_of(ready, crops, *side), target)) * len(some)
    return total / len(numbers)


def _batches(numbers: NDArray[np.int64], size: int, title: str) -> Iterator[NDArray[np.int64]]:
    for start in tqdm(range(0, len(numbers), size), title, leave=False, disable=None):
        yield numbers[start : start + size]
