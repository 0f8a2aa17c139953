"""A map on its own, as people pass it around: one HDF5 file with units, or an 8-bit picture."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from PIL import Image, UnidentifiedImageError

from strainprint.errors import BadInputError
from strainprint.files import without_formulas, write_csv, write_whole
from strainprint.hdf5_files import write_attributes, write_whole_hdf5
from strainprint.maps.readers.guarded_hdf5 import attribute, check_dataset, member, open_hdf5
from strainprint.maps.readers.reading import Source
from strainprint.maps.strain_map import COMPONENTS, StrainMap

FORMAT = "strainprint-map"
VERSION = 1

_MEANING = {
    "ux_nm": ("nm", "displacement increment across the width"),
    "uy_nm": ("nm", "displacement increment along the loading axis"),
    "exx": ("1", "infinitesimal strain across the width"),
    "eyy": ("1", "infinitesimal strain along the loading axis"),
    "exy": ("1", "infinitesimal tensor shear strain"),
    "valid": ("1", "1 where there is material and a measurement"),
}
_ROOT = {
    "pitch_units": "nm",
    "dimensions": "rows across the width (x), columns along the loading axis (y)",
    "shear_convention": "tensor",
    "strain_measure": "infinitesimal",
    "content": "increment of the reload against the relaxed reference state",
}
_OWN_KEYS = {"format", "version", "pitch_nm", "frame", *_ROOT}

TABLE_COLUMNS = (
    "file",
    "specimen",
    "strain_path",
    "prior_strain",
    "reload_strain",
    "width_nm",
    "slip_systems",
    "rows",
    "columns",
    "pitch_nm",
)


def write_map_h5(path: str | Path, strain_map: StrainMap) -> None:
    """Write one map with units, conventions and its attributes, whole or not at all.

    Raises
    ------
    BadInputError
        The map cannot be used (:meth:`StrainMap.check`) or an attribute is no plain value.
    """
    strain_map.check(path)
    for key, value in strain_map.attributes.items():
        if not isinstance(value, (str, bool, int, float)) or key in _OWN_KEYS:
            raise BadInputError(
                f"attribute {key!r} is {value!r}",
                where=path,
                allowed="text, numbers or booleans under a name of their own",
            )
    with write_whole_hdf5(path) as handle:
        write_attributes(handle, {"format": FORMAT, "version": VERSION, **_ROOT})
        write_attributes(handle, {"pitch_nm": strain_map.pitch_nm, "frame": strain_map.frame})
        write_attributes(handle, strain_map.attributes)
        for name, (units, meaning) in _MEANING.items():
            values = getattr(strain_map, name)
            dataset = handle.create_dataset(
                name,
                data=values.astype(np.uint8) if name == "valid" else values,
                compression="gzip",
                shuffle=True,
            )
            write_attributes(dataset, {"units": units, "long_name": meaning})


def read_map_h5(path: str | Path) -> StrainMap:
    """Read a map written by :func:`write_map_h5`.

    Raises
    ------
    BadInputError
        The file is missing, no HDF5 or truncated, of another format, lacks a component, or holds a
        map that cannot be used.
    """
    source = Source.open(path)
    with open_hdf5(source) as handle:
        attributes = {key: attribute(source, handle, key) for key in handle.attrs}
        found = {name: member(source, handle, name) for name in _MEANING}
        arrays = {
            name: np.asarray(check_dataset(source, dataset, name)[()])
            for name, dataset in found.items()
            if dataset is not None
        }
        units = {name: attribute(source, found[name], "units") for name in arrays}
    if attributes.get("format") != FORMAT or attributes.get("version") != VERSION:
        raise BadInputError(
            f"format is {attributes.get('format')!r}, version {attributes.get('version')!r}",
            where=path,
            allowed=f"{FORMAT!r}, version {VERSION}, as `strainprint measure` writes it",
        )
    missing = [name for name in _MEANING if name not in arrays]
    if missing or "pitch_nm" not in attributes or "frame" not in attributes:
        raise BadInputError(
            f"lacks {missing or 'pitch_nm or frame'}", where=path, allowed=", ".join(_MEANING)
        )
    for name, (expected, _) in _MEANING.items():
        if units[name] != expected:
            raise BadInputError(
                f"units of {name} are {units[name]!r}", where=path, allowed=repr(expected)
            )
    valid = arrays["valid"].astype(bool)
    return StrainMap(
        **{name: arrays[name].astype(np.float32) for name in COMPONENTS},
        valid=valid,
        pitch_nm=float(attributes["pitch_nm"]),
        frame=str(attributes["frame"]),
        attributes={k: v for k, v in attributes.items() if k not in _OWN_KEYS},
    ).check(path)


def write_picture_png(path: str | Path, picture: NDArray[np.uint8]) -> None:
    """Write a grey picture (rows, columns) as 8-bit PNG, whole or not at all."""
    if picture.dtype != np.uint8 or picture.ndim != 2:
        raise BadInputError(
            f"picture is {picture.dtype} of shape {picture.shape}", where=path, allowed="uint8, 2-D"
        )
    with write_whole(path) as partial:
        Image.fromarray(picture).save(partial, format="PNG")


def read_picture_png(path: str | Path) -> NDArray[np.uint8]:
    """Read an 8-bit grey picture (rows, columns); the loading axis runs along the columns.

    Colour pictures whose three channels are equal count as grey, and so does an alpha channel
    that is opaque everywhere.

    Raises
    ------
    BadInputError
        Missing, unreadable or truncated, really coloured or transparent, of more than 8 bits,
        smaller than 2 x 2 pixels, or of one grey level only.
    """
    path = Path(path)
    if not path.is_file():
        raise BadInputError("file is missing", where=path)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(path) as opened:
                opened.load()
                image: Image.Image = opened
                if image.mode == "P":
                    image = image.convert("RGBA" if "transparency" in image.info else "RGB")
                elif image.mode == "1":
                    image = image.convert("L")
                mode, values = image.mode, np.asarray(image)
    except (
        UnidentifiedImageError,
        Image.DecompressionBombError,
        Image.DecompressionBombWarning,
        OSError,
        SyntaxError,  # what Pillow raises on some broken PNG chunks
        ValueError,
    ) as error:
        raise BadInputError(
            f"not readable as a picture ({error})", where=path, allowed="an 8-bit grey PNG"
        ) from error
    if mode not in ("L", "LA", "RGB", "RGBA"):
        raise BadInputError(
            f"picture has mode {mode}",
            where=path,
            allowed="8-bit grey",
            way_out="scale minimum to 0 and maximum to 255 and save as 8-bit grey PNG",
        )
    if mode in ("LA", "RGBA"):
        if (values[..., -1] != 255).any():
            raise BadInputError(
                "picture is transparent in places",
                where=path,
                allowed="8-bit grey",
                way_out="save it without alpha channel, black outside the body",
            )
        values = values[..., :-1]
    if values.ndim == 3:
        if (values != values[..., :1]).any():
            raise BadInputError(
                "picture is coloured: its colour scale cannot be undone",
                where=path,
                allowed="8-bit grey",
                way_out="export the strain in grey, or as numbers",
            )
        values = values[..., 0]
    if min(values.shape) < 2:
        raise BadInputError(
            f"picture has shape {values.shape}", where=path, allowed="2 x 2 or more"
        )
    if values.min() == values.max():
        raise BadInputError(
            f"every pixel is {values.min()}",
            where=path,
            way_out="check that the strain was correlated and exported with its full range",
        )
    return np.ascontiguousarray(values, dtype=np.uint8)


def table_row(file: str, strain_map: StrainMap) -> dict[str, Any]:
    """Return the row of ``maps.csv`` for one map; what its attributes do not say stays empty."""
    rows, columns = strain_map.shape
    given = strain_map.attributes
    return {
        "file": file,
        "specimen": given.get("specimen_id"),
        "strain_path": given.get("strain_path"),
        "prior_strain": given.get("prior_strain"),
        "reload_strain": given.get("reload_strain"),
        "width_nm": given.get("width_nm"),
        "slip_systems": given.get("slip_systems"),
        "rows": rows,
        "columns": columns,
        "pitch_nm": strain_map.pitch_nm,
    }


def write_maps_csv(path: str | Path, table_rows: Sequence[dict[str, Any]]) -> None:
    """Write ``maps.csv``, one row for each map (:func:`table_row`)."""
    write_csv(path, without_formulas(pd.DataFrame(list(table_rows), columns=list(TABLE_COLUMNS))))
