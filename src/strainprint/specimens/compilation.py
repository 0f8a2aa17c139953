"""Compiled kernels whose cache knows all kernels.

Numba's own file cache looks only at the file of the function that it compiled: after an edit of a
kernel in another module, callers would go on with the old machine code. Here the cache lies in a
folder named after the content of every module of this package, so any edit compiles afresh.
"""

from __future__ import annotations

import fcntl
import hashlib
import logging
import os
import shutil
import stat
import tempfile
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any, TypeVar, cast

from numba import config, njit, types

_log = logging.getLogger(__name__)

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


_KEPT_S = 86400.0
"""Seconds that code of other sources is kept: processes that began before an edit may use it."""

_MOST_WAIT_S = 1800.0
"""Seconds after which a process compiles a kernel though another one still does."""

_POLL_S = 0.1


@cache
def cache_folder() -> Path:
    """Return the folder of machine code that belongs to the package's present sources.

    Beside the sources where that is writable, else in the user's temporary folder.
    """
    here = Path(__file__).parent
    digest = hashlib.sha256()
    for source in sorted(here.glob("*.py")):
        digest.update(source.name.encode())
        digest.update(source.read_bytes())
    name = f"kernels-{digest.hexdigest()[:16]}"
    beside = here / "__pycache__"
    try:
        beside.mkdir(exist_ok=True)
        writable = os.access(beside, os.W_OK)
    except OSError:
        writable = False
    root = beside if writable else _own_temporary_folder()
    folder = root / name
    if not folder.exists():
        _remove_stale(root)
    return folder


def _own_temporary_folder() -> Path:
    """Return a temporary folder that nobody else could have filled: its index is unpickled.

    The same for all processes of the user, unless somebody else holds its name.
    """
    folder = Path(tempfile.gettempdir()) / f"strainprint-{os.getuid()}"
    with suppress(FileExistsError):
        folder.mkdir(mode=0o700)
    found = folder.lstat()
    foreign = found.st_uid != os.getuid() or found.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    if foreign or not stat.S_ISDIR(found.st_mode):
        return Path(tempfile.mkdtemp(prefix="strainprint-"))
    return folder


def _remove_stale(root: Path) -> None:
    """Remove the code of earlier sources; whatever another process removes first is no error."""
    for folder in root.glob("kernels-*"):
        with suppress(OSError):
            newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if time.time() - newest > _KEPT_S:
                shutil.rmtree(folder, ignore_errors=True)


def compiled(function: Kernel, **options: Any) -> Kernel:
    """Compile a kernel on its first call and keep the machine code for the next process.

    Of processes that call it first at the same time one compiles, and the others wait. ``options``
    are Numba's.
    """
    before = config.CACHE_DIR
    # Numba reads the folder when it decorates
    config.CACHE_DIR = str(cache_folder())
    try:
        kernel: Any = _kernel_of(function, cache=True, **options)
    finally:
        config.CACHE_DIR = before
    compile_in_this_process = kernel.compile

    def compile_in_one_process(signature: Any) -> Any:
        with _one_process(f"{function.__module__}.{function.__qualname__}"):
            return compile_in_this_process(signature)

    kernel.compile = compile_in_one_process
    return cast(Kernel, kernel)


_compiling = threading.local()
"""Whether the thread compiles a kernel; those that it calls come with it."""


@contextmanager
def _one_process(name: str) -> Iterator[None]:
    """Let one process at a time compile the kernel of that name, as far as the system has locks for
    files in the folder of machine code."""
    if getattr(_compiling, "now", False):
        yield
        return
    _compiling.now = True
    handle, said = None, False
    try:
        with suppress(OSError):
            folder = cache_folder()
            folder.mkdir(exist_ok=True)
            handle = (folder / f"{name}.lock").open("w")
            begin = time.monotonic()
            while not _locked(handle) and time.monotonic() - begin < _MOST_WAIT_S:
                if not said:
                    _log.info("waits for another process that compiles %s", name)
                    said = True
                time.sleep(_POLL_S)
        yield
    finally:
        _compiling.now = False
        if handle is not None:
            handle.close()


def _locked(handle: IO[str]) -> bool:
    """Return whether the lock on a file could be had; it ends with the process or the file."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _kernel_of(function: Kernel, **options: Any) -> Kernel:
    """Return a kernel that is compiled once for all constants of a type that others call it with.

    Numba would compile it anew for each, and once more within each caller.

    ASSUME: method ``get_call_template`` of Numba's dispatchers stays; it is not documented, but all
    of 0.60 to 0.68 have it.
    """
    kernel: Any = njit(no_cfunc_wrapper=True, **options)(function)
    template = kernel.get_call_template

    def template_without_constants(args: Iterable[Any], named: Mapping[str, Any]) -> Any:
        wider = {name: types.unliteral(kind) for name, kind in named.items()}
        return template(tuple(types.unliteral(kind) for kind in args), wider)

    kernel.get_call_template = template_without_constants
    return cast(Kernel, kernel)


def inner(function: Kernel, **options: Any) -> Kernel:
    """Compile a kernel that only other kernels call.

    The entry from Python, which unpacks dozens of arrays, would take longer to compile than most
    kernels themselves. Its machine code is a part of its callers', and kept only with them.
    """
    return _kernel_of(function, no_cpython_wrapper=True, **options)


def uncounted(function: Kernel, **options: Any) -> Kernel:
    """Compile an inner kernel that makes no arrays and therefore counts no references to any.

    Its caller holds them. Numba counts up and down, by atomic operations, for each of dozens of
    arrays around calls and choices, which takes longer than many a kernel itself.

    ASSUME: Numba's option ``_nrt`` stays; it is not documented, but all of 0.60 to 0.68 have it.
    """
    return inner(function, _nrt=False, **options)


def folded(function: Kernel, **options: Any) -> Kernel:
    """Compile an uncounted kernel into every kernel that calls it: a small one, or one in a chain.

    Every call copies the addresses, lengths and strides of all arrays of a population, some
    thousands of bytes, which takes longer than many a kernel itself.
    """
    return uncounted(function, forceinline=True, **options)


def inlined(function: Kernel) -> Kernel:
    """Compile a kernel as a part of the one that calls it.

    Every kernel is optimised once more with all that it calls; a chain of kernels around a large
    one would compile that as many times.
    """
    return inner(function, inline="always")
