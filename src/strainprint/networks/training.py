"""The one training loop, and with it the training of the paper's networks on one split.

It serves every network: several channels, vectors beside the crops and targets that are numbers
too (:mod:`strainprint.networks.examples`).

Every random number follows from (config seed, network seed, epoch): a training that was killed
goes on from its last epoch and ends with the same bytes as one that was not.
"""

from __future__ import annotations

import copy
import hashlib
import json
import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from strainprint.dataset.manifest import classes_of, read_manifest
from strainprint.dataset.splits import PARTS, read_split
from strainprint.dataset.store import FORMAT as CROPS_FORMAT
from strainprint.dataset.store import CropStore, read_crops
from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_arrays, write_csv
from strainprint.networks import fused_normalization, weight_gradient
from strainprint.networks.architectures import (
    FIRST_CHANNELS,
    ResidualNetwork,
    architecture_of,
    folded,
    outputs_of,
)
from strainprint.networks.checkpoints import (
    Progress,
    load_checkpoint,
    remove_checkpoint,
    save_checkpoint,
)
from strainprint.networks.devices import chosen_precision, prepare_device
from strainprint.networks.examples import Examples, Feed
from strainprint.networks.external import external_crops
from strainprint.networks.informative import informative_of_store
from strainprint.networks.noise import with_noise
from strainprint.networks.storage import save_network
from strainprint.seeds import derive_seed, generator

_CROPS_PER_VALIDATION_BATCH = 96

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class TrainingSettings:
    """What decides a training besides its data.

    Attributes
    ----------
    architecture
        ``proposed``, ``res4-l2`` or ``res4``.
    config_seed, seed
        Seed of the run and number of this repeat.
    batch_size
        Crops per step.
    learning_rate
        Adam's.
    max_epochs, patience
        Most epochs, and epochs without a lower validation loss after which training stops.
    batch_norm_momentum
        In Keras' sense (0.99 is torch's 0.01).
    l2_penalty
        λ of the loss term λΣw² over the kernels of an architecture that has one.
    adam_beta1, adam_beta2, adam_epsilon
        Adam's.
    crops_per_map_per_epoch
        How many of a map's crops an epoch draws, anew each epoch.
    noise_grey_levels
        Standard deviation of the noise on every pixel of a training crop, drawn anew each time.
    least_contrast
        Crops with a smaller share of the contrast of their map's richest crop neither train nor
        validate, see :func:`strainprint.networks.informative.informative_crops`.
    precision
        ``fp32``, or ``bf16`` for the products of convolutions (autocast); weights, normalisation,
        loss and validation are fp32 in both.
    """

    architecture: str
    config_seed: int
    seed: int
    batch_size: int = 72
    learning_rate: float = 1e-3
    max_epochs: int = 200
    patience: int = 20
    batch_norm_momentum: float = 0.99
    l2_penalty: float = 1e-4
    adam_beta1: float = 0.9
    adam_beta2: float = 0.999
    adam_epsilon: float = 1e-7
    crops_per_map_per_epoch: int = 24
    noise_grey_levels: float = 0.0
    least_contrast: float = 0.0
    precision: str = "fp32"

    def __post_init__(self) -> None:
        """Refuse values that cannot be trained with."""
        architecture_of(self.architecture)
        if self.precision not in ("fp32", "bf16"):
            raise BadInputError(f"precision {self.precision!r}", allowed="fp32 or bf16")
        for name in ("batch_size", "max_epochs", "patience", "crops_per_map_per_epoch"):
            if getattr(self, name) < 1:
                raise BadInputError(f"{name} is {getattr(self, name)}", allowed="1 or more")
        if not 0 < self.learning_rate < math.inf:
            raise BadInputError(f"learning_rate is {self.learning_rate}", allowed="above 0")
        for name in ("batch_norm_momentum", "adam_beta1", "adam_beta2"):
            if not 0 <= getattr(self, name) < 1:
                raise BadInputError(f"{name} is {getattr(self, name)}", allowed="0 to below 1")
        if not 0 <= self.noise_grey_levels < math.inf:
            raise BadInputError(
                f"noise_grey_levels is {self.noise_grey_levels}", allowed="0 or more"
            )
        if not 0 <= self.least_contrast <= 1:
            raise BadInputError(f"least_contrast is {self.least_contrast}", allowed="0 to 1")
        if not (self.adam_epsilon > 0 <= self.l2_penalty < math.inf):
            raise BadInputError(
                f"adam_epsilon is {self.adam_epsilon} and l2_penalty {self.l2_penalty}",
                allowed="above 0, and 0 or more",
            )


class Loss(Protocol):
    """Loss of outputs (n, n_outputs) against targets (n,), their mean or their sum."""

    def __call__(self, outputs: Tensor, targets: Tensor, /, *, reduction: str = "mean") -> Tensor:
        """Return a scalar; ``reduction`` is ``mean`` or ``sum``."""


@dataclass(frozen=True)
class Training:
    """A finished training: the network of the best epoch, and every epoch's losses."""

    network: ResidualNetwork
    history: pd.DataFrame
    best_epoch: int
    stopped_early: bool


def train_network(
    *,
    crops_zarr: str | Path,
    crops_json: str | Path,
    manifest_csv: str | Path,
    split_csv: str | Path,
    external_json: str | Path | None = None,
    external_dir: str | Path | None = None,
    directory: str | Path,
    checkpoint_dir: str | Path,
    code: str = "",
    architecture: str,
    config_seed: int,
    seed: int,
    batch_size: int = 72,
    learning_rate: float = 1e-3,
    max_epochs: int = 200,
    patience: int = 20,
    batch_norm_momentum: float = 0.99,
    l2_penalty: float = 1e-4,
    adam_beta1: float = 0.9,
    adam_beta2: float = 0.999,
    adam_epsilon: float = 1e-7,
    crops_per_map_per_epoch: int = 24,
    noise_grey_levels: float = 0.0,
    least_contrast: float = 0.0,
    precision: str = "auto",
    crops_memory_gb: float = 4.0,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Train one network and write its directory.

    Parameters
    ----------
    crops_zarr, crops_json, manifest_csv, split_csv
        The dataset and who trains, validates and tests.
    external_json, external_dir
        People's maps, of which those to train on are added to the training part.
    directory
        Where ``weights.safetensors``, ``history.csv`` and ``training.json`` are written.
    checkpoint_dir
        Folder of this training alone, outside the rule's outputs; removed at the end.
    code
        What tells one version of the training from another: no state is taken from another.
    architecture, config_seed, seed, batch_size, learning_rate, max_epochs, patience, \
batch_norm_momentum, l2_penalty, adam_beta1, adam_beta2, adam_epsilon, crops_per_map_per_epoch, \
noise_grey_levels, least_contrast
        See :class:`TrainingSettings`.
    precision
        See :func:`strainprint.networks.devices.chosen_precision`.
    crops_memory_gb
        Memory for crops; those beyond are read from the store when a batch needs them, which
        changes no weight.
    device, threads
        See :func:`strainprint.networks.devices.prepare_device`.

    Raises
    ------
    BadInputError
        A setting or file cannot be used, a part of the split is empty, a class is missing from
        training, or the loss is not finite.
    """
    cropped = crop_description(crops_json)
    chosen_device = device_of_training(device, threads, batch_size, cropped)
    settings = TrainingSettings(
        architecture=architecture,
        config_seed=config_seed,
        seed=seed,
        batch_size=batch_size,
        learning_rate=learning_rate,
        max_epochs=max_epochs,
        patience=patience,
        batch_norm_momentum=batch_norm_momentum,
        l2_penalty=l2_penalty,
        adam_beta1=adam_beta1,
        adam_beta2=adam_beta2,
        adam_epsilon=adam_epsilon,
        crops_per_map_per_epoch=crops_per_map_per_epoch,
        noise_grey_levels=noise_grey_levels,
        least_contrast=least_contrast,
        precision=chosen_precision(precision, chosen_device),
    )
    manifest = read_manifest(manifest_csv)
    parts = read_split(split_csv, manifest)
    classes = classes_of(manifest)
    labels, added, external_ids = manifest["label"].to_numpy(), None, list[str]()
    if external_json is not None and external_dir is not None:
        added, added_labels, external_ids = external_crops(
            external_json, external_dir, classes=classes, cropped=cropped
        )
        labels = np.concatenate([labels, added_labels])
        parts = np.concatenate([parts, np.full(len(added), "train")])
    store = read_crops(
        crops_zarr,
        crops_json,
        wanted=parts != "test",
        added=added,
        memory_bytes=crops_memory_gb * 1e9,
    )
    if store.map_ids != tuple(manifest["map_id"]):
        raise BadInputError(
            "maps are not those of the manifest, in its order",
            where=crops_json,
            way_out="re-run the rule `crop`",
        )
    training = train(
        store,
        labels,
        parts,
        settings,
        classes=list(classes),
        device=chosen_device,
        checkpoint_dir=Path(checkpoint_dir),
        code=code,
    )
    write_training(
        directory,
        training,
        settings,
        {
            "classes": list(classes),
            "crops": cropped,
            "maps": {part: int((parts == part).sum()) for part in PARTS},
            "external_maps": external_ids,
            "device": chosen_device.type,
            "threads": threads,
        },
    )
    remove_checkpoint(Path(checkpoint_dir))


def write_training(
    directory: str | Path,
    training: Training,
    settings: TrainingSettings,
    about: Mapping[str, Any],
) -> None:
    """Write ``weights.safetensors``, ``history.csv`` and ``training.json``.

    The last holds ``about``, the settings and how the training went.
    """
    directory = Path(directory)
    write_csv(directory / "history.csv", training.history)
    save_network(
        directory,
        training.network,
        {
            **asdict(settings),
            **about,
            "epochs": len(training.history),
            "best_epoch": training.best_epoch,
            "stopped_early": training.stopped_early,
            "torch": torch.__version__,
        },
    )


def device_of_training(
    device: str, threads: int, batch_size: int, cropped: Mapping[str, Any]
) -> torch.device:
    """Choose the device of a training and set the process up for activations of its steps' size.

    Parameters
    ----------
    device, threads
        See :func:`strainprint.networks.devices.prepare_device`.
    batch_size
        Crops per step.
    cropped
        Their :func:`crop_description`; crops of other channels are as large.

    Raises
    ------
    BadInputError
        The device cannot be had.
    """
    crop_px = int(cropped.get("crop_px", 0))
    return prepare_device(device, threads, FIRST_CHANNELS * 4 * batch_size * crop_px**2)


def crop_description(crops_json: str | Path) -> dict[str, Any]:
    """Return how crops were made: the JSON of their store without what is each map's."""
    of_each_map = {"format", "version", "count", "dtype", "map_ids", "sha256"}
    content = read_json(crops_json, expected_format=CROPS_FORMAT)
    return {key: value for key, value in content.items() if key not in of_each_map}


def train(
    crops: CropStore | NDArray[np.uint8],
    labels: NDArray[np.integer],
    parts: NDArray[np.str_],
    settings: TrainingSettings,
    *,
    classes: Sequence[str],
    device: torch.device,
    checkpoint_dir: Path | None = None,
    code: str = "",
) -> Training:
    """Train a network of the paper on arrays.

    Parameters
    ----------
    crops
        Grey levels, shape (n_maps, n_crops, px, px), uint8.
    labels
        Class index of each map.
    parts
        ``train``, ``validation`` or ``test`` of each map; the last is not looked at, but must be
        there.
    settings, classes, device, checkpoint_dir, code
        See :func:`fit`.

    Raises
    ------
    BadInputError
        As :func:`fit`, or nothing tests.
    """
    _refuse_empty(parts, PARTS)
    store = crops if isinstance(crops, CropStore) else CropStore.of_array(crops)
    network = untrained_network(settings, n_classes=len(classes))
    examples = Examples([store], torch.from_numpy(labels.astype(np.int64)), parts)
    return fit(
        network,
        examples,
        settings,
        nn.functional.cross_entropy,
        classes=classes,
        device=device,
        checkpoint_dir=checkpoint_dir,
        code=code,
    )


def initial_seed(settings: TrainingSettings) -> int:
    """Return the seed of a network's initial weights."""
    return derive_seed(settings.config_seed, "network", settings.seed, "weights")


def untrained_network(
    settings: TrainingSettings, *, n_classes: int, n_inputs: int = 1
) -> ResidualNetwork:
    """Return the network that settings describe, with its initial weights.

    See :class:`strainprint.networks.architectures.ResidualNetwork`.
    """
    return ResidualNetwork(
        architecture_of(settings.architecture),
        n_classes=n_classes,
        n_inputs=n_inputs,
        seed=initial_seed(settings),
        batch_norm_momentum=settings.batch_norm_momentum,
    )


def fit(
    network: ResidualNetwork,
    examples: Examples,
    settings: TrainingSettings,
    loss: Loss,
    *,
    classes: Sequence[str] | None = None,
    device: torch.device,
    checkpoint_dir: Path | None = None,
    code: str = "",
) -> Training:
    """Fit a network in place and leave it with the weights of the best epoch, on the CPU.

    Parameters
    ----------
    network
        With its initial weights.
    examples
        Crops, targets and parts. A GPU holds all crops that are in memory if it has room.
    settings
        See :class:`TrainingSettings`; the network's own architecture decides what is penalised.
    loss
        Of a batch.
    classes
        Names of the classes, in the order of the targets; None where targets are numbers, and
        accuracy means nothing.
    device
        Where to train.
    checkpoint_dir
        Where the state is kept after every epoch; None keeps none.
    code
        What tells one version of the training from another: no state is taken from another.

    Raises
    ------
    BadInputError
        A part is empty, a class is missing from training or validation, more crops are asked for
        than a map has, a GPU has too little memory for a step, or the loss is not finite.
    """
    _check(examples, settings, classes)
    n_crops, parts = examples.n_crops, examples.parts
    network.to(device)
    choose_kernels(network, device, settings.precision)
    optimizer = adam(network, settings)
    fingerprint = ""
    progress = Progress()
    if checkpoint_dir is not None:
        fingerprint = training_fingerprint(network, examples, settings, loss, device, code)
        progress = load_checkpoint(checkpoint_dir, fingerprint, network, optimizer)

    used = np.flatnonzero((parts == "train") | (parts == "validation"))
    feed = Feed(examples, device, used)
    of_validation = crops_of_maps(np.flatnonzero(parts == "validation"), n_crops)
    informative = None
    if settings.least_contrast > 0:
        informative = np.logical_or.reduce(
            [
                informative_of_store(store, used, settings.least_contrast)
                for store in examples.channels
            ]
        )
        of_validation = of_validation[informative.ravel()[of_validation]]

    def stopped_early() -> bool:
        return progress.epochs - progress.best_epoch >= settings.patience

    while progress.epochs < settings.max_epochs and not stopped_early():
        epoch, start = progress.epochs + 1, time.perf_counter()
        of_epoch = draw_crops(
            np.flatnonzero(parts == "train"), n_crops, settings, epoch, informative
        )
        kept = ""
        if checkpoint_dir is not None and progress.epochs > 0:
            kept = f"; the weights of epoch {progress.epochs} are kept in {checkpoint_dir}"
        before = copy.deepcopy((network.state_dict(), optimizer.state_dict()))
        try:
            train_loss, train_accuracy = _train_epoch(
                network, optimizer, feed, of_epoch, settings, epoch, loss
            )
            trained = time.perf_counter()
            validation_loss, validation_accuracy = _validate(network, feed, of_validation, loss)
        except torch.cuda.OutOfMemoryError as error:
            if not feed.leave_device():
                raise BadInputError(
                    f"the GPU has too little memory for steps of {settings.batch_size} crops",
                    where=f"{settings.architecture}, seed {settings.seed}, epoch {epoch}",
                    way_out="lower training.batch_size (normalisation is over the whole batch, so "
                    f"a step is not divided), or set training.device to cpu{kept}",
                ) from error
            _log.warning("the GPU has too little memory for all crops: epoch %d again", epoch)
            network.load_state_dict(before[0])
            optimizer.load_state_dict(before[1])
            continue
        # As in Keras, the losses of the history include the L2 penalty.
        penalty = l2_loss(network, settings.l2_penalty)
        row = {
            "epoch": epoch,
            "train_loss": train_loss + penalty,
            "train_accuracy": train_accuracy,
            "validation_loss": validation_loss + penalty,
            "validation_accuracy": validation_accuracy,
        }
        if classes is None:
            del row["train_accuracy"], row["validation_accuracy"]
        if not math.isfinite(row["train_loss"] + row["validation_loss"]):
            raise BadInputError(
                f"loss is not finite after epoch {epoch}: training {row['train_loss']}, "
                f"validation {row['validation_loss']}",
                where=f"{settings.architecture}, seed {settings.seed}",
                way_out=f"lower training.learning_rate or look at the crops{kept}",
            )
        progress.history.append(row)
        if progress.best_epoch == 0 or row["validation_loss"] < progress.best_loss:
            progress.best_epoch = epoch
            progress.best_weights = {k: v.clone() for k, v in network.state_dict().items()}
        if checkpoint_dir is not None:
            save_checkpoint(checkpoint_dir, fingerprint, network, optimizer, progress)
        _log.info(
            "%s seed %d: %s (best epoch %d); %.1f crops/s, %.1f s",
            settings.architecture,
            settings.seed,
            ", ".join(f"{name} {value:.4g}" for name, value in row.items()),
            progress.best_epoch,
            len(of_epoch) / (trained - start),
            time.perf_counter() - start,
        )
    network.load_state_dict(progress.best_weights)
    return Training(
        network.cpu().eval(), pd.DataFrame(progress.history), progress.best_epoch, stopped_early()
    )


def choose_kernels(network: ResidualNetwork, device: torch.device, precision: str) -> None:
    """Let a network train by the fastest ways known for a device and precision.

    They round differently, so the choice follows from these two alone.
    """
    network.find_gradients_by_products(weight_gradient.helps_on(device, precision))
    network.fuse_normalization(fused_normalization.helps_on(device, precision))


def adam(network: ResidualNetwork, settings: TrainingSettings) -> torch.optim.Adam:
    """Return Keras' Adam with the network's L2 penalty.

    Keras adds λΣw² of the convolution kernels to the loss, whose gradient is 2λw: that is torch's
    (coupled) weight decay 2λ on those tensors alone.
    """
    kernels = network.kernels()
    among_kernels = {id(kernel) for kernel in kernels}
    others = [p for p in network.parameters() if id(p) not in among_kernels]
    penalty = settings.l2_penalty if network.architecture.penalized else 0.0
    return torch.optim.Adam(
        [
            {"params": kernels, "weight_decay": 2 * penalty},
            {"params": others, "weight_decay": 0.0},
        ],
        lr=settings.learning_rate,
        betas=(settings.adam_beta1, settings.adam_beta2),
        eps=settings.adam_epsilon,
    )


def l2_loss(network: ResidualNetwork, penalty: float) -> float:
    """Return λΣw² over the convolution kernels; 0 where the architecture has no penalty λ."""
    if not network.architecture.penalized:
        return 0.0
    squares = [float(kernel.detach().double().square().sum()) for kernel in network.kernels()]
    return penalty * math.fsum(squares)


def crops_of_maps(rows: NDArray[np.integer], n_crops: int) -> NDArray[np.int64]:
    """Return the numbers of all crops of the maps, counted over all maps: shape (n·n_crops,)."""
    return (rows[:, None] * n_crops + np.arange(n_crops)).ravel().astype(np.int64)


def draw_crops(
    rows: NDArray[np.integer],
    n_crops: int,
    settings: TrainingSettings,
    epoch: int,
    informative: NDArray[np.bool_] | None = None,
) -> NDArray[np.int64]:
    """Return the crops of one epoch in training order: a random subset of each map, all shuffled.

    Depends on the seeds and the epoch alone, so that a resumed training sees what it would have.
    ``informative`` (n_maps, n_crops) says which crops may be drawn; a map that has fewer of them
    than are drawn of each map gives all it has.
    """
    rng = generator(settings.config_seed, "network", settings.seed, "epoch", epoch)
    crops = rng.permuted(crops_of_maps(rows, n_crops).reshape(-1, n_crops), axis=1)
    if informative is not None:
        allowed = informative.ravel()
        of_maps = [one[allowed[one]][: settings.crops_per_map_per_epoch] for one in crops]
        return rng.permutation(np.concatenate(of_maps))
    drawn: NDArray[np.int64] = crops[:, : settings.crops_per_map_per_epoch].ravel()
    return rng.permutation(drawn)


def training_fingerprint(
    network: ResidualNetwork,
    examples: Examples,
    settings: TrainingSettings,
    loss: Loss,
    device: torch.device,
    code: str = "",
) -> str:
    """Return a SHA-256 over all that decides the weights bit for bit; the network is untrained."""
    about = {
        **asdict(settings),
        "weights": {
            name: sha256_of_arrays(tensor.cpu().numpy())
            for name, tensor in network.state_dict().items()
        },
        "loss": getattr(loss, "__name__", ""),
        "device": device.type,
        "by_products": weight_gradient.helps_on(device, settings.precision),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "code": code,
        "examples": examples.digest(),
    }
    return hashlib.sha256(json.dumps(about).encode()).hexdigest()


def _train_epoch(
    network: ResidualNetwork,
    optimizer: torch.optim.Adam,
    feed: Feed,
    order: NDArray[np.int64],
    settings: TrainingSettings,
    epoch: int,
    loss: Loss,
) -> tuple[float, float]:
    """Take one step for each batch; return mean loss and accuracy over the crops as they came."""
    network.train()
    totals = torch.zeros(2, dtype=torch.float64, device=feed.device)  # read once, at the end
    noise = torch.Generator(feed.device)
    noise.manual_seed(derive_seed(settings.config_seed, "network", settings.seed, "noise", epoch))
    for grey, target, side in feed.batches(order, settings.batch_size, f"epoch {epoch}"):
        with torch.autocast(feed.device.type, torch.bfloat16, enabled=settings.precision == "bf16"):
            noisy = with_noise(grey, settings.noise_grey_levels, noise)
            outputs = outputs_of(network, noisy, *side)
        of_batch = loss(outputs.float(), target)
        optimizer.zero_grad()
        of_batch.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        right = (outputs.argmax(dim=1) == target).sum()
        totals += torch.stack((of_batch.detach().double() * len(target), right.double()))
    loss_sum, n_right = totals.tolist()
    return loss_sum / len(order), n_right / len(order)


def _validate(
    network: ResidualNetwork, feed: Feed, crops: NDArray[np.int64], loss: Loss
) -> tuple[float, float]:
    """Return mean loss and accuracy over single crops."""
    ready = folded(network)
    totals = torch.zeros(2, dtype=torch.float64, device=feed.device)
    with torch.inference_mode():
        for grey, target, side in feed.batches(crops, _CROPS_PER_VALIDATION_BATCH, "validation"):
            outputs = outputs_of(ready, grey, *side)
            of_batch = loss(outputs, target, reduction="sum")
            right = (outputs.argmax(dim=1) == target).sum()
            totals += torch.stack((of_batch.double(), right.double()))
    loss_sum, n_right = totals.tolist()
    return loss_sum / len(crops), n_right / len(crops)


def _check(examples: Examples, settings: TrainingSettings, classes: Sequence[str] | None) -> None:
    if settings.crops_per_map_per_epoch > examples.n_crops:
        raise BadInputError(
            f"crops_per_map_per_epoch is {settings.crops_per_map_per_epoch}",
            allowed=f"1 to {examples.n_crops}, the crops of a map",
        )
    _refuse_empty(examples.parts, ("train", "validation"))
    for part in ("train", "validation"):
        present = set(examples.targets.numpy()[examples.parts == part].tolist())
        missing = [name for label, name in enumerate(classes or ()) if label not in present]
        if missing:
            raise BadInputError(
                f"no map of {part} is of class {' or '.join(missing)}",
                where="split",
                way_out="make more specimens",
            )


def _refuse_empty(parts: NDArray[np.str_], needed: Sequence[str]) -> None:
    empty = [part for part in needed if not (parts == part).any()]
    if empty:
        raise BadInputError(
            f"no map is in {' and '.join(empty)}", where="split", way_out="make more specimens"
        )
