"""What the report reads of the earlier stages: tables with their columns, models on test maps."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from strainprint.curves.virgin_strengths import COLUMNS as STRENGTH_COLUMNS
from strainprint.dataset.crops import PAPER_CROP_PX, PAPER_SCALES
from strainprint.dataset.manifest import read_manifest
from strainprint.errors import BadInputError
from strainprint.maps.store import MapShard
from strainprint.networks.explain import Explanations, read_explanations
from strainprint.networks.predictions import read_predictions
from strainprint.seeds import derive_seed

CURVE_COLUMNS = ("map_id", "strain", "true_mpa")
BAND_COLUMNS = ("map_id", "strain")
ERROR_COLUMNS = (
    *("map_id", "subset", "prior_strain", "method", "relative_rmse", "r2"),
    *("yield_stress_true_mpa", "yield_stress_error_mpa"),
)
NEIGHBOUR_COLUMNS = (
    *("map_id", "siblings", "rank", "neighbour_map_id", "distance", "same_specimen"),
)
HISTORY_COLUMNS = (
    *("epoch", "train_loss", "train_accuracy", "validation_loss", "validation_accuracy"),
)


@dataclass(frozen=True)
class JudgedModel:
    """What one model said about the maps of the test part.

    Attributes
    ----------
    name
        ``shape-only``, ``baseline``, ``<network>-seed<n>`` or ``ensemble``.
    classes
        The names of the classes; labels are positions in it.
    test
        One row per test map in manifest order: the manifest's columns, ``label`` (true class),
        ``named_label`` (class that the model named) and ``correct``.
    """

    name: str
    classes: tuple[str, ...]
    test: pd.DataFrame

    @property
    def correct(self) -> NDArray[np.bool_]:
        """Whether each test map was named rightly, shape (n_test,)."""
        values: NDArray[np.bool_] = self.test["correct"].to_numpy(dtype=bool)
        return values


@dataclass(frozen=True)
class ReportInputs:
    """What the earlier stages left for the report of one study and split; files are read once.

    Attributes
    ----------
    study, split
        What the report is about.
    manifest_csv
        The dataset's manifest.
    results_dir
        Folder that the manifest's column ``shard`` is relative to.
    map_shards
        JSON manifest of every map shard, those that lost all their specimens among them.
    networks
        Folder of each trained network, by its name ``<network>-seed<n>``.
    ensemble, baseline, curves
        Folders of those stages.
    strengths_csv
        Yield and flow stress of every specimen's first load.
    explanations_dir
        Folder of the lead network's filters and saliency, None where it was not looked into.
    scalar
        Scalar of the strain that the study's pictures show.
    range_floor, aspect, crop_px, scales
        How the study's maps become pictures and crops, as in the config.
    config_digest
        What tells the config from another, for captions.
    seed
        The config's seed; every bootstrap derives its own from it.
    resamples
        Bootstrap samples of whole specimens.

    Raises
    ------
    BadInputError
        From each property: a table is missing or damaged, or tables do not fit together.
    """

    study: str
    split: str
    manifest_csv: Path
    results_dir: Path
    map_shards: Sequence[Path]
    networks: Mapping[str, Path]
    ensemble: Path
    baseline: Path
    curves: Path
    strengths_csv: Path
    explanations_dir: Path | None = None
    scalar: str = "equivalent"
    range_floor: float = 1e-6
    aspect: str = "keep"
    crop_px: int = PAPER_CROP_PX
    scales: Sequence[int] = PAPER_SCALES
    config_digest: str = ""
    seed: int = 0
    resamples: int = 2000

    def __post_init__(self) -> None:
        """Refuse a bootstrap too small for 95 % intervals."""
        if self.resamples < 100:
            raise BadInputError(f"resamples is {self.resamples}", allowed="100 or more")

    @property
    def about(self) -> dict[str, str]:
        """Study and split by these names, for captions and manifests."""
        return {"study": self.study, "split": self.split}

    @cached_property
    def manifest(self) -> pd.DataFrame:
        """The dataset's manifest."""
        return read_manifest(self.manifest_csv)

    @cached_property
    def subsets(self) -> list[tuple[float, int]]:
        """Width in nm and slip systems of every subset, those without a map left among them."""
        headers = (MapShard.open(path).header for path in self.map_shards)
        return sorted({(header.width_nm, header.slip_systems) for header in headers})

    @cached_property
    def models(self) -> list[JudgedModel]:
        """Shape-only, baseline, each network and the ensemble, in this order."""
        return read_judged_models(
            self.manifest, networks=self.networks, ensemble=self.ensemble, baseline=self.baseline
        )

    @cached_property
    def parts(self) -> pd.Series[str]:
        """Part of every map, in manifest order."""
        return part_of_maps(self.ensemble / "predictions.csv", self.manifest)

    @property
    def leading(self) -> str:
        """Name of the network that figures show."""
        return lead_network(list(self.networks))

    @cached_property
    def curve_table(self) -> pd.DataFrame:
        """``curves.csv``: true and predicted stress-strain curves."""
        return read_table(self.curves / "curves.csv", CURVE_COLUMNS)

    @cached_property
    def curve_bands(self) -> pd.DataFrame:
        """``bands.csv``: limits around the predicted curves."""
        return read_table(self.curves / "bands.csv", BAND_COLUMNS)

    @cached_property
    def curve_errors(self) -> pd.DataFrame:
        """``errors.csv``: errors of the predicted curves."""
        return read_table(self.curves / "errors.csv", ERROR_COLUMNS)

    @cached_property
    def strengths(self) -> pd.DataFrame:
        """``strengths.csv``: yield and flow stress of the first load of every specimen."""
        return read_table(self.strengths_csv, STRENGTH_COLUMNS)

    @cached_property
    def neighbours(self) -> pd.DataFrame:
        """``neighbours.csv``: the training maps that each curve was predicted from."""
        return read_table(self.curves / "neighbours.csv", NEIGHBOUR_COLUMNS)

    @cached_property
    def explanations(self) -> Explanations | None:
        """Filters and saliency of the lead network, None where it was not looked into."""
        return None if self.explanations_dir is None else read_explanations(self.explanations_dir)

    def bootstrap_seed(self, purpose: str) -> int:
        """Return the seed of one bootstrap of this study and split."""
        return derive_seed(self.seed, "report", self.study, self.split, purpose)


def read_table(path: str | Path, columns: Iterable[str]) -> pd.DataFrame:
    """Read a CSV that has at least these columns; a table without rows is allowed.

    Raises
    ------
    BadInputError
        The file is missing or unreadable, or a column is not there.
    """
    try:
        table = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise BadInputError(
            f"not readable as a table ({error})", where=path, way_out="delete it and re-run"
        ) from error
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise BadInputError(
            f"columns {missing} are missing", where=path, allowed=", ".join(columns)
        )
    return table


def read_judged_model(name: str, path: str | Path, manifest: pd.DataFrame) -> JudgedModel:
    """Join a model's ``predictions.csv`` to the manifest and keep the test maps.

    Raises
    ------
    BadInputError
        The table is damaged, or names a map that the manifest has not.
    """
    table = read_predictions(path)
    strange = set(table.frame["map_id"]) - set(manifest["map_id"])
    if strange:
        raise BadInputError(
            f"map {min(strange)} is not in the manifest", where=path, way_out="re-run the rule"
        )
    said = pd.DataFrame(
        {
            "map_id": table.frame["map_id"].to_numpy(),
            "label": table.true_class,
            "named_label": table.predicted_class,
            "correct": table.true_class == table.predicted_class,
        }
    )[(table.frame["part"] == "test").to_numpy()]
    test = manifest.drop(columns="label").merge(said, on="map_id", how="inner")
    return JudgedModel(name, table.classes, test)


def read_judged_models(
    manifest: pd.DataFrame,
    *,
    networks: Mapping[str, str | Path],
    ensemble: str | Path,
    baseline: str | Path,
) -> list[JudgedModel]:
    """Read shape-only, baseline, each network and the ensemble, in this order.

    ``networks``, ``ensemble`` and ``baseline`` name the folders of those stages.

    Raises
    ------
    BadInputError
        A table is damaged, or the models were not judged on the same test maps and classes.
    """
    files = {
        "shape-only": Path(baseline) / "shape_predictions.csv",
        "baseline": Path(baseline) / "predictions.csv",
        **{name: Path(folder) / "predictions.csv" for name, folder in networks.items()},
        "ensemble": Path(ensemble) / "predictions.csv",
    }
    models = [read_judged_model(name, path, manifest) for name, path in files.items()]
    first = models[0]
    for model in models[1:]:
        same_maps = list(model.test["map_id"]) == list(first.test["map_id"])
        if not same_maps or model.classes != first.classes:
            raise BadInputError(
                f"was judged on other test maps or classes than {first.name}",
                where=files[model.name],
                way_out="re-run both on one split table",
            )
    return models


def part_of_maps(predictions_csv: str | Path, manifest: pd.DataFrame) -> pd.Series[str]:
    """Return the part of every map in manifest order, from predictions that cover all maps."""
    frame = read_predictions(predictions_csv).frame.set_index("map_id")
    if not set(manifest["map_id"]) <= set(frame.index):
        raise BadInputError("does not cover every map of the manifest", where=predictions_csv)
    parts: pd.Series[str] = frame["part"].loc[manifest["map_id"]].reset_index(drop=True)
    return parts


def lead_network(names: Sequence[str]) -> str:
    """Return the network that figures show: the paper's ``proposed`` one, else the first.

    Raises
    ------
    BadInputError
        There is no network.
    """
    if not names:
        raise BadInputError("no network to report on", way_out="list one under run.networks")
    return next((name for name in names if name.startswith("proposed-seed")), names[0])
