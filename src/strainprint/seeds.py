"""Random numbers that depend on what they are for, never on the order of jobs or threads."""

from __future__ import annotations

import hashlib
import json

import numpy as np


def derive_seed(config_seed: int, *labels: str | int | float) -> int:
    """Return a 63-bit seed for one purpose, e.g. ``derive_seed(7, "w0125-s2", 12, "crystal")``.

    The labels are hashed (SHA-256), so seeds of neighbouring specimens or purposes are unrelated
    and adding specimens changes no existing one.
    """
    text = json.dumps([int(config_seed), *labels], separators=(",", ":"))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(config_seed: int, *labels: str | int | float) -> np.random.Generator:
    """Return a NumPy generator (PCG64) seeded by :func:`derive_seed`."""
    return np.random.Generator(np.random.PCG64(derive_seed(config_seed, *labels)))
