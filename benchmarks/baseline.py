"""Two-point correlations against PyMKS 0.4.1 on the same arrays: speed, memory, difference.

The largest lag is PyMKS' own, half the short side, in both directions. One thread on either side,
each in its own process because PyMKS needs its own environment:

    python benchmarks/baseline.py PYTHON_WITH_PYMKS

Seconds are the best of several runs; memory is the peak that a call adds to what NumPy already
holds, over the size of one float64 map. The last line is one JSON object.
"""

import json
import subprocess
import sys
import tempfile
import tracemalloc
from pathlib import Path
from time import perf_counter

import numpy as np
import torch

from strainprint.baseline.two_point import two_point_correlation
from strainprint.seeds import generator

SHAPES = [(60, 200), (256, 768), (1000, 4000)]
BOUNDARIES = ("periodic", "nonperiodic")
ROUNDS = 2


def name_of(shape):
    return f"{shape[0]}x{shape[1]}"


def pymks_cutoff(shape):
    return (min(shape) - 1) // 2


def best_seconds(call):
    seconds = []
    while len(seconds) < 5 or (sum(seconds) < 1.0 and len(seconds) < 200):
        start = perf_counter()
        call()
        seconds.append(perf_counter() - start)
    return min(seconds)


def peak_bytes(call):
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak


def pymks(python, field, folder):
    """Correlations, seconds and peak memory of PyMKS for one array."""
    arrays, found = folder / "arrays.npz", folder / "found.npz"
    np.savez(arrays, field=field)
    script = Path(__file__).with_name("pymks_correlations.py")
    command = [python, script, "time", arrays, found]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    facts = json.loads(done.stdout.splitlines()[-1])
    with np.load(found) as results:
        return {
            boundary: {**facts[f"field {boundary}"], "result": results[f"field {boundary}"]}
            for boundary in BOUNDARIES
        }


def main(python):
    result = {
        "ratio_periodic": {},
        "ratio_nonperiodic": {},
        "max_abs_diff": 0.0,
        "peak_memory_ratio": {},
        "pymks_peak_memory_ratio": {},
        "ratio_masked": {},
        "ratio_float32": {},
        "ratio_torch_cpu": {},
    }
    print("milliseconds; memory in maps; one thread")
    print(
        "size       boundary     PyMKS     ours  ratio  memory PyMKS   ours  max |difference|  "
        "float32  masked  torch"
    )
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for shape in SHAPES:
            measure(python, shape, Path(folder), result)
    print(json.dumps(result))


def measure(python, shape, folder, result):
    rng = generator(0, "benchmark of correlations", *shape)
    field, mask, lag = rng.random(shape), rng.random(shape) > 0.1, (pymks_cutoff(shape),) * 2
    single, tensor = field.astype(np.float32), torch.from_numpy(field)
    name, theirs, ours, others = name_of(shape), {}, {}, {}
    for _ in range(ROUNDS):
        found = pymks(python, field, folder)
        for boundary in BOUNDARIES:
            periodic = boundary == "periodic"
            theirs.setdefault(boundary, []).append(found[boundary]["seconds"])
            calls = {
                "float64": lambda p=periodic: two_point_correlation(field, None, lag, p),
                "float32": lambda p=periodic: two_point_correlation(single, None, lag, p),
                "masked": lambda p=periodic: two_point_correlation(field, mask, lag, p),
                "torch": lambda p=periodic: two_point_correlation(tensor, None, lag, p),
            }
            for kind, call in calls.items():
                others.setdefault((boundary, kind), []).append(best_seconds(call))
            ours[boundary] = calls["float64"]
            peaks = (peak_bytes(calls["float64"]), peak_bytes(calls["masked"]))
            difference = float(np.abs(calls["float64"]() - found[boundary]["result"]).max())
            result["max_abs_diff"] = max(result["max_abs_diff"], difference)
            found[boundary] |= {"peaks": peaks, "difference": difference}
    for boundary in BOUNDARIES:
        facts = found[boundary]
        seconds = min(theirs[boundary])
        ratios = {
            kind: seconds / min(others[boundary, kind])
            for kind in ("float64", "float32", "masked", "torch")
        }
        memory = max(facts["peaks"]) / field.nbytes
        their_memory = facts["peak_bytes"] / field.nbytes
        key = f"{name} {boundary}"
        result[f"ratio_{boundary}"][name] = round(ratios["float64"], 1)
        result["peak_memory_ratio"][key] = round(memory, 2)
        result["pymks_peak_memory_ratio"][key] = round(their_memory, 2)
        result["ratio_float32"][key] = round(ratios["float32"], 1)
        result["ratio_torch_cpu"][key] = round(ratios["torch"], 1)
        # PyMKS is timed without a mask, so this ratio is a lower bound.
        result["ratio_masked"][key] = round(ratios["masked"], 1)
        print(
            f"{name:10s} {boundary:11s} {1e3 * seconds:7.1f} "
            f"{1e3 * seconds / ratios['float64']:8.2f} {ratios['float64']:6.1f} "
            f"{their_memory:13.2f} {memory:6.2f} "
            f"{facts['difference']:17.1e}  {ratios['float32']:7.1f} {ratios['masked']:7.1f} "
            f"{ratios['torch']:6.1f}",
            flush=True,
        )


if __name__ == "__main__":
    main(sys.argv[1])
