"""Files that are not what was made: damaged results, unfinished work, notes of a run."""

from __future__ import annotations

import os
import re
from pathlib import Path

from faults.outcome import Bench, Outcome
from faults.runs import tail


def one_of_each_kind(bench: Bench) -> dict[str, str]:
    """Return one file or store of every kind that a job reads → an output of a job that reads it.

    Kinds are told apart by rule and name, without what differs between studies, networks, shards.
    """
    made_from = bench.undisturbed.made_from()
    inputs = {one for _, some in made_from.values() for one in some}
    chosen: dict[tuple[str, str], tuple[str, str]] = {}
    for file, (rule, _) in made_from.items():
        # Some are read beside their manifest, without being inputs of their own.
        sides = (
            Path(file).with_suffix(".json"),
            Path(file).parent / f"{Path(file).parent.name}.json",
        )
        sign = next((one for one in (file, *map(str, sides)) if one in inputs), "")
        readers = [
            (len(some), name)
            for name, (by, some) in made_from.items()
            if by != rule and sign in some
        ]
        if readers:
            chosen[rule, Path(file).name.lstrip("0123456789")] = file, min(readers)[1]
    return dict(chosen.values())


def damages(
    bench: Bench,
    outcome: Outcome,
    *,
    readers: dict[str, str],
    harms: tuple[str, ...] = ("truncated", "altered"),
) -> None:
    """Damage one file after another behind its time: its reader names it, and made anew it is well.

    ``readers`` as of :func:`one_of_each_kind`. A store loses its largest file, too.
    """
    rough = bench.rough
    for name in bench.still_to_do(outcome, readers):
        reader = readers[name]
        rough.become(bench.undisturbed)
        lost = ("lost",) if (rough.path / name).is_dir() else ()
        for harm in (*harms, *lost):
            content = _damage(rough.path / name, harm)
            status, said = rough.run("--force", reader)
            outcome.where.update([harm])
            named = status != 0 and name in said and "way out" in said
            outcome.count(named, f"{name} {harm}: {tail(said)}")
            if harm != (*harms, *lost)[-1]:
                _restore(*content)
        rough.remove(name)
        if wrong := bench.finish(name, reader):
            outcome.survived -= 1
            outcome.lost.append(f"{name}: {wrong}")


def verified(bench: Bench, outcome: Outcome, *, names: tuple[str, ...]) -> None:
    """Damage many results at once: ``snakemake verify`` names them all, and how to mend it.

    What it says to do is done, and gives the undisturbed results.
    """
    rough = bench.rough
    rough.become(bench.undisturbed)
    for number, name in enumerate(names):
        _damage(rough.path / name, ("altered", "truncated", "lost")[number % 3])
    status, said = rough.run("verify")
    named = [status != 0 and re.search(rf"{re.escape(name)}[ /]", said) for name in names]
    wrong = _mended(bench, said)
    for name, good in zip(names, named, strict=True):
        outcome.count(bool(good) and not wrong, wrong or f"{name} was not named: {tail(said)}")


def _mended(bench: Bench, said: str) -> str:
    """Do what ``snakemake verify`` said; return how that ends otherwise than undisturbed, or ""."""
    advice = re.search(r"way out: rm -r (.*) && snakemake --cores all (.*)$", said, re.MULTILINE)
    if advice is None:
        return f"no way out was named: {tail(said)}"
    bench.rough.remove(*advice[1].split())
    status, said = bench.rough.run(*advice[2].split())
    wrong = tail(said) if status else bench.finish()
    if not wrong and (after := bench.rough.run("verify"))[0]:
        wrong = tail(after[1])
    return wrong


def leftovers(bench: Bench, outcome: Outcome, *, wanted: dict[str, tuple[str, ...]]) -> None:
    """Kill runs when a file of unfinished work is there, truncate it, and call again.

    ``wanted``: pattern of such a file → results to begin without.
    """
    rough = bench.rough
    for pattern in bench.still_to_do(outcome, wanted):
        bench.reopen(*wanted[pattern])
        run = rough.start()
        found: list[Path] = []
        while not found and not run.ended():
            found = [file for file in rough.path.glob(pattern) if file.is_file()]
        run.kill()
        outcome.where.update([pattern])
        for file in found:
            if file.exists():
                file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        wrong = bench.finish() if found else f"{pattern} was never there"
        outcome.count(not wrong, f"{pattern}: {wrong}")


def notes(
    bench: Bench, outcome: Outcome, *, names: tuple[str, ...], reopened: tuple[str, ...]
) -> None:
    """Truncate what a run notes down for itself; the next finishes, or names the file.

    Where it names one, what ``snakemake verify`` says then is done.
    """
    rough = bench.rough
    for pattern in bench.still_to_do(outcome, names):
        bench.reopen(*reopened)
        files = sorted(file for file in rough.path.glob(pattern) if file.is_file())
        for file in files:
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
        status, said = rough.run()
        named = [file for file in files if file.relative_to(rough.path).as_posix() in said]
        if status == 0:
            wrong = bench.finish()
        else:
            wrong = _mended(bench, rough.run("verify")[1]) if named else tail(said)
        outcome.where.update([pattern])
        outcome.count(bool(files) and not wrong, f"{pattern}: {wrong}")


def _damage(path: Path, harm: str) -> tuple[Path, bytes, os.stat_result]:
    """Harm the largest file of a result: cut in half, a bit in its middle turned, or gone."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    file = max(files, key=lambda one: (one.stat().st_size, str(one)))
    status, content = file.stat(), file.read_bytes()
    if harm == "lost":
        file.unlink()
        return file, content, status
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    file.write_bytes(content[:middle] if harm == "truncated" else flipped)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    return file, content, status


def _restore(file: Path, content: bytes, status: os.stat_result) -> None:
    file.write_bytes(content)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
