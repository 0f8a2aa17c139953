"""Draws every figure of one study and split and writes it as SVG and PNG, with its caption."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pandas as pd

from strainprint.curves.neighbours import read_features
from strainprint.curves.prediction import reload_curves
from strainprint.dataset.manifest import classes_of, read_manifest
from strainprint.files import sha256_of_file, whole_directory, write_json
from strainprint.maps.scalars import scalar_field
from strainprint.maps.store import MapShard
from strainprint.report.figures.confusion import draw_confusion
from strainprint.report.figures.curve_example import draw_curve_example
from strainprint.report.figures.curve_neighbours import draw_curve_neighbours, neighbour_counts
from strainprint.report.figures.histories import draw_histories
from strainprint.report.figures.projection import draw_projection
from strainprint.report.figures.strain_maps import ExampleMap, draw_strain_maps
from strainprint.report.figures.stress_strain import draw_stress_strain
from strainprint.report.figures.style import Plate, house_style, save_figure
from strainprint.report.inputs import (
    CURVE_COLUMNS,
    ERROR_COLUMNS,
    HISTORY_COLUMNS,
    lead_network,
    part_of_maps,
    read_judged_models,
    read_table,
)
from strainprint.report.statistics import confusion_counts

FIGURES_FORMAT = "strainprint-figures"

_log = logging.getLogger(__name__)


def write_figures(
    figures_dir: str | Path,
    figures_json: str | Path,
    *,
    study: str,
    split: str,
    manifest_csv: str | Path,
    results_dir: str | Path,
    networks: Mapping[str, str | Path],
    ensemble: str | Path,
    baseline: str | Path,
    curves: str | Path,
    scalar: str = "equivalent",
    feature_channels: int = 64,
) -> None:
    """Write all figures of one study and split, and a manifest with captions and checksums.

    Parameters
    ----------
    figures_dir
        Folder to write, whole or not at all: ``{name}.svg`` and ``{name}.png``.
    figures_json
        Manifest to write: name, title, caption, alternative text and SHA-256 of every figure.
    study, split
        For the captions.
    manifest_csv
        The dataset's manifest.
    results_dir
        Folder that the manifest's column ``shard`` is relative to.
    networks
        Folder of each trained network, by its name ``<network>-seed<n>``.
    ensemble, baseline, curves
        Folders of those stages.
    scalar
        Scalar of the strain that the study's pictures show.
    feature_channels
        Width of the networks' global-average-pooling layer.

    Raises
    ------
    BadInputError
        A table, map or feature file is missing or damaged, or they do not fit together.
    """
    manifest = read_manifest(manifest_csv)
    models = {
        model.name: model
        for model in read_judged_models(
            manifest, networks=networks, ensemble=ensemble, baseline=baseline
        )
    }
    leading = lead_network(list(networks))
    histories = {
        name: read_table(Path(folder) / "history.csv", HISTORY_COLUMNS)
        for name, folder in networks.items()
    }
    curve_table = read_table(Path(curves) / "curves.csv", CURVE_COLUMNS)
    errors = read_table(Path(curves) / "errors.csv", ERROR_COLUMNS)
    counts = neighbour_counts(curve_table)
    about = {"study": study, "split": split}
    confusion = {
        name: confusion_counts(
            models[name].test["label"].to_numpy(),
            models[name].test["named_label"].to_numpy(),
            len(models[name].classes),
        )
        for name in ("shape-only", "baseline", leading, "ensemble")
    }
    draw: dict[str, Callable[[], Plate]] = {
        "confusion": partial(draw_confusion, confusion, models[leading].classes, **about),
        "projection": partial(
            draw_projection,
            read_features(Path(networks[leading]) / "features.npy", len(manifest)),
            manifest,
            part_of_maps(Path(networks[leading]) / "predictions.csv", manifest).to_numpy(),
            network=leading,
            channels=feature_channels,
            **about,
        ),
        "histories": partial(draw_histories, histories, **about),
        "curve_example": partial(
            draw_curve_example,
            curve_table,
            errors,
            manifest,
            method=f"k{counts[len(counts) // 2]}" if counts else "k5",
            **about,
        ),
        "curve_neighbours": partial(draw_curve_neighbours, curve_table, errors, manifest, **about),
        "strain_maps": partial(_draw_examples, manifest, Path(results_dir), scalar=scalar, **about),
        "stress_strain": partial(_draw_curves, manifest, Path(results_dir), **about),
    }
    entries = []
    with whole_directory(figures_dir) as folder, house_style():
        folder.mkdir()
        for name, make in draw.items():
            plate = make()
            files = save_figure(plate.figure, folder, name)
            entries.append(
                {
                    "name": name,
                    "title": plate.title,
                    "caption": plate.caption,
                    "alternative": plate.alternative,
                    "sha256": {path.suffix[1:]: sha256_of_file(path) for path in files},
                }
            )
            _log.info("drew %s for study %s, split %s", name, study, split)
    write_json(figures_json, {"format": FIGURES_FORMAT, "version": 1, **about, "figures": entries})


def _draw_examples(
    manifest: pd.DataFrame, results_dir: Path, *, scalar: str, study: str, split: str
) -> Plate:
    """Read the first specimen's map of every subset and class at the largest reload."""
    reload = str(manifest["reload"].iloc[int(manifest["reload_strain"].argmax())])
    shown = manifest[manifest["reload"] == reload].drop_duplicates(["subset", "label"])
    examples: dict[tuple[str, str], ExampleMap] = {}
    frame = ""
    for shard_name, group in shown.groupby("shard", sort=True):
        shard = MapShard.open(results_dir / str(shard_name))
        frame = shard.header.frame
        for index in group["shard_index"]:
            strain_map = shard.map(int(index))
            record = shard.records[int(index)]
            examples[shard.header.subset, record.strain_path] = ExampleMap(
                record.map_id,
                shard.header.subset,
                record.strain_path,
                scalar_field(strain_map, scalar),
                shard.header.pitch_nm,
            )
    subsets = manifest.drop_duplicates("subset").sort_values(["width_nm", "slip_systems"])
    return draw_strain_maps(
        examples,
        list(subsets["subset"]),
        classes_of(manifest),
        scalar=scalar,
        reload=reload,
        frame=frame,
        study=study,
        split=split,
    )


def _draw_curves(manifest: pd.DataFrame, results_dir: Path, **about: str) -> Plate:
    """Read one reload curve for each specimen and prior strain."""
    once = manifest.drop_duplicates(["specimen_id", "label"]).reset_index(drop=True)
    strain, stress_mpa = reload_curves(once, results_dir)
    return draw_stress_strain(strain, stress_mpa, once, **about)
