"""A training in a process of its own, to be killed: killed_training.py CHECKPOINT OUT KIND.

KIND is ``paper``, ``hybrid`` (vectors beside two channels) or ``regression``.
"""

import sys
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch.nn.functional import cross_entropy

from strainprint.dataset.store import CropStore
from strainprint.experiments.regression import gaussian_loss
from strainprint.networks.architectures import ARCHITECTURES, BranchedNetwork, ResidualNetwork
from strainprint.networks.examples import Examples
from strainprint.networks.training import TrainingSettings, fit, initial_seed, train


def main(checkpoint_dir: Path | None, out: Path, kind: str) -> None:
    torch.set_num_threads(1)
    labels = np.arange(30) % 3
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 60, (30, 4, 24, 24), dtype=np.uint8)
    crops = grey + (70 * labels)[:, None, None, None].astype(np.uint8)
    parts = np.array(["train"] * 18 + ["validation"] * 9 + ["test"] * 3)
    settings = TrainingSettings(
        "res4", config_seed=1, seed=0, batch_size=8, max_epochs=5, crops_per_map_per_epoch=4
    )
    how: Any = {"device": torch.device("cpu"), "checkpoint_dir": checkpoint_dir}
    architecture, seed = ARCHITECTURES["res4"], initial_seed(settings)
    store, targets = CropStore.of_array(crops), torch.from_numpy(labels)
    if kind == "paper":
        result = train(crops, labels, parts, settings, classes=["a", "b", "c"], **how)
    elif kind == "hybrid":
        side = rng.normal(size=(30, 7)).astype(np.float32)
        examples = Examples([store, CropStore.of_array(grey)], targets, parts, side)
        branched = BranchedNetwork(architecture, n_side=7, n_inputs=2, seed=seed)
        result = fit(branched, examples, settings, cross_entropy, classes=["a", "b", "c"], **how)
    else:
        examples = Examples([store], targets.float(), parts)
        network = ResidualNetwork(architecture, n_classes=2, seed=seed)
        result = fit(network, examples, settings, gaussian_loss, **how)
    weights = {name: t.contiguous() for name, t in result.network.state_dict().items()}
    out.write_bytes(safetensors.torch.save(weights) + result.history.to_csv().encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]), sys.argv[3])
