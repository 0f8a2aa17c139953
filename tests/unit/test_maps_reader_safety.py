"""Files that mean harm: refused before they run, reach out or unpack."""

import io
import os
import pickle
import re
import resource
import struct
import tracemalloc
import zipfile
import zlib

import h5py
import numpy as np
import pytest
from dialects import DIALECTS, mat5, true_field
from PIL import Image

from strainprint.errors import BadInputError
from strainprint.maps.declaration import checked_declaration
from strainprint.maps.map_file import read_map_h5, read_picture_png, write_map_h5
from strainprint.maps.measured_map import read_measured_map, write_measured_map
from strainprint.maps.readers.reading import Source
from strainprint.maps.readers.recognise import read_map
from strainprint.maps.strain_map import StrainMap

KEYS = {
    "loading_axis": "y", "loading_sense": "compression", "pixel_size_nm": 5000.0,
    "strain_measure": "green_lagrange", "shear": "tensor",
}  # fmt: skip


class Bomb:
    """Leaves a trace where it is unpickled."""

    def __init__(self, target):
        self.target = target

    def __reduce__(self):
        return os.mkdir, (str(self.target),)


def read(path, **more):
    return read_map(path, checked_declaration({**KEYS, **more}, path.with_suffix(".yaml")))


def refused(path, said, **more):
    """Assert that reading is refused by name, with little memory."""
    tracemalloc.start()
    try:
        with pytest.raises(BadInputError, match=said) as caught:
            read(path, **more)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert str(path) in str(caught.value)
    assert peak < 64e6


def write(path, content):
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize("name", ["map.pkl", "map.p", "map.dill", "map.csv", "map.npy"])
def test_a_pickle_is_never_loaded(tmp_path, name, protocol):
    trace = tmp_path / "trace"
    path = write(tmp_path / name, pickle.dumps(Bomb(trace), protocol=protocol))
    plain_text = protocol < 2 and name in ("map.csv", "map.npy")
    refused(path, "no reader knows" if plain_text else "never loaded")
    assert not trace.exists()


def test_an_object_array_is_never_loaded(tmp_path):
    trace = tmp_path / "trace"
    np.save(tmp_path / "map.npy", np.array([Bomb(trace)], dtype=object), allow_pickle=True)
    refused(tmp_path / "map.npy", "never loaded")
    assert not trace.exists()


def test_an_archive_is_never_unpacked(tmp_path):
    np.savez_compressed(tmp_path / "map.npz", np.zeros(100_000_000, dtype=np.uint8))
    refused(tmp_path / "map.npz", "zip archive")
    with zipfile.ZipFile(tmp_path / "map.xlsx", "w") as archive:
        archive.writestr("xl/workbook.xml", "")
    refused(tmp_path / "map.xlsx", "zip archive")
    with zipfile.ZipFile(tmp_path / "deep.zip", "w") as archive:
        archive.writestr("../climbed.csv", "x,y\n")
    (tmp_path / "deep").mkdir()
    (tmp_path / "deep.zip").rename(tmp_path / "deep" / "map.zip")
    refused(tmp_path / "deep" / "map.zip", "zip archive")
    assert not (tmp_path / "climbed.csv").exists()
    for name, magic in (("gz", b"\x1f\x8b\x08"), ("bz2", b"BZh9"), ("xz", b"\xfd7zXZ\x00")):
        refused(write(tmp_path / f"map.{name}", magic + b"\0" * 50), "unpack it first")


def own_map(folder):
    field = true_field()
    path, declaration = DIALECTS["dice"](field, folder)
    measured = read_map(path, checked_declaration(declaration, path))
    target = folder / "map.h5"
    write_measured_map(target, measured)
    return target


@pytest.mark.parametrize(
    "link", [h5py.ExternalLink("secret.h5", "/exx"), h5py.SoftLink("/eyy"), h5py.SoftLink("/none")]
)
def test_links_of_hdf5_are_not_followed(tmp_path, link):
    with h5py.File(tmp_path / "secret.h5", "w") as handle:
        handle["exx"] = np.full((9, 13), 0.5, dtype=np.float32)
    path = own_map(tmp_path)
    with h5py.File(path, "a") as handle:
        del handle["exx"]
        handle["exx"] = link
    with pytest.raises(BadInputError, match="can lead out of the file"):
        read_measured_map(path)
    refused(path, "can lead out of the file")
    field = true_field()
    ncorr, _ = DIALECTS["ncorr"](field, tmp_path)
    with h5py.File(ncorr, "a") as handle:
        del handle["data_dic_save/displacements/plot_u_dic"]
        handle["data_dic_save/displacements/plot_u_dic"] = link
    refused(ncorr, "can lead out of the file")


def test_values_kept_in_other_files_are_not_read(tmp_path):
    secret = write(tmp_path / "secret.bin", np.full(117, 0.5, dtype=np.float32).tobytes())
    for kind in ("external", "virtual"):
        path = own_map(tmp_path)
        with h5py.File(path, "a") as handle:
            del handle["exx"]
            if kind == "external":
                handle.create_dataset(
                    "exx", (9, 13), dtype="f4", external=[(str(secret), 0, h5py.h5f.UNLIMITED)]
                )
            else:
                layout = h5py.VirtualLayout((9, 13), dtype="f4")
                layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "exx", shape=(9, 13))
                handle.create_virtual_dataset("exx", layout)
        refused(path, "in another file")


def test_links_in_a_map_of_the_simulator_are_not_followed(tmp_path):
    y = np.tile(np.arange(8.0), (4, 1))
    strain_map = StrainMap.from_displacement(
        0 * y, -0.01 * y, np.ones(y.shape, dtype=bool), pitch_nm=2.0, frame="reference"
    )
    write_map_h5(tmp_path / "map.h5", strain_map)
    with h5py.File(tmp_path / "map.h5", "a") as handle:
        del handle["exx"]
        handle["exx"] = h5py.ExternalLink("secret.h5", "/exx")
    with pytest.raises(BadInputError, match="can lead out of the file"):
        read_map_h5(tmp_path / "map.h5")


@pytest.mark.parametrize(
    "how",
    [
        {"shape": (100_000, 100_000), "chunks": (1000, 1000), "compression": "gzip"},
        {"shape": (30_000, 6_000), "chunks": (30_000, 6_000), "compression": "gzip"},
        {"shape": (0, 5), "maxshape": (None, 5)},
    ],
)
def test_an_array_that_claims_more_than_its_file_is_not_unpacked(tmp_path, how):
    path = own_map(tmp_path)
    with h5py.File(path, "a") as handle:
        del handle["exx"]
        handle.create_dataset("exx", dtype="f4", **how)
    refused(path, "claims the shape")


@pytest.mark.parametrize("dtype", ["S10", h5py.string_dtype(), np.dtype([("a", "f4")]), "c16"])
def test_what_is_no_number_is_refused_in_hdf5(tmp_path, dtype):
    path = own_map(tmp_path)
    with h5py.File(path, "a") as handle:
        del handle["exx"]
        handle.create_dataset("exx", (9, 13), dtype=dtype)
    refused(path, "holds")


def test_a_matlab_bomb_is_not_unpacked(tmp_path):
    head = mat5({}, compress=True)
    body = struct.pack("<IIII", 6, 8, 6, 0) + struct.pack("<IIii", 5, 8, 2, 2)
    body += struct.pack("<IHH", 1 | 1 << 16, 0, 0)[:4] + b"x\0\0\0"
    body += struct.pack("<II", 9, 1 << 31)
    unpacked = struct.pack("<II", 14, 1 << 31) + body
    packer = zlib.compressobj(9)
    packed = packer.compress(unpacked) + b"".join(
        packer.compress(bytes(1 << 20)) for _ in range(600)
    )
    packed += packer.flush()
    names = b""
    for name in (b"x", b"y", b"u", b"v"):
        part = (
            packed
            if name == b"x"
            else zlib.compress(unpacked.replace(b"x\0\0\0", name + b"\0\0\0"))
        )
        names += struct.pack("<II", 15, len(part)) + part
    path = write(tmp_path / "map.mat", head + names)
    assert path.stat().st_size < 2e6
    with pytest.raises(BadInputError, match="unpacks to more than 256 MiB"):
        read(path, recompute_window_points=3)


def test_a_matlab_matrix_that_claims_too_much_is_refused(tmp_path):
    small = np.ones((2, 2))
    content = mat5({"x": small, "y": small, "u": small, "v": small}, compress=False)
    claim = struct.pack("<ii", 50_000, 50_000)
    path = write(tmp_path / "map.mat", content.replace(struct.pack("<ii", 2, 2), claim))
    refused(path, "claims the shape", recompute_window_points=3)


def test_a_netcdf_head_that_claims_too_much_is_refused(tmp_path):
    path, _ = DIALECTS["exodus"](true_field(), tmp_path)
    content = path.read_bytes()
    many = struct.pack(">I", 0x7FFFFFFF)
    at = content.index(b"num_nodes") + 12
    refused(write(tmp_path / "a.e", content[:at] + many + content[at + 4 :]), "claims", frame=2)
    refused(write(tmp_path / "b.e", content[:12] + many + content[16:]), "items, at most", frame=2)
    at = content.index(b"coordx") + 12
    strange = content[:at] + struct.pack(">I", 77) + content[at + 4 :]
    refused(write(tmp_path / "axis.e", strange), "damaged", frame=2)
    refused(write(tmp_path / "c.e", content[:400]), "damaged", frame=2)
    refused(write(tmp_path / "d.e", content[: len(content) // 2]), "over the end", frame=2)


def test_a_picture_that_claims_too_much_is_refused(tmp_path):
    buffer = io.BytesIO()
    Image.new("1", (60_000, 30_000)).save(buffer, format="PNG")
    refused(write(tmp_path / "map.png", buffer.getvalue()), "claims the shape|not readable")
    with pytest.raises(BadInputError, match="decompression bomb"):
        read_picture_png(tmp_path / "map.png")
    buffer = io.BytesIO()
    Image.new("F", (12_000, 9_000)).save(buffer, format="TIFF", compression="tiff_adobe_deflate")
    refused(write(tmp_path / "map.tif", buffer.getvalue()), "claims the shape")
    header = "{'descr': '<f4', 'fortran_order': False, 'shape': (900000, 900000)}"
    npy = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header) + 1) + header.encode() + b"\n"
    refused(write(tmp_path / "map.npy", npy), "claims the shape")


@pytest.mark.parametrize(
    "head",
    [
        b"x,y,u,v," + b"a" * 10_000_000,
        b"a" + b" " * 60_000 + b",x,y,u,v\n" * 3,
        b'"x", "y", "u", "v"' + b', "q"' * 12_000 + b"\n1,2,3,4\n",
        b"#DaVis 8.4.0 2D-vector " + b"1" * 60_000 + b"\n",
        b"#DaVis 8.4.0 2D-vector " + b"1 " * 30_000 + b"\n",
        b'#DaVis 8 2D 8 999999999 999999999 "" "pixel" "" "pixel" "" "pixel"\n1\t2\t3\t4\n',
        b"*** Subset size: "
        + b"9" * 5_000
        + b"\nCOORDINATE_X,COORDINATE_Y,DISPLACEMENT_X\n1,2,3\n",
        b"\0" * 1000,
        b"\xff\xfex\0,\0y\0\n\0",
        b"\n" * 60_000,
        b"x,y,u,v,ZNCC\n" + b"\n" * 1000,
    ],
)
def test_absurd_heads_are_refused(tmp_path, head):
    refused(write(tmp_path / "map.csv", head), "map.csv: ", zncc_min=0.9)


@pytest.mark.parametrize("formula", ["=1+1", "+1+1", "-1-1", "@SUM(A1)", "=cmd|' /C calc'!A0"])
@pytest.mark.parametrize("name", ["dice", "gom", "pyvale", "vic2d", "aramis"])
def test_a_formula_in_a_cell_is_no_number(tmp_path, name, formula):
    path, declaration = DIALECTS[name](true_field(), tmp_path)
    lines = path.read_text(encoding="latin-1").splitlines(keepends=True)
    mark = ";" if name in ("gom", "aramis") else ","
    cells = lines[-3].split(mark)
    cells[1] = formula
    lines[-3] = mark.join(cells)
    path.write_text("".join(lines), encoding="latin-1")
    refused(path, re.escape(repr(formula)) + ", no number", **declaration)


def test_what_is_no_ordinary_file_is_refused(tmp_path):
    os.mkfifo(tmp_path / "pipe.csv")
    for path in (tmp_path, tmp_path / "pipe.csv", tmp_path / "none.csv"):
        refused(path, "missing")
    refused(write(tmp_path / "empty.csv", b""), "empty")


def test_no_reader_looks_beyond_the_first_64_kib_to_know_its_file(tmp_path):
    path = write(tmp_path / "map.csv", b"1,2\n" * 1_000_000)
    assert len(Source.open(path).head) == 1 << 16
    refused(path, "no reader knows")


def test_what_no_reader_foresaw_is_still_one_error(tmp_path, monkeypatch):
    path, _ = DIALECTS["dice"](true_field(), tmp_path)

    def broken(*arguments):
        raise ZeroDivisionError("by surprise")

    monkeypatch.setattr("strainprint.maps.readers.dice.read_columns", broken)
    refused(path, "unexpected ZeroDivisionError in reader dice: by surprise")


def with_text_of_variable_length(path):
    with h5py.File(path, "w") as handle:
        handle.attrs["format"] = "some text"
    return bytearray(path.read_bytes())


@pytest.mark.parametrize("size", [0, 2**64 - 1])
def test_a_heap_that_the_hdf5_library_walks_without_end_is_never_walked(tmp_path, size):
    """Found by coverage-guided fuzzing: the library never came back from reading the text."""
    path = tmp_path / "map.h5"
    data = with_text_of_variable_length(path)
    heap = data.index(b"GCOL")
    # The heap's one text, of 9 bytes in 16, after its head of 16 bytes; then the free space.
    free = heap + 16 + 16 + 16
    assert struct.unpack_from("<H", data, free) == (0,)
    struct.pack_into("<Q", data, free + 8, size)
    refused(write(path, data), "text of variable length")


def test_text_that_claims_gigabytes_takes_no_memory(tmp_path):
    """Found by coverage-guided fuzzing: 4 GB were taken for a text of 9 bytes."""
    path = tmp_path / "map.h5"
    data = with_text_of_variable_length(path)
    heap = data.index(b"GCOL")
    # Length, place of the heap, number in it.
    length = data.index(struct.pack("<IQI", 9, heap, 1))
    struct.pack_into("<I", data, length, 2**31)
    path.write_bytes(data)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    refused(path, "text of variable length")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB
