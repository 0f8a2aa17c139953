"""HDF5 files that are written whole or not at all, also where a disk fills up."""

from __future__ import annotations

import io
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py

from strainprint.files import write_whole


@contextmanager
def write_whole_hdf5(path: str | Path) -> Iterator[h5py.File]:
    """Open a new HDF5 file that takes the place of ``path`` once all of it is written.

    Raises
    ------
    OSError
        It cannot be written; what stood at ``path`` is left as it was.
    """
    with (
        write_whole(path) as partial,
        _Written(partial, "w+") as written,
        h5py.File(written, "w") as handle,
    ):
        yield handle


def write_attributes(owner: h5py.Group | h5py.Dataset, values: Mapping[str, Any]) -> None:
    """Write attributes, text of fixed length: of text of any length no reader can be sure."""
    for name, value in values.items():
        if isinstance(value, str):
            text = value.encode("utf-8")
            kind = h5py.string_dtype("utf-8", max(1, len(text)))
            owner.attrs.create(name, text, dtype=kind)
        else:
            owner.attrs[name] = value


class _Written(io.FileIO):
    """A file that keeps an error of writing to itself until it is closed.

    The HDF5 library does not survive a disk that fills up: what it cannot write it tries again for
    every object that is given back, and the process may end in a segmentation fault.
    """

    _error: OSError | None = None

    def write(self, content: Any) -> int:
        """Write all of it; after an error nothing any more."""
        left = memoryview(content).cast("B")
        size = len(left)
        try:
            while left and self._error is None:
                left = left[super().write(left) :]
        except OSError as error:
            self._error = error
        return size

    def close(self) -> None:
        """Close the file; raise the error of writing that was kept."""
        super().close()
        error, self._error = self._error, None
        if error is not None:
            raise OSError(error.errno, error.strerror, str(self.name))
