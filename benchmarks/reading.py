"""Memory and time to read a person's large strain map, mask it and predict.

Each format is read in a process of its own; the memory is the growth of the largest resident size
over that after the same network predicted from a small map, as a ratio to the file. The network is
the paper's best, not trained: that changes no cost. The map is noise, which hardly packs, with a
part masked. Text is read at a tenth of the points, to save time. The last line is one JSON object.

    python benchmarks/reading.py [--rows 9000] [--columns 7000] [--formats npy davis] [--folder .]
"""

import argparse
import json
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from time import perf_counter

import numpy as np
import torch
from PIL import Image

from strainprint.maps.declaration import checked_declaration
from strainprint.maps.measured_map import MeasuredMap, write_measured_map
from strainprint.maps.people import read_strain_map
from strainprint.networks.architectures import ResidualNetwork, architecture_of
from strainprint.networks.storage import save_network
from strainprint.prediction.classify import Judge

LOAD = {"loading_axis": "y", "loading_sense": "compression"}
DAVIS = {
    **LOAD,
    "pixel_size_nm": 59.0,
    "strain_measure": "infinitesimal",
    "recompute_window_points": 5,
}
TEXT_SHARE = 0.1


def noise(rows, columns, seed=0):
    values = np.random.default_rng(seed).standard_normal((rows, columns), dtype=np.float32)
    values[rows // 3 : rows // 2, columns // 3 : columns // 2] = np.nan
    return values


def write_npy(folder, rows, columns):
    np.save(folder / "map.npy", np.nan_to_num(noise(rows, columns)))
    return folder / "map.npy", LOAD


def write_tif(folder, rows, columns):
    Image.fromarray(np.nan_to_num(noise(rows, columns))).save(folder / "map.tif")
    return folder / "map.tif", LOAD


def write_own(folder, rows, columns):
    names = ("u", "v", "exx", "eyy", "exy")
    fields = {name: noise(rows, columns, seed) for seed, name in enumerate(names)}
    flags = np.isnan(fields["u"]).astype(np.uint8)
    x, y = 2e-9 * np.arange(columns), 2e-9 * np.arange(rows)
    write_measured_map(folder / "map.h5", MeasuredMap(fields, flags, x, y, LOAD))
    return folder / "map.h5", {}


def write_davis(folder, rows, columns):
    rows, columns = round(rows * TEXT_SHARE**0.5), round(columns * TEXT_SHARE**0.5)
    u, v = (np.nan_to_num(noise(rows, columns, seed)) for seed in (0, 1))
    path = folder / "map.txt"
    with open(path, "w") as handle:
        handle.write(
            f'#DaVis 8.4.0 2D-vector 8 {rows} {columns} "" "pixel" "" "pixel" "d" "pixel"\n'
        )
        for row in range(rows):
            lines = [
                f"{8 * column}\t{8 * row}\t{a:.5f}\t{b:.5f}\n"
                for column, (a, b) in enumerate(zip(u[row].tolist(), v[row].tolist(), strict=True))
            ]
            handle.write("".join(lines))
    return path, DAVIS


WRITERS = {"npy": write_npy, "tif": write_tif, "strainprint": write_own, "davis": write_davis}


def resident_bytes():
    """Largest resident size since the process began (ru_maxrss would count its parent's)."""
    status = Path("/proc/self/status").read_text()
    return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", status)[1])


def untrained_network(folder):
    """Write the paper's best network with random weights, for crops of 224 px."""
    torch.manual_seed(0)
    network = ResidualNetwork(architecture_of("proposed"), n_classes=3)
    crops = {"crop_px": 224, "crops_per_map": 24, "scales": [256, 288, 320, 352], "aspect": "1:3"}
    save_network(folder, network, {"classes": ["0.001", "0.01", "0.1"], "crops": crops})
    return folder


def measure(path, declaration, network):
    """Read one map in this process and predict; print bytes and seconds."""
    judge = Judge.load([network], None, device="cpu", threads=2)
    judge.judge(np.random.default_rng(0).integers(0, 256, (60, 200), dtype=np.uint8))
    before, start = resident_bytes(), perf_counter()
    content = read_strain_map(path, checked_declaration(declaration, path.with_suffix(".yaml")))
    read_s, read_bytes = perf_counter() - start, resident_bytes() - before
    judge.judge(content)
    print(
        json.dumps(
            {
                "file_bytes": path.stat().st_size,
                "read_ratio": read_bytes / path.stat().st_size,
                "predicted_ratio": (resident_bytes() - before) / path.stat().st_size,
                "read_s": read_s,
                "predicted_s": perf_counter() - start,
            }
        )
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=9000)
    parser.add_argument("--columns", type=int, default=7000)
    parser.add_argument("--folder", type=Path, help="where the files are written for a while")
    parser.add_argument("--formats", nargs="+", choices=WRITERS, default=list(WRITERS))
    parser.add_argument("--measure", nargs=3, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.measure:
        path, declaration, network = options.measure
        measure(Path(path), json.loads(declaration), network)
        return
    result = {"rows": options.rows, "columns": options.columns, "text_share": TEXT_SHARE}
    for name in options.formats:
        with tempfile.TemporaryDirectory(dir=options.folder) as folder:
            path, declaration = WRITERS[name](Path(folder), options.rows, options.columns)
            done = subprocess.run(
                [
                    *(sys.executable, __file__, "--measure", str(path), json.dumps(declaration)),
                    str(untrained_network(Path(folder) / "network")),
                ],
                capture_output=True,
                text=True,
                check=True,
            )
        result[name] = json.loads(done.stdout)
        print(name, {key: round(value, 3) for key, value in result[name].items()})
    print(json.dumps(result))


if __name__ == "__main__":
    main()
