"""Numeric matrices of MATLAB 5 to 7 files, unpacked within bounds.

Source: MathWorks, "MAT-File Format". Only real numeric matrices are read; cells, structs and
objects are passed over. scipy.io.loadmat would unpack whatever a small file claims.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.readers.reading import Source, check_size

_TYPES = {
    1: "i1",
    2: "u1",
    3: "i2",
    4: "u2",
    5: "i4",
    6: "u4",
    7: "f4",
    9: "f8",
    12: "i8",
    13: "u8",
}
_MATRIX, _COMPRESSED = 14, 15
_NUMERIC_CLASSES = range(6, 16)
_HEAD = 4096
_LARGEST_ELEMENTS = 10_000
_AGAIN = "copy or export it again"


def is_matlab5(source: Source) -> bool:
    """Tell whether the file has the 128-byte head of MATLAB 5 to 7."""
    return (
        len(source.head) >= 128
        and source.head.startswith(b"MATLAB 5.0 MAT-file")
        and source.head[126:128] in (b"IM", b"MI")
    )


def matrix_names(source: Source) -> list[str]:
    """Return the names of the file's numeric matrices."""
    return [name for name, *_ in _elements(source)]


def matrices(source: Source, names: tuple[str, ...]) -> dict[str, NDArray[np.float64]]:
    """Return the named matrices as float64 (rows, columns).

    Raises
    ------
    BadInputError
        Damaged, complex or sparse, or larger than such a file can honestly hold.
    """
    found: dict[str, NDArray[np.float64]] = {}
    budget = source.unpacked_limit
    for name, shape, order, begin, size, compressed in _elements(source):
        if name not in names:
            continue
        if name in found:
            raise BadInputError(f"matrix {name[:60]!r} comes twice", where=source.path)
        check_size(shape, 8, source, f"matrix {name[:60]!r}")
        content = _content(source, begin, size, compressed, budget)
        budget -= len(content)
        found[name] = _numbers(source, name, shape, order, content)
    return found


def _elements(source: Source) -> Iterator[tuple[str, tuple[int, int], str, int, int, bool]]:
    """Yield (name, shape, byte order, first byte, bytes, compressed) of each numeric matrix."""
    order = "<" if source.head[126:128] == b"IM" else ">"
    position, count = 128, 0
    with open(source.path, "rb") as handle:
        while position + 8 <= source.size:
            count += 1
            handle.seek(position)
            kind, size = struct.unpack(f"{order}II", handle.read(8))
            begin = position + 8
            if begin + size > source.size or count > _LARGEST_ELEMENTS:
                raise BadInputError(
                    "is cut short or damaged (MATLAB 5)", where=source.path, way_out=_AGAIN
                )
            position = begin + size
            head = handle.read(min(size, _HEAD))
            if kind == _COMPRESSED:
                try:
                    head = zlib.decompressobj().decompress(head, _HEAD)
                except zlib.error as error:
                    raise BadInputError(
                        f"is damaged ({error})", where=source.path, way_out=_AGAIN
                    ) from error
                if len(head) < 8 or struct.unpack(f"{order}I", head[:4])[0] != _MATRIX:
                    continue
                head = head[8:]
            elif kind != _MATRIX:
                continue
            matrix = _head_of_matrix(head, order)
            if matrix is not None:
                yield *matrix, order, begin, size, kind == _COMPRESSED


def _head_of_matrix(head: bytes, order: str) -> tuple[str, tuple[int, int]] | None:
    """Return (name, shape) of a real, full, numeric, two-dimensional matrix, else None."""
    try:
        flags = struct.unpack(f"{order}I", head[8:12])[0]
        dims_bytes = struct.unpack(f"{order}I", head[20:24])[0]
        if flags & 0xFF not in _NUMERIC_CLASSES or flags & 0x0800 or dims_bytes != 8:
            return None
        rows, columns = struct.unpack(f"{order}ii", head[24:32])
        name, _ = _sub_element(head, 32, order)
        return name.decode("ascii"), (rows, columns)
    except (struct.error, UnicodeDecodeError, ValueError):
        return None


def _sub_element(data: bytes, at: int, order: str) -> tuple[bytes, int]:
    """Return the bytes of a sub-element, and where the next one begins."""
    tag = struct.unpack(f"{order}I", data[at : at + 4])[0]
    if tag >> 16:  # small element: size and type in one word, up to four bytes behind it
        size = tag >> 16
        if size > 4:
            raise ValueError("small element of more than four bytes")
        return data[at + 4 : at + 4 + size], at + 8
    size = struct.unpack(f"{order}I", data[at + 4 : at + 8])[0]
    if at + 8 + size > len(data):
        raise ValueError("element runs over the end")
    return data[at + 8 : at + 8 + size], at + 8 + size + -size % 8


def _content(source: Source, begin: int, size: int, compressed: bool, budget: int) -> bytes:
    """Return the bytes of a matrix behind its tag, unpacked to no more than ``budget``."""
    with open(source.path, "rb") as handle:
        handle.seek(begin)
        content = handle.read(size)
    if not compressed:
        return content
    unpack = zlib.decompressobj()
    try:
        content = unpack.decompress(content, budget)
    except zlib.error as error:
        raise BadInputError(f"is damaged ({error})", where=source.path, way_out=_AGAIN) from error
    if not unpack.eof:
        raise BadInputError(
            f"unpacks to more than {budget >> 20} MiB or is cut short",
            where=source.path,
            way_out="save the matrices without compression (save -v6) if they are real",
        )
    return content[8:]


def _numbers(
    source: Source, name: str, shape: tuple[int, int], order: str, content: bytes
) -> NDArray[np.float64]:
    try:
        _, after_name = _sub_element(content, 32, order)
        tag = struct.unpack(f"{order}I", content[after_name : after_name + 4])[0]
        kind = _TYPES[tag & 0xFFFF]
        values, _ = _sub_element(content, after_name, order)
        flat = np.frombuffer(values, dtype=f"{order}{kind}").astype(np.float64)
        return flat.reshape(shape, order="F")
    except (struct.error, KeyError, ValueError) as error:
        raise BadInputError(f"matrix {name[:60]!r} is damaged", where=source.path) from error
