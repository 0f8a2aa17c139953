"""A small results folder in the files that the stages before the report write, of made-up data.

Nothing here is a simulation: maps are smooth fields with bright lines, curves are power laws and
predictions are drawn with a stated accuracy, so that tables have known answers and figures have
something to show.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

from strainprint.config import config_digest
from strainprint.curves.virgin_strengths import COLUMNS as STRENGTH_COLUMNS
from strainprint.dataset.manifest import build_manifest
from strainprint.dataset.splits import build_split
from strainprint.files import sha256_of_file, write_csv, write_json
from strainprint.maps.store import MapEntry, MapRecord, ShardHeader, write_map_shard
from strainprint.maps.strain_map import StrainMap
from strainprint.networks.architectures import ResidualNetwork, architecture_of
from strainprint.networks.explain import FORMAT
from strainprint.networks.filters import excite_filters
from strainprint.networks.predictions import read_predictions, write_predictions
from strainprint.networks.saliency import KINDS, saliency
from strainprint.networks.saliency_checks import deletion_test, randomization_test
from strainprint.networks.storage import write_tensors
from strainprint.report.drawings import write_drawings
from strainprint.report.figures.write import write_figures
from strainprint.report.inputs import ReportInputs
from strainprint.report.page import write_page
from strainprint.report.tables import write_tables
from strainprint.seeds import generator
from strainprint.specimens.naming import map_name, specimen_name, subset_name

PRIOR_STRAINS = (0.001, 0.01, 0.1)
CLASSES = ("0.001", "0.01", "0.1")
RELOADS = {"small": 0.001, "large": 0.01}
CURVE_STRAIN = np.linspace(0.0, 0.01, 51)
CONFIG = {"seed": 0}
NETWORKS = ("proposed-seed0", "res4-l2-seed0", "res4-seed0")


def build_results(
    root: Path,
    *,
    studies: tuple[str, ...] = ("audited",),
    splits: tuple[str, ...] = ("specimen",),
    widths_nm: tuple[float, ...] = (62.5, 125.0),
    slip_systems: tuple[int, ...] = (1, 2),
    per_subset: int = 6,
    accuracy: dict[str, float] | None = None,
    missing_subsets: tuple[str, ...] = (),
    single_specimens: tuple[str, ...] = (),
    class_without_test: str = "",
) -> Path:
    """Write a results folder and return it; ``accuracy`` is that of each model.

    Of some subsets all specimens may be lost or all but one, and of a class there may be no test
    map.
    """
    results = root / "results"
    _write_strengths(results / "specimens", widths_nm, slip_systems, per_subset)
    for study in studies:
        shards = [
            _write_shard(
                *(results, study, width, slip),
                0
                if subset_name(width, slip) in missing_subsets
                else 1
                if subset_name(width, slip) in single_specimens
                else per_subset,
            )
            for width in widths_nm
            for slip in slip_systems
        ]
        manifest_csv = results / study / "dataset" / "manifest.csv"
        manifest = build_manifest(
            shards,
            results,
            manifest_csv,
            classes=CLASSES,
            scalar="equivalent",
            range_floor=1e-6,
        )
        for split in splits:
            if single_specimens:  # which no split deals out
                dealt = manifest["specimen"].map({0: "test", 1: "validation"}).fillna("train")
            else:
                dealt = build_split(
                    manifest_csv,
                    results / study / "dataset" / "splits" / f"{split}.csv",
                    split=split,
                    seed=0,
                )["part"]
            parts = dealt.to_numpy(copy=True)
            without = (manifest["strain_path"] == class_without_test).to_numpy()
            parts[without & (parts == "test")] = "train"
            _write_split(results / study / split, manifest, parts, accuracy or {})
    return results


def report_inputs(results: Path, study: str, split: str, **changes: Any) -> ReportInputs:
    """Return what ``write_tables`` and ``write_figures`` take, with 200 bootstrap samples."""
    base = results / study / split
    inputs = ReportInputs(
        study=study,
        split=split,
        manifest_csv=results / study / "dataset" / "manifest.csv",
        results_dir=results,
        map_shards=sorted((results / study / "maps").glob("*/*.json")),
        networks={name: base / "networks" / name for name in NETWORKS},
        ensemble=base / "ensemble",
        baseline=base / "baseline",
        curves=base / "curves",
        strengths_csv=results / "specimens" / "strengths.csv",
        explanations_dir=base / "explanations" if split == "specimen" else None,
        resamples=200,
        config_digest=config_digest(CONFIG),
    )
    return replace(inputs, **changes)


def _write_strengths(
    folder: Path, widths_nm: tuple[float, ...], slip_systems: tuple[int, ...], count: int
) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    random = generator(0, "strengths")
    rows = [
        (specimen_name(subset_name(width, slip), i), width, slip, 0, *stress)
        for width in widths_nm
        for slip in slip_systems
        for i, stress in enumerate(2e3 * width**-0.5 * random.lognormal(0, 0.1, (count, 2)))
    ]
    write_csv(folder / "strengths.csv", pd.DataFrame(rows, columns=list(STRENGTH_COLUMNS)))


FLOW = [
    {"rule": "simulate", "stage": "specimens", "reads": [], "writes": ["a.h5"]},
    {"rule": "page", "stage": "report", "reads": ["simulate"], "writes": ["b.html"]},
]


def build_page(
    results: Path, *, studies: tuple[str, ...], splits: tuple[str, ...], **changes: Any
) -> Path:
    """Write tables, figures, drawings and the page below results; return the page."""
    reports = []
    for study in studies:
        for split in splits:
            report = results / study / split / "report"
            inputs = report_inputs(results, study, split)
            write_tables(report / "tables", report / "tables.json", inputs)
            write_figures(report / "figures", report / "figures.json", inputs)
            reports.append(report)
    drawings = results / "drawings" / "figures"
    write_drawings(
        drawings,
        drawings.with_suffix(".json"),
        flow=FLOW,
        networks=["proposed", "res4"],
        lead="proposed",
        n_classes=3,
        crop_px=32,
        config_digest=config_digest(CONFIG),
    )
    return write_one_page(results, reports, **changes)


def write_one_page(results: Path, reports: list[Path], **changes: Any) -> Path:
    """Write the page of reports that lie there already; ``changes`` are arguments of its own."""
    arguments: dict[str, Any] = {
        "tables": [report / "tables.json" for report in reports],
        "figures": [report / "figures.json" for report in reports],
        "seeds": [0],
        "threads": 1,
        "studies": {"audited": {"frame": "reference", "scalar": "equivalent", "aspect": "keep"}},
        "assumptions": ["Grey levels are rounded <to nearest>; see `maps`."],
        "run_facts": {"made by": "a & b"},
        "drawings": results / "drawings" / "figures.json",
        "config": CONFIG,
        "benchmarks": results / "benchmarks",
        **changes,
    }
    page: Path = changes.get("page", results / "report.html")
    arguments.pop("page", None)
    write_page(page, **arguments)
    return page


def _stress(width: float, prior: float, slip: int, seed: int) -> np.ndarray:
    random = generator(seed, "curve", width, prior, slip)
    level = 2.0e3 * width**-0.55 * (1.15 - 0.1 * slip) * (1 + 0.1 * np.log10(prior / 0.001))
    level *= np.exp(0.12 * random.standard_normal())
    drops = np.cumsum(0.05 * random.standard_normal(CURVE_STRAIN.size)) * 30 / np.sqrt(width)
    rise = 1 - np.exp(-CURVE_STRAIN / 0.0012)
    return np.maximum(level * rise * (1 + 0.05 * drops), 0.0)


def _map(
    width: float, prior: float, slip: int, reload: float, seed: int, pitch: float
) -> StrainMap:
    random = generator(seed, "map", width, prior, slip, reload)
    rows, columns = int(width / pitch), int(3 * width / pitch)
    x, y = np.meshgrid(np.arange(rows) * pitch, np.arange(columns) * pitch, indexing="ij")
    ux, uy = 1e-4 * x, -reload * 0.2 * y
    for _ in range(3 + int(2 * (3 + np.log10(prior)))):
        side = 1.0 if slip == 1 else random.choice([-1.0, 1.0])
        behind = (y - random.uniform(0, 3 * width)) * 0.5 - side * 0.87 * (x - width / 2) > 0
        step = 0.286 * random.integers(1, 4) * (1 if reload > 0.005 else 0.3)
        ux, uy = ux + side * step * 0.5 * behind, uy - step * 0.87 * behind
    return StrainMap.from_displacement(
        ux, uy, np.ones(ux.shape, dtype=bool), pitch_nm=pitch, frame="reference"
    )


def _write_shard(results: Path, study: str, width: float, slip: int, count: int) -> Path:
    subset = subset_name(width, slip)
    folder = results / study / "maps" / subset
    folder.mkdir(parents=True, exist_ok=True)
    pitch = max(2.0, width / 60)
    header = ShardHeader(study, subset, width, 3 * width, slip, pitch, "reference", 2 * pitch)
    entries = []
    for specimen in range(count):
        name = specimen_name(subset, specimen)
        for path, prior in zip(CLASSES, PRIOR_STRAINS, strict=True):
            for reload, strain in RELOADS.items():
                record = MapRecord(
                    map_id=map_name(name, path, reload),
                    specimen_id=name,
                    specimen=specimen,
                    seed=specimen,
                    strain_path=path,
                    prior_strain=prior,
                    reload=reload,
                    reload_strain=strain,
                    relaxed=specimen != 1,
                    dislocations=int(width / 10 * (4 + np.log10(prior))) + specimen,
                )
                entries.append(
                    MapEntry(
                        record,
                        _map(width, prior, slip, strain, specimen, pitch),
                        _stress(width, prior, slip, specimen),
                    )
                )
    lost = {} if entries else {specimen_name(subset, 0): "density above the limit"}
    write_map_shard(
        folder / "0000.zarr", folder / "0000.json", header, CURVE_STRAIN, entries, lost=lost
    )
    return folder / "0000.json"


def _write_split(
    base: Path, manifest: pd.DataFrame, parts: np.ndarray, accuracy: dict[str, float]
) -> None:
    label = manifest["label"].to_numpy()

    def predict(path: Path, model: str, share: float) -> None:
        random = generator(0, "predictions", model, str(base.name))
        right = random.random(len(label)) < accuracy.get(model, share)
        named = np.where(right, label, (label + random.integers(1, 3, len(label))) % 3)
        probabilities = np.full((len(label), 3), 0.1)
        probabilities[np.arange(len(label)), named] = 0.8
        path.parent.mkdir(parents=True, exist_ok=True)
        write_predictions(path, manifest, parts, probabilities, CLASSES)

    for name, share in zip(NETWORKS, (0.80, 0.76, 0.74), strict=True):
        folder = base / "networks" / name
        predict(folder / "predictions.csv", name, share)
        random = generator(0, "features", name)
        centres = random.standard_normal((3, 64))
        features = centres[label][:, None, :] + 0.8 * random.standard_normal((len(label), 4, 64))
        np.save(folder / "features.npy", features.reshape(len(label), -1).astype(np.float32))
        epochs = np.arange(1, 25)
        loss = 1.1 * np.exp(-epochs / (6 + 4 * share))
        write_csv(
            folder / "history.csv",
            pd.DataFrame(
                {
                    "epoch": epochs,
                    "train_loss": loss + 0.02,
                    "train_accuracy": 1 - 0.6 * loss,
                    "validation_loss": loss + 0.15 + 0.0006 * epochs**2,
                    "validation_accuracy": 0.9 - 0.5 * loss,
                }
            ),
        )
    predict(base / "ensemble" / "predictions.csv", "ensemble", 0.82)
    predict(base / "baseline" / "predictions.csv", "baseline", 0.62)
    predict(base / "baseline" / "shape_predictions.csv", "shape-only", 0.45)
    _write_variants(base / "baseline", manifest, parts)
    _write_curves(base / "curves", manifest, parts)
    _write_explanations(base, manifest, parts)


def _write_variants(folder: Path, manifest: pd.DataFrame, parts: np.ndarray) -> None:
    """A forest as in the baseline's predictions, and support vectors that name one class."""
    said = read_predictions(folder / "predictions.csv").frame["prior_strain_predicted"]
    names = {"two_state-pymks-forest": said, "raw-whole-svm": np.full(len(manifest), CLASSES[0])}
    rows = [
        {
            "variant": name,
            **dict(zip(("input", "window", "classifier"), name.split("-"), strict=True)),
            "largest_row_lag_nm": 30.0,
            "largest_column_lag_nm": 30.0,
            "components": 8,
            "setting": "n_estimators=100",
            "explained_variance": 0.9,
            "cross_validation_accuracy": 0.6 - 0.2 * position,
            "chosen": 1 - position,
            "untrained_classes": "",
        }
        for position, name in enumerate(names)
    ]
    write_csv(folder / "variants.csv", pd.DataFrame(rows))
    columns = {"map_id": manifest["map_id"], "part": parts, "prior_strain": manifest["strain_path"]}
    write_csv(folder / "variant_predictions.csv", pd.DataFrame({**columns, **names}))


def _write_explanations(base: Path, manifest: pd.DataFrame, parts: np.ndarray) -> None:
    """What a network of made-up weights answers to, on crops of noise."""
    folder = base / "explanations"
    network = ResidualNetwork(architecture_of("proposed"), seed=1).eval()
    crops = generator(0, "crops").integers(0, 256, (2, 24, 24), dtype=np.uint8)
    map_ids = manifest["map_id"].to_numpy()[parts == "test"][:2]
    crops = crops[: len(map_ids)]
    labels = np.zeros(len(map_ids), dtype=np.int64)
    filters = excite_filters(network, px=16, steps=2)
    tensors = {"filters": filters.pictures, "crops": crops}
    tensors |= {f"saliency_{kind}": saliency(network, crops, labels, kind=kind) for kind in KINDS}
    write_tensors(
        folder / "pictures.safetensors",
        {name: torch.from_numpy(array) for name, array in tensors.items()},
    )
    checks = {
        "randomization.csv": randomization_test(network, crops, labels, seed=2),
        "deletion.csv": deletion_test(network, crops, labels, seed=2),
    }
    for name, table in checks.items():
        table["crop"] = map_ids[table["crop"]]
        write_csv(folder / name, table.rename(columns={"crop": "map_id"}))
    write_json(
        folder / "explanations.json",
        {
            "format": FORMAT,
            "network": NETWORKS[0],
            "map_ids": map_ids.tolist(),
            "classes_named": [CLASSES[0]] * len(map_ids),
            "filter_steps": 2,
            "filters": filters.filters.tolist(),
            "filters_of_layer": filters.n_filters,
            "sha256": {
                name: sha256_of_file(folder / name) for name in ("pictures.safetensors", *checks)
            },
        },
    )


def _write_curves(folder: Path, manifest: pd.DataFrame, parts: np.ndarray) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    small = (manifest["reload"] == "small").to_numpy()
    test, train = manifest[small & (parts == "test")], manifest[small & (parts == "train")]
    curve_of = {
        row.map_id: _stress(row.width_nm, row.prior_strain, row.slip_systems, row.specimen)
        for row in manifest[small].itertuples()
    }
    curves, bands, errors, neighbours = [], [], [], []
    for row in test.itertuples():
        near = train[train["subset"] == row.subset]["map_id"].tolist() or train["map_id"].tolist()
        random = generator(0, "neighbours", row.map_id)
        order = [near[i] for i in random.permutation(len(near))][:10]
        true = curve_of[row.map_id]
        predicted = {
            f"k{k}": np.mean([curve_of[name] for name in order[:k]], axis=0) for k in (1, 5, 10)
        }
        predicted["cv"] = np.mean([curve_of[name] for name in order[:3]], axis=0)
        predicted["subset_mean"] = np.mean([curve_of[name] for name in near], axis=0)
        predicted["correlation_k5"] = np.mean(
            [curve_of[name] for name in order[5:] or order], axis=0
        )
        curves.append(
            pd.DataFrame(
                {
                    "map_id": row.map_id,
                    "strain": CURVE_STRAIN,
                    "true_mpa": true,
                    **{f"{method}_mpa": curve for method, curve in predicted.items()},
                }
            )
        )
        bands.append(
            pd.DataFrame(
                {
                    "map_id": row.map_id,
                    "strain": CURVE_STRAIN,
                    "cv_conformal_low_mpa": 0.9 * predicted["cv"],
                    "cv_conformal_high_mpa": 1.1 * predicted["cv"],
                    "k5_spread_low_mpa": true - 1,
                    "k5_spread_high_mpa": true + 1,
                }
            )
        )
        for method, curve in predicted.items():
            errors.append(
                {
                    "map_id": row.map_id,
                    "subset": row.subset,
                    "prior_strain": row.strain_path,
                    "method": method,
                    "relative_rmse": float(np.sqrt(np.mean((curve - true) ** 2)) / true.mean()),
                    "r2": 1
                    - float(np.sum((curve - true) ** 2) / np.sum((true - true.mean()) ** 2)),
                    "yield_stress_true_mpa": float(true[15]),
                    "yield_stress_error_mpa": float(curve[15] - true[15]),
                }
            )
        for rank, name in enumerate(order, start=1):
            neighbours.append(
                {
                    "map_id": row.map_id,
                    "siblings": "allowed",
                    "rank": rank,
                    "neighbour_map_id": name,
                    "distance": float(rank),
                    "same_specimen": int(name.startswith(row.specimen_id)),
                }
            )
    write_csv(folder / "curves.csv", pd.concat(curves))
    write_csv(folder / "bands.csv", pd.concat(bands))
    write_csv(folder / "errors.csv", pd.DataFrame(errors))
    write_csv(folder / "neighbours.csv", pd.DataFrame(neighbours))
