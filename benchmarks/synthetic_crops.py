"""A crop store of any size without specimens behind it: for memory and speed at paper scale."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from strainprint.dataset.store import FORMAT, MAPS_PER_SHARD, VERSION, create_crop_array
from strainprint.files import sha256_of_arrays, write_json


def write_synthetic_crops(folder, count, *, n_crops=24, crop_px=224, seed=0):
    """Write ``crops.zarr`` and ``crops.json`` of maps that are mostly black; return both paths."""
    rng = np.random.default_rng(seed)
    paths = Path(folder) / "crops.zarr", Path(folder) / "crops.json"
    shape = (n_crops, crop_px, crop_px)
    array = create_crop_array(paths[0], (count, *shape))
    pattern = rng.integers(1, 256, shape, dtype=np.uint8)
    pattern[rng.random(shape, dtype=np.float32) > 0.1] = 0
    checksums = []
    for start in range(0, count, MAPS_PER_SHARD):
        block = np.stack(
            [
                np.roll(pattern, tuple(rng.integers(0, crop_px, 2)), (1, 2))
                for _ in range(start, min(start + MAPS_PER_SHARD, count))
            ]
        )
        array[start : start + len(block)] = block
        checksums += [sha256_of_arrays(one) for one in block]
    write_json(
        paths[1],
        {
            "format": FORMAT,
            "version": VERSION,
            "study": "synthetic",
            "count": count,
            "crops_per_map": n_crops,
            "crop_px": crop_px,
            "map_ids": [f"map{row:05d}" for row in range(count)],
            "sha256": checksums,
        },
    )
    return paths
