"""The grey pictures of a dataset, one at a time, each proved to be the one in the manifest."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.errors import BadInputError
from strainprint.maps.picture import grey_picture
from strainprint.maps.store import MapShard
from strainprint.maps.strain_map import StrainMap

# The manifest keeps ten significant digits of a grey mean below 255.
_GREY_TOLERANCE = 1e-6


def manifest_pictures(
    manifest: pd.DataFrame,
    results_root: str | Path,
    *,
    scalar: str,
    range_floor: float,
    other_scalar: bool = False,
) -> Iterator[tuple[StrainMap, NDArray[np.uint8]]]:
    """Yield the strain map and grey picture (rows, columns) of each row, in manifest order.

    One map shard is open at a time. With ``other_scalar`` the pictures are of another scalar than
    the manifest's, and their grey mean proves nothing; the map's own checksum still does.

    Raises
    ------
    BadInputError
        A shard does not hold the map that the manifest says, or the picture has another shape or
        grey mean than when the manifest was built.
    """
    opened = ""
    names = ["map_id", "shard", "shard_index", "rows", "columns", "grey_mean"]
    for map_id, shard_name, index, rows, columns, grey_mean in zip(
        *(manifest[name].tolist() for name in names), strict=True
    ):
        path = Path(results_root) / shard_name
        if shard_name != opened:
            shard, opened = MapShard.open(path), shard_name
        found = shard.map_ids[index] if index < len(shard) else None
        if found != map_id:
            raise BadInputError(
                f"position {index} holds map {found}, the manifest says {map_id}",
                where=path,
                way_out="re-run the rule `manifest`",
            )
        strain_map = shard.map(index)
        picture, _ = grey_picture(strain_map, scalar, range_floor)
        mean = float(picture.mean())
        unlike = not other_scalar and abs(mean - grey_mean) > _GREY_TOLERANCE
        if picture.shape != (rows, columns) or unlike:
            raise BadInputError(
                f"picture of map {map_id} has shape {picture.shape} and grey mean {mean:.10g}; "
                f"the manifest says {(rows, columns)} and {grey_mean:.10g}",
                where=path,
                way_out="the map or the study's scalar or range_floor changed since: re-run the "
                "rule `manifest`",
            )
        yield strain_map, picture
