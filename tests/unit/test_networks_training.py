"""Training repeats bit for bit, goes on after a kill, stops early and keeps the best."""

import dataclasses
import errno
import itertools
import json
import math
import signal
import subprocess
import sys
import time
from pathlib import Path

import killed_training
import numpy as np
import pandas as pd
import pytest
import safetensors.torch
import torch
from torch import nn

from strainprint.errors import BadInputError
from strainprint.networks import devices, training
from strainprint.networks.architectures import ARCHITECTURES, ResidualNetwork
from strainprint.networks.training import (
    TrainingSettings,
    adam,
    crops_of_maps,
    draw_crops,
    l2_loss,
    train,
)

pytestmark = pytest.mark.usefixtures("one_thread")

CPU = torch.device("cpu")
CLASSES = ["0.001", "0.01", "0.1"]
N_CROPS = 3
LABELS = np.array([0, 1, 2] * 4)
PARTS = np.array(["train"] * 6 + ["validation"] * 3 + ["test"] * 3)
SETTINGS = TrainingSettings(
    architecture="res4-l2",
    config_seed=1,
    seed=0,
    batch_size=5,
    max_epochs=3,
    patience=20,
    batch_norm_momentum=0.5,
    crops_per_map_per_epoch=2,
)


@pytest.fixture(scope="module")
def crops():
    rng = np.random.default_rng(0)
    grey = rng.integers(0, 60, (len(LABELS), N_CROPS, 16, 16), dtype=np.uint8)
    return grey + (70 * LABELS)[:, None, None, None].astype(np.uint8)


def run(crops, checkpoint_dir=None, code="", **changes):
    settings = dataclasses.replace(SETTINGS, **changes)
    return train(
        *(crops, LABELS, PARTS, settings),
        classes=CLASSES,
        device=CPU,
        checkpoint_dir=checkpoint_dir,
        code=code,
    )


def weights_of(result):
    return safetensors.torch.save(
        {name: tensor.contiguous() for name, tensor in result.network.state_dict().items()}
    )


@pytest.fixture(scope="module")
def uninterrupted(crops):
    torch.set_num_threads(1)
    return run(crops)


def test_training_repeats_bit_for_bit(crops, uninterrupted):
    again = run(crops)
    assert weights_of(again) == weights_of(uninterrupted)
    pd.testing.assert_frame_equal(again.history, uninterrupted.history, check_exact=True)
    assert list(again.history) == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "validation_loss",
        "validation_accuracy",
    ]


@pytest.mark.parametrize("change", [{"seed": 1}, {"config_seed": 2}])
def test_another_seed_gives_other_weights(crops, uninterrupted, change):
    assert weights_of(run(crops, max_epochs=1, **change)) != weights_of(uninterrupted)


@pytest.mark.parametrize("killed_in", [1, 2, 3])
@pytest.mark.parametrize("moment", ["_train_epoch", "_validate", "save_checkpoint"])
def test_a_training_killed_in_any_epoch_ends_with_the_same_bytes(
    crops, uninterrupted, tmp_path, monkeypatch, killed_in, moment
):
    done = getattr(training, moment)
    calls = []

    def killed(*arguments):
        calls.append(1)
        result = done(*arguments)
        if len(calls) == killed_in:
            raise KeyboardInterrupt
        return result

    monkeypatch.setattr(training, moment, killed)
    with pytest.raises(KeyboardInterrupt):
        run(crops, tmp_path)
    monkeypatch.setattr(training, moment, done)
    trained = []
    monkeypatch.setattr(
        training, "_train_epoch", lambda *a, f=training._train_epoch: trained.append(1) or f(*a)
    )
    resumed = run(crops, tmp_path)
    assert len(trained) == 3 - (killed_in if moment == "save_checkpoint" else killed_in - 1)
    assert weights_of(resumed) == weights_of(uninterrupted)
    pd.testing.assert_frame_equal(resumed.history, uninterrupted.history, check_exact=True)


@pytest.mark.parametrize("kind", ["paper", "hybrid", "regression"])
def test_kill_9_in_a_process_of_its_own_costs_at_most_one_epoch_and_no_bit(tmp_path, kind):
    """Killed in the second and in the fourth epoch, wherever in it that falls."""

    def start(folder, out):
        return subprocess.Popen([sys.executable, killed_training.__file__, folder, out, kind])

    checkpoints, out = tmp_path / "checkpoint", tmp_path / "out"
    for epochs, delay_s in ((1, 0.05), (3, 0.13)):
        process = start(checkpoints, out)
        while epochs_kept(checkpoints) < epochs:
            assert process.poll() is None
            time.sleep(0.005)
        time.sleep(delay_s)
        process.kill()
        assert process.wait() == -signal.SIGKILL
        assert epochs_kept(checkpoints) >= epochs
    resumed = start(checkpoints, out)
    killed_training.main(None, tmp_path / "uninterrupted", kind)
    assert resumed.wait() == 0
    assert out.read_bytes() == (tmp_path / "uninterrupted").read_bytes()


def epochs_kept(folder):
    if not (path := folder / "checkpoint.safetensors").exists():
        return 0
    with safetensors.safe_open(path, "pt") as handle:
        return len(json.loads(handle.metadata()["strainprint"])["history"])


@pytest.mark.parametrize("fault", [KeyboardInterrupt(), OSError(errno.ENOSPC, "disk full")])
def test_a_kill_or_full_disk_while_the_checkpoint_is_written_leaves_the_last_one(
    crops, tmp_path, monkeypatch, fault
):
    run(crops, tmp_path, max_epochs=1)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()

    def torn(path, content):
        with open(path, "wb") as handle:
            handle.write(content[: len(content) // 2])
        raise fault

    monkeypatch.setattr(Path, "write_bytes", torn)
    with pytest.raises(type(fault)):
        run(crops, tmp_path, seed=5)
    assert [p.name for p in tmp_path.iterdir()] == ["checkpoint.safetensors"]
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


@pytest.mark.parametrize("change", [{"seed": 9}, {"learning_rate": 1e-4}, {"batch_size": 4}])
def test_a_checkpoint_of_other_settings_is_not_used(crops, uninterrupted, tmp_path, caplog, change):
    run(crops, tmp_path, max_epochs=3, **change)
    assert weights_of(run(crops, tmp_path)) == weights_of(uninterrupted)
    assert "other settings" in caplog.text


def test_a_checkpoint_of_other_code_is_not_used(
    crops, uninterrupted, tmp_path, monkeypatch, caplog
):
    """Killed, the training edited, called again: nothing of the old training is in the new."""
    train_epoch = training._train_epoch
    monkeypatch.setattr(training, "_train_epoch", lambda *a: (9.0, train_epoch(*a)[1]))
    run(crops, tmp_path, code="old", max_epochs=2)
    monkeypatch.setattr(training, "_train_epoch", train_epoch)
    resumed = run(crops, tmp_path, code="new")
    pd.testing.assert_frame_equal(resumed.history, uninterrupted.history, check_exact=True)
    assert "other settings" in caplog.text


def test_a_checkpoint_of_other_crops_is_not_used(crops, uninterrupted, tmp_path, caplog):
    other = crops.copy()
    other[0, 0, 0, 0] ^= 1
    run(other, tmp_path)
    assert weights_of(run(crops, tmp_path)) == weights_of(uninterrupted)
    assert "other settings or data" in caplog.text


@pytest.mark.parametrize("damage", [lambda b: b[: len(b) // 2], lambda b: b"", lambda b: b"x" * 99])
def test_a_damaged_checkpoint_is_not_used(crops, uninterrupted, tmp_path, caplog, damage):
    run(crops, tmp_path, max_epochs=1)
    path = tmp_path / "checkpoint.safetensors"
    path.write_bytes(damage(path.read_bytes()))
    assert weights_of(run(crops, tmp_path)) == weights_of(uninterrupted)
    assert "not usable" in caplog.text


def test_early_stopping_keeps_the_best_weights(crops, monkeypatch):
    losses = iter([3.0, 1.0, 2.0, 1.0, 4.0, 0.0])
    states = []

    def validate(network, *_):
        states.append({k: v.clone() for k, v in network.state_dict().items()})
        return next(losses), 0.5

    monkeypatch.setattr(training, "_validate", validate)
    result = run(crops, architecture="res4", max_epochs=6, patience=3)
    assert result.stopped_early
    assert result.best_epoch == 2  # the later 1.0 is no improvement, 0.0 is never reached
    assert result.history["validation_loss"].tolist() == [3, 1, 2, 1, 4]
    for name, tensor in result.network.state_dict().items():
        assert torch.equal(tensor, states[1][name])


def test_training_learns_what_is_plain_to_see(crops):
    result = run(crops, architecture="res4", max_epochs=12, crops_per_map_per_epoch=3)
    assert result.history["validation_accuracy"].max() == 1
    assert not result.network.training


def test_l2_is_twice_lambda_on_convolution_kernels_only():
    network = ResidualNetwork(ARCHITECTURES["res4-l2"])
    decayed, free = adam(network, SETTINGS).param_groups
    assert decayed["weight_decay"] == 2e-4
    assert free["weight_decay"] == 0
    names = {id(p): n for n, p in network.named_parameters()}
    assert {names[id(p)] for p in decayed["params"]} == {
        n for n in names.values() if n.endswith("convolution.weight")
    }
    assert len(decayed["params"]) + len(free["params"]) == len(names)
    assert (decayed["lr"], decayed["betas"], decayed["eps"]) == (1e-3, (0.9, 0.999), 1e-7)


def test_adam_sees_the_gradient_of_keras_penalty():
    network = ResidualNetwork(ARCHITECTURES["res4-l2"], seed=4)
    x, y = torch.rand(4, 1, 16, 16) * 255, torch.tensor([0, 1, 2, 0])
    optimizer = adam(network, SETTINGS)
    loss = nn.functional.cross_entropy(network(x), y)
    penalty = 1e-4 * sum(kernel.square().sum() for kernel in network.kernels())
    of_keras = torch.autograd.grad(loss + penalty, list(network.parameters()), retain_graph=True)
    loss.backward()
    optimizer.step()
    for parameter, gradient in zip(network.parameters(), of_keras, strict=True):
        seen = optimizer.state[parameter]["exp_avg"] / (1 - 0.9)
        torch.testing.assert_close(seen, gradient, rtol=1e-4, atol=1e-7)


def test_penalty_of_the_history_is_lambda_times_the_squares():
    network = ResidualNetwork(ARCHITECTURES["res4-l2"])
    squares = sum(float((k.detach().double() ** 2).sum()) for k in network.kernels())
    assert l2_loss(network, 1e-4) == pytest.approx(1e-4 * squares, rel=1e-12)
    assert l2_loss(ResidualNetwork(ARCHITECTURES["res4"]), 1e-4) == 0


def test_an_epoch_draws_distinct_crops_of_every_training_map():
    rows = np.array([1, 4, 7])
    drawn = draw_crops(rows, N_CROPS, SETTINGS, epoch=1)
    assert len(set(drawn.tolist())) == len(drawn) == 2 * len(rows)
    assert np.unique(drawn // N_CROPS, return_counts=True)[1].tolist() == [2, 2, 2]
    assert set(drawn // N_CROPS) == set(rows)
    assert drawn.tolist() != draw_crops(rows, N_CROPS, SETTINGS, epoch=2).tolist()
    every = dataclasses.replace(SETTINGS, crops_per_map_per_epoch=N_CROPS)
    assert sorted(draw_crops(rows, N_CROPS, every, 1)) == crops_of_maps(rows, N_CROPS).tolist()


def test_a_loss_that_is_not_finite_is_named(crops, tmp_path, monkeypatch):
    monkeypatch.setattr(training, "_validate", lambda *_: (math.nan, 0.0))
    with pytest.raises(BadInputError, match=r"not finite after epoch 1.*\n.*learning_rate"):
        run(crops, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("part", ["train", "validation", "test"])
def test_an_empty_part_is_named(crops, part):
    parts = np.where(part == PARTS, "train" if part != "train" else "test", PARTS)
    with pytest.raises(BadInputError, match=f"no map is in {part}"):
        train(crops, LABELS, parts, SETTINGS, classes=CLASSES, device=CPU)


def test_a_class_missing_from_training_is_named(crops):
    parts = np.where((LABELS == 1) & (PARTS == "train"), "test", PARTS)
    with pytest.raises(BadInputError, match=r"no map of train is of class 0\.01"):
        train(crops, LABELS, parts, SETTINGS, classes=CLASSES, device=CPU)


def test_a_class_missing_from_validation_is_named(crops):
    parts = np.where((LABELS == 2) & (PARTS == "validation"), "test", PARTS)
    with pytest.raises(BadInputError, match=r"no map of validation is of class 0\.1"):
        train(crops, LABELS, parts, SETTINGS, classes=CLASSES, device=CPU)


def test_a_gpu_too_small_for_all_crops_takes_them_batch_by_batch(
    crops, uninterrupted, monkeypatch, caplog
):
    """The second step of an epoch fails once, while the crops are on the device."""
    monkeypatch.setattr(training.Feed, "leave_device", lambda feed, left=[True]: left.pop())
    failing(monkeypatch, at_calls=[2])
    assert weights_of(run(crops)) == weights_of(uninterrupted)
    assert "too little memory for all crops: epoch 1 again" in caplog.text


def test_a_gpu_too_small_for_one_step_is_named_and_the_last_epoch_kept(
    crops, uninterrupted, tmp_path, monkeypatch
):
    with monkeypatch.context() as patch:
        failing(patch, at_calls=[5])
        with pytest.raises(BadInputError, match=r"steps of 5 crops") as caught:
            run(crops, tmp_path)
    assert "lower training.batch_size" in str(caught.value)
    assert f"epoch 1 are kept in {tmp_path}" in str(caught.value)
    assert weights_of(run(crops, tmp_path)) == weights_of(uninterrupted)


def failing(patch, at_calls):
    """Let some of the forward passes in training run out of memory, after they changed state."""
    forward, calls = ResidualNetwork.forward, []

    def forward_or_fail(network, grey):
        scores = forward(network, grey)
        calls.append(1)
        if network.training and len(calls) in at_calls:
            raise torch.cuda.OutOfMemoryError
        return scores

    patch.setattr(ResidualNetwork, "forward", forward_or_fail)


def test_low_precision_trains_and_keeps_weights_and_validation_in_fp32(crops, uninterrupted):
    result = run(crops, precision="bf16")
    assert all(t.dtype == torch.float32 for t in result.network.parameters())
    assert weights_of(result) != weights_of(uninterrupted)
    np.testing.assert_allclose(
        result.history["train_loss"][0], uninterrupted.history["train_loss"][0], rtol=0.02
    )
    assert weights_of(run(crops, precision="bf16")) == weights_of(result)


def test_low_precision_goes_on_after_a_kill_with_the_same_bytes(crops, tmp_path, monkeypatch):
    uninterrupted = run(crops, precision="bf16")
    with monkeypatch.context() as patch:
        patch.setattr(training, "_validate", killed_at_call(2))
        with pytest.raises(KeyboardInterrupt):
            run(crops, tmp_path, precision="bf16")
    assert epochs_kept(tmp_path) == 1
    assert weights_of(run(crops, tmp_path, precision="bf16")) == weights_of(uninterrupted)


def killed_at_call(number, validate=training._validate):
    calls = itertools.count(1)

    def killed(*arguments):
        if next(calls) == number:
            raise KeyboardInterrupt
        return validate(*arguments)

    return killed


@pytest.mark.parametrize(
    ("flags", "expected"),
    [("fpu avx2 fma", "fp32"), ("avx512f avx512_bf16", "bf16"), ("avx512f amx_bf16", "bf16")],
)
def test_low_precision_follows_from_what_the_cpu_is(monkeypatch, tmp_path, flags, expected):
    made = tmp_path / "cpuinfo"
    made.write_text(f"processor: 0\nflags\t\t: {flags}\nprocessor: 1\nflags\t\t: {flags}\n")
    monkeypatch.setattr(devices, "Path", lambda _: made)
    assert devices.chosen_precision("auto", CPU) == expected
    assert devices.chosen_precision("fp32", CPU) == "fp32"
    made.unlink()
    assert devices.chosen_precision("auto", CPU) == "fp32"
    with pytest.raises(BadInputError, match="fp16"):
        devices.chosen_precision("fp16", CPU)


def test_more_crops_than_there_are_is_refused(crops):
    with pytest.raises(BadInputError, match="crops_per_map_per_epoch is 24"):
        run(crops, crops_per_map_per_epoch=24)


@pytest.mark.parametrize(
    "change",
    [
        {"batch_size": 0},
        {"learning_rate": 0.0},
        {"batch_norm_momentum": 1.0},
        {"patience": 0},
        {"adam_beta1": 1.0},
        {"adam_epsilon": 0.0},
        {"l2_penalty": -1.0},
        {"precision": "fp16"},
    ],
)
def test_settings_that_cannot_be_trained_with_are_refused(change):
    with pytest.raises(BadInputError, match=next(iter(change))):
        dataclasses.replace(SETTINGS, **change)


def test_device_and_threads_are_checked():
    with pytest.raises(BadInputError, match="device 'tpu'"):
        devices.prepare_device("tpu", 1)
    with pytest.raises(BadInputError, match="threads is 0"):
        devices.prepare_device("cpu", 0)
    if not torch.cuda.is_available():
        for device in ("cuda", "cuda:0"):
            with pytest.raises(BadInputError, match="no CUDA"):
                devices.prepare_device(device, 1)


def test_a_gpu_is_set_up_for_bits_that_repeat_and_for_fp32_that_is_fp32(monkeypatch):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    current = []
    monkeypatch.setattr(torch.cuda, "set_device", current.append)
    cudnn = torch.backends.cudnn
    for name, before in (("benchmark", True), ("deterministic", False), ("allow_tf32", True)):
        monkeypatch.setattr(cudnn, name, before)
    assert devices.prepare_device("auto", 1) == torch.device("cuda:0")
    assert devices.prepare_device("cuda:1", 1) == torch.device("cuda:1")
    assert current == [0, 1]
    with pytest.raises(BadInputError, match="'cuda:2' where torch finds 2 CUDA devices"):
        devices.prepare_device("cuda:2", 1)
    assert (cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (False, True, False)
    assert devices.prepare_device("cpu", 1) == CPU


def test_freed_memory_is_kept_where_glibc_would_map_it_afresh():
    """Whatever a time measured in the run would say: it differs from one run to the next."""
    if devices.platform.libc_ver()[0] != "glibc":
        pytest.skip("not glibc")
    assert devices.keep_freed_memory(16 * 4 * 72 * 56**2) is False
    assert devices.keep_freed_memory(16 * 4 * 72 * 224**2) is True


@pytest.mark.parametrize("other", [("Darwin", ""), ("Linux", "musl")])
def test_other_c_libraries_are_left_alone(monkeypatch, other):
    monkeypatch.setattr(devices.platform, "system", lambda: other[0])
    monkeypatch.setattr(devices.platform, "libc_ver", lambda: (other[1], ""))
    assert devices.keep_freed_memory() is False
