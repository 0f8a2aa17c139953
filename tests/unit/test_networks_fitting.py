"""Networks beyond the paper's: the same protocol, several channels, a second branch, regression."""

import dataclasses

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from strainprint.dataset.store import (
    FORMAT,
    VERSION,
    CropStore,
    create_crop_array,
    read_crops,
)
from strainprint.errors import BadInputError
from strainprint.experiments.beyond import standardized
from strainprint.experiments.regression import gaussian_loss, pooled
from strainprint.files import sha256_of_arrays, write_json
from strainprint.networks import examples as module
from strainprint.networks import training
from strainprint.networks.architectures import ARCHITECTURES, BranchedNetwork, ResidualNetwork
from strainprint.networks.examples import Examples, Feed, class_probabilities, crop_outputs
from strainprint.networks.inference import predict_crops
from strainprint.networks.training import (
    TrainingSettings,
    crops_of_maps,
    fit,
    initial_seed,
    train,
)

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
CLASSES = ["a", "b", "c"]
N_MAPS, N_CROPS = 24, 2
LABELS = np.arange(N_MAPS) % 3
PARTS = np.array(["train"] * 12 + ["validation"] * 6 + ["test"] * 6)
SETTINGS = TrainingSettings(
    "res4", 1, 0, batch_size=6, max_epochs=3, batch_norm_momentum=0.5, crops_per_map_per_epoch=2
)


def noise(seed, high=60):
    rng = np.random.default_rng(seed)
    return rng.integers(0, high, (N_MAPS, N_CROPS, 16, 16), dtype=np.uint8)


def bright(labels):
    return noise(0) + (70 * labels)[:, None, None, None].astype(np.uint8)


def examples(*channels, targets=LABELS, side=None):
    return Examples(
        [CropStore.of_array(crops) for crops in channels], torch.as_tensor(targets), PARTS, side
    )


@pytest.mark.parametrize("kept", ["all", "asked", "some"])
def test_crops_that_are_asked_for_are_on_the_device_if_all_of_them_are_kept(monkeypatch, kept):
    monkeypatch.setattr(module, "_free_bytes", lambda device: 1e9)
    grey, asked = noise(3), np.flatnonzero(PARTS != "test")
    rows = {"all": np.arange(N_MAPS), "asked": asked, "some": asked[1:]}[kept]
    kept_at = np.full(N_MAPS, -1)
    kept_at[rows] = np.arange(len(rows))[::-1]
    store = CropStore(grey[rows[::-1]], kept_at)
    of = Examples([CropStore.of_array(noise(4)), store], torch.as_tensor(LABELS), PARTS)
    feed = Feed(of, CPU, asked)
    numbers = np.random.default_rng(0).permutation(crops_of_maps(rows, N_CROPS))
    taken = [crops for crops, _, _ in feed.batches(numbers, 5, "test")]
    expected = np.stack([crops.reshape(-1, 16, 16)[numbers] for crops in (noise(4), grey)], axis=1)
    np.testing.assert_array_equal(torch.cat(taken).numpy(), expected)
    assert feed.leave_device() == (kept != "some")
    # from memory they are the same
    taken = [crops for crops, _, _ in feed.batches(numbers, 5, "test")]
    np.testing.assert_array_equal(torch.cat(taken).numpy(), expected)


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


def test_outputs_of_one_channel_are_the_predictions_of_the_papers_network():
    crops = bright(LABELS)
    network = train(crops, LABELS, PARTS, SETTINGS, classes=CLASSES, device=CPU).network
    mine = class_probabilities(crop_outputs(network, examples(crops), device=CPU))
    np.testing.assert_allclose(mine, predict_crops(network, crops)[0], atol=1e-6)


def hybrid(of, **how):
    network = BranchedNetwork(
        ARCHITECTURES["res4"],
        n_side=of.side.shape[1],
        n_inputs=len(of.channels),
        seed=initial_seed(SETTINGS),
        batch_norm_momentum=0.5,
    )
    return fit(network, of, SETTINGS, cross_entropy, classes=CLASSES, device=CPU, **how)


def regression(of, **how):
    return fit(residual(n_classes=2), of, SETTINGS, gaussian_loss, device=CPU, **how)


VECTORS = np.random.default_rng(2).normal(size=(N_MAPS, 5)).astype(np.float32)
NUMBERS = (LABELS - 1).astype(np.float32)
OTHERS = [
    (hybrid, lambda: examples(bright(LABELS), noise(1), side=VECTORS)),
    (regression, lambda: examples(bright(LABELS), targets=NUMBERS)),
]


def assert_same(one, other):
    pd.testing.assert_frame_equal(one.history, other.history, check_exact=True)
    assert one.best_epoch == other.best_epoch
    for name, tensor in one.network.state_dict().items():
        assert torch.equal(tensor, other.network.state_dict()[name]), name


@pytest.mark.parametrize(("kind", "of"), OTHERS)
def test_other_trainings_repeat_and_go_on_after_a_kill_bit_for_bit(kind, of, tmp_path, monkeypatch):
    uninterrupted = kind(of())
    assert_same(kind(of()), uninterrupted)
    validate, calls = training._validate, []

    def killed(*arguments):
        calls.append(1)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return validate(*arguments)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(training, "_validate", killed)
        kind(of(), checkpoint_dir=tmp_path)
    epochs = []
    monkeypatch.setattr(training, "_validate", lambda *a: epochs.append(1) or validate(*a))
    assert_same(kind(of(), checkpoint_dir=tmp_path), uninterrupted)
    assert len(epochs) == 1


@pytest.mark.parametrize("change", ["vectors", "second channel", "targets", "loss"])
def test_a_checkpoint_of_other_examples_or_another_loss_is_not_used(change, tmp_path, caplog):
    caplog.set_level("INFO")
    if change in ("vectors", "second channel"):
        hybrid(OTHERS[0][1](), checkpoint_dir=tmp_path)
        second = noise(1) if change == "vectors" else noise(5)
        vectors = VECTORS + 1 if change == "vectors" else VECTORS
        hybrid(examples(bright(LABELS), second, side=vectors), checkpoint_dir=tmp_path)
    else:
        regression(OTHERS[1][1](), checkpoint_dir=tmp_path)
        numbers = NUMBERS if change == "loss" else NUMBERS + 1

        def other_loss(outputs, targets, *, reduction="mean"):
            return 2 * gaussian_loss(outputs, targets, reduction=reduction)

        loss = other_loss if change == "loss" else gaussian_loss
        of = examples(bright(LABELS), targets=numbers)
        network = residual(n_classes=2)
        fit(network, of, SETTINGS, loss, device=CPU, checkpoint_dir=tmp_path)
    assert "other settings or data" in caplog.text
    assert "going on" not in caplog.text


@pytest.mark.parametrize(("kind", "of"), OTHERS)
def test_crops_beyond_the_memory_are_streamed_with_the_same_weights(kind, of, tmp_path):
    whole = of()
    streamed = dataclasses.replace(
        whole,
        channels=[
            stored(store.kept, tmp_path / str(number), memory_bytes=store.kept.nbytes // 3)
            for number, store in enumerate(whole.channels)
        ],
    )
    assert all((store.kept_at < 0).sum() == N_MAPS * 2 // 3 for store in streamed.channels)
    assert_same(kind(streamed), kind(whole))


def stored(crops, folder, memory_bytes):
    folder.mkdir()
    create_crop_array(folder / "crops.zarr", crops.shape)[:] = crops
    content = {
        "format": FORMAT,
        "version": VERSION,
        "study": "audited",
        "count": N_MAPS,
        "crops_per_map": N_CROPS,
        "crop_px": crops.shape[-1],
        "map_ids": [str(row) for row in range(N_MAPS)],
        "sha256": [sha256_of_arrays(one) for one in crops],
    }
    write_json(folder / "crops.json", content)
    return read_crops(folder / "crops.zarr", folder / "crops.json", memory_bytes=memory_bytes)


@pytest.mark.parametrize("part", ["train", "validation"])
def test_a_class_missing_from_a_part_is_named_for_other_networks_too(part):
    parts = np.where((LABELS == 1) & (part == PARTS), "test", PARTS)
    of = Examples([CropStore.of_array(noise(1))], torch.as_tensor(LABELS), parts, VECTORS)
    with pytest.raises(BadInputError, match=f"no map of {part} is of class b"):
        hybrid(of)


def test_a_number_has_no_accuracy():
    history = regression(OTHERS[1][1]()).history
    assert list(history) == ["epoch", "train_loss", "validation_loss"]


def test_a_second_channel_tells_what_the_first_cannot():
    settings = TrainingSettings("res4", 1, 0, **LONGER)
    both = examples(noise(1), bright(LABELS))
    network = residual(n_inputs=2)
    fit(network, both, settings, cross_entropy, classes=CLASSES, device=CPU)
    assert accuracy(network, both) == 1.0


def test_the_branch_tells_what_the_picture_cannot():
    # with less, one processor's rounding tells five of six and another's all
    settings = TrainingSettings("res4", 1, 0, **(LONGER | {"learning_rate": 1e-2}))
    vectors = np.random.default_rng(2).normal(0, 0.1, (N_MAPS, 5)).astype(np.float32)
    vectors[:, 0] = 3.0 * (LABELS - 1)
    of = examples(noise(1, high=2), side=vectors)
    network = BranchedNetwork(
        ARCHITECTURES["res4"], n_side=5, seed=initial_seed(settings), batch_norm_momentum=0.5
    )
    fit(network, of, settings, cross_entropy, classes=CLASSES, device=CPU)
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
    with pytest.raises(BadInputError, match="no map is in train and validation"):
        fit(residual(), alone, SETTINGS, cross_entropy, classes=CLASSES, device=CPU)
    with pytest.raises(BadInputError, match="not finite"):
        fit(residual(), examples(noise(1)), SETTINGS, nothing, classes=CLASSES, device=CPU)


def nothing(outputs, targets, *, reduction="mean"):
    return outputs.sum() * np.nan


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
