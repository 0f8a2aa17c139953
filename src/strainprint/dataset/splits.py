"""Which maps train, validate and test: the paper's split by profile, and one by specimen.

Both take about a quarter of every subset to test and divide the rest 82/18 into training and
validation (2253/504/891 of the paper's 3648). ``profile`` deals out single maps, so siblings of a
test map (same specimen, other prior strain or reload) may train; ``specimen`` deals out specimens,
so none can.

The part of a specimen (or of its map of one class and reload) follows from its number within the
subset and the seed alone, never from what else is in the manifest: specimens added later move none
of those there. Stratified permuted blocks, as clinical trials deal out patients who arrive one by
one (Zelen, J. Chronic Dis. 27, 1974): the shares decide how many of each four consecutive numbers
test and validate, a hash decides which. So every stratum keeps the shares to within one specimen,
however many there are; specimens that the simulator lost leave their places empty.
"""

from __future__ import annotations

import logging
import math
from functools import partial
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.dataset.manifest import classes_of, read_manifest
from strainprint.errors import BadInputError
from strainprint.files import write_csv
from strainprint.seeds import derive_seed

SPLITS = ("profile", "specimen")
PARTS = ("train", "validation", "test")

_log = logging.getLogger(__name__)


def build_split(
    manifest_csv: str | Path,
    out_csv: str | Path,
    *,
    split: str,
    seed: int,
    test_fraction: float = 0.25,
    train_fraction: float = 0.82,
) -> pd.DataFrame:
    """Write ``splits/{split}.csv`` (map_id, specimen_id, part; manifest order) and return it.

    Parameters
    ----------
    manifest_csv, out_csv
        The dataset's manifest, and the table to write.
    split
        ``profile``: maps are dealt out within each subset, class and reload. ``specimen``:
        specimens are dealt out within each subset, all their maps together.
    seed
        The config's seed.
    test_fraction
        Share of every subset that tests.
    train_fraction
        Share of the rest that trains; what is left validates.

    Raises
    ------
    BadInputError
        A setting is out of range, or a class is missing from training or validation, or nothing
        tests. What a subset of fewer than three specimens lacks is logged.
    """
    if split not in SPLITS:
        raise BadInputError(f"split {split!r}", allowed=" or ".join(SPLITS))
    for name, value in (("test_fraction", test_fraction), ("train_fraction", train_fraction)):
        if not 0 < value < 1:
            raise BadInputError(f"{name} is {value}", allowed="between 0 and 1, both excluded")
    manifest = read_manifest(manifest_csv)
    strata = ["subset", "strain_path", "reload"] if split == "profile" else ["subset"]
    deal = partial(
        part_of_specimen, seed=seed, test_fraction=test_fraction, train_fraction=train_fraction
    )
    table = manifest[["map_id", "specimen_id"]].copy()
    table["part"] = [
        deal(number, stratum=tuple(stratum))
        for number, *stratum in manifest[["specimen", *strata]].itertuples(index=False, name=None)
    ]
    _check_parts(manifest, table["part"], where=manifest_csv)
    write_csv(out_csv, table)
    counts = table["part"].value_counts()
    _log.info("split %s: %s", split, ", ".join(f"{part} {counts[part]}" for part in PARTS))
    return table


def read_split(split_csv: str | Path, manifest: pd.DataFrame) -> NDArray[np.str_]:
    """Return the part of every map of ``manifest`` (train, validation or test), in its order.

    Raises
    ------
    BadInputError
        The table is unreadable, belongs to another manifest, or names an unknown part.
    """
    try:
        table = pd.read_csv(split_csv, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"not readable as a split table ({error})", where=split_csv, way_out="re-run the rule"
        ) from error
    if list(table.columns) != ["map_id", "specimen_id", "part"]:
        raise BadInputError(
            f"columns are {list(table.columns)}",
            where=split_csv,
            allowed="map_id, specimen_id, part",
        )
    if table["map_id"].tolist() != manifest["map_id"].tolist():
        raise BadInputError(
            "maps are not those of the manifest, in its order",
            where=split_csv,
            way_out="delete it and re-run the rule `split`",
        )
    unknown = sorted(set(table["part"]) - set(PARTS))
    if unknown:
        raise BadInputError(f"parts {unknown}", where=split_csv, allowed=", ".join(PARTS))
    return table["part"].to_numpy(dtype=np.str_)


def part_of_specimen(
    number: int,
    *,
    stratum: tuple[str, ...],
    seed: int,
    test_fraction: float,
    train_fraction: float,
) -> str:
    """Return the part of the specimen with this number (from 0) in one stratum.

    Parameters
    ----------
    number
        The specimen's number within its subset.
    stratum
        What is dealt out by itself: the subset, and for the split by profile class and reload.
    seed, test_fraction, train_fraction
        As in :func:`build_split`.
    """
    start, stop = _block(number)
    places = sorted(
        range(start, stop), key=lambda place: derive_seed(seed, "split", *stratum, place)
    )
    return _part_at(places[number - start], test_fraction, train_fraction)


def _block(number: int) -> tuple[int, int]:
    """Return first and last (excluded) number of the block that holds ``number``.

    Blocks of four, the first of them without its last place: three specimens have every part.
    """
    if number < 4:
        return (0, 3) if number < 3 else (3, 4)
    return number - number % 4, number - number % 4 + 4


def _part_at(place: int, test_fraction: float, train_fraction: float) -> str:
    """Return the part at a place of the sequence before blocks are shuffled.

    The first n places hold ``test_fraction`` of n for the test part (rounded; at least one of
    three or more) and ``1 - train_fraction`` of the rest (rounded; at least one of two or more)
    for validation, for every n: each place takes the part whose count rises there.
    """
    before, after = (_share(count, test_fraction, least_of=3) for count in (place, place + 1))
    if after > before:
        return "test"
    rest = place - before
    validation = 1 - train_fraction
    if _share(rest + 1, validation, least_of=2) > _share(rest, validation, least_of=2):
        return "validation"
    return "train"


def _share(count: int, fraction: float, *, least_of: int) -> int:
    """Round half up; never nothing of ``least_of`` or more, never all of two or more."""
    share = math.floor(count * fraction + 0.5)
    if count >= least_of:
        share = max(1, share)
    return min(share, max(0, count - 1))


def _check_parts(manifest: pd.DataFrame, part: pd.Series[str], *, where: str | Path) -> None:
    """Refuse what nothing can be learned or measured from; name what a thin subset leaves out."""
    counts = manifest.groupby(["subset", "strain_path", part.rename("part")]).size()
    classes = classes_of(manifest)
    for name in PARTS:
        found = set(manifest.loc[part == name, "strain_path"])
        lacking = [path for path in classes if path not in found]
        if lacking and not (name == "test" and found):
            raise BadInputError(
                f"no map of class {', '.join(lacking)} for {name}",
                where=where,
                allowed="every class in train and validation, any in test",
                way_out="simulate more specimens of each subset (per_subset >= 3)",
            )
    gaps = [
        f"{subset}: {path} for {name}"
        for subset in manifest["subset"].unique()
        for path in classes
        for name in PARTS
        if not counts.get((subset, path, name), 0)
    ]
    if gaps:
        _log.warning("subsets too small for every class in every part; %s", "; ".join(gaps))
