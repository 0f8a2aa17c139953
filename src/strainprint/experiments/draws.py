"""Several splits and several training seeds: how far accuracies move when all is drawn anew.

Splits of one dataset share most of their maps, so their accuracies scatter less than those of new
datasets would. Nadeau and Bengio (Machine Learning 52, 2003, 239) widen the variance for that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike
from scipy.stats import t as student

from strainprint.dataset.splits import build_split
from strainprint.errors import BadInputError
from strainprint.experiment_record import write_experiment
from strainprint.experiments.compare import correct_of_average
from strainprint.networks.predictions import read_predictions
from strainprint.seeds import derive_seed

_ROUNDING = 1e-12
"""Accuracies that differ by less are the same."""


class CorrectedMean(NamedTuple):
    """Mean over splits, its corrected 95 % interval and the p-value of the mean being 0."""

    mean: float
    low: float
    high: float
    p: float


def corrected_mean(
    values: ArrayLike, test_over_train: float, *, confidence: float = 0.95
) -> CorrectedMean:
    """Return the mean of a quantity over splits with the corrected resampled t interval.

    The variance of the mean of J splits is (1/J + n_test/n_train)·s², with J - 1 degrees of
    freedom (Nadeau and Bengio 2003).

    Where all splits agree on a number that is not 0, as they may by chance on few maps, they say
    nothing of how splits scatter: interval and p are NaN.

    Parameters
    ----------
    values
        One value for each split, two or more.
    test_over_train
        Test specimens for each training specimen.

    Raises
    ------
    BadInputError
        There are fewer than two splits.
    """
    drawn = np.asarray(values, dtype=np.float64)
    if drawn.ndim != 1 or drawn.size < 2:
        raise BadInputError(f"values of shape {drawn.shape}", allowed="two splits or more")
    mean, deviation = float(drawn.mean()), float(drawn.std(ddof=1))
    error = deviation * math.sqrt(1 / drawn.size + test_over_train)
    half = float(student.ppf((1 + confidence) / 2, drawn.size - 1)) * error
    if deviation < _ROUNDING:
        return (
            CorrectedMean(0.0, 0.0, 0.0, 1.0)
            if abs(mean) < _ROUNDING
            else CorrectedMean(mean, *[math.nan] * 3)
        )
    p = 2 * float(student.sf(abs(mean) / error, drawn.size - 1))
    return CorrectedMean(mean, mean - half, mean + half, p)


def draw_split(
    manifest_csv: str | Path,
    out_csv: str | Path,
    *,
    draw: int,
    seed: int,
    test_fraction: float,
    train_fraction: float,
) -> pd.DataFrame:
    """Write a split by specimen that is one of several draws; return it.

    See :func:`strainprint.dataset.splits.build_split`.
    """
    return build_split(
        manifest_csv,
        out_csv,
        split="specimen",
        seed=derive_seed(seed, "draw", draw),
        test_fraction=test_fraction,
        train_fraction=train_fraction,
    )


def judge_draws(
    predictions: Mapping[tuple[int, str, int], str | Path],
    table_csv: str | Path,
    summary_json: str | Path,
    *,
    lead: str,
    settings: Mapping[str, Any],
) -> None:
    """Write each network's accuracy over splits and seeds, and that of two kinds of ensembles.

    A split's accuracy is the mean over its seeds; the interval is over splits. The ensemble of
    networks averages one seed of each, the ensemble of seeds all seeds of the lead network.

    Parameters
    ----------
    predictions
        Prediction tables by (draw, network, seed), complete.
    table_csv, summary_json
        Outputs, see :func:`strainprint.experiment_record.write_experiment`. Differences are to
        the lead network.
    lead
        The network whose seeds make an ensemble.
    settings
        For the record.

    Raises
    ------
    BadInputError
        Fewer than two draws, or a table that cannot be used.
    """
    draws = sorted({draw for draw, _, _ in predictions})
    networks = list(dict.fromkeys(network for _, network, _ in predictions))
    seeds = sorted({seed for _, _, seed in predictions})

    def accuracy(draw: int, members: Sequence[tuple[str, int]]) -> float:
        paths = [predictions[draw, network, seed] for network, seed in members]
        return float(correct_of_average(paths)[1].mean())

    # Rows are draws, columns are repeats within a draw.
    scores = {
        network: np.array([[accuracy(d, [(network, s)]) for s in seeds] for d in draws])
        for network in networks
    }
    if len(networks) > 1:
        scores["ensemble of networks"] = np.array(
            [[accuracy(d, [(network, s) for network in networks]) for s in seeds] for d in draws]
        )
    if len(seeds) > 1:
        scores["ensemble of seeds"] = np.array(
            [[accuracy(d, [(lead, s) for s in seeds])] for d in draws]
        )
    ratio = float(np.mean([_test_over_train(predictions[d, lead, seeds[0]]) for d in draws]))
    rows = []
    for model, values in scores.items():
        of_draws = values.mean(axis=1)
        found = corrected_mean(of_draws, ratio)
        apart = corrected_mean(of_draws - scores[lead].mean(axis=1), ratio)
        rows.append(
            {
                "model": model,
                "accuracy": found.mean,
                # Student's interval knows no bounds; of two splits it is wider than what can be.
                "ci_low": float(np.clip(found.low, 0.0, 1.0)),
                "ci_high": float(np.clip(found.high, 0.0, 1.0)),
                "sd_between_draws": float(of_draws.std(ddof=1)),
                "sd_between_seeds": _within(values),
                "difference": apart.mean,
                "difference_low": apart.low,
                "difference_high": apart.high,
                "p": apart.p,
            }
        )
    write_experiment(
        table_csv,
        summary_json,
        name="seeds",
        table=pd.DataFrame(rows),
        n={"draws": len(draws), "seeds": len(seeds), "trainings": len(predictions)},
        settings=settings,
        results={
            "lead": lead,
            "test_over_train": ratio,
            "networks_against_seeds": _ensembles_apart(scores, ratio),
        },
    )


def _ensembles_apart(scores: Mapping[str, Any], ratio: float) -> dict[str, float | None] | None:
    """Compare the two kinds of ensembles over the draws; None where one is missing."""
    of_networks, of_seeds = scores.get("ensemble of networks"), scores.get("ensemble of seeds")
    if of_networks is None or of_seeds is None:
        return None
    found = corrected_mean(of_networks.mean(axis=1) - of_seeds.mean(axis=1), ratio)._asdict()
    return {name: None if math.isnan(value) else value for name, value in found.items()}


def _within(values: Any) -> float:
    """Return the standard deviation between repeats of one draw, pooled over draws."""
    if values.shape[1] < 2:
        return float("nan")
    return float(np.sqrt(values.var(axis=1, ddof=1).mean()))


def _test_over_train(predictions_csv: str | Path) -> float:
    """Return n_test/n_train of a split by specimen: maps count, every specimen has as many."""
    parts = read_predictions(predictions_csv).frame["part"].value_counts()
    return float(parts["test"] / parts["train"])
