"""A small study of synthetic maps for tests: slip bands whose number tells the prior strain."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from strainprint.maps.store import MapEntry, MapRecord, ShardHeader, write_map_shard
from strainprint.maps.strain_map import StrainMap
from strainprint.specimens.naming import map_name, specimen_name, subset_name

PRIOR_STRAINS = (0.001, 0.01, 0.1)
CLASSES = ("0.001", "0.01", "0.1")
BANDS = {0.001: 0, 0.01: 3, 0.1: 12}
CURVE_STRAIN = np.linspace(0.0, 0.01, 101)
MODULUS_MPA = 78550.0


def banded_map(generator: np.random.Generator, bands: int, rows: int, columns: int) -> StrainMap:
    """Elastic compression of 0.1 % with slip steps along 30-degree lines."""
    x, y = np.meshgrid(np.arange(rows) * 2.0, np.arange(columns) * 2.0, indexing="ij")
    slip = np.zeros_like(x)
    for centre in generator.uniform(0.2, 0.8, bands) * columns * 2.0:
        slip += 0.05 * np.tanh((y - centre - x / np.sqrt(3.0)) / 2.0)
    return StrainMap.from_displacement(
        0.00033 * x + 0.5 * slip + 1e-5 * generator.normal(size=x.shape),
        -0.001 * y - 0.87 * slip,
        np.ones(x.shape, dtype=bool),
        pitch_nm=2.0,
        frame="reference",
    )


def reload_curve(yield_stress_mpa: float) -> np.ndarray:
    """Elastic, then perfectly plastic."""
    return np.minimum(MODULUS_MPA * CURVE_STRAIN, yield_stress_mpa)


def write_small_maps(
    results_root: Path,
    *,
    study: str = "audited",
    widths_nm: tuple[float, ...] = (30.0, 40.0),
    specimens: int = 6,
    per_shard: int = 4,
    classes: tuple[str, ...] = CLASSES,
) -> list[Path]:
    """Write map shards of two slip systems below ``results_root``; return their JSON paths.

    ``classes`` names the strain paths of the three prior strains.
    """
    paths = []
    for width_nm in widths_nm:
        subset = subset_name(width_nm, 2)
        rows = round(width_nm / 2)
        header = ShardHeader(study, subset, width_nm, 4 * width_nm, 2, 2.0, "reference", 4.0)
        for shard, first in enumerate(range(0, specimens, per_shard)):
            entries = []
            for specimen in range(first, min(first + per_shard, specimens)):
                generator = np.random.default_rng([round(width_nm), specimen])
                strength = generator.uniform(0.9, 1.1) * 6000.0 / width_nm
                for name, (prior, bands) in zip(classes, BANDS.items(), strict=True):
                    for reload, reload_strain in (("small", 0.001), ("large", 0.01)):
                        record = MapRecord(
                            map_name(specimen_name(subset, specimen), name, reload),
                            specimen_name(subset, specimen),
                            specimen,
                            specimen,
                            name,
                            prior,
                            reload,
                            reload_strain,
                            True,
                            10 * bands,
                        )
                        strain_map = banded_map(generator, bands, rows, 4 * rows)
                        curve = reload_curve(strength * (1 + bands / 12))
                        entries.append(MapEntry(record, strain_map, curve))
            path = results_root / study / "maps" / subset / f"{shard:04d}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            write_map_shard(path.with_suffix(".zarr"), path, header, CURVE_STRAIN, entries)
            paths.append(path)
    return paths
