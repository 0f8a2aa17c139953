"""Draws every figure of one study and split and writes it as SVG and PNG, with its caption."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Final

from strainprint.curves.neighbours import read_features
from strainprint.curves.prediction import reload_curves
from strainprint.dataset.manifest import classes_of
from strainprint.files import whole_directory, write_json
from strainprint.maps.picture import grey_picture
from strainprint.maps.scalars import scalar_field
from strainprint.maps.store import MapShard
from strainprint.networks.architectures import N_FEATURES
from strainprint.report.figures.confusion import draw_confusion
from strainprint.report.figures.crops import draw_crops
from strainprint.report.figures.curve_example import draw_curve_example
from strainprint.report.figures.curve_neighbours import draw_curve_cases, draw_curve_neighbours
from strainprint.report.figures.curve_predictability import draw_curve_predictability
from strainprint.report.figures.filters import draw_filters
from strainprint.report.figures.histories import draw_histories
from strainprint.report.figures.projection import draw_projection
from strainprint.report.figures.saliency import draw_saliency
from strainprint.report.figures.saliency_checks import draw_saliency_checks
from strainprint.report.figures.size_effect import draw_size_effect
from strainprint.report.figures.strain_maps import ExampleMap, draw_strain_maps
from strainprint.report.figures.stress_strain import draw_stress_strain
from strainprint.report.figures.style import Plate, figure_entry, house_style
from strainprint.report.inputs import HISTORY_COLUMNS, ReportInputs, read_table
from strainprint.report.statistics import confusion_counts

FIGURES_FORMAT = "strainprint-figures"

_log = logging.getLogger(__name__)


def write_figures(figures_dir: str | Path, figures_json: str | Path, inputs: ReportInputs) -> None:
    """Write all figures of one study and split, and a manifest with captions and checksums.

    Parameters
    ----------
    figures_dir
        Folder to write, whole or not at all: ``{name}.svg`` and ``{name}.png`` of every figure of
        :data:`FIGURES`.
    figures_json
        Manifest to write: name, title, caption, alternative text and SHA-256 of every figure.
    inputs
        What the earlier stages left.

    Raises
    ------
    BadInputError
        A table, map or feature file is missing or damaged, or they do not fit together.
    """
    entries = []
    with whole_directory(figures_dir) as folder, house_style():
        folder.mkdir()
        for name, draw in FIGURES.items():
            plate = draw(inputs)
            if plate is None:
                continue
            entries.append(figure_entry(plate, folder, name, config_digest=inputs.config_digest))
            _log.info("drew %s for study %s, split %s", name, inputs.study, inputs.split)
    content = {"format": FIGURES_FORMAT, "version": 1, **inputs.about, "figures": entries}
    write_json(figures_json, content)


def _confusion(inputs: ReportInputs) -> Plate:
    models = {model.name: model for model in inputs.models}
    counts = {
        name: confusion_counts(
            models[name].test["label"].to_numpy(),
            models[name].test["named_label"].to_numpy(),
            len(models[name].classes),
        )
        for name in ("shape-only", "baseline", inputs.leading, "ensemble")
    }
    return draw_confusion(counts, models[inputs.leading].classes, **inputs.about)


def _projection(inputs: ReportInputs) -> Plate:
    folder = inputs.networks[inputs.leading]
    return draw_projection(
        read_features(folder / "features.npy", len(inputs.manifest)),
        inputs.manifest,
        inputs.parts.to_numpy(),
        network=inputs.leading,
        channels=N_FEATURES,
        **inputs.about,
    )


def _histories(inputs: ReportInputs) -> Plate:
    histories = {
        name: read_table(folder / "history.csv", HISTORY_COLUMNS)
        for name, folder in inputs.networks.items()
    }
    maps = inputs.parts.value_counts()
    return draw_histories(
        histories, maps=(int(maps["train"]), int(maps["validation"])), **inputs.about
    )


def _curve_example(inputs: ReportInputs) -> Plate:
    return draw_curve_example(
        inputs.curve_table,
        inputs.curve_bands,
        inputs.curve_errors,
        inputs.manifest,
        method="cv",
        **inputs.about,
    )


def _curve_neighbours(inputs: ReportInputs) -> Plate:
    return draw_curve_neighbours(
        inputs.curve_table,
        inputs.curve_bands,
        inputs.curve_errors,
        inputs.manifest,
        study=inputs.study,
        split=inputs.split,
    )


def _curve_cases(inputs: ReportInputs) -> Plate:
    return draw_curve_cases(
        inputs.curve_table,
        inputs.curve_bands,
        inputs.curve_errors,
        inputs.manifest,
        method="cv",
        **inputs.about,
    )


def _curve_predictability(inputs: ReportInputs) -> Plate:
    return draw_curve_predictability(
        inputs.curve_table,
        inputs.manifest,
        seed=inputs.bootstrap_seed("curve errors"),
        resamples=inputs.resamples,
        **inputs.about,
    )


def _size_effect(inputs: ReportInputs) -> Plate:
    return draw_size_effect(
        inputs.strengths,
        seed=inputs.bootstrap_seed("size effect"),
        resamples=inputs.resamples,
        **inputs.about,
    )


def _strain_maps(inputs: ReportInputs) -> Plate:
    """Read the first specimen's map of every subset and class at the largest reload."""
    manifest = inputs.manifest
    reload = str(manifest["reload"].iloc[int(manifest["reload_strain"].argmax())])
    shown = manifest[manifest["reload"] == reload].drop_duplicates(["subset", "label"])
    examples: dict[tuple[str, str], ExampleMap] = {}
    frame = ""
    for shard_name, group in shown.groupby("shard", sort=True):
        shard = MapShard.open(inputs.results_dir / str(shard_name))
        frame = shard.header.frame
        for index in group["shard_index"]:
            strain_map = shard.map(int(index))
            record = shard.records[int(index)]
            examples[shard.header.subset, record.strain_path] = ExampleMap(
                record.map_id,
                shard.header.subset,
                record.strain_path,
                scalar_field(strain_map, inputs.scalar),
                shard.header.pitch_nm,
            )
    subsets = manifest.drop_duplicates("subset").sort_values(["width_nm", "slip_systems"])
    return draw_strain_maps(
        examples,
        list(subsets["subset"]),
        classes_of(manifest),
        scalar=inputs.scalar,
        reload=reload,
        frame=frame,
        **inputs.about,
    )


def _crops(inputs: ReportInputs) -> Plate:
    """Read the map with the most slip to see: the last class at the largest reload."""
    manifest = inputs.manifest
    large = manifest[manifest["reload_strain"] == manifest["reload_strain"].max()]
    one = large[large["label"] == large["label"].max()].iloc[[0]]
    shard = MapShard.open(inputs.results_dir / str(one["shard"].iloc[0]))
    picture, _ = grey_picture(
        shard.map(int(one["shard_index"].iloc[0])), inputs.scalar, inputs.range_floor
    )
    return draw_crops(
        picture,
        map_id=str(one["map_id"].iloc[0]),
        pitch_nm=shard.header.pitch_nm,
        crop_px=inputs.crop_px,
        scales=inputs.scales,
        aspect=inputs.aspect,
        **inputs.about,
    )


def _stress_strain(inputs: ReportInputs) -> Plate:
    """Read one reload curve for each specimen and prior strain."""
    once = inputs.manifest.drop_duplicates(["specimen_id", "label"]).reset_index(drop=True)
    strain, stress_mpa = reload_curves(once, inputs.results_dir)
    return draw_stress_strain(strain, stress_mpa, once, **inputs.about)


def _filters(inputs: ReportInputs) -> Plate | None:
    explained = inputs.explanations
    return None if explained is None else draw_filters(explained, **inputs.about)


def _saliency(inputs: ReportInputs) -> Plate | None:
    explained = inputs.explanations
    if explained is None:
        return None
    return draw_saliency(explained, inputs.manifest, **inputs.about)


def _saliency_checks(inputs: ReportInputs) -> Plate | None:
    explained = inputs.explanations
    return None if explained is None else draw_saliency_checks(explained, **inputs.about)


FIGURES: Final[dict[str, Callable[[ReportInputs], Plate | None]]] = {
    "confusion": _confusion,
    "projection": _projection,
    "histories": _histories,
    "curve_example": _curve_example,
    "curve_neighbours": _curve_neighbours,
    "curve_cases": _curve_cases,
    "curve_predictability": _curve_predictability,
    "filters": _filters,
    "saliency": _saliency,
    "saliency_checks": _saliency_checks,
    "strain_maps": _strain_maps,
    "crops": _crops,
    "stress_strain": _stress_strain,
    "size_effect": _size_effect,
}
"""What draws the figures of a study and split, by the file's stem; None where it has none."""
