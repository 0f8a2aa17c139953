"""Stacks of people's maps: a network whose channels are the layers, trained and judged on them.

Simulated specimens have no layers, so nothing simulated trains here: people's labelled stacks do,
and those that are only predicted test it where their prior strain is known.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch.nn.functional import cross_entropy

from strainprint.errors import BadInputError
from strainprint.experiment_record import write_experiment
from strainprint.experiments.beyond import read_channels
from strainprint.experiments.judging import comparison_row, coverage_of_calibration
from strainprint.files import read_json, without_formulas, write_csv
from strainprint.maps.external_maps import ExternalMap, read_external, stacks_of
from strainprint.networks.calibration import FORMAT as CALIBRATION_FORMAT
from strainprint.networks.calibration import (
    conformal_set,
    reliability_rows,
    temperature,
    tempered,
    write_calibration,
)
from strainprint.networks.checkpoints import remove_checkpoint
from strainprint.networks.examples import Examples, class_probabilities, crop_outputs
from strainprint.networks.training import (
    TrainingSettings,
    crop_description,
    device_of_training,
    fit,
    untrained_network,
    write_training,
)
from strainprint.seeds import generator

_log = logging.getLogger(__name__)


def fit_stacks(
    external_json: str | Path,
    crops: Sequence[tuple[str | Path, str | Path]],
    directory: str | Path,
    *,
    train_fraction: float,
    level: float,
    training: Mapping[str, Any],
    code: str = "",
    crops_memory_gb: float = 4.0,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Train a network whose channels are layers of people's stacks, and ask it about every stack.

    Writes ``weights.safetensors``, ``history.csv``, ``training.json``, ``calibration.json`` (see
    :func:`strainprint.networks.calibration.calibrate_ensemble`; ``test`` where a stack tests) and
    ``predictions.csv``: one row for each stack in the order of the table, with its name, specimen,
    prior_strain (as the user gave it, empty where not known), part (``train``, ``validation`` or
    ``predict``), prior_strain_predicted, prior_strains_possible (the conformal set) and
    p_prior_<class> of each class, calibrated.

    ASSUME: a temperature below 1 is taken as 1. Validation stacks are few; where all are named
    rightly the likeliest temperature is the least allowed one, and every probability would be 1.

    Parameters
    ----------
    external_json
        What the rule ``ingest`` left.
    crops
        Store and JSON of each layer to use (:func:`strainprint.dataset.stacks.write_layer_crops`).
    directory
        Where to write; the checkpoint lies below while the training lasts.
    train_fraction
        Share of the specimens to train on that do; the others validate, see :func:`deal_stacks`.
    level
        Share of new specimens' stacks whose class the set of possible classes is to hold.
    training
        Fields of :class:`strainprint.networks.training.TrainingSettings`.
    code
        See :func:`strainprint.networks.training.train_network`.
    crops_memory_gb
        Memory for the crops of all layers; those beyond are read when needed.
    device, threads
        See :func:`strainprint.networks.devices.prepare_device`.

    Raises
    ------
    BadInputError
        A store cannot be used or is of other stacks, too few specimens or classes are to train, or
        the loss is not finite.
    """
    settings = TrainingSettings(**training)
    cropped = [crop_description(json) for _, json in crops]
    chosen_device = device_of_training(device, threads, settings.batch_size, cropped[0])
    stacks = [layers[0] for layers in stacks_of(read_external(external_json))]
    classes = classes_of_stacks(stacks, where=external_json)
    parts = deal_stacks(
        stacks, seed=settings.config_seed, train_fraction=train_fraction, where=external_json
    )
    # A stack that is only predicted may be of no class; its label is never looked at.
    known = [classes.index(_class(one)) if _class(one) in classes else -1 for one in stacks]
    labels = np.array(known, dtype=np.int64)
    examples = Examples(
        read_channels(crops, [one.stack for one in stacks], crops_memory_gb),
        torch.from_numpy(labels),
        parts,
    )
    network = untrained_network(settings, n_classes=len(classes), n_inputs=len(crops))
    directory = Path(directory)
    fitted = fit(
        network,
        examples,
        settings,
        cross_entropy,
        classes=classes,
        device=chosen_device,
        checkpoint_dir=directory / "checkpoint",
        code=code,
    )
    raw = class_probabilities(crop_outputs(network, examples, device=chosen_device))
    validation = np.flatnonzero(parts == "validation")
    rows = {"validation": validation}
    tested = np.array([row for row in testing_stacks(stacks) if labels[row] >= 0], dtype=np.intp)
    if tested.size:
        rows["test"] = tested
    calibration = write_calibration(
        directory / "calibration.json",
        classes,
        raw,
        labels,
        np.array([specimen_of(one) for one in stacks]),
        rows,
        temperature=max(1.0, temperature(raw[validation], labels[validation])),
        level=level,
    )
    probabilities = tempered(raw, calibration.temperature)
    possible = conformal_set(probabilities, calibration.threshold)
    table = pd.DataFrame(
        {
            "stack": [one.stack for one in stacks],
            "specimen": [one.specimen for one in stacks],
            "prior_strain": [_class(one) for one in stacks],
            "part": parts,
            "prior_strain_predicted": np.asarray(classes)[probabilities.argmax(axis=1)],
            "prior_strains_possible": [
                " ".join(name for name, kept in zip(classes, inside, strict=True) if kept)
                for inside in possible
            ],
            **{f"p_prior_{name}": probabilities[:, k] for k, name in enumerate(classes)},
        }
    )
    write_csv(directory / "predictions.csv", without_formulas(table))
    write_training(
        directory,
        fitted,
        settings,
        {
            "classes": list(classes),
            "crops": cropped[0],
            "layers": [one["layer"] for one in cropped],
            "maps": {part: int((parts == part).sum()) for part in ("train", "validation")},
            "device": chosen_device.type,
            "threads": threads,
        },
    )
    remove_checkpoint(directory / "checkpoint")
    _log.info("%d epochs on %d layers of %d stacks", len(fitted.history), len(crops), len(stacks))


def classes_of_stacks(stacks: Sequence[ExternalMap], *, where: str | Path) -> tuple[str, ...]:
    """Return the prior strains of the stacks that train, ascending, by the names of classes.

    Parameters
    ----------
    stacks
        One layer of each.
    where
        What the error names.

    Raises
    ------
    BadInputError
        There are fewer than two.
    """
    strains = {one.prior_strain for one in stacks if one.use == "train"}
    names = tuple(f"{strain:g}" for strain in sorted(s for s in strains if s is not None))
    if len(names) < 2:
        raise BadInputError(
            f"stacks to train have prior_strain {', '.join(names) or 'none'}",
            where=where,
            allowed="two or more different ones",
        )
    return names


def deal_stacks(
    stacks: Sequence[ExternalMap], *, seed: int, train_fraction: float, where: str | Path
) -> NDArray[np.str_]:
    """Return ``train``, ``validation`` or ``predict`` of each stack.

    Specimens are dealt out whole, those with stacks of the same classes among themselves: of each
    such group ``1 - train_fraction`` validate, rounded, but at least one of two or more and never
    all. A stack whose specimen is not named is one by itself.

    Parameters
    ----------
    stacks
        One layer of each.
    seed
        The config's.
    train_fraction
        Share that trains.
    where
        What the error names.

    Raises
    ------
    BadInputError
        A class is left without a specimen to train or to validate on.
    """
    classes_of: dict[str, set[str]] = {}
    for one in stacks:
        if one.use == "train":
            classes_of.setdefault(specimen_of(one), set()).add(_class(one))
    groups: dict[tuple[str, ...], list[str]] = {}
    for specimen, classes in sorted(classes_of.items()):
        groups.setdefault(tuple(sorted(classes)), []).append(specimen)
    validate: set[str] = set()
    for names, specimens in groups.items():
        share = max(1, round((1 - train_fraction) * len(specimens)))
        order = generator(seed, "stacks", *names).permutation(len(specimens))
        validate |= {specimens[place] for place in order[: min(share, len(specimens) - 1)]}
    parts = [
        "predict"
        if one.use != "train"
        else ("validation" if specimen_of(one) in validate else "train")
        for one in stacks
    ]
    for part in ("train", "validation"):
        present = {_class(one) for one, dealt in zip(stacks, parts, strict=True) if dealt == part}
        lacking = sorted(set().union(*classes_of.values()) - present)
        if lacking:
            raise BadInputError(
                f"no specimen is left to {'train' if part == 'train' else 'validate'} on stacks "
                f"of prior_strain {', '.join(lacking)}",
                where=where,
                allowed="two or more specimens of each prior strain with `use` train",
            )
    return np.array(parts)


def specimen_of(one: ExternalMap) -> str:
    """Return the name of a stack's specimen, or one that no other stack shares."""
    return f"specimen {one.specimen}" if one.specimen else f"stack {one.stack}"


def testing_stacks(stacks: Sequence[ExternalMap]) -> list[int]:
    """Return the rows of stacks that test: of known prior strain and a specimen not trained on.

    Parameters
    ----------
    stacks
        One layer of each.
    """
    trained = {specimen_of(one) for one in stacks if one.use == "train"}
    return [
        row
        for row, one in enumerate(stacks)
        if one.use != "train" and _class(one) and specimen_of(one) not in trained
    ]


def _class(one: ExternalMap) -> str:
    return "" if one.prior_strain is None else f"{one.prior_strain:g}"


def judge_stacks(
    external_json: str | Path,
    models: Mapping[str, tuple[str | Path, str | Path]],
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    seed: int,
    resamples: int,
    settings: Mapping[str, Any],
) -> None:
    """Write how often networks named the prior strain of stacks of specimens that never trained.

    Parameters
    ----------
    external_json
        What the rule ``ingest`` left.
    models
        Predictions and calibration of :func:`fit_stacks` by the model's name; the others are
        compared with the first.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`.
    seed, resamples
        Of the bootstrap over specimens.
    settings
        For the record.

    Raises
    ------
    BadInputError
        A table is damaged or of other stacks, or no stack is left to judge by.
    """
    stacks = [layers[0] for layers in stacks_of(read_external(external_json))]
    tested = testing_stacks(stacks)
    if not tested:
        raise BadInputError(
            "no stack tests",
            where=external_json,
            allowed="a known prior_strain, of a specimen that does not train",
        )
    truth = np.array([_class(stacks[row]) for row in tested])
    specimens = np.array([specimen_of(stacks[row]) for row in tested])
    rows: list[dict[str, Any]] = []
    reference: NDArray[np.bool_] | None = None
    diagrams: list[dict[str, Any]] = []
    for model, (predictions_csv, calibration_json) in models.items():
        correct = _predicted(predictions_csv, len(stacks))[tested] == truth
        reference = correct if reference is None else reference
        row = comparison_row(
            model, 1, correct, reference, specimens, seed=seed, resamples=resamples
        )
        content = read_json(calibration_json, expected_format=CALIBRATION_FORMAT)
        test = content["parts"].get("test")
        rows.append(
            {
                **row,
                "temperature": content["temperature"],
                **coverage_of_calibration(test, seed=seed, resamples=resamples),
            }
        )
        diagrams += reliability_rows(test, panel=model) if test else []
    write_experiment(
        table_csv,
        summary_json,
        name="stacks",
        table=pd.DataFrame(rows),
        n={
            "training_stacks": sum(one.use == "train" for one in stacks),
            "test_stacks": len(tested),
            "test_specimens": len(set(specimens)),
        },
        settings=settings,
        results={
            "commonest_class": float(np.unique(truth, return_counts=True)[1].max()) / len(tested),
            "reliability": diagrams,
        },
    )


def _predicted(path: str | Path, count: int) -> NDArray[np.str_]:
    """Return the class that a table of predictions names for each stack."""
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
        named = table["prior_strain_predicted"].to_numpy(dtype=np.str_)
    except (OSError, ValueError, KeyError) as error:
        raise BadInputError(
            f"not readable as predictions of stacks ({error!r})",
            where=path,
            way_out="delete it and re-run",
        ) from error
    if len(named) != count:
        raise BadInputError(
            f"has {len(named)} stacks",
            where=path,
            allowed=str(count),
            way_out="re-run `fit_stacks`",
        )
    return named
