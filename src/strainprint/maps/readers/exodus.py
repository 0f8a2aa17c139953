"""Exodus II: nodes and nodal variables in a classic NetCDF 3 file.

Source: Unidata, "NetCDF Classic Format", and the Exodus II manual (names of variables). The head
is read within bounds and only the arrays asked for are fetched.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.readers.reading import Source, check_size

_TYPES = {1: "i1", 2: "S1", 3: "i2", 4: "i4", 5: "f4", 6: "f8"}
_DIMENSION, _VARIABLE, _ATTRIBUTE = 10, 11, 12
_LARGEST_ITEMS = 20_000
_LARGEST_NAME = 1024


def is_netcdf3(source: Source) -> bool:
    """Tell whether the file begins as classic NetCDF (also with 64-bit offsets)."""
    return source.head[:4] in (b"CDF\x01", b"CDF\x02")


@dataclass(frozen=True)
class _Variable:
    shape: tuple[int, ...]
    record: bool
    dtype: np.dtype[np.generic]
    begin: int


class ExodusFile:
    """An open Exodus II file."""

    def __init__(self, source: Source) -> None:
        """Read the head.

        Raises
        ------
        BadInputError
            Cut short, damaged, or with more dimensions or variables than any real file.
        """
        self._source = source
        self._handle: BinaryIO = open(source.path, "rb")  # noqa: SIM115 (closed by __exit__)
        try:
            self._read_head()
        except (struct.error, ValueError, LookupError, OverflowError) as error:
            self._handle.close()
            if isinstance(error, BadInputError):
                raise
            raise BadInputError(
                f"is cut short or damaged (NetCDF 3: {error})",
                where=source.path,
                way_out="copy or export it again",
            ) from error

    def __enter__(self) -> ExodusFile:
        """Return the open file."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the file."""
        self._handle.close()

    @property
    def steps(self) -> int:
        """Number of time steps."""
        return self._records

    @property
    def nodal_names(self) -> list[str]:
        """Names of the nodal variables, in their order."""
        rows = self._array("name_nod_var")
        if rows.ndim != 2:
            raise BadInputError("name_nod_var is no table of names", where=self._source.path)
        return [
            bytes(row.tobytes()).split(b"\0")[0].decode("ascii", "replace").strip() for row in rows
        ]

    def coordinates(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return x and y of the nodes."""
        if "coordx" in self._variables:
            x, y = self._array("coordx"), self._array("coordy")
        else:
            both = self._array("coord")
            if both.ndim != 2 or len(both) < 2:
                raise BadInputError("coord has no x and y", where=self._source.path)
            x, y = both[0], both[1]
        return self._numbers(x, "coordx"), self._numbers(y, "coordy")

    def nodal_values(self, number: int, step: int) -> NDArray[np.float64]:
        """Return the nodal variable of that number (from 1) at a time step (from 1)."""
        name = f"vals_nod_var{number}"
        return self._numbers(self._array(name, step - 1), name)

    def _numbers(self, values: NDArray[np.generic], name: str) -> NDArray[np.float64]:
        if values.ndim != 1 or values.dtype.kind not in "if":
            raise BadInputError(f"{name} is no list of numbers", where=self._source.path)
        return values.astype(np.float64)

    def _array(self, name: str, record: int = 0) -> NDArray[np.generic]:
        """Return a variable, of a record variable one record."""
        if name not in self._variables:
            raise BadInputError(f"has no variable {name}", where=self._source.path)
        variable = self._variables[name]
        check_size(variable.shape or (1,), variable.dtype.itemsize, self._source, name)
        count = int(np.prod(variable.shape, dtype=np.int64))
        begin = variable.begin + (record * self._record_bytes if variable.record else 0)
        size = count * variable.dtype.itemsize
        if begin < 0 or begin + size > self._source.size:
            raise BadInputError(
                f"{name} runs over the end of the file",
                where=self._source.path,
                way_out="the file may be cut short: copy or export it again",
            )
        self._handle.seek(begin)
        flat = np.frombuffer(self._handle.read(size), dtype=variable.dtype)
        return flat.reshape(variable.shape)

    def _read_head(self) -> None:
        version = self._take(4)[3]
        self._records = self._integer()
        sizes = []
        for _ in range(self._items(_DIMENSION)):
            self._name()
            sizes.append(self._integer())
        self._attributes()
        self._variables: dict[str, _Variable] = {}
        self._record_bytes = 0
        record_sizes = []
        for _ in range(self._items(_VARIABLE)):
            name = self._name()
            axes = [self._integer() for _ in range(self._bounded(self._integer(), 32))]
            self._attributes()
            dtype = np.dtype(">" + _TYPES[self._integer()])
            self._integer()  # size, which large variables cannot state
            begin = self._integer() if version == 1 else struct.unpack(">q", self._take(8))[0]
            shape = [sizes[axis] for axis in axes]
            record = bool(shape) and shape[0] == 0
            self._variables[name] = _Variable(
                tuple(shape[1:] if record else shape), record, dtype, begin
            )
            if record:
                count = 1
                for side in shape[1:]:
                    count *= side
                record_sizes.append(count * dtype.itemsize)
        # Records are padded to four bytes, unless there is a single variable of them.
        padded = [size + -size % 4 for size in record_sizes]
        self._record_bytes = record_sizes[0] if len(record_sizes) == 1 else sum(padded)
        if self._records == 0xFFFFFFFF or self._records < 0:
            raise BadInputError("was not closed by its writer", where=self._source.path)

    def _take(self, size: int) -> bytes:
        data = self._handle.read(size)
        if len(data) != size:
            raise ValueError("the head runs over the end of the file")
        return data

    def _integer(self) -> int:
        return int(struct.unpack(">I", self._take(4))[0])

    def _bounded(self, count: int, most: int) -> int:
        if count > most:
            raise ValueError(f"{count} items, at most {most} are read")
        return count

    def _items(self, expected: int) -> int:
        tag, count = self._integer(), self._integer()
        if tag not in (0, expected) or (tag == 0 and count):
            raise ValueError(f"list {tag} where {expected} belongs")
        return self._bounded(count, _LARGEST_ITEMS)

    def _name(self) -> str:
        size = self._bounded(self._integer(), _LARGEST_NAME)
        return self._take(size + -size % 4)[:size].decode("utf-8")

    def _attributes(self) -> None:
        for _ in range(self._items(_ATTRIBUTE)):
            self._name()
            kind, count = self._integer(), self._integer()
            size = count * np.dtype(_TYPES[kind]).itemsize
            self._take(self._bounded(size + -size % 4, 1 << 20))
