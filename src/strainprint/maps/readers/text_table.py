"""Columns of numbers from text tables, by name, without ever guessing at a damaged row."""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.readers.reading import LARGEST_POINTS, Source

_HEADER_WITHIN_LINES = 300
_LARGEST_COLUMNS = 1000
_LONGEST_NAME = 200
_ROWS_AT_ONCE = 200_000
_BLOCK = 1 << 22
_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_MISSING = frozenset({"", "nan", "-nan", "+nan", "nan(ind)", "-nan(ind)", "1.#qnan", "-1.#ind"})


@dataclass(frozen=True)
class Header:
    """Names of a table's columns, and where its rows begin."""

    names: tuple[str, ...]
    delimiter: str
    line: int

    def column(self, *patterns: str) -> int | None:
        """Return the number of the one column whose name fits a pattern, None where there is none.

        Patterns are tried in their order, against whole names in small letters.

        Raises
        ------
        BadInputError
            Two columns fit the same pattern.
        """
        for pattern in patterns:
            fits = [i for i, name in enumerate(self.names) if re.fullmatch(pattern, name.lower())]
            if len(fits) > 1:
                raise BadInputError(
                    f"columns {[self.names[i] for i in fits]} are alike"[:300],
                    allowed="each quantity once",
                    way_out="export it once",
                )
            if fits:
                return fits[0]
        return None

    def unit(self, column: int) -> str | None:
        """Return what stands in brackets in a column's name, None where there are none."""
        found = re.search(r"\[([^\]]*)\]", self.names[column])
        return found[1].strip() if found else None


def split_names(line: str, delimiter: str) -> tuple[str, ...]:
    """Return the names of a header line without quotes, spaces and a leading ``#``."""
    return tuple(part.strip().strip('"').strip() for part in line.lstrip("#").split(delimiter))


def find_header(source: Source, fits: Callable[[frozenset[str]], bool]) -> Header | None:
    """Return the first line whose names, in small letters, ``fits`` accepts."""
    for number, line in enumerate(source.lines[:_HEADER_WITHIN_LINES]):
        for delimiter in ";\t,":
            if delimiter in line:
                names = split_names(line, delimiter)
                if max(map(len, names)) > _LONGEST_NAME or len(names) > _LARGEST_COLUMNS:
                    continue
                if fits(frozenset(n.lower() for n in names)):
                    return Header(names, delimiter, number)
    return None


@dataclass(frozen=True)
class NamedTable:
    """A tool's text table, known by the names in its header.

    Attributes
    ----------
    what
        What the header names, for errors.
    example
        How such a header begins.
    fits
        Tells by all names of a line, in small letters, whether it is the header.
    """

    what: str
    example: str
    fits: Callable[[frozenset[str]], bool]

    def recognises(self, source: Source) -> bool:
        """Tell whether a file has such a header."""
        return find_header(source, self.fits) is not None

    def header(self, source: Source) -> Header:
        """Return the header.

        Raises
        ------
        BadInputError
            There is none.
        """
        header = find_header(source, self.fits)
        if header is None:
            raise BadInputError(
                f"no line names {self.what}", where=source.path, allowed=self.example
            )
        return header


def read_columns(
    source: Source, header: Header, wanted: Mapping[str, int | None]
) -> dict[str, NDArray[np.float64]]:
    """Return the wanted columns as float64 (rows,), NaN where a cell is empty or NaN.

    ``wanted``: column numbers by the name to give them; None is left out. Blank lines are skipped;
    a delimiter at the end of the header alone, or of every row, is none more column. Decimal
    commas are understood where columns are not separated by commas.

    Raises
    ------
    BadInputError
        No rows; a row with too few or too many cells or with text, named by its line.
    """
    columns = {name: number for name, number in wanted.items() if number is not None}
    coordinates = {"x", "y"} & set(wanted)
    if not coordinates <= set(columns) or not set(columns) - coordinates:
        raise BadInputError(
            f"columns are {', '.join(header.names)}"[:300],
            where=source.path,
            allowed="both coordinates, and displacements or strains",
        )
    first = next((line for line in source.lines[header.line + 1 :] if line.strip()), None)
    if first is None:
        raise _no_rows(source)
    cells = split_cells(first, header.delimiter)
    names = list(header.names)
    while names and not names[-1]:
        names.pop()
    n_cells = len(cells)
    trailing = n_cells == len(names) + 1 and not cells[-1].strip()
    if n_cells != len(names) and not trailing:
        raise BadInputError(
            f"the header has {len(names)} names, the first row {n_cells} cells",
            where=source.path,
            way_out="export the file again; header and rows must belong together",
        )
    decimal = "," if header.delimiter != "," and _commas_are_decimal(source, header, first) else "."
    rows = _count_lines(source)
    if rows > LARGEST_POINTS:
        raise BadInputError(f"{rows} lines", where=source.path, allowed=f"up to {LARGEST_POINTS}")
    result = {name: np.empty(rows, dtype=np.float64) for name in columns}
    filled = 0
    try:
        for chunk in _chunks(source, header, n_cells, decimal, sorted(set(columns.values()))):
            for name, number in columns.items():
                result[name][filled : filled + len(chunk)] = chunk[number].to_numpy()
            filled += len(chunk)
    except (ValueError, OverflowError, pd.errors.ParserError) as error:
        raise _bad_row(source, header, n_cells, decimal, str(error)) from error
    if filled == 0:
        raise _no_rows(source)
    if _delimiters_after(source, header) != filled * (n_cells - 1):
        raise _bad_row(source, header, n_cells, decimal, "rows differ in their number of cells")
    if not _ends_with_a_line(source):
        raise BadInputError(
            "the last line does not end: the file may be cut short in the middle of a number",
            where=source.path,
            way_out="export or copy it again; if it is whole, add a line end to it",
        )
    return {name: values[:filled] for name, values in result.items()}


def _no_rows(source: Source) -> BadInputError:
    return BadInputError(
        "there is a header but no row of numbers",
        where=source.path,
        way_out="the file may be cut short: copy or export it again",
    )


def split_cells(line: str, delimiter: str) -> list[str]:
    """Return the cells of a row; a tab or space as delimiter stands for any run of blanks."""
    return line.split() if delimiter == " " else line.split(delimiter)


def _chunks(
    source: Source, header: Header, n_cells: int, decimal: str, usecols: Sequence[int]
) -> Iterator[pd.DataFrame]:
    with pd.read_csv(
        source.path,
        sep=r"\s+" if header.delimiter == " " else header.delimiter,
        header=None,
        names=range(n_cells),
        index_col=False,
        usecols=list(usecols),
        skiprows=header.line + 1,
        dtype=np.float64,
        decimal=decimal,
        na_values=["-nan(ind)", "nan(ind)", "+nan", "NAN", "Nan"],
        skipinitialspace=True,
        quoting=csv.QUOTE_NONE,
        encoding="latin-1",  # numbers are ASCII; this never fails
        chunksize=_ROWS_AT_ONCE,
    ) as reader:
        yield from reader


def _count_lines(source: Source) -> int:
    """Return an upper bound of the number of lines."""
    line_feeds = returns = 0
    with open(source.path, "rb") as handle:
        while block := handle.read(_BLOCK):
            line_feeds += block.count(b"\n")
            returns += block.count(b"\r")
    return max(line_feeds, returns) + 1


def _commas_are_decimal(source: Source, header: Header, first: str) -> bool:
    """Tell whether the first row has a comma, or, where that holds whole numbers alone, the others
    have and no point."""
    if "," in first or "." in first:
        return "," in first
    return _marks_after(source, header, ",") > 0 and _marks_after(source, header, ".") == 0


def _delimiters_after(source: Source, header: Header) -> int:
    """Count the delimiters below the header, to notice rows that lack cells."""
    if header.delimiter == " ":
        return sum(
            max(0, len(line.split()) - 1) for _, line in _numbered_rows(source, header.line + 1)
        )
    return _marks_after(source, header, header.delimiter)


def _marks_after(source: Source, header: Header, mark: str) -> int:
    """Count a character below the header."""
    total = 0
    with open(source.path, "rb") as handle:
        while block := handle.read(_BLOCK):
            total += block.count(mark.encode())
    return total - sum(line.count(mark) for line in source.lines[: header.line + 1])


def _ends_with_a_line(source: Source) -> bool:
    with open(source.path, "rb") as handle:
        handle.seek(-1, os.SEEK_END)
        return handle.read() in (b"\n", b"\r")


def _numbered_rows(source: Source, first_line: int) -> Iterator[tuple[int, str]]:
    """Yield number (from 1) and text of every line below the header that is not blank."""
    with open(source.path, encoding="latin-1", newline=None) as handle:
        for number, line in enumerate(handle, 1):
            if number > first_line and line.strip():
                yield number, line.rstrip("\n")


def _bad_row(
    source: Source, header: Header, n_cells: int, decimal: str, reason: str
) -> BadInputError:
    """Return the error that names the first row that cannot be used."""
    for number, line in _numbered_rows(source, header.line + 1):
        cells = split_cells(line, header.delimiter)
        said = ""
        if len(cells) != n_cells:
            said = f"line {number} has {len(cells)} cells, the rows above it {n_cells}"
        else:
            for cell in cells:
                text = cell.strip().replace(decimal, ".")
                if text.lower() not in _MISSING and not _NUMBER.fullmatch(text):
                    said = f"line {number} holds {cell.strip()[:60]!r}, no number"
                    break
        if said:
            return BadInputError(
                said,
                where=source.path,
                way_out="the file may be cut short, or hold a table of text below the numbers: "
                "export it again",
            )
    return BadInputError(f"not readable as a table ({reason[:200]})", where=source.path)
