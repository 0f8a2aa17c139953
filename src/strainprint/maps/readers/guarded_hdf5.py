"""HDF5 files of unknown origin: what lies in the file itself, and no more than it can hold.

Refused are soft and external links, virtual and externally stored data sets (all of which can read
other files), data that are no plain numbers, and arrays that unpack to far more than the file. Text
of variable length lies in a global heap, which the HDF5 library walks without end where it is
damaged, and its length is believed whatever it is: it is refused too.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.readers.reading import Source, check_size

SIGNATURE = b"\x89HDF\r\n\x1a\n"
_LARGEST_TEXT = 1 << 16


@contextmanager
def open_hdf5(source: Source) -> Iterator[h5py.File]:
    """Open for reading; whatever the HDF5 library raises becomes one BadInputError."""
    try:
        with h5py.File(source.path, "r") as handle:
            yield handle
    except BadInputError:
        raise
    except (OSError, RuntimeError, KeyError, ValueError, TypeError, OverflowError) as error:
        raise BadInputError(
            f"not readable as HDF5 ({str(error)[:200]})",
            where=source.path,
            way_out="the file may be truncated: copy or export it again",
        ) from error
    except MemoryError as error:
        raise BadInputError("claims more data than there is memory", where=source.path) from error


def member(source: Source, group: h5py.Group, name: str) -> h5py.Group | h5py.Dataset | None:
    """Return a member that lies in the group itself, None where there is none.

    Raises
    ------
    BadInputError
        The member is a soft or external link.
    """
    link = group.get(name, getlink=True)
    if link is None:
        return None
    if not isinstance(link, h5py.HardLink):
        raise BadInputError(
            f"{name!r} is a {type(link).__name__}, which can lead out of the file",
            where=source.path,
            allowed="data in the file itself",
            way_out="copy the data into one file (h5repack or h5copy) and use that",
        )
    return group[name]


def check_dataset(source: Source, dataset: Any, name: str) -> h5py.Dataset:
    """Return the data set if it holds a bounded number of plain numbers in this file.

    Raises
    ------
    BadInputError
        It does not.
    """
    if not isinstance(dataset, h5py.Dataset):
        raise BadInputError(f"{name!r} is no array", where=source.path)
    if dataset.is_virtual or dataset.external:
        raise BadInputError(
            f"{name!r} keeps its values in another file",
            where=source.path,
            allowed="data in the file itself",
        )
    if dataset.shape is None or dataset.dtype.kind not in "fiub" or dataset.dtype.subdtype:
        raise BadInputError(
            f"{name!r} holds {dataset.dtype}"[:200], where=source.path, allowed="plain numbers"
        )
    check_size(dataset.shape or (1,), dataset.dtype.itemsize, source, repr(name))
    if dataset.chunks is not None:
        # A chunk is unpacked whole, however little of it is read.
        check_size(dataset.chunks, dataset.dtype.itemsize, source, f"a chunk of {name!r}")
    return dataset


def numbers(source: Source, group: h5py.Group, name: str) -> NDArray[Any] | None:
    """Return a member's numbers, None where there is no such member."""
    found = member(source, group, name)
    if found is None:
        return None
    return np.asarray(check_dataset(source, found, name)[()])


def attribute(source: Source, owner: Any, name: str) -> Any:
    """Return a small plain attribute (text, number, boolean), None where there is none."""
    if name not in owner.attrs:
        return None
    identifier = owner.attrs.get_id(name)
    if identifier.dtype.hasobject:
        raise BadInputError(
            f"attribute {name!r} holds text of variable length or references",
            where=source.path,
            allowed="a number, or text of fixed length, as strainprint writes it",
            way_out="read or measure the map again; in h5py, write text as numpy.bytes_",
        )
    size = math.prod(identifier.shape) * max(1, identifier.dtype.itemsize)
    if size > _LARGEST_TEXT or identifier.shape not in ((), (1,)):
        raise BadInputError(f"attribute {name!r} is no single value", where=source.path)
    value = np.asarray(owner.attrs[name]).reshape(-1)
    single = value[0] if value.size else ""
    if isinstance(single, bytes):
        return single.decode("utf-8", "replace")[:_LARGEST_TEXT]
    single = single.item() if isinstance(single, np.generic) else single
    if not isinstance(single, (str, bool, int, float)):
        raise BadInputError(f"attribute {name!r} is no plain value", where=source.path)
    return single[:_LARGEST_TEXT] if isinstance(single, str) else single
