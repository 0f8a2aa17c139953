"""A training in a process of its own, to be killed: python killed_training.py CHECKPOINT OUT."""

import sys
from pathlib import Path

import numpy as np
import safetensors.torch
import torch

from strainprint.networks.training import TrainingSettings, train


def main(checkpoint_dir: Path, out: Path) -> None:
    torch.set_num_threads(1)
    labels = np.arange(30) % 3
    grey = np.random.default_rng(0).integers(0, 60, (30, 4, 24, 24), dtype=np.uint8)
    settings = TrainingSettings(
        "res4", config_seed=1, seed=0, batch_size=8, max_epochs=5, crops_per_map_per_epoch=4
    )
    result = train(
        grey + (70 * labels)[:, None, None, None].astype(np.uint8),
        labels,
        np.array(["train"] * 18 + ["validation"] * 9 + ["test"] * 3),
        settings,
        classes=["a", "b", "c"],
        device=torch.device("cpu"),
        checkpoint_dir=checkpoint_dir,
    )
    weights = {name: t.contiguous() for name, t in result.network.state_dict().items()}
    out.write_bytes(safetensors.torch.save(weights) + result.history.to_csv().encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
