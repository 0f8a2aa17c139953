"""Which grey levels a network's answer hangs on: gradients of a class score, plain and rectified.

Plain: |d score / d pixel| (Simonyan et al. 2014, arXiv 1312.6034). Rectified: on the way back every
ReLU passes on what is positive, whatever its input was (deconvnet, Zeiler and Fergus 2014, arXiv
1311.2901; the paper's "ReLU as back propagation modifier"). The score is that before softmax.
"""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from PIL import Image
from torch import Tensor, nn

from strainprint.dataset.crops import crop_boxes, crop_picture
from strainprint.errors import BadInputError
from strainprint.networks.architectures import ResidualNetwork

SaliencyKind = Literal["plain", "rectified"]
KINDS: tuple[SaliencyKind, ...] = ("plain", "rectified")

# Gradients keep every activation: so many crops at a time.
_CROPS_PER_BATCH = 24


class _RectifiedBackward(torch.autograd.Function):
    """ReLU whose gradient is the positive part of what comes back."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        return x.clamp(min=0)

    @staticmethod
    def backward(ctx: Any, *grad: Tensor) -> Tensor:
        return grad[0].clamp(min=0)


class _RectifiedReLU(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = _RectifiedBackward.apply(x)  # type: ignore[no-untyped-call]
        return out


def saliency(
    network: ResidualNetwork,
    crops: NDArray[np.uint8],
    labels: ArrayLike,
    *,
    kind: SaliencyKind = "plain",
) -> NDArray[np.float32]:
    """Return the size of a class score's gradient in every pixel of crops.

    Parameters
    ----------
    network
        As trained, on the device to use; it is not changed.
    crops
        Grey levels, shape (n, px, px), uint8.
    labels
        Index of the class whose score is asked about, for each crop, shape (n,).
    kind
        ``plain`` or ``rectified``.

    Returns
    -------
    Score per grey level, shape (n, px, px), not negative.

    Raises
    ------
    BadInputError
        The crops are not of that shape and type, or a label is no class.
    """
    chosen = np.asarray(labels, dtype=np.int64)
    if crops.ndim != 3 or crops.dtype != np.uint8 or chosen.shape != crops.shape[:1]:
        raise BadInputError(
            f"crops of shape {crops.shape} and type {crops.dtype} with {chosen.size} labels",
            allowed="(n, px, px), uint8, with n labels",
        )
    n_classes = network.classifier.out_features
    if chosen.size and not 0 <= chosen.min() <= chosen.max() < n_classes:
        raise BadInputError(f"labels {chosen.tolist()}", allowed=f"0 to {n_classes - 1}")
    ready = _differentiable(network, kind)
    device = network.classifier.weight.device
    sizes = np.empty(crops.shape, dtype=np.float32)
    for start in range(0, len(crops), _CROPS_PER_BATCH):
        rows = slice(start, start + _CROPS_PER_BATCH)
        pixels = torch.from_numpy(crops[rows]).to(device).float().unsqueeze(1).requires_grad_()
        asked = torch.from_numpy(chosen[rows]).to(device)[:, None]
        # crops do not mix in evaluation mode, so the gradient of the sum is each one's own
        (gradient,) = torch.autograd.grad(ready(pixels).gather(1, asked).sum(), pixels)
        sizes[rows] = gradient[:, 0].abs().cpu().numpy()
    return sizes


def picture_saliency(
    network: ResidualNetwork,
    picture: NDArray[np.uint8],
    label: int,
    *,
    crop_px: int,
    scales: Sequence[int],
    aspect: str,
    kind: SaliencyKind = "plain",
) -> NDArray[np.float32]:
    """Return the saliency of a whole grey picture: the mean over the crops that hold a pixel.

    Each crop's saliency is laid back over the part of the picture that it was cut from, by
    bilinear interpolation. Pixels that no crop holds (between the squares of a long picture) are
    NaN.

    Parameters
    ----------
    network
        As trained, on the device to use; it is not changed.
    picture
        Grey levels, shape (rows, columns), uint8.
    label
        Index of the class whose score is asked about.
    crop_px, scales, aspect
        How the network's crops are made, see :func:`strainprint.dataset.crops.crop_picture`.
    kind
        ``plain`` or ``rectified``.

    Returns
    -------
    Score per grey level of a crop, shape (rows, columns).
    """
    rows, columns = picture.shape
    crops = crop_picture(picture, crop_px=crop_px, scales=scales, aspect=aspect)
    of_crops = saliency(network, crops, np.full(len(crops), label), kind=kind)
    total, count = np.zeros(picture.shape), np.zeros(picture.shape)
    boxes = crop_boxes(rows, columns, crop_px=crop_px, scales=scales, aspect=aspect)
    for of_crop, box in zip(of_crops, boxes, strict=True):
        top, bottom, left, right = np.rint(box).astype(int)
        if bottom <= top or right <= left:
            continue
        laid = Image.fromarray(of_crop).resize(
            (right - left, bottom - top), Image.Resampling.BILINEAR
        )
        total[top:bottom, left:right] += np.asarray(laid)
        count[top:bottom, left:right] += 1
    mean = np.full(picture.shape, np.nan, dtype=np.float32)
    np.divide(total, count, out=mean, where=count > 0, casting="same_kind")
    return mean


def _differentiable(network: ResidualNetwork, kind: SaliencyKind) -> ResidualNetwork:
    """Return a copy in evaluation mode whose ReLUs go back as ``kind`` says."""
    if kind not in KINDS:
        raise BadInputError(f"saliency {kind!r}", allowed=" or ".join(KINDS))
    copied = copy.deepcopy(network).eval().requires_grad_(False)
    if kind == "rectified":
        for module in list(copied.modules()):
            for name, child in module.named_children():
                if isinstance(child, nn.ReLU):
                    setattr(module, name, _RectifiedReLU())
    return copied
