"""The three residual networks of the paper: ``proposed``, ``res4-l2`` and ``res4``.

Layers, shortcuts and initial weights follow the published code and weights of the best network
(Yang et al., Sci. Rep. 10, 2020; Keras 2.1), not the paper's text where the two differ.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Iterable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from strainprint.errors import BadInputError
from strainprint.networks import fused_convolution, fused_normalization
from strainprint.networks.weight_gradient import LEAST_PIXELS, ConvolutionByProducts

FIRST_CHANNELS = 16
N_FEATURES = 64
_EPS = 1e-3  # Keras' BatchNormalization


@dataclass(frozen=True)
class Architecture:
    """What tells the networks of the paper apart.

    Attributes
    ----------
    name
        Key in :data:`ARCHITECTURES` and part of file names.
    modules_per_stage
        Residual modules at 32 channels, and again at 64.
    convolutions_per_module
        3×3 convolutions in each residual module.
    penalized
        The loss has Keras' ``l2(λ)``: λΣw² over all convolution kernels, 1e-4 in the paper.
    """

    name: str
    modules_per_stage: int
    convolutions_per_module: int
    penalized: bool


ARCHITECTURES = {
    architecture.name: architecture
    for architecture in (
        Architecture("proposed", 2, 3, False),
        Architecture("res4-l2", 1, 4, True),
        Architecture("res4", 1, 4, False),
    )
}


def architecture_of(name: str) -> Architecture:
    """Return the architecture of that name.

    Raises
    ------
    BadInputError
        There is none.
    """
    if name not in ARCHITECTURES:
        raise BadInputError(f"no network is called {name!r}", allowed=", ".join(ARCHITECTURES))
    return ARCHITECTURES[name]


class Convolution(nn.Conv2d):
    """'Same' convolution with bias whose kernels' gradient may be found by products of matrices.

    ``by_products`` is set by the training where that is faster; it acts in training alone.
    """

    by_products = False

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c_in, h, w) to (n, c_out, h, w)."""
        if self.by_products and self.training and x.shape[2] * x.shape[3] >= LEAST_PIXELS:
            out: Tensor = ConvolutionByProducts.apply(  # type: ignore[no-untyped-call]
                x, self.weight, self.bias
            )
            return out
        return super().forward(x)


class NormalizedConvolution(nn.Sequential):
    """'Same' convolution with bias, then batch normalisation: (n, c_in, h, w) → (n, c_out, h, w).

    ``momentum`` is in Keras' sense: the share of the running mean that each batch keeps.
    ``fused`` is set by the training where normalisation and what follows it are faster as one.
    """

    fused = False

    def __init__(self, c_in: int, c_out: int, size: int, momentum: float) -> None:
        """Set the layers up with torch's initial weights."""
        super().__init__()
        self.convolution = Convolution(c_in, c_out, size, padding="same")
        self.normalization: nn.Module = nn.BatchNorm2d(c_out, eps=_EPS, momentum=1 - momentum)

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c_in, h, w) to (n, c_out, h, w)."""
        if self.fused and self.training:
            return self._normalized(x, None, -math.inf)
        out: Tensor = self.normalization(self.convolution(x))
        return out

    def is_one_with_relu(self, x: Tensor) -> bool:
        """Say whether :meth:`activated` is to take the place of what follows for such an input."""
        if self.training:
            return self.fused
        is_folded = isinstance(self.normalization, nn.Identity)
        return is_folded and fused_convolution.helps_on(x)

    def activated(self, x: Tensor, shortcut: Tensor | None = None) -> Tensor:
        """Return the ReLU of the output, or of its sum with a shortcut (n, c_out, h, w)."""
        if self.training:
            return self._normalized(x, shortcut, 0.0)
        return fused_convolution.convolved(self.convolution, x, shortcut)

    def _normalized(self, x: Tensor, shortcut: Tensor | None, floor: float) -> Tensor:
        assert isinstance(self.normalization, nn.BatchNorm2d)
        out = self.convolution(x)
        return fused_normalization.normalized(out, self.normalization, shortcut, floor)


class Activation(nn.ReLU):
    """ReLU that takes the place of its input in training, where nothing else needs that.

    Elsewhere (saliency, filters) hooks find what came in. It matters most where freed memory is
    kept: glibc does not fit the next activation into the place of the last without loss.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Return the positive part, of the shape of ``x``."""
        return F.relu(x, inplace=self.training)


class SamePool(nn.Module):
    """Max over 3×3 with stride 2 and TensorFlow's 'same' padding: (h, w) → (⌈h/2⌉, ⌈w/2⌉).

    'Same' pads an even side by one at its end, which torch calls ``ceil_mode``, and an odd side
    by one at either end.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Pool (n, c, h, w)."""
        padding = (x.shape[2] % 2, x.shape[3] % 2)
        return F.max_pool2d(x, 3, 2, padding, ceil_mode=True)


class ResidualModule(nn.Module):
    """Convolutions with a shortcut around them; 1×1 only where the number of channels changes."""

    def __init__(self, c_in: int, c_out: int, convolutions: int, momentum: float) -> None:
        """Chain ``convolutions`` 3×3 convolutions from ``c_in`` to ``c_out`` channels."""
        super().__init__()
        layers: list[nn.Module] = []
        for index in range(convolutions):
            layers.append(NormalizedConvolution(c_out if index else c_in, c_out, 3, momentum))
            layers.append(Activation())
        self.body = nn.Sequential(*layers[:-1])  # the last ReLU comes after the sum
        self.shortcut = (
            NormalizedConvolution(c_in, c_out, 1, momentum) if c_in != c_out else nn.Identity()
        )
        self.relu = Activation()

    def forward(self, x: Tensor) -> Tensor:
        """Map (n, c_in, h, w) to (n, c_out, h, w)."""
        *before, last = self.body
        assert isinstance(last, NormalizedConvolution)
        inner = _in_turn(before, x)
        if last.is_one_with_relu(inner):
            return last.activated(inner, self.shortcut(x))
        out: Tensor = self.relu(last(inner) + self.shortcut(x))
        return out


def _in_turn(layers: Iterable[nn.Module], x: Tensor) -> Tensor:
    """Return the output of the last layer; after every convolution comes its ReLU.

    The two are taken as one where that is faster. Elsewhere each is called, and hooks find it.
    """
    following = iter(layers)
    for layer in following:
        if isinstance(layer, NormalizedConvolution) and layer.is_one_with_relu(x):
            x = layer.activated(x)
            next(following)
        else:
            x = layer(x)
    return x


class ResidualNetwork(nn.Module):
    """One network of the paper, for crops of any size; raw grey levels in, class scores out.

    Every activation is a module of its own, so that hooks (saliency, filters) find it. Kernels lie
    in memory channels last, which is twice as fast on a CPU.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        n_classes: int = 3,
        n_inputs: int = 1,
        seed: int = 0,
        batch_norm_momentum: float = 0.99,
    ) -> None:
        """Build the network and draw its initial weights from ``seed`` alone.

        ``n_inputs`` is the number of channels of a crop, 1 in the paper; ``batch_norm_momentum``
        is Keras' (0.99 there is 0.01 in torch).
        """
        super().__init__()
        self.architecture = architecture
        momentum = batch_norm_momentum
        layers: list[nn.Module] = [
            NormalizedConvolution(n_inputs, FIRST_CHANNELS, 3, momentum),
            Activation(),
            SamePool(),
        ]
        c_in = FIRST_CHANNELS
        for c_out in (32, N_FEATURES):
            for _ in range(architecture.modules_per_stage):
                convolutions = architecture.convolutions_per_module
                layers.append(ResidualModule(c_in, c_out, convolutions, momentum))
                c_in = c_out
            layers.append(SamePool())
        self.layers = nn.Sequential(*layers)
        self.classifier = nn.Linear(N_FEATURES, n_classes)
        self._initialize(torch.Generator().manual_seed(seed))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def _initialize(self, generator: torch.Generator) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                if isinstance(module, nn.Conv2d):
                    nn.init.xavier_uniform_(module.weight, generator=generator)
                else:
                    # Keras 2.1 truncates glorot_normal at two standard deviations, uncorrected.
                    std = math.sqrt(2 / (module.in_features + module.out_features))
                    nn.init.trunc_normal_(
                        module.weight, std=std, a=-2 * std, b=2 * std, generator=generator
                    )
                assert module.bias is not None
                nn.init.zeros_(module.bias)

    def features(self, crops: Tensor) -> Tensor:
        """Return the 64 globally averaged channels: (n, 1, h, w), grey 0…255 → (n, 64)."""
        return _in_turn(self.layers, crops).mean(dim=(2, 3))

    def forward(self, crops: Tensor) -> Tensor:
        """Return class scores (before softmax): (n, 1, h, w), grey 0…255 → (n, n_classes)."""
        scores: Tensor = self.classifier(self.features(crops))
        return scores

    def find_gradients_by_products(self, chosen: bool) -> None:
        """Let the training find the gradient of 3×3 kernels by products, or leave it to torch.

        Where it acts the last bits of a gradient differ. The first convolution, of few channels,
        is left to torch.
        """
        for module in self.modules():
            if isinstance(module, Convolution) and module.kernel_size == (3, 3):
                module.by_products = chosen and module.in_channels >= FIRST_CHANNELS

    def fuse_normalization(self, chosen: bool) -> None:
        """Let the training normalise, add shortcuts and clip as one, or leave it to torch.

        Where it acts activations are rounded to bf16 less often.
        """
        for module in self.modules():
            if isinstance(module, NormalizedConvolution):
                module.fused = chosen

    def kernels(self) -> list[Tensor]:
        """Return the kernels of all convolutions, which are what L2 acts on."""
        return [module.weight for module in self.modules() if isinstance(module, nn.Conv2d)]


class BranchedNetwork(ResidualNetwork):
    """A residual network with a second branch for a vector beside each crop.

    The vector (standardised) passes a dense layer of 64 and ReLU, and is laid beside the 64
    features of the crop before the last layer, after the authors' later DKACNN (IJCNN 2019), whose
    second branch takes the two-point correlation.

    ASSUME: the sizes of DKACNN's layers are not followed; 64 gives both branches the same say.
    """

    def __init__(
        self,
        architecture: Architecture,
        *,
        n_side: int,
        n_inputs: int = 1,
        n_outputs: int = 3,
        seed: int = 0,
        batch_norm_momentum: float = 0.99,
    ) -> None:
        """Build the network and draw its initial weights from ``seed`` alone.

        ``n_side`` is the length of the vectors, ``n_inputs`` the channels of a crop.
        """
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)  # for the layers of torch's own initial weights
            super().__init__(
                architecture,
                n_classes=n_outputs,
                n_inputs=n_inputs,
                seed=seed,
                batch_norm_momentum=batch_norm_momentum,
            )
            self.branch = nn.Sequential(nn.Linear(n_side, N_FEATURES), nn.ReLU())
            self.classifier = nn.Linear(2 * N_FEATURES, n_outputs)

    def joined(self, crops: Tensor, side: Tensor) -> Tensor:
        """Return outputs (n, n_outputs) of crops (n, c, h, w) and their vectors (n, n_side)."""
        both = torch.cat((self.features(crops), self.branch(side)), dim=1)
        outputs: Tensor = self.classifier(both)
        return outputs


def outputs_of(network: ResidualNetwork, crops: Tensor, *side: Tensor) -> Tensor:
    """Return outputs (n, n_outputs) of a network with or without a second branch."""
    if side:
        assert isinstance(network, BranchedNetwork)
        return network.joined(crops, *side)
    outputs: Tensor = network(crops)
    return outputs


def folded(network: ResidualNetwork) -> ResidualNetwork:
    """Return a copy for inference whose batch normalisations are folded into the convolutions.

    Scores and features stay the same up to rounding (about 1e-5); three times fewer passes over
    memory. The copy has no gradients.
    """
    copied = copy.deepcopy(network).eval()
    for module in copied.modules():
        if isinstance(module, NormalizedConvolution):
            normalization = module.normalization
            if isinstance(normalization, nn.BatchNorm2d):
                module.convolution = fuse_conv_bn_eval(module.convolution, normalization)
                module.normalization = nn.Identity()
    return copied.requires_grad_(False)


def count_parameters(network: nn.Module) -> int:
    """Return the number of trainable parameters."""
    return sum(p.numel() for p in network.parameters() if p.requires_grad)
