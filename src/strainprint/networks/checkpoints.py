"""The state of a training after an epoch, so that a killed training goes on where it was."""

from __future__ import annotations

import json
import logging
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from strainprint.errors import BadInputError
from strainprint.networks.architectures import ResidualNetwork
from strainprint.networks.storage import read_tensors, write_tensors

_FILE = "checkpoint.safetensors"

_log = logging.getLogger(__name__)


@dataclass
class Progress:
    """How far a training is; random numbers follow from seed and epoch, so none are kept.

    Attributes
    ----------
    history
        One row for each finished epoch, as in ``history.csv``.
    best_epoch
        The epoch of the lowest validation loss, counted from 1; 0 before the first.
    best_weights
        The network's state after that epoch.
    """

    history: list[dict[str, float]] = field(default_factory=list)
    best_epoch: int = 0
    best_weights: dict[str, Tensor] = field(default_factory=dict)

    @property
    def epochs(self) -> int:
        """Number of finished epochs."""
        return len(self.history)

    @property
    def best_loss(self) -> float:
        """Lowest validation loss so far."""
        return self.history[self.best_epoch - 1]["validation_loss"]


def save_checkpoint(
    directory: Path,
    fingerprint: str,
    network: ResidualNetwork,
    optimizer: torch.optim.Adam,
    progress: Progress,
) -> None:
    """Write network, Adam's moments and progress as one file that appears whole or not at all."""
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    tensors |= {f"best.{name}": tensor for name, tensor in progress.best_weights.items()}
    for name, parameter in network.named_parameters():
        for key, tensor in optimizer.state[parameter].items():
            tensors[f"adam.{key}.{name}"] = tensor
    text = json.dumps(
        {
            "fingerprint": fingerprint,
            "history": progress.history,
            "best_epoch": progress.best_epoch,
        }
    )
    write_tensors(directory / _FILE, tensors, metadata=text)


def load_checkpoint(
    directory: Path,
    fingerprint: str,
    network: ResidualNetwork,
    optimizer: torch.optim.Adam,
) -> Progress:
    """Put network and optimizer into the saved state; from the start where there is none to use.

    A checkpoint that is damaged or of other settings, data, threads or device is left alone with
    a warning; the next epoch's replaces it.
    """
    path = directory / _FILE
    if not path.exists():
        return Progress()
    try:
        tensors = read_tensors(path)
        with safe_open(path, "pt") as handle:
            state = json.loads(handle.metadata()["strainprint"])
        if state["fingerprint"] != fingerprint:
            _log.warning("%s: of other settings or data, starting afresh", path)
            return Progress()
    except (BadInputError, SafetensorError, TypeError, KeyError, ValueError) as error:
        _log.warning("%s: not usable (%s), starting afresh", path, error)
        return Progress()

    def saved(prefix: str) -> dict[str, Tensor]:
        return {k.removeprefix(prefix): v for k, v in tensors.items() if k.startswith(prefix)}

    network.load_state_dict(saved("network."))
    for name, parameter in network.named_parameters():
        # empty_like keeps the memory format, without which the last bits could differ.
        optimizer.state[parameter] = {
            "step": tensors[f"adam.step.{name}"],
            "exp_avg": torch.empty_like(parameter).copy_(tensors[f"adam.exp_avg.{name}"]),
            "exp_avg_sq": torch.empty_like(parameter).copy_(tensors[f"adam.exp_avg_sq.{name}"]),
        }
    progress = Progress(state["history"], state["best_epoch"], saved("best."))
    _log.info("%s: going on after epoch %d", path, progress.epochs)
    return progress


def remove_checkpoint(directory: Path) -> None:
    """Remove the checkpoint, and its folder if nothing else is in it."""
    (directory / _FILE).unlink(missing_ok=True)
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()
