"""The networks are those of the paper, layer by layer."""

import itertools

import numpy as np
import pytest
import torch
from torch import nn

from strainprint.errors import BadInputError
from strainprint.networks.architectures import (
    ARCHITECTURES,
    NormalizedConvolution,
    ResidualModule,
    ResidualNetwork,
    SamePool,
    architecture_of,
    count_parameters,
    folded,
)
from strainprint.networks.weight_gradient import kernel_gradient


def a_network(name="proposed", **settings):
    return ResidualNetwork(ARCHITECTURES[name], **settings)


def some_crops(count=4, px=32, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, 256, (count, 1, px, px), generator=generator).float()


@pytest.mark.parametrize(
    ("name", "parameters", "penalized"),
    [("proposed", 258_403, False), ("res4-l2", 165_667, True), ("res4", 165_667, False)],
)
def test_parameter_counts_and_penalties_of_the_paper(name, parameters, penalized):
    assert count_parameters(a_network(name)) == parameters
    assert architecture_of(name).penalized is penalized


def test_an_unknown_network_is_refused_with_the_known_ones():
    with pytest.raises(BadInputError, match="proposed, res4-l2, res4"):
        architecture_of("res5")


def test_shortcut_is_identity_unless_channels_change():
    modules = [m for m in a_network().modules() if isinstance(m, ResidualModule)]
    assert [isinstance(m.shortcut, nn.Identity) for m in modules] == [False, True, False, True]
    shortcut = modules[0].shortcut
    assert isinstance(shortcut, NormalizedConvolution)
    assert shortcut.convolution.kernel_size == (1, 1)


def test_batch_normalization_is_that_of_keras():
    norms = [m for m in a_network().modules() if isinstance(m, nn.BatchNorm2d)]
    assert {(n.eps, round(n.momentum, 12)) for n in norms} == {(1e-3, 0.01)}
    norm = next(
        m for m in a_network(batch_norm_momentum=0.9).modules() if isinstance(m, nn.BatchNorm2d)
    )
    assert norm.momentum == pytest.approx(0.1)


@pytest.mark.parametrize(("rows", "columns"), list(itertools.product([4, 5, 7, 8, 14], repeat=2)))
def test_pool_equals_tensorflows_same_padding_by_brute_force(rows, columns):
    x = torch.randn(2, 3, rows, columns, generator=torch.Generator().manual_seed(rows * columns))
    out = SamePool()(x)
    assert out.shape == (2, 3, -(-rows // 2), -(-columns // 2))
    # TensorFlow: total padding max((out - 1)·stride + size - in, 0), the smaller half first.
    before = [max((-(-n // 2) - 1) * 2 + 3 - n, 0) // 2 for n in (rows, columns)]
    for i, j in itertools.product(range(out.shape[2]), range(out.shape[3])):
        top, left = 2 * i - before[0], 2 * j - before[1]
        window = x[:, :, max(top, 0) : top + 3, max(left, 0) : left + 3]
        assert torch.equal(out[:, :, i, j], window.amax(dim=(2, 3)))


def test_even_pools_are_ceil_mode_without_padding():
    x = torch.randn(1, 1, 56, 56)
    assert torch.equal(SamePool()(x), nn.MaxPool2d(3, 2, ceil_mode=True)(x))


@pytest.mark.parametrize("name", ARCHITECTURES)
@pytest.mark.parametrize("px", [24, 31, 56])
def test_crops_of_any_size_give_64_features_and_a_score_for_each_class(name, px):
    network = a_network(name).eval()
    crops = some_crops(2, px)
    assert network.features(crops).shape == (2, 64)
    assert network(crops).shape == (2, 3)
    assert torch.equal(network.classifier(network.features(crops)), network(crops))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_every_parameter_gets_a_finite_gradient(name):
    network = a_network(name)
    nn.functional.cross_entropy(network(some_crops()), torch.tensor([0, 1, 2, 0])).backward()
    for label, parameter in network.named_parameters():
        assert parameter.grad is not None, label
        assert torch.isfinite(parameter.grad).all(), label
        # What comes right before a normalisation in training cannot move the loss.
        if not label.endswith("convolution.bias"):
            assert parameter.grad.abs().max() > 0, label


@pytest.mark.parametrize(("count", "rows", "columns"), [(3, 56, 60), (5, 70, 64), (2, 130, 120)])
def test_gradients_by_products_are_those_of_torch(count, rows, columns):
    """Images that fit several at a time into a product, and one that does not."""
    generator = torch.Generator().manual_seed(count)
    x, gradient = (
        torch.randn(count, channels, rows, columns, generator=generator) for channels in (5, 7)
    )
    x = x.contiguous(memory_format=torch.channels_last)
    expected = torch.nn.grad.conv2d_weight(x.double(), (7, 5, 3, 3), gradient.double(), padding=1)
    found = kernel_gradient(x, gradient)
    torch.testing.assert_close(found.double(), expected, rtol=1e-4, atol=1e-3)


def test_a_step_by_products_is_a_step_of_torch():
    gradients = []
    for chosen in (True, False):
        network = a_network("res4", seed=2)
        network.find_gradients_by_products(chosen)
        used = [m for m in network.modules() if getattr(m, "by_products", False)]
        assert len(used) == 8 * chosen
        scores = network(some_crops(2, 112))
        assert ("ByProducts" in str(backward_graph(scores))) == chosen
        nn.functional.cross_entropy(scores, torch.tensor([0, 1])).backward()
        gradients.append([p.grad for p in network.parameters()])
    for one, other in zip(*gradients, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def backward_graph(scores):
    """Names of what will find the gradients."""
    names, seen, waiting = [], set(), [scores.grad_fn]
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            names.append(node.name())
            waiting += [before for before, _ in node.next_functions]
    return names


def test_one_batch_can_be_overfitted():
    network = a_network("res4")
    crops, classes = some_crops(6, 16), torch.tensor([0, 1, 2, 0, 1, 2])
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, eps=1e-7)
    for _ in range(25):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(network(crops), classes)
        loss.backward()
        optimizer.step()
    assert loss < 0.1


def test_initial_weights_are_glorots_and_follow_the_seed():
    one, same, other = (a_network(seed=seed) for seed in (1, 1, 2))
    for a, b, c in zip(one.kernels(), same.kernels(), other.kernels(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)
        receptive = a.shape[2] * a.shape[3]
        limit = np.sqrt(6 / (receptive * (a.shape[0] + a.shape[1])))
        assert 0.9 * limit < a.abs().max() <= limit
    std = np.sqrt(2 / (64 + 3))
    assert one.classifier.weight.abs().max() <= 2 * std
    assert one.classifier.weight.std().item() == pytest.approx(0.88 * std, rel=0.15)
    for module in one.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            assert not module.bias.any()


def test_building_a_network_leaves_global_random_numbers_no_trace_in_it():
    torch.manual_seed(1)
    one = a_network(seed=3)
    torch.manual_seed(2)
    for a, b in zip(one.parameters(), a_network(seed=3).parameters(), strict=True):
        assert torch.equal(a, b)


def test_every_relu_is_its_own_module_and_not_in_place():
    relus = [
        m for m in a_network().modules() if isinstance(m, nn.ReLU)
    ]  # modules() names each once
    assert len(relus) == 13
    assert not any(relu.inplace for relu in relus)


def test_folding_changes_scores_by_rounding_only():
    network = a_network()
    for _ in range(3):  # give the running statistics values of their own
        network(some_crops(8))
    network.eval()
    crops = some_crops(4, 56, seed=1)
    ready = folded(network)
    assert not any(isinstance(m, nn.BatchNorm2d) for m in ready.modules())
    before, after = network(crops).softmax(1), ready(crops).softmax(1)
    assert (before - after).abs().max() < 1e-5
    assert any(isinstance(m, nn.BatchNorm2d) for m in network.modules())
    assert all(k.is_contiguous(memory_format=torch.channels_last) for k in ready.kernels())


def test_rows_and_columns_are_not_mixed_up():
    network = a_network("res4").eval()
    crops = some_crops(1, 32)
    wide = torch.nn.functional.pad(crops, (0, 16))
    assert not torch.allclose(network(wide), network(wide.mT))
    assert network(wide).shape == (1, 3)
