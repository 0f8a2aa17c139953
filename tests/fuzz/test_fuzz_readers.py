"""Any input gives a map or one clear error: no crash, no hang, no flood of memory.

``make fuzz`` runs it for a minute, ``make fuzz SECONDS=3600`` for an hour; the plain tests for a
few seconds, with the same seeds every time.
"""

import os
import re
import resource
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st

sys.path.insert(0, str(Path(__file__).parents[1] / "unit"))
from dialects import DIALECTS, true_field

from strainprint.errors import BadInputError
from strainprint.maps.declaration import KEYS, checked_declaration, read_declaration
from strainprint.maps.measured_map import as_strain_map, write_measured_map
from strainprint.maps.readers.recognise import read_map

SECONDS = float(os.environ.get("STRAINPRINT_FUZZ_SECONDS", "5"))
LONGEST_S = 20.0
MOST_MEMORY = 1 << 30

MAGIC = (
    b"", b"\x89HDF\r\n\x1a\n", b"MATLAB 7.3 MAT-file", b"MATLAB 5.0 MAT-file" + b" " * 107 + b"IM",
    b"CDF\x01", b"CDF\x02", b"\x93NUMPY\x01\x00", b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*",
    b"#DaVis 8.4.0 2D-vector ", b'"x", "y", "u", "v"\n', b"x,y,u,v,ZNCC\n",
)  # fmt: skip
TOKENS = (
    b"nan", b"-1", b"0", b"1e400", b"-1e308", b"1e-320", b"inf", b",", b";", b"\t", b"\n", b"\r\n",
    b"\"", b"=cmd|' /C calc'!A0", b"\0", b"\xff", b"99999999999999999999", b"", b" ", b"1,5", b"#",
    b"[%]",
)  # fmt: skip


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    """A valid file of every dialect, its companion and its declaration."""
    folder = tmp_path_factory.mktemp("samples")
    field = true_field(columns=8, rows=7)
    found = []
    for name, write in DIALECTS.items():
        (folder / name).mkdir()
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
    load = {"loading_axis": "x", "loading_sense": "tension"}
    found.append((folder / "array.npy", (folder / "array.npy").read_bytes(), None, load))
    return found


@st.composite
def damaged(draw, content: bytes) -> bytes:
    """Cut, overwrite, insert, delete or repeat parts of a file, a few times over."""
    data = bytearray(content)
    for _ in range(draw(st.integers(1, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        length = draw(st.integers(0, 64))
        kind = draw(st.integers(0, 5))
        if kind == 0:
            del data[at:]
        elif kind == 1:
            data[at : at + length] = draw(st.binary(max_size=16))
        elif kind == 2:
            data[at:at] = draw(st.sampled_from(TOKENS))
        elif kind == 3:
            del data[at : at + length]
        elif kind == 4:
            data[at:at] = data[at : at + 20 * length]
        else:
            data[at : at + 4] = draw(st.sampled_from([b"\xff" * 4, b"\0" * 4, b"\x7f\xff\xff\xff"]))
    return bytes(data)


def usable(path, declaration):
    """Read; return the map, None where it was refused as it must be."""
    begin = time.process_time()
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


def explore(check, seconds):
    """Run a property again and again with new seeds until the time is over."""
    quiet = settings(
        max_examples=50,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    end, number = time.monotonic() + seconds, 0
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    while number == 0 or time.monotonic() < end:
        seed(number)(quiet(given(st.data())(check)))()
        number += 1
    grown = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024
    assert grown < MOST_MEMORY


def test_damaged_files_of_every_tool_give_a_map_or_one_error(samples, tmp_path):
    def check(data):
        path, content, ctf, declaration = data.draw(st.sampled_from(samples))
        target = tmp_path / path.name
        target.write_bytes(data.draw(damaged(content)))
        if ctf is not None:
            target.with_suffix(".ctf").write_bytes(data.draw(st.just(ctf) | damaged(ctf)))
        usable(target, declaration)

    explore(check, 0.5 * SECONDS)


def test_a_cut_file_never_gives_other_values(samples, tmp_path):
    """The whole file's values, or fewer of them, or none at all."""
    whole = {path: usable(path, declaration) for path, _, _, declaration in samples}

    def check(data):
        path, content, ctf, declaration = data.draw(st.sampled_from(samples))
        target = tmp_path / path.name
        target.write_bytes(content[: data.draw(st.integers(1, len(content) - 1))])
        if ctf is not None:
            target.with_suffix(".ctf").write_bytes(ctf)
        measured = usable(target, declaration)
        if measured is None or "recompute_window_points" in declaration:
            return
        truth = whole[path]
        row = np.rint((measured.y_m - truth.y_m[0]) / truth.pitch_y_m).astype(int)
        column = np.rint((measured.x_m - truth.x_m[0]) / truth.pitch_x_m).astype(int)
        for name, values in measured.fields.items():
            there = np.isfinite(values)
            np.testing.assert_allclose(
                values[there], truth.fields[name][np.ix_(row, column)][there], rtol=1e-6
            )

    explore(check, 0.25 * SECONDS)


def test_any_bytes_and_any_declaration_give_a_map_or_one_error(tmp_path):
    keys = st.sampled_from([*KEYS, "reader"])
    values = st.one_of(
        st.sampled_from(["x", "y", "up", "px", "mm", "hencky", "reference", "tensor", "1", "vic"]),
        st.floats(1e-9, 1e9),
        st.integers(1, 99),
        st.text(max_size=20),
    )

    def check(data):
        target = tmp_path / "map.csv"
        magic = data.draw(st.sampled_from(MAGIC))
        body = data.draw(st.binary(max_size=300) | st.lists(st.sampled_from(TOKENS)).map(b"".join))
        target.write_bytes(magic + body)
        lines = data.draw(st.dictionaries(keys, values, max_size=8))
        declared = tmp_path / "map.yaml"
        text = "\n".join(f"{key}: {value}" for key, value in lines.items())
        declared.write_bytes(
            data.draw(st.just(text.encode("utf-8", "replace")) | st.binary(max_size=80))
        )
        try:
            content = dict(read_declaration(declared).values)
        except BadInputError as error:
            assert str(declared) in str(error)
            content = {}
        usable(target, content)

    explore(check, 0.25 * SECONDS)
