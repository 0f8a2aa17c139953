"""Any input gives a map or one clear error: no crash, no hang, no flood of memory.

``make fuzz`` runs it for a minute, ``make fuzz SECONDS=3600`` for an hour; the plain tests for a
few seconds, with the same seeds every time.
"""

import os
import time

import numpy as np
import pytest
from hypothesis import HealthCheck, given, seed, settings
from hypothesis import strategies as st
from reader_oracle import usable, write_samples

from strainprint.errors import BadInputError
from strainprint.maps.declaration import KEYS, read_declaration

SECONDS = float(os.environ.get("STRAINPRINT_FUZZ_SECONDS", "5"))

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
    return write_samples(tmp_path_factory.mktemp("samples"))


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


def explore(check, seconds):
    """Run a property again and again with new seeds until the time is over."""
    quiet = settings(
        max_examples=50,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    end, number = time.monotonic() + seconds, 0
    while number == 0 or time.monotonic() < end:
        seed(number)(quiet(given(st.data())(check)))()
        number += 1


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
