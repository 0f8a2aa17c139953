"""Prior strain as a number: log10 of it with an uncertainty, also at strains never trained on."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.splits import read_split
from strainprint.experiment_record import write_experiment
from strainprint.experiments.beyond import read_channels
from strainprint.experiments.judging import coverage_columns
from strainprint.networks.calibration import conformal_threshold
from strainprint.networks.checkpoints import remove_checkpoint
from strainprint.networks.examples import Examples, crop_outputs
from strainprint.networks.training import (
    TrainingSettings,
    crop_description,
    device_of_training,
    fit,
    untrained_network,
)
from strainprint.report.statistics import FEWEST_SPECIMENS, specimen_resamples

# In units of the training strains' own variance, whose logarithm is 0: a network that knows nothing
# has that. Without an upper bound single crops outweigh all others of their map.
_SMALLEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE = -7.0, 1.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class StrainEstimate:
    """log10 of the prior strain of maps, each with a standard deviation in decades.

    Attributes
    ----------
    mean, deviation
        Shape (n_maps,).
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]


def gaussian_loss(outputs: Tensor, targets: Tensor, *, reduction: str = "mean") -> Tensor:
    """Return the mean (or ``sum``) of the negative log likelihood of targets, less its constant.

    Nix and Weigend (1994): outputs (n, 2) are mean and logarithm of the variance, which is kept
    between -7 and 1.
    """
    log_variance = outputs[:, 1].clamp(_SMALLEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE)
    of_each = log_variance + (targets - outputs[:, 0]) ** 2 * torch.exp(-log_variance)
    return 0.5 * (of_each.sum() if reduction == "sum" else of_each.mean())


def pooled(outputs: NDArray[np.float64], centre: float, scale: float) -> StrainEstimate:
    """Return the mean and deviation of the mixture of a map's crops, in decades.

    Parameters
    ----------
    outputs
        Of every crop, shape (n_maps, n_crops, 2), in standardised log10 strain.
    centre, scale
        Of the standardisation.
    """
    mean = outputs[..., 0]
    variance = np.exp(np.clip(outputs[..., 1], _SMALLEST_LOG_VARIANCE, _LARGEST_LOG_VARIANCE))
    of_map = mean.mean(axis=1)
    spread = (variance + mean**2).mean(axis=1) - of_map**2
    return StrainEstimate(centre + scale * of_map, scale * np.sqrt(spread))


def regress_strain(
    manifest_csv: str | Path,
    split_csv: str | Path,
    crops_zarr: str | Path,
    crops_json: str | Path,
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    unseen: Sequence[float],
    level: float,
    training: Mapping[str, Any],
    resamples: int,
    checkpoint_dir: str | Path,
    code: str = "",
    crops_memory_gb: float = 4.0,
    device: str = "auto",
    threads: int = 1,
    settings: Mapping[str, Any],
) -> None:
    """Fit a network to log10 prior strain and write how far it is off, strain by strain.

    Only training and validation maps of the strains that are not ``unseen`` are used to fit and to
    choose; test specimens are judged at every strain. The intervals' width is conformal: validation
    residuals over their own deviations, specimens as clusters.

    Parameters
    ----------
    manifest_csv, split_csv, crops_zarr, crops_json
        A dataset of many prior strains, split by specimen.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`. One row for each prior
        strain, then one for all seen and one for all unseen strains.
    unseen
        Prior strains never trained on.
    level
        Share of maps whose strain the intervals are to hold.
    training
        Fields of :class:`strainprint.networks.training.TrainingSettings`.
    resamples
        Of the bootstrap over specimens.
    checkpoint_dir, code, crops_memory_gb, device, threads
        See :func:`strainprint.experiments.beyond.fit_classifier`.
    settings
        For the record.

    Raises
    ------
    BadInputError
        A file cannot be used, or nothing is left to train.
    """
    chosen = TrainingSettings(**training)
    cropped = crop_description(crops_json)
    chosen_device = device_of_training(device, threads, chosen.batch_size, cropped)
    manifest = read_manifest(manifest_csv)
    truth = np.log10(manifest["prior_strain"].to_numpy())
    is_unseen = np.isin(np.round(truth, 9), np.round(np.log10(np.asarray(unseen)), 9))
    dealt = read_split(split_csv, manifest)
    parts = np.where(is_unseen & (dealt != "test"), "unused", dealt)
    trained = truth[parts == "train"]
    centre, scale = float(trained.mean()), float(trained.std())
    examples = Examples(
        read_channels([(crops_zarr, crops_json)], manifest["map_id"].tolist(), crops_memory_gb),
        torch.from_numpy(((truth - centre) / scale).astype(np.float32)),
        parts,
    )
    network = untrained_network(chosen, n_classes=2)
    fit(
        network,
        examples,
        chosen,
        gaussian_loss,
        device=chosen_device,
        checkpoint_dir=Path(checkpoint_dir),
        code=code,
    )
    outputs = crop_outputs(network, examples, device=chosen_device)
    estimate = pooled(outputs, centre, scale)
    specimens = manifest["specimen_id"].to_numpy()
    judged = parts == "validation"
    residuals = np.abs(truth - estimate.mean) / estimate.deviation
    factor = conformal_threshold(residuals[judged], level, clusters=specimens[judged])

    test = parts == "test"
    groups = [(f"{10**z:.4g}", test & (truth == z)) for z in np.unique(truth[test])]
    groups += [("all seen", test & ~is_unseen), ("all unseen", test & is_unseen)]
    rows = [
        {
            "prior_strain": name,
            "trained_on": int(not is_unseen[chosen_maps].all()),
            **_errors(
                truth[chosen_maps],
                estimate.mean[chosen_maps],
                factor * estimate.deviation[chosen_maps],
                specimens[chosen_maps],
                centre=centre,
                seed=chosen.config_seed,
                resamples=resamples,
            ),
        }
        for name, chosen_maps in groups
        if chosen_maps.any()
    ]
    write_experiment(
        table_csv,
        summary_json,
        name="regression",
        table=pd.DataFrame(rows),
        n={
            "training_maps": int((parts == "train").sum()),
            "validation_specimens": len(np.unique(specimens[judged])),
            "test_maps": int(test.sum()),
            "test_specimens": len(np.unique(specimens[test])),
        },
        settings=settings,
        results={"level": level, "factor": factor if math.isfinite(factor) else None},
    )
    remove_checkpoint(Path(checkpoint_dir))
    _log.info("conformal factor %.3f", factor)


def _errors(
    truth: NDArray[np.float64],
    mean: NDArray[np.float64],
    half_width: NDArray[np.float64],
    specimens: NDArray[np.object_],
    *,
    centre: float,
    seed: int,
    resamples: int,
) -> dict[str, Any]:
    """Return errors in decades; the RMSE with its 95 % interval over whole specimens.

    With fewer than three specimens that of the RMSE is NaN.
    """
    error = mean - truth
    n_specimens = len(np.unique(specimens))
    low = high = float("nan")
    if n_specimens >= FEWEST_SPECIMENS:
        weights = specimen_resamples(specimens, seed=seed, resamples=resamples)
        drawn = np.sqrt(weights @ error**2 / weights.sum(axis=1))
        low, high = np.quantile(drawn, [0.025, 0.975])
    return {
        "maps": len(truth),
        "specimens": n_specimens,
        "rmse_decades": float(np.sqrt((error**2).mean())),
        "rmse_low": float(low),
        "rmse_high": float(high),
        "bias_decades": float(error.mean()),
        "rmse_of_constant": float(np.sqrt(((truth - centre) ** 2).mean())),
        **coverage_columns(np.abs(error) <= half_width, specimens, seed=seed, resamples=resamples),
        "half_width_decades": float(half_width.mean()),
    }
