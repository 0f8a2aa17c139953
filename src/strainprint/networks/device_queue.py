"""Which GPU a job takes: the first free one of a list, for as long as its process lives.

A device is held by the system's lock on a file (flock), which ends with the process however that
ends. The files are named after the devices themselves, not after their numbers, and lie in the
user's temporary folder, so that runs in several folders of one machine do not share a GPU either.
"""

from __future__ import annotations

import fcntl
import logging
import os
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO

from strainprint.errors import BadInputError

_POLL_S = 0.5

_log = logging.getLogger(__name__)


def visible_devices() -> dict[str, str]:
    """Return the CUDA devices that this process may use: name (``cuda:0``, …) → identity."""
    import torch  # here, so that waiting for a device needs none of it

    return {
        f"cuda:{index}": str(torch.cuda.get_device_properties(index).uuid)
        for index in range(torch.cuda.device_count())
    }


def chosen_devices(listed: Sequence[str], visible: Mapping[str, str]) -> dict[str, str]:
    """Return the listed ones of the visible devices in the list's order; all for an empty list.

    Raises
    ------
    BadInputError
        A listed device does not exist here.
    """
    absent = [name for name in listed if name not in visible]
    if absent:
        raise BadInputError(
            f"this machine has no device {' or '.join(absent)}",
            where="config key training.devices",
            allowed=", ".join(visible) or "none: torch finds no CUDA device",
            way_out="take it out of the list, or empty the list for every device that is there; "
            "CUDA_VISIBLE_DEVICES may hide some",
        )
    return {name: visible[name] for name in listed or visible}


def take_device(
    devices: Mapping[str, str], folder: str | Path | None = None
) -> tuple[str, IO[str]]:
    """Take the first device that is free, and wait for one while all are held.

    Parameters
    ----------
    devices
        One or more: name → identity, by which other processes know it too.
    folder
        Of the lock files; None is one of this user in the system's temporary folder.

    Returns
    -------
    Its name, and the file that holds it until it is closed or the process ends.

    Raises
    ------
    BadInputError
        The folder belongs to another user.
    """
    folder = _own_folder() if folder is None else Path(folder)
    said = False
    while True:
        for name, identity in devices.items():
            path = folder / f"{identity}.lock"
            handle = open(path, "a", encoding="utf-8")  # noqa: SIM115
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                taken = _is_still(handle, path)
            except BlockingIOError:
                taken = False
            except OSError as error:
                _log.warning("%s: no locks there (%s): %s may be shared", folder, error, name)
                taken = True
            if not taken:
                handle.close()
                continue
            _log.info("takes %s", name)
            return name, handle
        if not said:
            _log.info("waits for one of %s", ", ".join(devices))
            said = True
        time.sleep(_POLL_S)


def _is_still(handle: IO[str], path: Path) -> bool:
    """Return whether a file that was opened has kept its name, and make it young.

    What cleans temporary folders takes old files away: another job would lock another file of the
    same name.
    """
    try:
        os.utime(path)
        return os.path.samestat(os.fstat(handle.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _own_folder() -> Path:
    folder = Path(tempfile.gettempdir(), f"strainprint-devices-{os.getuid()}")
    folder.mkdir(mode=0o700, exist_ok=True)
    if folder.lstat().st_uid != os.getuid():
        raise BadInputError(
            "the folder for locks on devices belongs to another user",
            where=folder,
            way_out="remove it, or set TMPDIR to a folder of your own",
        )
    return folder
