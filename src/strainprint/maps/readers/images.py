"""Pictures and bare arrays: relative intensity, without scale or unit.

8-bit grey PNG, grey TIFF of 8 or 16 bits or floating point, two-dimensional ``.npy`` of numbers.
0 and NaN mean that there is nothing.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration
from strainprint.maps.readers.reading import Picture, Source, check_size

NAME = "image"
_NPY = b"\x93NUMPY"
_MAGIC = (b"\x89PNG\r\n\x1a\n", b"II*\0", b"MM\0*", _NPY)
_GREY_MODES = ("1", "L", "I;16", "I;16L", "I;16B", "I;16N", "I", "F")
_HEADER_BYTES = 10_000
_COPY_AGAIN = "the file may be cut short or damaged: copy or save it again"
# Pillow only warns where a TIFF's directory is cut, and may take its numbers for another kind.
_CUT_DIRECTORY = "Corrupt EXIF|Tag data larger than file"
_ROWS_AT_ONCE = 256


def recognises(source: Source) -> bool:
    """Tell whether the file begins as PNG, TIFF or NPY."""
    return source.head.startswith(_MAGIC)


@dataclass(frozen=True)
class _Plain:
    """Numbers that lie in the file row by row (column by column where ``fortran``)."""

    dtype: np.dtype[np.generic]
    offset: int
    shape: tuple[int, ...]
    fortran: bool = False


def read(source: Source, declared: Declaration) -> Picture:
    """Read the intensity as float32, NaN where it is 0 or not finite."""
    found = _npy(source) if source.head.startswith(_NPY) else _image(source)
    if len(found.shape) != 2 or min(found.shape) < 2:
        raise BadInputError(
            f"has shape {found.shape}", where=source.path, allowed="(rows, columns), 2 or more"
        )
    fortran = isinstance(found, _Plain) and found.fortran
    intensity = np.empty(found.shape[::-1] if fortran else found.shape, dtype=np.float32)
    for rows, values in _parts(source, found):
        with np.errstate(over="ignore"):
            block = values.astype(np.float32)
        block[~np.isfinite(block) | (block == 0)] = np.nan
        intensity[rows] = block
    return Picture(NAME, intensity.T if fortran else intensity)


def _parts(
    source: Source, found: _Plain | NDArray[np.generic]
) -> Iterator[tuple[slice, NDArray[np.generic]]]:
    """Yield some rows at a time, straight from the file where they lie there plainly."""
    if not isinstance(found, _Plain):
        for first in range(0, len(found), _ROWS_AT_ONCE):
            part = slice(first, first + _ROWS_AT_ONCE)
            yield part, found[part]
        return
    rows, columns = found.shape[::-1] if found.fortran else found.shape
    with open(source.path, "rb") as handle:
        handle.seek(found.offset)
        for first in range(0, rows, _ROWS_AT_ONCE):
            last = min(first + _ROWS_AT_ONCE, rows)
            values = np.fromfile(handle, found.dtype, (last - first) * columns)
            yield slice(first, last), values.reshape(last - first, columns)


def _npy(source: Source) -> _Plain:
    """Find the numbers of a ``.npy`` file; object arrays, which are pickles, are refused."""
    version = source.head[len(_NPY) : len(_NPY) + 2]
    read_header = {
        b"\1\0": np.lib.format.read_array_header_1_0,
        b"\2\0": np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise BadInputError(
            "begins as NPY, but the file ends there"
            if len(version) < 2
            else f"says that it is NPY of version {version[0]}.{version[1]}",
            where=source.path,
            allowed="version 1.0 or 2.0, as numpy.save writes arrays of numbers",
            way_out=_COPY_AGAIN,
        )
    try:
        with open(source.path, "rb") as handle, warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # written by Python 2: read all the same
            np.lib.format.read_magic(handle)
            shape, fortran, dtype = read_header(handle, max_header_size=_HEADER_BYTES)
            begin = handle.tell()
    except Exception as error:  # the header is parsed as Python: any error of the tokenizer
        raise BadInputError(
            f"the header of the NPY file is not readable ({str(error)[:200]})",
            where=source.path,
            allowed="an array of numbers as numpy.save writes it",
            way_out=_COPY_AGAIN,
        ) from error
    if dtype.hasobject or dtype.kind not in "fiub" or dtype.subdtype is not None:
        raise BadInputError(
            f"holds {str(dtype)[:100]}",
            where=source.path,
            allowed="numbers; object arrays are pickles, which are never loaded",
            way_out="np.save(file, array.astype('float32'))",
        )
    check_size(shape, dtype.itemsize, source, "the array")
    if begin + int(np.prod(shape, dtype=np.int64)) * dtype.itemsize != source.size:
        raise BadInputError(
            f"shape {shape} of {dtype} does not fit the file's {source.size} bytes"[:300],
            where=source.path,
            allowed="all numbers of the array and nothing behind them",
            way_out=_COPY_AGAIN,
        )
    return _Plain(dtype, begin, shape, fortran)


def _image(source: Source) -> _Plain | NDArray[np.generic]:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            warnings.filterwarnings("error", _CUT_DIRECTORY, UserWarning)
            with Image.open(source.path, formats=("PNG", "TIFF")) as image:
                columns, rows = image.size
                check_size((rows, columns), 4, source, "the picture")
                if image.mode not in _GREY_MODES:
                    raise BadInputError(
                        f"picture has mode {image.mode}",
                        where=source.path,
                        allowed="grey: one channel of 8 or 16 bits or floating point",
                        way_out="export the strain in grey, or as numbers; a colour scale cannot "
                        "be undone",
                    )
                if (frames := getattr(image, "n_frames", 1)) != 1:
                    raise BadInputError(
                        f"holds {frames} pictures",
                        where=source.path,
                        allowed="one",
                        way_out="save the one picture on its own",
                    )
                _check_length(source, image)
                return _uncompressed_tiff(source, image) or np.asarray(image)
    except BadInputError:
        raise
    except MemoryError as error:
        raise BadInputError("needs more memory than there is", where=source.path) from error
    except Exception as error:  # Pillow's decoders raise whatever they like on damaged files
        kind = "PNG" if source.head.startswith(b"\x89PNG") else "TIFF"
        # Where nothing is known, Pillow only repeats the path.
        why = "" if isinstance(error, UnidentifiedImageError) else f" ({str(error)[:200]})"
        raise BadInputError(
            f"not readable as {kind}{why}",
            where=source.path,
            allowed="one whole grey picture",
            way_out=_COPY_AGAIN,
        ) from error


def _check_length(source: Source, image: Image.Image) -> None:
    """Refuse an uncompressed TIFF that is shorter than its numbers before they take memory."""
    tags = getattr(image, "tag_v2", {})
    columns, rows = image.size
    needed = rows * columns * tags.get(258, (1,))[0] // 8
    if image.format == "TIFF" and tags.get(259, 1) == 1 and needed > source.size:
        raise BadInputError(
            f"ends after {source.size} bytes; {rows} rows of {columns} need {needed}",
            where=source.path,
            allowed="one whole grey picture",
            way_out=_COPY_AGAIN,
        )


def _uncompressed_tiff(source: Source, image: Image.Image) -> _Plain | None:
    """Find the numbers of a TIFF of plain rows, None where it is packed, tiled or scattered."""
    tags = getattr(image, "tag_v2", None)
    if tags is None or tags.get(259, 1) != 1 or tags.get(266, 1) != 1 or 322 in tags:
        return None
    kind = {(1, 8): "u1", (1, 16): "u2", (1, 32): "u4", (2, 16): "i2", (3, 32): "f4"}.get(
        (tags.get(339, (1,))[0], tags.get(258, (1,))[0])
    )
    offsets, sizes = tags.get(273), tags.get(279)
    if kind is None or not offsets or not sizes or len(offsets) != len(sizes):
        return None
    if tags.get(262, 1) != 1 or tags.get(277, 1) != 1 or image.info.get("transparency"):
        return None
    dtype = np.dtype(("<" if source.head.startswith(b"II") else ">") + kind)
    columns, rows = image.size
    joined = all(a + n == b for a, n, b in zip(offsets, sizes, offsets[1:], strict=False))
    size = rows * columns * dtype.itemsize
    if not joined or sum(sizes) != size or offsets[0] + size > source.size:
        return None
    return _Plain(dtype, int(offsets[0]), (rows, columns))
