"""Yield and flow stress of every specimen as it was made, before any reload."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from tqdm import tqdm

from strainprint.curves.strength import flow_stress_mpa, offset_yield_mpa
from strainprint.errors import BadInputError
from strainprint.files import write_csv
from strainprint.specimens.record import read_shard

COLUMNS = ("specimen_id", "width_nm", "slip_systems", "lost", "yield_mpa", "flow_mpa")


def measure_strengths(shards_h5: Sequence[str | Path], out_csv: str | Path) -> pd.DataFrame:
    """Write yield and flow stress of the first load of every specimen; return the table.

    Parameters
    ----------
    shards_h5
        Shards of specimens, of all subsets.
    out_csv
        One row per specimen: specimen_id, width_nm, slip_systems, lost (0 or 1), yield_mpa (0.2 %
        offset) and flow_mpa (mean between 0.5 and 1 % strain). Empty where a specimen was lost or
        its first load ends before.

    Raises
    ------
    BadInputError
        There is no shard, or one is damaged.
    """
    rows: list[dict[str, Any]] = []
    for path in tqdm(shards_h5, "strengths", disable=None):
        shard = read_shard(path)
        about = {"width_nm": shard.width_nm, "slip_systems": shard.slip_systems}
        modulus_mpa = shard.material.plane_strain_modulus_mpa
        for specimen in shard.specimens:
            virgin = specimen.virgin_curve
            drawn = virgin.strain, virgin.stress_mpa
            rows.append(
                {
                    "specimen_id": specimen.specimen_id,
                    **about,
                    "lost": 0,
                    "yield_mpa": offset_yield_mpa(*drawn, modulus_mpa),
                    "flow_mpa": flow_stress_mpa(*drawn),
                }
            )
        for broken in shard.lost:
            rows.append(
                {
                    "specimen_id": broken.specimen_id,
                    **about,
                    "lost": 1,
                    "yield_mpa": np.nan,
                    "flow_mpa": np.nan,
                }
            )
    if not rows:
        raise BadInputError("there is no specimen to measure", where=out_csv)
    table = pd.DataFrame(rows, columns=list(COLUMNS)).sort_values("specimen_id", kind="stable")
    write_csv(out_csv, table)
    return table
