"""Where the arithmetic runs: device, threads and how the process keeps its memory."""

from __future__ import annotations

import ctypes
import logging
import platform
import re
from pathlib import Path

import torch

from strainprint.errors import BadInputError

PRECISIONS = ("auto", "fp32", "bf16")

_log = logging.getLogger(__name__)

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # <malloc.h>
_KEEPING = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, 2**31 - 1), (_M_TOP_PAD, 512 * 2**20))
_LARGEST_BYTES = 24 * 16 * 224 * 224 * 4  # 16 channels of the 24 crops of one map, float32
_REUSED_BYTES = 32 * 2**20  # glibc's DEFAULT_MMAP_THRESHOLD_MAX


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
    return "bf16" if cpu_flags() & {"avx512_bf16", "amx_bf16"} else "fp32"


def cpu_flags() -> set[str]:
    """Return what the Linux kernel says the CPU can do; nothing elsewhere."""
    try:
        text = Path("/proc/cpuinfo").read_text()
    except OSError:
        return set()
    return set(next((line for line in text.splitlines() if line.startswith("flags")), "").split())


def keep_freed_memory(largest_bytes: int = _LARGEST_BYTES) -> bool:
    """Make glibc reuse the memory of freed activations where it would not; True if it does.

    glibc maps every block beyond 32 MiB afresh and the kernel zeroes its pages, at each step: 40 %
    of the training time at 224 px and half of the inference time. Where no activation is larger
    than that nothing is changed, nor is any other C library. Results are the same bits either way.
    """
    if largest_bytes <= _REUSED_BYTES:
        return False
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    return all([mallopt(option, value) for option, value in _KEEPING])
