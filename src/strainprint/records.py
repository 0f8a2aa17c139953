"""What was made when all went well: a checksum and the versions behind every file of the results.

For each output ``results/A/B`` of a job there is ``results/records/A/B.json``, written after it. A
file altered later, by a disk, a copy or a hand, is found whatever its time says: by the next job
that reads it, and by :func:`verify_results`. Folders (Zarr stores, figures) are recorded file by
file; those who read them prove their content by their own manifests.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from tqdm import tqdm

from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file, write_json

FORMAT = "strainprint-record"
RESULTS = "results"
RECORDS = f"{RESULTS}/records"


def record_of(path: str | Path) -> Path | None:
    """Return where the record of a result lies; None for what is no result."""
    parts = Path(path).parts
    if len(parts) < 2 or parts[0] != RESULTS:
        return None
    return Path(RECORDS, *parts[1:-1], f"{parts[-1]}.json")


def forget(paths: Iterable[str]) -> None:
    """Remove the records of results that are about to be made anew."""
    for path in paths:
        record = record_of(path)
        if record is not None:
            record.unlink(missing_ok=True)


def record(paths: Iterable[str], *, rule: str, versions: Mapping[str, str]) -> None:
    """Record results as they are now, with the rule that made them and the versions it ran on."""
    for path in paths:
        place = record_of(path)
        if place is not None:
            write_json(
                place,
                {
                    "format": FORMAT,
                    "path": Path(path).as_posix(),
                    "rule": rule,
                    "versions": dict(versions),
                    "sha256": _checksums(Path(path)),
                },
            )


def check_inputs(paths: Iterable[str]) -> None:
    """Compare the files that a job is about to read with their records, where they have any.

    Raises
    ------
    BadInputError
        A file is not what was made; its name and the way out.
    """
    for path in paths:
        place = record_of(path)
        if place is None or not place.is_file() or Path(path).is_dir():
            continue
        content = _read(place)
        if content is None:
            raise BadInputError(
                f"its record {place} is damaged",
                where=path,
                way_out=f"{_repair([path])}\n  or, to keep it as it is: rm {place}",
            )
        expected = content["sha256"].get("")
        if expected is not None and sha256_of_file(path) != expected:
            raise BadInputError(
                "is not what was made (its SHA-256 differs from its record)",
                where=path,
                way_out=f"{_repair([path])}\n  or, to keep it as it is: rm {place}",
            )


def verify_results(results: str | Path = RESULTS) -> int:
    """Compare everything under the results folder with its record; return how many were compared.

    Raises
    ------
    BadInputError
        Files are missing or altered: their names, and how to make just them anew.
    """
    damaged: dict[str, str] = {}
    compared = 0
    for place in tqdm(_places(results), "verify", disable=None):
        compared += 1
        content = _read(place)
        if content is None:
            path = _recorded_by(place, results)
            damaged[str(path)] = f"{path}: its record {place} is damaged"
            continue
        path = Path(content["path"])
        found = _checksums(path)
        for name, expected in content["sha256"].items():
            if found.get(name) != expected:
                file = path / name if name else path
                what = "is altered" if name in found else "is missing"
                damaged.setdefault(str(path), f"{file} {what}")
    if damaged:
        lines = "".join(f"\n  {line}" for line in damaged.values())
        raise BadInputError(
            f"{len(damaged)} of {compared} files and stores are damaged:{lines}",
            where=results,
            way_out=_repair(list(damaged)),
        )
    return compared


def versions_used(
    installed: Mapping[str, str], results: str | Path = RESULTS
) -> dict[str, dict[str, int]]:
    """Return for each package with how many results each of its versions made.

    ``installed`` says which packages to look at; their versions count even where they made none.
    """
    used: dict[str, dict[str, int]] = {name: {version: 0} for name, version in installed.items()}
    for content in filter(None, map(_read, _places(results))):
        for name, version in content["versions"].items():
            if name in used:
                used[name][version] = used[name].get(version, 0) + 1
    return used


def other_versions(installed: Mapping[str, str], results: str | Path = RESULTS) -> str:
    """Say in words which results were made with other versions; empty where none were."""
    said = [
        f"{count} with {name} {version} (now {installed[name]})"
        for name, counts in versions_used(installed, results).items()
        for version, count in sorted(counts.items())
        if version != installed[name]
    ]
    if not said:
        return ""
    return (
        f"files made with other versions: {', '.join(said)}. They are kept, and the report says "
        "so; to make everything anew with the present ones: snakemake --cores all --forceall"
    )


def _places(results: str | Path) -> list[Path]:
    return sorted(Path(results, "records").rglob("*.json"))


def _recorded_by(place: Path, results: str | Path) -> Path:
    """Return the result that a record lies at a place for."""
    return Path(results) / place.relative_to(Path(results, "records")).with_suffix("")


def _read(place: Path) -> dict[str, Any] | None:
    """Return a record; None where it is damaged."""
    try:
        content = read_json(place, expected_format=FORMAT)
    except BadInputError:
        return None
    return content if {"path", "sha256", "versions"} <= set(content) else None


def _checksums(path: Path) -> dict[str, str]:
    """Return the SHA-256 of a file under the name "", or of every file below a folder."""
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file())
        hidden = ".snakemake_timestamp"
        return {
            file.relative_to(path).as_posix(): sha256_of_file(file)
            for file in files
            if file.name != hidden
        }
    return {"": sha256_of_file(path)} if path.is_file() else {}


def _repair(paths: list[str]) -> str:
    names = " ".join(paths)
    return f"rm -r {names} && snakemake --cores all {names}"
