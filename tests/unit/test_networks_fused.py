"""What is taken as one equals what torch takes one after the other."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from strainprint.networks import fused_convolution, fused_normalization
from strainprint.networks.architectures import ARCHITECTURES, ResidualNetwork, folded
from strainprint.networks.fused_normalization import normalized

pytestmark = pytest.mark.usefixtures("one_thread")


def drawn(*shape, seed=0, mean=0.0):
    values = torch.randn(*shape, generator=torch.Generator().manual_seed(seed)) * 3 + mean
    return values.bfloat16().to(memory_format=torch.channels_last)


def a_normalization(channels):
    made = nn.BatchNorm2d(channels, eps=1e-3, momentum=0.1)
    with torch.no_grad():
        made.weight.copy_(torch.linspace(0.5, 2, channels))
        made.bias.copy_(torch.linspace(-1, 1, channels))
    return made


def stepped(function, normalization, *inputs, gradient):
    """Return the output, the gradients of inputs and parameters, and the running statistics."""
    given = [x.clone().requires_grad_() for x in inputs]
    out = function(*given)
    out.backward(gradient.to(out.dtype))
    found = [out.detach(), *(x.grad for x in given)]
    found += [normalization.weight.grad, normalization.bias.grad]
    return [one.double() for one in (*found, *normalization.buffers())]


@pytest.mark.parametrize("shape", [(3, 16, 8, 8), (5, 32, 7, 9), (2, 64, 4, 6), (4, 24, 5, 5)])
@pytest.mark.parametrize("has_shortcut", [False, True])
@pytest.mark.parametrize("floor", [0.0, -math.inf])
def test_as_one_is_normalisation_sum_and_relu_of_torch_in_double(shape, has_shortcut, floor):
    inputs = [drawn(*shape, mean=40), drawn(*shape, seed=1)][: 1 + has_shortcut]
    gradient = drawn(*shape, seed=2)
    ours, exact = a_normalization(shape[1]), a_normalization(shape[1]).double()

    def of_torch(x, *shortcut):
        return sum(shortcut, exact(x)).clamp(min=floor)

    found = stepped(
        lambda x, *shortcut: normalized(x, ours, *shortcut, floor=floor),
        ours,
        *inputs,
        gradient=gradient,
    )
    expected = stepped(of_torch, exact, *[x.double() for x in inputs], gradient=gradient.double())
    for one, other in zip(found, expected, strict=True):
        assert (one - other).norm() < 4e-3 * other.norm()  # half a step of bf16


def test_any_layout_gives_the_same_bits():
    x, gradient = drawn(3, 16, 6, 6), drawn(3, 16, 6, 6, seed=1)
    first, second = (
        stepped(lambda x, n=n: normalized(x, n), n, given, gradient=g)
        for n, given, g in (
            (a_normalization(16), x, gradient),
            (a_normalization(16), x.contiguous(), gradient.contiguous()),
        )
    )
    assert all(torch.equal(*pair) for pair in zip(first, second, strict=True))


def test_bits_do_not_depend_on_threads():
    found = []
    for threads in (1, 2, 3):
        torch.set_num_threads(threads)
        n = a_normalization(32)
        x, gradient = drawn(5, 32, 8, 8), drawn(5, 32, 8, 8, seed=1)
        found.append(stepped(lambda x, n=n: normalized(x, n), n, x, gradient=gradient))
    for other in found[1:]:
        assert all(torch.equal(*pair) for pair in zip(found[0], other, strict=True))


def test_a_constant_channel_and_what_is_not_finite_stay_what_they_are():
    n = a_normalization(16)
    out = normalized(torch.full((2, 16, 4, 4), 7.0).bfloat16(), n)
    torch.testing.assert_close(
        out[0, :, 0, 0].float(), n.bias.detach().clamp(min=0), rtol=0.01, atol=0
    )
    x = drawn(2, 16, 4, 4)
    x[1, 3] = math.nan
    out = normalized(x, n)
    assert out[:, 3].isnan().all()
    assert not out[:, :3].isnan().any()


def test_it_is_for_low_precision_on_a_cpu():
    assert fused_normalization.helps_on(torch.device("cpu"), "bf16")
    assert not fused_normalization.helps_on(torch.device("cpu"), "fp32")
    assert not fused_normalization.helps_on(torch.device("cuda"), "bf16")


def a_trained_network(name="proposed"):
    network = ResidualNetwork(ARCHITECTURES[name], batch_norm_momentum=0.5)
    for seed in range(2):  # give the running statistics values of their own
        network(some_crops(4, 32, seed))
    return network


def some_crops(count, px, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, px, px), generator=generator).float()


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_step_as_one_is_as_near_to_fp32_as_a_step_of_torch_in_low_precision(name):
    exact, of_torch, ours = (
        kernel_gradients(name, low_precision=low_precision, fused=fused)
        for low_precision, fused in ((False, False), (True, False), (True, True))
    )
    assert (ours - exact).norm() < 1.2 * (of_torch - exact).norm() < 0.5 * exact.norm()


def kernel_gradients(name, low_precision, fused):
    network = ResidualNetwork(ARCHITECTURES[name])
    network.fuse_normalization(fused)
    with torch.autocast("cpu", torch.bfloat16, enabled=low_precision):
        outputs = network(some_crops(6, 32))
    nn.functional.cross_entropy(outputs.float(), torch.arange(6) % 3).backward()
    normalizations = [m for m in network.modules() if isinstance(m, nn.BatchNorm2d)]
    assert {int(m.num_batches_tracked) for m in normalizations} == {1}
    return torch.cat([kernel.grad.ravel() for kernel in network.kernels()])


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_prediction_as_one_has_the_bits_of_one_after_the_other(name, monkeypatch):
    ready = folded(a_trained_network(name))
    for count, px in ((1, 16), (1, 64), (2, 33), (5, 56)):
        crops = some_crops(count, px)
        with torch.inference_mode():
            as_one = ready.features(crops)
            with monkeypatch.context() as patch:
                patch.setattr(fused_convolution, "helps_on", lambda _: False)
                assert torch.equal(ready.features(crops), as_one)


def test_hooks_and_gradients_find_every_layer():
    """Nothing is taken as one where someone may look: neither in evaluation nor with gradients."""
    network = a_trained_network()
    network.fuse_normalization(True)
    network.eval()
    seen = []
    for module in network.modules():
        if isinstance(module, nn.ReLU):
            module.register_forward_hook(lambda *_: seen.append(1))
    crops = some_crops(2, 32).requires_grad_()
    network(crops).sum().backward()
    assert len(seen) == 13
    of_folded = torch.autograd.grad(folded(network)(crops).sum(), crops)[0]
    assert np.isclose(of_folded.norm(), crops.grad.norm(), rtol=1e-3)
