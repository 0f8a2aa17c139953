"""What both fuzzers start from and hold the readers to: a map or one clear error, within bounds."""

import re
import sys
import time
from pathlib import Path

import numpy as np
from PIL import Image

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from dialects import DIALECTS, true_field

from strainprint.errors import BadInputError
from strainprint.maps.declaration import checked_declaration
from strainprint.maps.measured_map import as_strain_map, write_measured_map
from strainprint.maps.readers.recognise import read_map

LONGEST_S = 20.0
MOST_MEMORY = 1 << 30
_FORGET, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def write_samples(folder):
    """A valid file of every dialect, its bytes, those of its companion and its declaration."""
    field = true_field(columns=8, rows=7)
    found = []
    for name, write in DIALECTS.items():
        (folder / name).mkdir(exist_ok=True)
        path, declaration = write(field, folder / name)
        ctf = path.with_suffix(".ctf")
        found.append(
            (path, path.read_bytes(), ctf.read_bytes() if ctf.exists() else None, declaration)
        )
        if name == "dice":
            own = path.with_suffix(".h5")
            write_measured_map(own, read_map(path, checked_declaration(declaration, path)))
            found.append((own, own.read_bytes(), None, {}))
    array = np.arange(1.0, 57.0, dtype=np.float32).reshape(7, 8)
    np.save(folder / "array.npy", array)
    Image.fromarray(array.astype(np.uint8)).save(folder / "picture.png")
    Image.fromarray(array).save(folder / "picture.tif")
    Image.fromarray(array).save(folder / "packed.tif", compression="tiff_lzw")
    load = {"loading_axis": "x", "loading_sense": "tension"}
    for name in ("array.npy", "picture.png", "picture.tif", "packed.tif"):
        found.append((folder / name, (folder / name).read_bytes(), None, load))
    return found


def usable(path, declaration):
    """Read; return the map, None where it was refused as it must be."""
    begin = time.process_time()
    held = forget_peak_memory()
    try:
        measured = read_map(path, checked_declaration(declaration, path.with_suffix(".yaml")))
    except BadInputError as error:
        assert str(path.parent) in str(error)
        assert len(str(error)) < 5000
        # What no reader foresaw is an error of the reader.
        assert not re.search(r"unexpected \w+ in reader", str(error))
        measured = None
    # Of the processor: other work on the machine is not the reader's.
    assert time.process_time() - begin < LONGEST_S
    assert held is None or _memory("VmHWM") - held < MOST_MEMORY
    if measured is not None:
        valid = measured.valid
        assert valid.any()
        assert (measured.flags[~valid] != 0).all()
        assert all(values.dtype == np.float32 for values in measured.fields.values())
        if "intensity" not in measured.fields:
            try:
                as_strain_map(measured, path)
            except BadInputError as error:
                assert str(path) in str(error)
    return measured


def forget_peak_memory():
    """Begin a new peak; return the bytes that this process holds, None where Linux is not there.

    The peak since the start would be the fuzzer's: what it learns grows for hours.
    """
    if not _FORGET.exists():
        return None
    _FORGET.write_text("5")
    return _memory("VmRSS")


def _memory(name):
    line = next(line for line in _STATUS.open() if line.startswith(name))
    return int(line.split()[1]) * 1024
