"""Networks beyond the paper's: the same protocol, several channels, a second branch, regression."""

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from strainprint.dataset.store import CropStore
from strainprint.errors import BadInputError
from strainprint.experiments.beyond import standardized
from strainprint.experiments.regression import gaussian_loss, pooled
from strainprint.networks.architectures import ARCHITECTURES, ResidualNetwork
from strainprint.networks.fitting import (
    BranchedNetwork,
    Examples,
    class_probabilities,
    crop_outputs,
    fit,
    initial_seed,
)
from strainprint.networks.inference import predict_crops
from strainprint.networks.training import TrainingSettings, train

CPU = torch.device("cpu")
N_MAPS, N_CROPS = 24, 2
LABELS = np.arange(N_MAPS) % 3
PARTS = np.array(["train"] * 12 + ["validation"] * 6 + ["test"] * 6)
SETTINGS = TrainingSettings(
    "res4", 1, 0, batch_size=6, max_epochs=3, batch_norm_momentum=0.5, crops_per_map_per_epoch=2
)


@pytest.fixture(autouse=True)
def one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def noise(seed, high=60):
    rng = np.random.default_rng(seed)
    return rng.integers(0, high, (N_MAPS, N_CROPS, 16, 16), dtype=np.uint8)


def bright(labels):
    return noise(0) + (70 * labels)[:, None, None, None].astype(np.uint8)


def examples(*channels, targets=LABELS, side=None):
    return Examples(
        [CropStore.of_array(crops) for crops in channels], torch.as_tensor(targets), PARTS, side
    )


def residual(n_inputs=1, n_classes=3):
    return ResidualNetwork(
        ARCHITECTURES["res4"],
        n_inputs=n_inputs,
        n_classes=n_classes,
        seed=initial_seed(SETTINGS),
        batch_norm_momentum=0.5,
    )


def accuracy(network, of):
    probabilities = class_probabilities(crop_outputs(network, of, device=CPU))
    return (probabilities.argmax(axis=1) == of.targets.numpy())[PARTS == "test"].mean()


def test_one_channel_without_a_branch_is_the_papers_training_bit_for_bit():
    crops = bright(LABELS)
    oracle = train(crops, LABELS, PARTS, SETTINGS, classes=["a", "b", "c"], device=CPU)
    network = residual()
    history = fit(network, examples(crops), SETTINGS, cross_entropy, device=CPU)
    for name, tensor in oracle.network.state_dict().items():
        assert torch.equal(tensor, network.state_dict()[name]), name
    np.testing.assert_allclose(history["train_loss"], oracle.history["train_loss"], rtol=1e-6)
    np.testing.assert_allclose(
        history["validation_loss"], oracle.history["validation_loss"], rtol=1e-5
    )
    mine = class_probabilities(crop_outputs(network, examples(crops), device=CPU))
    np.testing.assert_allclose(mine, predict_crops(oracle.network, crops)[0], atol=1e-6)


def test_a_second_channel_tells_what_the_first_cannot():
    settings = TrainingSettings("res4", 1, 0, **LONGER)
    both = examples(noise(1), bright(LABELS))
    network = residual(n_inputs=2)
    fit(network, both, settings, cross_entropy, device=CPU)
    assert accuracy(network, both) == 1.0


def test_the_branch_tells_what_the_picture_cannot():
    settings = TrainingSettings("res4", 1, 0, **LONGER)
    vectors = np.random.default_rng(2).normal(0, 0.1, (N_MAPS, 5)).astype(np.float32)
    vectors[:, 0] = 3.0 * (LABELS - 1)
    of = examples(noise(1, high=2), side=vectors)
    network = BranchedNetwork(
        ARCHITECTURES["res4"], n_side=5, seed=initial_seed(settings), batch_norm_momentum=0.5
    )
    fit(network, of, settings, cross_entropy, device=CPU)
    assert accuracy(network, of) == 1.0


LONGER = {
    "batch_size": 6,
    "max_epochs": 15,
    "batch_norm_momentum": 0.5,
    "crops_per_map_per_epoch": 2,
    "learning_rate": 3e-3,
}


def test_the_second_branch_has_the_seeds_weights_and_leaves_torchs_generator_alone():
    build = lambda seed: BranchedNetwork(ARCHITECTURES["res4"], n_side=5, seed=seed)  # noqa: E731
    before = torch.random.get_rng_state()
    one, same, other = build(1), build(1), build(2)
    assert torch.equal(before, torch.random.get_rng_state())
    assert torch.equal(one.branch[0].weight, same.branch[0].weight)
    assert not torch.equal(one.branch[0].weight, other.branch[0].weight)


def test_what_does_not_belong_together_is_refused():
    with pytest.raises(BadInputError):
        examples(noise(1), noise(2)[:, :1])
    with pytest.raises(BadInputError):
        examples(noise(1), side=np.zeros((3, 5), dtype=np.float32))
    alone = Examples([CropStore.of_array(noise(1))], torch.as_tensor(LABELS), np.full(24, "test"))
    with pytest.raises(BadInputError, match="0 maps train"):
        fit(residual(), alone, SETTINGS, cross_entropy, device=CPU)
    with pytest.raises(BadInputError, match="not finite"):
        fit(residual(), examples(noise(1)), SETTINGS, lambda o, t: o.sum() * np.nan, device=CPU)


def test_vectors_are_standardised_by_the_training_maps_alone():
    vectors = np.array([[1.0, 5.0], [3.0, 5.0], [100.0, 7.0]])
    scaled = standardized(vectors, np.array([True, True, False]))
    np.testing.assert_allclose(scaled, [[-1, 0], [1, 0], [98, 0]])


def test_the_gaussian_loss_is_least_at_the_true_mean_and_variance():
    targets = torch.as_tensor(np.random.default_rng(0).normal(0.7, 0.5, 20_000))
    outputs = torch.tensor([[0.0, 0.0]], dtype=torch.float64, requires_grad=True)
    optimizer = torch.optim.LBFGS([outputs], max_iter=50)

    def closure():
        optimizer.zero_grad()
        loss = gaussian_loss(outputs.expand(len(targets), 2), targets)
        loss.backward()
        return loss

    optimizer.step(closure)
    mean, log_variance = outputs[0].tolist()
    assert mean == pytest.approx(0.7, abs=0.02)
    assert np.exp(log_variance / 2) == pytest.approx(0.5, abs=0.01)


def test_crops_are_pooled_as_a_mixture():
    # Two crops of means 1 and 3, variances 2: mean 2, variance 2 + 1, in units of 0.5 about -2.
    outputs = np.array([[[1.0, np.log(2)], [3.0, np.log(2)]]])
    estimate = pooled(outputs, -2.0, 0.5)
    assert estimate.mean[0] == pytest.approx(-1.0)
    assert estimate.deviation[0] == pytest.approx(0.5 * np.sqrt(3))
    wild = pooled(np.array([[[1.0, 50.0], [1.0, 50.0]]]), 0.0, 1.0)
    assert wild.deviation[0] == pytest.approx(np.exp(0.5))  # bounded
