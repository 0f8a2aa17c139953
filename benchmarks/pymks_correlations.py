"""PyMKS 0.4.1 on arrays from a file. Runs in PyMKS's own environment, so it imports nothing else.

    pymks_correlations.py time ARRAYS.npz OUT.npz    correlations of every array, seconds, memory
    pymks_correlations.py golden OUT.npz             the stored arrays of the unit tests

`time` prints one JSON object and writes the correlations that it timed. Dask runs in one thread.
"""

import json
import sys
import tracemalloc
import warnings
from pathlib import Path
from time import perf_counter

import dask
import numpy as np

warnings.filterwarnings("ignore")  # of PyMKS's old imports

from pymks import PrimitiveTransformer, two_point_stats  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "tests/unit/pymks_golden.npz"


def correlate(field, periodic, mask=None):
    """PyMKS wants a stack of samples, here one."""
    masks = None if mask is None else mask[None].astype(float)
    return two_point_stats(field[None], field[None], periodic_boundary=periodic, mask=masks)[0]


def time_arrays(arrays_npz, out_npz):
    found, facts = {}, {}
    with np.load(arrays_npz) as arrays:
        for name in arrays:
            for boundary in ("periodic", "nonperiodic"):
                field = arrays[name]
                seconds = []
                while len(seconds) < 3 or (sum(seconds) < 1.0 and len(seconds) < 50):
                    start = perf_counter()
                    result = correlate(field, boundary == "periodic")
                    seconds.append(perf_counter() - start)
                tracemalloc.start()
                correlate(field, boundary == "periodic")
                peak = tracemalloc.get_traced_memory()[1]
                tracemalloc.stop()
                found[f"{name} {boundary}"] = result
                facts[f"{name} {boundary}"] = {"seconds": min(seconds), "peak_bytes": peak}
    np.savez(out_npz, **found)
    print(json.dumps(facts))


def write_golden(out_npz):
    """A 12 x 31 picture as fractions of 255, and a mask: what PyMKS makes of them."""
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 256, (12, 31), dtype=np.uint8)
    field, mask = grey / 255.0, rng.random(grey.shape) > 0.2
    states = np.asarray(PrimitiveTransformer(n_state=2).transform(field[None]))[0]
    np.savez_compressed(
        out_npz,
        grey=grey,
        mask=mask,
        periodic=correlate(field, True),
        nonperiodic=correlate(field, False),
        masked=correlate(np.where(mask, field, 0.0), False, mask),
        state_0=correlate(states[..., 0], False),
        state_1=correlate(states[..., 1], False),
    )


if __name__ == "__main__":
    dask.config.set(scheduler="synchronous")
    if sys.argv[1] == "golden":
        write_golden(sys.argv[2] if len(sys.argv) > 2 else GOLDEN)
    else:
        time_arrays(*sys.argv[2:4])
