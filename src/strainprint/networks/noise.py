"""Noise on grey levels, as a camera or a rounded strain would add it."""

from __future__ import annotations

import torch
from torch import Tensor


def with_noise(grey: Tensor, grey_levels: float, generator: torch.Generator) -> Tensor:
    """Return grey levels with Gaussian noise on every pixel, rounded and kept within 0 to 255.

    Parameters
    ----------
    grey
        Whole grey levels in any floating type and shape; not changed.
    grey_levels
        Standard deviation of the noise; 0 returns ``grey`` itself.
    generator
        Draws the noise, on the device of ``grey``.
    """
    if grey_levels == 0:
        return grey
    noise = torch.empty_like(grey).normal_(0.0, grey_levels, generator=generator)
    return (grey + noise).round_().clamp_(0, 255)
