"""Where the arithmetic runs: device, threads and how the process keeps its memory."""

from __future__ import annotations

import ctypes
import platform

import torch

from strainprint.errors import BadInputError

DEVICES = ("auto", "cpu", "cuda")

_M_TRIM_THRESHOLD, _M_TOP_PAD, _M_MMAP_MAX = -1, -2, -4  # <malloc.h>
_INT_MAX = 2**31 - 1


def prepare_device(device: str, threads: int) -> torch.device:
    """Choose the device and set the process up for it; call before large tensors exist.

    On the CPU results repeat bit for bit at one thread count, not across counts. On a GPU only
    deterministic cuDNN kernels are allowed.

    Parameters
    ----------
    device
        ``auto`` takes a CUDA device where there is one.
    threads
        CPU threads of this process.

    Raises
    ------
    BadInputError
        The device is unknown or absent, or fewer than one thread is asked for.
    """
    if device not in DEVICES:
        raise BadInputError(f"device {device!r}", allowed=" or ".join(DEVICES))
    if threads < 1:
        raise BadInputError(f"threads is {threads}", allowed="1 or more")
    if device == "cuda" and not torch.cuda.is_available():
        raise BadInputError("torch finds no CUDA device", way_out="set device to auto or cpu")
    torch.set_num_threads(threads)
    if device == "cpu" or not torch.cuda.is_available():
        keep_freed_memory()
        return torch.device("cpu")
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    return torch.device("cuda")


def keep_freed_memory() -> bool:
    """Make glibc reuse the memory of freed activations, not return it; True where it took.

    By default every large activation is mapped afresh and its pages zeroed by the kernel at each
    step, which costs 40 % of the training time at 224 px and half of the inference time (nothing
    at 56 px). Other C libraries are left alone.
    """
    if platform.system() != "Linux" or platform.libc_ver()[0] != "glibc":
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    mallopt.argtypes, mallopt.restype = (ctypes.c_int, ctypes.c_int), ctypes.c_int
    settings = ((_M_MMAP_MAX, 0), (_M_TRIM_THRESHOLD, _INT_MAX), (_M_TOP_PAD, 512 * 2**20))
    return all(mallopt(option, value) == 1 for option, value in settings)
