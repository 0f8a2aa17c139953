"""What passes between the readers: the file to read, and what was read, in the file's own terms."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError

HEAD_BYTES = 1 << 16
LARGEST_POINTS = 200_000_000
"""Points of the largest map that is read: three times 9,000 x 7,000."""

_SPARE_BYTES = 256 << 20
_LARGEST_RATIO = 200


@dataclass(frozen=True)
class Source:
    """A file to read, with its first 64 KiB."""

    path: Path
    size: int
    head: bytes

    @classmethod
    def open(cls, path: str | Path) -> Source:
        """Look at a file.

        Raises
        ------
        BadInputError
            Missing, no ordinary file, or empty.
        """
        path = Path(path)
        if not path.is_file():
            raise BadInputError("file is missing", where=path)
        size = path.stat().st_size
        with open(path, "rb") as handle:
            head = handle.read(HEAD_BYTES)
        if not head:
            raise BadInputError("file is empty", where=path)
        return cls(path, size, head)

    @cached_property
    def encoding(self) -> str:
        """``utf-8-sig``, or ``cp1252`` where the first bytes are no UTF-8."""
        try:
            self.head.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            # The last character may be cut in two.
            cut = self.size > HEAD_BYTES and error.start >= len(self.head) - 3
            return "utf-8-sig" if cut else "cp1252"
        return "utf-8-sig"

    @cached_property
    def lines(self) -> list[str]:
        """The complete lines of the first 64 KiB; none where they are no text."""
        if b"\0" in self.head:
            return []
        lines = self.head.decode(self.encoding, "replace").replace("\r\n", "\n")
        split = lines.replace("\r", "\n").split("\n")
        return split if self.size <= HEAD_BYTES else split[:-1]

    @property
    def unpacked_limit(self) -> int:
        """Bytes that this file may unpack to: 200 times its size, and at least 256 MiB."""
        return max(_SPARE_BYTES, _LARGEST_RATIO * self.size)


@dataclass
class Reading:
    """What one file says, in its own units and axes.

    Either points: ``x, y`` and every component one-dimensional of one length, in any order; or a
    grid: ``x`` (columns,) and ``y`` (rows,) ascending or descending, components (rows, columns).

    Attributes
    ----------
    reader, tool
        Name of the reader, and of what wrote the file.
    x, y
        Coordinates.
    fields
        Components by name: ``u, v`` (displacement), ``exx, eyy, exy`` (strain). NaN is missing.
    flags
        Why points hold nothing (:mod:`strainprint.maps.quality`), of the components' shape.
    stated
        Declaration keys that the file itself answers; a declaration that says otherwise is wrong.
    convention
        Keys that the tool always answers alike, by its public sources; a declaration goes before.
    notes
        What the tool usually does where nobody can be sure: printed beside a missing key.
    """

    reader: str
    tool: str
    x: NDArray[np.floating]
    y: NDArray[np.floating]
    fields: dict[str, NDArray[np.floating]]
    flags: NDArray[np.uint8]
    stated: dict[str, Any] = field(default_factory=dict)
    convention: dict[str, Any] = field(default_factory=dict)
    notes: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Picture:
    """A picture without scale: relative intensity (rows, columns), NaN where it says nothing."""

    reader: str
    intensity: NDArray[np.float32]


def check_size(shape: tuple[int, ...], itemsize: int, source: Source, what: str) -> None:
    """Refuse an array before memory is taken for it.

    Raises
    ------
    BadInputError
        More points than any map has, or more bytes than the file can honestly unpack to.
    """
    points = 1
    for side in shape:
        points *= int(side)
    if points < 1 or points > LARGEST_POINTS or points * itemsize > source.unpacked_limit:
        raise BadInputError(
            f"{what} claims the shape {shape}"[:300],
            where=source.path,
            allowed=f"1 to {LARGEST_POINTS} points, and no more than "
            f"{source.unpacked_limit >> 20} MiB from a file of {source.size} bytes",
        )
