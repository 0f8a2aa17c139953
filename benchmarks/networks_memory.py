"""How much memory a training at paper scale takes: 3,648 maps, 54,072 training crops of 224 px.

A synthetic crop store of that size is written to a temporary folder (--folder; about 1 GB), then a
process of its own opens it with a budget for crops as the rule `train` does, takes steps of 72
crops drawn from all training maps, validates some and classifies some maps: everything whose
memory grows with the data or the batch. The last line is one JSON object; memory is the peak
resident size of that process.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time

import numpy as np
from synthetic_crops import write_synthetic_crops

MAPS, TRAINING, VALIDATION = 3648, 2253, 504  # the paper's profiles


def measure(args):
    import torch
    from torch.nn.functional import cross_entropy

    from strainprint.dataset.store import read_crops
    from strainprint.networks import training
    from strainprint.networks.architectures import ResidualNetwork, architecture_of
    from strainprint.networks.devices import chosen_precision, prepare_device
    from strainprint.networks.examples import Examples, Feed
    from strainprint.networks.inference import predict_crops

    device = prepare_device("cpu", 1, 16 * 4 * 72 * 224**2)
    libraries_mb = peak_mb()
    parts = np.array(["train"] * TRAINING + ["validation"] * VALIDATION)
    parts = np.random.default_rng(0).permutation(
        np.concatenate([parts, np.full(MAPS - len(parts), "test")])
    )
    start = time.perf_counter()
    store = read_crops(
        f"{args.folder}/crops.zarr",
        f"{args.folder}/crops.json",
        wanted=parts != "test",
        memory_bytes=args.crops_memory_gb * 1e9,
    )
    opened_s = time.perf_counter() - start
    opened_mb = peak_mb()
    precision = chosen_precision(args.precision, device)
    settings = training.TrainingSettings("proposed", 0, 0, precision=precision)
    network = ResidualNetwork(architecture_of("proposed"))
    training.choose_kernels(network, device, precision)
    optimizer = training.adam(network, settings)
    feed = Feed(Examples([store], torch.arange(MAPS) % 3, parts), device)
    order = training.draw_crops(np.flatnonzero(parts == "train"), 24, settings, 1)
    start = time.perf_counter()
    for _ in feed.batches(order[: 72 * args.steps], 72, "take"):
        pass
    taking_s = time.perf_counter() - start
    start = time.perf_counter()
    training._train_epoch(
        network, optimizer, feed, order[: 72 * args.steps], settings, 1, cross_entropy
    )
    step_s = time.perf_counter() - start
    validating = training.crops_of_maps(np.flatnonzero(parts == "validation"), 24)
    training._validate(network, feed, validating[:192], cross_entropy)
    trained_mb = peak_mb()
    predict_crops(network, store.maps(np.arange(4)))
    return {
        "precision": precision,
        "training_crops": len(order),
        "crops_memory_gb": args.crops_memory_gb,
        "crops_kept_gb": round(store.kept.nbytes / 1e9, 2),
        "libraries_gb": round(libraries_mb / 1e3, 2),
        "after_opening_gb": round(opened_mb / 1e3, 2),
        "peak_gb": round(max(trained_mb, peak_mb()) / 1e3, 2),
        "peak_beyond_crops_gb": round(
            max(trained_mb, peak_mb()) / 1e3 - store.kept.nbytes / 1e9, 2
        ),
        "opening_s": round(opened_s, 1),
        "taking_share_of_step": round(taking_s / step_s, 3),
    }


def peak_mb():
    """Peak resident size of this process in MB (of 1e6 bytes)."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak * 1024 / 1e6


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--crops-memory-gb", type=float, default=1.0)
    parser.add_argument("--steps", type=int, default=2)
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--folder", help="holds a store already; else a temporary one is made")
    args = parser.parse_args()
    if args.folder:
        print(json.dumps(measure(args)))
        return
    with tempfile.TemporaryDirectory() as folder:
        write_synthetic_crops(folder, MAPS)
        command = [sys.executable, __file__, "--folder", folder, "--steps", str(args.steps)]
        command += ["--precision", args.precision]
        for memory_gb in (args.crops_memory_gb, 4.0):
            subprocess.run([*command, "--crops-memory-gb", str(memory_gb)], check=True)


if __name__ == "__main__":
    main()
