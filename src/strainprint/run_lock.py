"""One run at a time in one folder: locks that the system gives back however a process ends.

A run holds one, and each of its jobs another, so that the jobs of a run that was killed without
them are known while they are at work. A job takes its lock once its libraries are loaded. Until
then nobody sees it, so after that it looks whether its run is still the last that began here.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import socket
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from strainprint.errors import BadInputError

LOCK = ".snakemake/strainprint.lock"
_JOBS = ".snakemake/strainprint-jobs.lock"

# Whoever only looks whether a lock is held (`strainprint status`) has it for an instant.
_LOOKS_S = 0.5

_log = logging.getLogger(__name__)


def take_lock(folder: str | Path = ".") -> IO[str] | None:
    """Take the lock of a working directory for as long as the returned file stays open.

    The kernel gives it back when the process ends, killed or not, so none is ever left behind.
    None where the file system has no locks.

    Raises
    ------
    BadInputError
        Another run holds it: which process, on which machine, since when.
    """
    path = Path(folder, LOCK)
    path.parent.mkdir(parents=True, exist_ok=True)
    handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - stays open until the process ends
    try:
        _lock(handle, fcntl.LOCK_EX)
    except BlockingIOError:
        handle.close()
        raise BadInputError(
            f"another run is at work here: {_in_words(holder(folder))}",
            where=Path(folder).resolve(),
            way_out="wait for it or end it; two runs at once need two folders (--directory)",
        ) from None
    except OSError as error:
        _log.warning("%s: this file system has no locks (%s)", path, error)
        handle.close()
        return None
    handle.truncate(0)
    since = datetime.now().astimezone().isoformat(timespec="seconds")
    who = {"pid": os.getpid(), "host": socket.gethostname(), "since": since}
    json.dump({**who, "run": uuid.uuid4().hex}, handle)
    handle.flush()
    return handle


def holder(folder: str | Path = ".") -> dict[str, Any]:
    """Return ``pid``, ``host``, ``since`` and ``run`` of the last run that took the lock.

    ``run`` is a name that no other run has. {} where no run took the lock.
    """
    try:
        content: dict[str, Any] = json.loads(Path(folder, LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content


def is_held(folder: str | Path = ".") -> bool:
    """Tell whether a run is at work in a working directory."""
    # A shared lock asks for no more than to read the file, so anybody may look.
    return _meets_a_lock(Path(folder, LOCK), "r", fcntl.LOCK_SH)


@contextmanager
def job_at_work(folder: str | Path = ".", *, run: str | None = None) -> Iterator[None]:
    """Hold, beside other jobs, the lock that says that a job is at work in a working directory.

    Parameters
    ----------
    folder
        The working directory.
    run
        Name of the run that started the job (:func:`holder`); None where that is not known.

    Raises
    ------
    BadInputError
        Another run has begun since, and has not seen this job, which had no lock yet.
    """
    path = Path(folder, _JOBS)
    try:
        # To be read, too: file systems of a network share no lock of a file that cannot be.
        handle = open(path, "a+", encoding="utf-8")  # noqa: SIM115 - closed below
    except OSError:
        # Outside a run, or nothing may be written there: the job itself will say so.
        yield
        return
    with handle:
        try:
            _lock(handle, fcntl.LOCK_SH)
        except OSError as error:
            _log.info("%s: not taken (%s)", path, error)
        # A run writes its name before it looks for jobs, a job looks for the name after it has its
        # lock: one of the two sees the other.
        last = holder(folder)
        if run is not None and last.get("run", run) != run:
            raise BadInputError(
                "the run of this job was killed, and another has begun here since: "
                f"{_in_words(last)}",
                where=Path(folder).resolve(),
                way_out="none is needed: the other run does what this job had to do",
            )
        yield


def jobs_at_work(folder: str | Path = ".") -> bool:
    """Tell whether jobs are at work in a working directory, whoever started them."""
    # Jobs share their lock, so only one that is not shared meets it; that asks to write.
    return _meets_a_lock(Path(folder, _JOBS), "r+", fcntl.LOCK_EX)


def _lock(handle: IO[str], kind: int) -> None:
    """Take a lock of a kind, also where somebody looks at it just now; BlockingIOError if held."""
    until = time.monotonic() + _LOOKS_S
    while True:
        try:
            return fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() > until:
                raise
        time.sleep(0.01)


def _meets_a_lock(path: Path, mode: str, kind: int) -> bool:
    """Try a lock of a kind and give it back; False also where there is no file or no locks."""
    try:
        with open(path, mode, encoding="utf-8") as handle:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


def _in_words(who: dict[str, Any]) -> str:
    if not who:
        return "it has not said who it is yet"
    return f"process {who['pid']} on {who['host']}, since {who['since']}"
