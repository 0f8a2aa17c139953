"""The kinds of faults: each does harm, calls again, and compares with the undisturbed results."""

from __future__ import annotations

import os
import random
import resource
import shutil
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from faults.runs import Folder, kill_group, tail

# Damaged file → a file made from it by one job (in the smoke preset).
_S = "results/audited/specimen"
_D = "results/audited/dataset"
_NET = f"{_S}/networks/res4-seed0"
READERS = {
    "results/specimens/w0062.5-s1/0000.h5": "results/audited/maps/w0062.5-s1/0000.json",
    "results/specimens/w0062.5-s1/0000.json": "results/audited/maps/w0062.5-s1/0000.json",
    "results/audited/maps/w0062.5-s1/0000.json": f"{_D}/manifest.csv",
    "results/audited/maps/w0062.5-s1/0000.zarr": f"{_D}/crops.json",
    f"{_D}/manifest.csv": f"{_D}/splits/specimen.csv",
    f"{_D}/crops.zarr": f"{_NET}/predictions.csv",
    f"{_D}/crops.json": f"{_NET}/predictions.csv",
    f"{_D}/splits/specimen.csv": f"{_S}/baseline/predictions.csv",
    "results/audited/correlations/correlations.zarr": f"{_S}/baseline/predictions.csv",
    "results/audited/correlations/correlations.json": f"{_S}/baseline/predictions.csv",
    f"{_NET}/weights.safetensors": f"{_NET}/predictions.csv",
    f"{_NET}/training.json": f"{_NET}/predictions.csv",
    f"{_NET}/history.csv": f"{_S}/report/figures.json",
    f"{_NET}/predictions.csv": f"{_S}/ensemble/predictions.csv",
    f"{_S}/networks/proposed-seed0/features.npy": f"{_S}/curves/errors.csv",
    f"{_S}/ensemble/predictions.csv": f"{_S}/report/tables.json",
    f"{_S}/baseline/predictions.csv": f"{_S}/report/tables.json",
    f"{_S}/baseline/shape_predictions.csv": f"{_S}/report/tables.json",
    f"{_S}/curves/errors.csv": f"{_S}/report/tables.json",
    f"{_S}/curves/curves.csv": f"{_S}/report/figures.json",
    f"{_S}/curves/neighbours.csv": f"{_S}/report/tables.json",
    f"{_S}/report/tables.json": "results/report.html",
    f"{_S}/report/tables": "results/report.html",
    f"{_S}/report/figures.json": "results/report.html",
    f"{_S}/report/figures": "results/report.html",
}


@dataclass
class Outcome:
    """How often one kind of fault was tried and survived, and what went wrong otherwise."""

    kind: str
    tried: int = 0
    survived: int = 0
    skipped: str = ""
    lost: list[str] = field(default_factory=list)

    def count(self, survived: bool, what: str) -> None:
        """Count one fault; ``what`` is kept where it was not survived."""
        self.tried += 1
        self.survived += survived
        if not survived:
            self.lost.append(what)


def kills(
    folder: Folder,
    undisturbed: dict[str, str],
    *,
    moments: int,
    longest_s: float,
    draw: random.Random,
    harm: tuple[str, ...] = (),
) -> Outcome:
    """Kill the whole process group at random moments, until a run gets through; and again.

    ``harm`` names folders of the results to remove with the page before each round, instead of
    all. Only what the page needs anew is made again, so they must hold all between them and it.
    """
    outcome = Outcome("kill")
    while outcome.tried < moments:
        if harm:
            (folder.path / "results/report.html").unlink(missing_ok=True)
            for name in harm:
                shutil.rmtree(folder.path / name, ignore_errors=True)
        else:
            folder.empty()
        killed = 0
        while outcome.tried + killed < moments:
            process = folder.start()
            try:
                process.communicate(timeout=draw.uniform(0.2, longest_s))
                break
            except subprocess.TimeoutExpired:
                kill_group(process)
                killed += 1
        status, said = folder.run()
        same = status == 0 and folder.contents() == undisturbed
        for _ in range(killed):
            outcome.count(same, tail(said) if status else _differences(folder, undisturbed))
        if not killed:
            longest_s /= 2
    return outcome


def killed_workers(
    folder: Folder,
    undisturbed: dict[str, str],
    *,
    moments: int,
    longest_s: float,
    draw: random.Random,
) -> Outcome:
    """Kill one job's process alone, as the kernel does where memory is out."""
    outcome = Outcome("worker killed")
    folder.empty()
    for _ in range(moments):
        process = folder.start()
        end = time.monotonic() + draw.uniform(1.0, longest_s)
        struck = False
        while process.poll() is None and not struck:
            time.sleep(0.1)
            if time.monotonic() > end:
                struck = _kill_a_worker(process.pid, draw)
        said, _ = process.communicate()
        kill_group(process)
        if not struck:
            folder.empty()
            continue
        named = process.returncode != 0 and "Error in rule" in said
        status, again = folder.run()
        same = status == 0 and folder.contents() == undisturbed
        outcome.count(named and same, tail(again if status else said))
        folder.empty()
    return outcome


def _kill_a_worker(parent: int, draw: random.Random) -> bool:
    try:
        children = psutil.Process(parent).children(recursive=True)
        workers = [one for one in children if any("scripts" in word for word in one.cmdline()[-1:])]
        if not workers:
            return False
        draw.choice(workers).kill()
    except psutil.Error:
        return False
    return True


def little_memory(folder: Folder, undisturbed: dict[str, str]) -> Outcome:
    """Give every process too little address space for some job; then call again with all."""
    outcome = Outcome("out of memory")
    folder.empty()
    for limit_mb in (1200, 2500):
        limit = limit_mb << 20
        status, said = folder.run(
            in_child=lambda limit=limit: resource.setrlimit(resource.RLIMIT_AS, (limit, limit))  # type: ignore[misc]
        )
        if status == 0:
            continue
        named = "Error in rule" in said
        status, again = folder.run()
        same = status == 0 and folder.contents() == undisturbed
        outcome.count(named and same, tail(again if status else said))
        folder.empty()
    return outcome


def full_disk(folder: Folder, undisturbed: dict[str, str]) -> Outcome:
    """Run on a disk that fills up at several points, each time made larger; root alone can."""
    outcome = Outcome("full disk")
    folder.empty()
    needed_mb = 12
    mount = ["mount", "-t", "tmpfs", "-o", f"size={needed_mb // 4}m", "tmpfs", str(folder.path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        outcome.skipped = "mounting a small disk is not allowed here"
        return outcome
    try:
        status = 1
        for size_mb in (3, 6, 9, 64):
            subprocess.run(
                ["mount", "-o", f"remount,size={size_mb}m", str(folder.path)], check=True
            )
            status, said = folder.run()
            if status:
                named = "no space left on" in said.lower()
                outcome.count(named, tail(said))
        if status or folder.contents() != undisturbed:
            outcome.survived = 0
            outcome.lost.append(tail(said) if status else _differences(folder, undisturbed))
    finally:
        subprocess.run(["umount", str(folder.path)], check=True)
    return outcome


def forbidden(folder: Folder, undisturbed: dict[str, str], places: tuple[str, ...]) -> Outcome:
    """Take away the permission to write in a folder that some job needs."""
    outcome = Outcome("no permission")
    # root may write everywhere unless it gives that up
    as_others = ("setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override")
    before = as_others if os.geteuid() == 0 else ()
    if before and shutil.which(before[0]) is None:
        outcome.skipped = "setpriv is not installed"
        return outcome
    for place in places:
        path = folder.path / place
        shutil.rmtree(path, ignore_errors=True)
        path.mkdir(parents=True)
        # Snakemake would remove an empty folder.
        (path / "here").touch()
        path.chmod(0o555)
        status, said = folder.run(before=before)
        path.chmod(0o755)
        (path / "here").unlink()
        named = status != 0 and place in said and "denied" in said
        status, again = folder.run()
        same = status == 0 and folder.contents() == undisturbed
        outcome.count(named and same, tail(again if status else said))
    return outcome


def damages(
    folder: Folder,
    undisturbed: dict[str, str],
    names: tuple[str, ...],
    harms: tuple[str, ...] = ("truncated", "altered"),
) -> Outcome:
    """Damage one file after another behind its time; the job that reads it must name it.

    ``names`` are of :data:`READERS`. Then all at once: ``snakemake verify`` names every one, and
    making just those anew gives the undisturbed results.
    """
    outcome = Outcome("damaged file")
    for name in names:
        for harm in harms:
            whole = _damage(folder.path / name, harm)
            status, said = folder.run("--force", READERS[name])
            outcome.count(status != 0 and name in said, f"{name} {harm}: {tail(said)}")
            _restore(whole)
            if folder.run(READERS[name])[0] or folder.contents() != undisturbed:
                outcome.survived -= 1
                outcome.lost.append(f"{name} {harm}: {_differences(folder, undisturbed)}")
    for name in names:
        _damage(folder.path / name, "altered")
    status, said = folder.run("verify")
    named = status != 0 and all(f"{name} " in said or f"{name}/" in said for name in names)
    for name in names:
        path = folder.path / name
        shutil.rmtree(path) if path.is_dir() else path.unlink()
    status, again = folder.run(*names)
    same = status == 0 and folder.run()[0] == 0 and folder.contents() == undisturbed
    outcome.count(named and same, tail(said) if not named else tail(again))
    return outcome


def _damage(path: Path, harm: str) -> list[tuple[Path, bytes, os.stat_result]]:
    """Cut the largest file of a result in half or flip a bit in its middle; its time stays."""
    files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
    file = max(files, key=lambda one: (one.stat().st_size, str(one)))
    status, content = file.stat(), file.read_bytes()
    middle = len(content) // 2
    flipped = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
    file.write_bytes(content[:middle] if harm == "truncated" else flipped)
    os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))
    return [(file, content, status)]


def _restore(whole: list[tuple[Path, bytes, os.stat_result]]) -> None:
    for file, content, status in whole:
        file.write_bytes(content)
        os.utime(file, ns=(status.st_atime_ns, status.st_mtime_ns))


def _differences(folder: Folder, undisturbed: dict[str, str]) -> str:
    found = folder.contents()
    differing: Iterator[str] = (
        name for name in sorted({*found, *undisturbed}) if found.get(name) != undisturbed.get(name)
    )
    return "differs: " + ", ".join(list(differing)[:5])
