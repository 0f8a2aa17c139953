"""Stacks of people's maps: each layer cropped into a store of its own, with the same windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from strainprint.dataset.store import crop_into, crops_record
from strainprint.errors import BadInputError
from strainprint.files import whole_directory, write_json
from strainprint.maps.external_maps import external_strain_map, read_external, stacks_of
from strainprint.maps.picture import grey_picture


def write_layer_crops(
    external_json: str | Path,
    folder: str | Path,
    out_zarr: str | Path,
    out_json: str | Path,
    *,
    layer: int,
    study: str,
    scalar: str,
    range_floor: float,
    aspect: str,
    crop_px: int,
    scales: Sequence[int],
) -> None:
    """Crop one layer of every stack into one store, laid out as that of a dataset.

    Crop windows follow from a picture's shape alone, which all layers of a stack share: crop *k* of
    every layer shows the same place.

    Parameters
    ----------
    external_json, folder
        What the rule ``ingest`` left.
    out_zarr, out_json
        The store, a row for each stack in the order of the table, and its JSON.
    layer
        Which one, from 1.
    study
        The study whose way to draw and crop is taken.
    scalar, range_floor, aspect, crop_px, scales
        That way.

    Raises
    ------
    BadInputError
        There is no stack, one has no such layer, or a map cannot be used.
    """
    stacks = stacks_of(read_external(external_json))
    shallow = [stack[0].stack for stack in stacks if len(stack) < layer]
    if not stacks or shallow or layer < 1:
        raise BadInputError(
            f"no layer {layer} in {', '.join(shallow[:8]) or 'any stack'}", where=external_json
        )
    pitches_nm: list[float] = []
    frames: list[str] = []

    def pictures() -> Iterator[NDArray[np.uint8]]:
        for stack in stacks:
            strain_map = external_strain_map(folder, stack[layer - 1])
            pitches_nm.append(strain_map.pitch_nm)
            frames.append(strain_map.frame)
            yield grey_picture(strain_map, scalar, range_floor)[0]

    with whole_directory(out_zarr) as partial:
        checksums = crop_into(
            partial, pictures(), count=len(stacks), crop_px=crop_px, scales=scales, aspect=aspect
        )
    write_json(
        out_json,
        {
            **crops_record(
                [stack[0].stack for stack in stacks],
                checksums,
                study=study,
                scalar=scalar,
                range_floor=range_floor,
                crop_px=crop_px,
                scales=scales,
                aspect=aspect,
            ),
            "layer": layer,
            "frames": sorted(set(frames)),
            "pitch_range_nm": [min(pitches_nm), max(pitches_nm)],
        },
    )
