"""Files that appear whole or not at all, and the checksums that prove they stayed so."""

from __future__ import annotations

import hashlib
import json
import os
import re
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.errors import BadInputError


@contextmanager
def write_whole(path: str | Path) -> Iterator[Path]:
    """Yield a temporary path beside ``path`` that replaces it when the block ends without error.

    A killed or failed writer leaves the old file (or none) in place, never half a file.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        yield partial
        with open(partial, "rb+") as handle:
            os.fsync(handle.fileno())
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def whole_directory(path: str | Path) -> Iterator[Path]:
    """Yield a temporary directory that replaces ``path`` when the block ends without error."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    try:
        yield partial
        if path.exists():
            shutil.rmtree(path)
        os.replace(partial, path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def remove_partials(folder: str | Path) -> list[Path]:
    """Remove what killed writers left anywhere below a folder; nobody may be writing there."""
    removed: list[Path] = []
    for partial in sorted(Path(folder).rglob(".*.partial")):
        if any(gone in partial.parents for gone in removed):
            continue  # went with the folder that held it
        if partial.is_dir():
            shutil.rmtree(partial)
        else:
            partial.unlink()
        removed.append(partial)
    return removed


def write_json(path: str | Path, content: Mapping[str, Any]) -> None:
    """Write ``content`` as indented JSON with sorted keys, whole or not at all; NaN is refused."""
    text = json.dumps(content, indent=1, sort_keys=True, allow_nan=False)
    with write_whole(path) as partial:
        partial.write_text(text + "\n")


def read_json(path: str | Path, *, expected_format: str | None = None) -> dict[str, Any]:
    """Read a JSON object; with ``expected_format`` its key ``format`` must hold that value.

    Raises
    ------
    BadInputError
        The file is missing, truncated, not an object, or of another format.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text())
    except FileNotFoundError as error:
        raise BadInputError("file is missing", where=path, way_out="re-run the rule") from error
    except (ValueError, OSError) as error:
        raise BadInputError(
            f"not readable as JSON ({error})", where=path, way_out="delete it and re-run"
        ) from error
    if not isinstance(content, dict):
        raise BadInputError("holds no JSON object", where=path, way_out="delete it and re-run")
    if expected_format is not None and content.get("format") != expected_format:
        raise BadInputError(
            f"key 'format' is {content.get('format')!r}", where=path, allowed=repr(expected_format)
        )
    return content


def write_csv(path: str | Path, table: pd.DataFrame) -> None:
    """Write a table without index, floats to ten significant digits, whole or not at all."""
    with write_whole(path) as partial:
        table.to_csv(partial, index=False, float_format="%.10g", lineterminator="\n")


# What a spreadsheet program may take for the beginning of a formula, the last four in full width.
_FORMULA = "=+@\t\r\n\uff1d\uff0b\uff0d\uff20-"
# Where the list separator is a semicolon, what follows one is a cell of its own.
_FORMULA_WITHIN = re.compile(rf"(;\s*)(?=[{_FORMULA}])")


def without_formulas(table: pd.DataFrame) -> pd.DataFrame:
    """Return a table whose text no spreadsheet program takes for a formula.

    Text that begins with ``= + - @``, a tab or a line end gets an apostrophe before it, also after
    a semicolon, and line ends within it become spaces (OWASP, "CSV Injection"). For tables with
    text from other people's files; numbers stay as they are.
    """

    def safe(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        text = " ".join(value.splitlines()) if len(value.splitlines()) > 1 else value
        text = _FORMULA_WITHIN.sub(r"\1'", text)
        return f"'{text}" if text and text[0] in _FORMULA else text

    return pd.DataFrame({name: column.map(safe) for name, column in table.items()})


def sha256_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's bytes as hexadecimal text."""
    with open(path, "rb") as handle:
        return hashlib.file_digest(handle, "sha256").hexdigest()


def sha256_of_arrays(*arrays: NDArray[Any]) -> str:
    """Return the SHA-256 over dtype, shape and bytes of the arrays, in the order given."""
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype.str}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).tobytes())
    return digest.hexdigest()
