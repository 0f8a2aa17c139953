"""Which reader a file wants, told by its content, and the whole way from file to map."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from types import ModuleType

from strainprint.errors import BadInputError
from strainprint.files import sha256_of_file
from strainprint.maps.assemble import assemble, assemble_picture
from strainprint.maps.declaration import Declaration, beside
from strainprint.maps.measured_map import MeasuredMap, read_measured_map
from strainprint.maps.readers import (
    aramis,
    davis,
    deformation_gradient,
    dice,
    gom,
    images,
    matchid,
    measured,
    ncorr,
    opencorr,
    pyvale,
    vic,
)
from strainprint.maps.readers.reading import Picture, Source

_log = logging.getLogger(__name__)

# vic last but one: its column names are the plainest. A table without names comes last.
READERS: tuple[ModuleType, ...] = (
    measured, images, ncorr, davis, dice, matchid, aramis, gom, opencorr, pyvale, vic,
    deformation_gradient,
)  # fmt: skip
"""Every reader, in the order in which they are asked."""

_REFUSED = (
    (b"PK\x03\x04", "a zip archive (npz, xlsx …)", "unpack it, and export the map as text or HDF5"),
    (b"\x1f\x8b", "a gzip file", "unpack it first"),
    (b"BZh", "a bzip2 file", "unpack it first"),
    (b"\xfd7zXZ", "an xz file", "unpack it first"),
    (b"(\xb5/\xfd", "a zstd file", "unpack it first"),
)
_PICKLES = (".p", ".pkl", ".pickle", ".dill", ".joblib", ".cloudpickle", ".pt", ".pth")


def read_map(path: str | Path, declared: Declaration | None = None) -> MeasuredMap:
    """Read a map that a correlation tool wrote.

    Parameters
    ----------
    path
        The file; its content says which tool wrote it.
    declared
        What the file does not say; by default the declaration beside the file, if there is one.

    Raises
    ------
    BadInputError
        The file is missing, damaged, refused or of no known tool; the declaration lacks a key,
        or the two contradict each other; or nothing usable is in it.
    """
    source = Source.open(path)
    declared = beside(path) if declared is None else declared
    if measured.recognises(source):
        held = read_measured_map(path)
        declared = measured.beyond(held, declared)
        if (told := measured.with_more(held, declared)) is not None:
            return told
    reader = reader_of(source, declared)
    try:
        reading = reader.read(source, declared)
        if isinstance(reading, Picture):
            found = assemble_picture(reading, declared, source.path)
        else:
            found = assemble(reading, declared, source.path)
    except BadInputError as error:
        if str(source.path) in str(error):
            raise
        raise BadInputError(str(error), where=source.path) from error
    except MemoryError as error:
        raise BadInputError("needs more memory than there is", where=source.path) from error
    except OSError:
        raise
    except Exception as error:  # one strange file must not stop the others
        _log.exception("%s: reader %s", source.path, reader.NAME)
        raise BadInputError(
            f"unexpected {type(error).__name__} in reader {reader.NAME}: {str(error)[:200]}",
            where=source.path,
            way_out="the file is probably damaged; if it is not, report it with the file",
        ) from error
    return replace(
        found,
        attributes={
            **found.attributes,
            "source_file": source.path.name,
            "source_sha256": sha256_of_file(source.path),
        },
    )


def reader_of(source: Source, declared: Declaration) -> ModuleType:
    """Return the declared reader, or the first that recognises the file.

    Raises
    ------
    BadInputError
        A pickle or an archive, an unknown reader, or a file that no reader knows.
    """
    _refuse(source)
    names = {reader.NAME: reader for reader in READERS}
    wanted = declared.get("reader")
    if wanted is not None:
        if wanted not in names:
            raise BadInputError(
                f"reader is {wanted!r}", where=declared.path, allowed=", ".join(names)
            )
        return names[wanted]
    for reader in READERS:
        if reader.recognises(source):
            return reader
    raise BadInputError(
        "no reader knows this file",
        where=source.path,
        allowed=", ".join(names),
        way_out=f"see docs/maps for what to export; if you know the tool, put 'reader: NAME' into "
        f"{declared.path}",
    )


def _refuse(source: Source) -> None:
    """Refuse what could run code or unpack without bound, and say what to export instead."""
    head = source.head
    # A pickle of protocol 2 or later begins with its number.
    pickled = head[:1] == b"\x80" and len(head) > 1 and 2 <= head[1] <= 8
    if pickled or source.path.suffix.lower() in _PICKLES:
        raise BadInputError(
            "a pickle runs code when it is loaded, and is never loaded",
            where=source.path,
            way_out="export the numbers: numpy.save of a plain float array, CSV or HDF5",
        )
    for magic, kind, way_out in _REFUSED:
        if head.startswith(magic):
            raise BadInputError(f"is {kind}", where=source.path, way_out=way_out)
    if head[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise BadInputError(
            "is text in UTF-16",
            where=source.path,
            way_out="save it as UTF-8 or in the Windows code page",
        )
