"""Disks that fill up and folders that may not be written to."""

from __future__ import annotations

import os
import shutil
import subprocess

from faults.outcome import Bench, Outcome
from faults.runs import tail


def full_disk(
    bench: Bench, outcome: Outcome, *, rooms_mb: tuple[int, ...], reopened: tuple[str, ...] = ()
) -> None:
    """Run on a disk that fills up, with more room each time, at last enough; root alone can."""
    rough = bench.rough
    rough.empty()
    mount = ["mount", "-t", "tmpfs", "-o", "size=256m", "tmpfs", str(rough.path)]
    if subprocess.run(mount, capture_output=True, check=False).returncode:
        outcome.skipped = "mounting a small disk is not allowed here"
        return
    named = []
    try:
        bench.reopen(*reopened)
        used_kb = shutil.disk_usage(rough.path).used >> 10
        for room_mb in rooms_mb:
            size = f"remount,size={used_kb + (room_mb << 10)}k"
            subprocess.run(["mount", "-o", size, str(rough.path)], check=True)
            status, said = rough.run()
            if status:
                named.append("" if "no space left on" in said.lower() else tail(said))
                outcome.where.update([f"{room_mb} MB"])
        subprocess.run(["mount", "-o", "remount,size=256m", str(rough.path)], check=True)
        wrong = bench.finish()
        for other in named:
            outcome.count(not (wrong or other), wrong or other)
    finally:
        subprocess.run(["umount", str(rough.path)], check=True)


def forbidden(
    bench: Bench,
    outcome: Outcome,
    *,
    reopened: tuple[str, ...],
    unwritable: tuple[str, ...] = (),
    unreadable: tuple[str, ...] = (),
) -> None:
    """Take away the permission to write in a folder or to read a file that some job needs."""
    # root may do everything unless it gives that up
    gives_up = "-dac_override,-dac_read_search"
    as_others = ("setpriv", f"--bounding-set={gives_up}", f"--inh-caps={gives_up}")
    before = as_others if os.geteuid() == 0 else ()
    if before and shutil.which(before[0]) is None:
        outcome.skipped = "setpriv is not installed"
        return
    for place in bench.still_to_do(outcome, (*unwritable, *unreadable)):
        bench.reopen(*reopened)
        path = bench.rough.path / place
        mode = path.stat().st_mode
        path.chmod(mode & 0o555 if place in unwritable else 0)
        try:
            status, said = bench.rough.run(before=before)
        finally:
            path.chmod(mode)
        wrong = bench.finish()
        refused = "denied" in said or "because of missing read permissions" in said
        named = status != 0 and place in said and refused
        outcome.where.update([place])
        outcome.count(named and not wrong, wrong or f"{place}: {tail(said)}")
