"""Where the arithmetic runs: device, threads and how the process keeps its memory."""

from __future__ import annotations

import ctypes
import logging
import platform
import re
import time
from pathlib import Path

import torch

from strainprint.errors import BadInputError

PRECISIONS = ("auto", "fp32", "bf16")

_log = logging.getLogger(__name__)

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # <malloc.h>
_KEEPING = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 512 * 2**20))
_DEFAULTS = ((_M_MMAP_MAX, 65536), (_M_TRIM_THRESHOLD, 128 * 2**10), (_M_TOP_PAD, 128 * 2**10))
_LARGEST_BYTES = 24 * 16 * 224 * 224 * 4  # 16 channels of the 24 crops of one map, float32
_WORTHWHILE = 0.8


def prepare_device(device: str, threads: int, largest_bytes: int = _LARGEST_BYTES) -> torch.device:
    """Choose the device and set the process up for it; call before large tensors exist.

    On the CPU results repeat bit for bit at one thread count, not across counts. On a GPU only
    deterministic cuDNN kernels are allowed.

    Parameters
    ----------
    device
        ``auto`` takes a CUDA device where there is one; or ``cpu``, ``cuda``, ``cuda:1``.
    threads
        CPU threads of this process.
    largest_bytes
        Size of the largest activation, see :func:`keep_freed_memory`.

    Raises
    ------
    BadInputError
        The device is unknown or absent, or fewer than one thread is asked for.
    """
    asked = re.fullmatch(r"auto|cpu|cuda(?::(\d+))?", device)
    if asked is None:
        raise BadInputError(f"device {device!r}", allowed="auto, cpu, cuda, or cuda:0, cuda:1, …")
    if threads < 1:
        raise BadInputError(f"threads is {threads}", allowed="1 or more")
    n_devices = torch.cuda.device_count() if torch.cuda.is_available() else 0
    index = int(asked[1] or 0)
    if device.startswith("cuda") and index >= n_devices:
        raise BadInputError(
            f"device {device!r} where torch finds {n_devices or 'no'} CUDA devices",
            way_out="set device to auto or cpu",
        )
    torch.set_num_threads(threads)
    if device == "cpu" or not n_devices:
        kept = keep_freed_memory(largest_bytes)
        _log.info("freed memory is %s", "kept" if kept else "returned to the system")
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    # Else "fp32" convolutions would be rounded to ten bits, reported probabilities among them.
    torch.backends.cudnn.allow_tf32 = False
    torch.cuda.set_device(index)
    return torch.device("cuda", index)


def chosen_precision(precision: str, device: torch.device) -> str:
    """Return ``fp32`` or ``bf16``: ``auto`` is bf16 where the device multiplies it by itself.

    It changes the bits of a training, so it follows from what the hardware is and not from a
    measured time, and ``training.json`` records it.

    Raises
    ------
    BadInputError
        The precision is unknown.
    """
    if precision not in PRECISIONS:
        raise BadInputError(f"precision {precision!r}", allowed=" or ".join(PRECISIONS))
    if precision != "auto":
        return precision
    if device.type == "cuda":
        return "bf16" if torch.cuda.get_device_capability(device) >= (8, 0) else "fp32"
    return "bf16" if _cpu_flags() & {"avx512_bf16", "amx_bf16"} else "fp32"


def _cpu_flags() -> set[str]:
    """Return what the Linux kernel says the CPU can do; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    return set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())


def keep_freed_memory(largest_bytes: int = _LARGEST_BYTES) -> bool:
    """Make glibc reuse the memory of freed activations where that is faster; True if it does.

    By default every large activation is mapped afresh and its pages zeroed by the kernel at each
    step, which costs 40 % of the training time at 224 px and half of the inference time. Small
    ones (56 px) are reused anyway. So both ways are timed on one activation of ``largest_bytes``
    and the default is restored where nothing is gained; results are the same bits either way.
    Other C libraries are left alone.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    fresh_s = _seconds_to_write(largest_bytes)
    taken = all([mallopt(option, value) for option, value in _KEEPING])
    kept_s = _seconds_to_write(largest_bytes)
    if taken and kept_s < _WORTHWHILE * fresh_s:
        return True
    for option, value in _DEFAULTS:
        mallopt(option, value)
    return False


def _seconds_to_write(size_bytes: int) -> float:
    """Return the least computing time to allocate, write and free so many bytes, once warm."""
    seconds = []
    for _ in range(4):
        start = time.process_time()
        torch.empty(size_bytes, dtype=torch.uint8).fill_(1)
        seconds.append(time.process_time() - start)
    return min(seconds[1:])
