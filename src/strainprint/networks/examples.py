"""What a network is fitted to, handed out in batches, and what it says of it.

Crops of one or several channels, a target for each map, and perhaps a vector beside its crops.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from strainprint.dataset.store import CropStore
from strainprint.errors import BadInputError
from strainprint.files import sha256_of_arrays
from strainprint.networks.architectures import ResidualNetwork, folded, outputs_of


@dataclass(frozen=True)
class Examples:
    """What a network is fitted to.

    Attributes
    ----------
    channels
        One crop store for each channel, of the same maps and crops.
    targets
        One number (float32) or class index (int64) for each map, shape (n_maps,).
    parts
        ``train``, ``validation`` or anything else of each map; the last is not looked at.
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

    def digest(self) -> str:
        """Return a SHA-256 over all of it."""
        parts = [store.digest() for store in self.channels]
        parts.append(sha256_of_arrays(self.targets.numpy(), np.asarray(self.parts, dtype="S16")))
        if self.side is not None:
            parts.append(sha256_of_arrays(self.side))
        return hashlib.sha256(" ".join(parts).encode()).hexdigest()


class Feed:
    """Hands out batches: from the device if all crops fit there, else from memory or the store."""

    def __init__(
        self, examples: Examples, device: torch.device, maps: NDArray[np.integer] | None = None
    ) -> None:
        """Put the crops on the device if those of ``maps``, the ones that will be asked for, all if
        None, are in memory and leave it half of its own."""
        self.device = device
        self._examples = examples
        self._targets = examples.targets.to(device)
        self._side = None if examples.side is None else torch.from_numpy(examples.side).to(device)
        self._resident: list[tuple[Tensor, Tensor]] = []  # crops, and the place of each map's
        channels = examples.channels
        asked = np.arange(len(examples.parts)) if maps is None else maps
        if (
            all((store.kept_at[asked] >= 0).all() for store in channels)
            and sum(store.kept.nbytes for store in channels) < _free_bytes(device) / 2
        ):
            self._resident = [
                (
                    torch.from_numpy(store.kept).to(device),
                    torch.from_numpy(store.kept_at).to(device),
                )
                for store in channels
            ]

    def leave_device(self) -> bool:
        """Take the crops from the device; True if they were there."""
        was_resident = bool(self._resident)
        self._resident = []
        return was_resident

    def batches(
        self, numbers: NDArray[np.int64], size: int, title: str
    ) -> Iterator[tuple[Tensor, Tensor, list[Tensor]]]:
        """Yield grey levels (n, c, px, px), float32, targets (n,) and vectors of numbered crops.

        Vectors are a list of one tensor (n, n_side), or an empty one.
        """
        asked = numbers // self._examples.n_crops
        all_kept = all((store.kept_at[asked] >= 0).all() for store in self._examples.channels)
        crops = torch.from_numpy(numbers).to(self.device)
        rows, of_map = crops // self._examples.n_crops, crops % self._examples.n_crops
        starts = range(0, len(numbers), size)
        for start in tqdm(starts, title, unit="batch", leave=False, disable=None):
            batch = slice(start, start + size)
            if self._resident and all_kept:
                grey = [
                    kept[kept_at[rows[batch]], of_map[batch]] for kept, kept_at in self._resident
                ]
            else:
                grey = [
                    torch.from_numpy(store.take(numbers[batch])).to(self.device)
                    for store in self._examples.channels
                ]
            side = [] if self._side is None else [self._side[rows[batch]]]
            yield torch.stack(grey, dim=1).float(), self._targets[rows[batch]], side


def _free_bytes(device: torch.device) -> float:
    """Return the free memory of a GPU; none elsewhere, where crops are in the device's already."""
    if device.type != "cuda":
        return 0.0
    free_bytes, _ = torch.cuda.mem_get_info(device)
    return float(free_bytes)


def crop_outputs(
    network: ResidualNetwork, examples: Examples, *, device: torch.device
) -> NDArray[np.float64]:
    """Return the outputs of every crop of every map, shape (n_maps, n_crops, n_outputs)."""
    ready = folded(network).to(device)
    n_maps, n_crops = len(examples.parts), examples.n_crops
    feed = Feed(examples, device)
    outputs = np.empty((n_maps, n_crops, network.classifier.out_features))
    numbers = np.arange(n_maps * n_crops, dtype=np.int64)
    with torch.inference_mode():
        for row, (crops, _, side) in enumerate(feed.batches(numbers, n_crops, "predict")):
            outputs[row] = outputs_of(ready, crops, *side).double().cpu().numpy()
    return outputs


def class_probabilities(outputs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the softmax averaged over a map's crops: (n_maps, n_crops, k) → (n_maps, k)."""
    powers = np.exp(outputs - outputs.max(axis=2, keepdims=True))
    return np.asarray((powers / powers.sum(axis=2, keepdims=True)).mean(axis=1))
