"""The parameter sets to try, from config/calibration.yaml; read while the DAG is built."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from strainprint.config import checked_values, read_schema
from strainprint.errors import BadInputError
from strainprint.specimens.naming import subset_name


def read_sweep(
    path: str | Path, schema: str | Path, config_schema: Mapping[str, Any]
) -> dict[str, Any]:
    """Return the checked sweep, with each set's crystal and dynamics spelt out.

    The crystal is the base and what the set changes; the dynamics are the config's defaults, what
    the sweep sets in their place, and what the set changes.

    Parameters
    ----------
    path, schema
        ``config/calibration.yaml`` and its schema.
    config_schema
        The main config's schema, which knows every key of crystal and dynamics.

    Raises
    ------
    BadInputError
        An unknown key, a value out of range, a value outside the range held to be plausible, or a
        number of specimens that is no multiple of ``per_shard``.
    """
    import yaml

    with open(path, encoding="utf-8") as handle:
        sweep = checked_values(yaml.safe_load(handle), read_schema(schema))
    simulator = config_schema["properties"]["specimens"]["properties"]
    base = checked_values(sweep["base"], simulator["crystal"])
    unknown = sorted(set(sweep["ranges"]) - set(base))
    if unknown:
        raise BadInputError(
            f"{unknown[0]!r} is no key of specimens.crystal",
            where="config/calibration.yaml, ranges",
            allowed=", ".join(base),
        )
    for name, one in sweep["sets"].items():
        where = f"config/calibration.yaml, sets.{name}"
        one["crystal"] = checked_values({**base, **one["crystal"]}, simulator["crystal"])
        kinetics = {**sweep["dynamics"], **one["dynamics"]}
        one["dynamics"] = checked_values(kinetics, simulator["dynamics"])
        for key, limits in sweep["ranges"].items():
            value = one["crystal"][key]
            if not limits["low"] <= value <= limits["high"]:
                raise BadInputError(
                    f"{key} is {value:g}",
                    where=where,
                    allowed=f"{limits['low']:g} to {limits['high']:g}, as 'ranges' says",
                )
        for sample in one["samples"]:
            if sample["specimens"] % sweep["per_shard"]:
                raise BadInputError(
                    f"{sample['specimens']} specimens of {sample['width_nm']:g} nm",
                    where=where,
                    allowed=f"a multiple of per_shard, {sweep['per_shard']}",
                )
    return sweep


def sample_of(sweep: Mapping[str, Any], trial: str, subset: str) -> dict[str, Any]:
    """Return the sample of a set that a subset's name stands for."""
    for sample in sweep["sets"][trial]["samples"]:
        if subset_name(sample["width_nm"], sample["slip_systems"]) == subset:
            found: dict[str, Any] = sample
            return found
    raise BadInputError(
        f"no sample {subset}", where=f"config/calibration.yaml, sets.{trial}.samples"
    )


def trial_shards(sweep: Mapping[str, Any], trial: str) -> list[dict[str, str]]:
    """Return the wildcards ``subset`` and ``shard`` of every shard of a set."""
    return [
        {
            "subset": subset_name(sample["width_nm"], sample["slip_systems"]),
            "shard": f"{shard:04d}",
        }
        for sample in sweep["sets"][trial]["samples"]
        for shard in range(sample["specimens"] // sweep["per_shard"])
    ]
