"""Filters, saliency and the checks of both for one trained network, written for the report."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from strainprint.dataset.crops import KINDS as CROP_KINDS
from strainprint.dataset.crops import SQUARES
from strainprint.dataset.manifest import read_manifest
from strainprint.dataset.splits import read_split
from strainprint.dataset.store import read_crops
from strainprint.errors import BadInputError
from strainprint.files import read_json, sha256_of_file, write_csv, write_json
from strainprint.networks.devices import prepare_device
from strainprint.networks.filters import excite_filters
from strainprint.networks.inference import predict_crops
from strainprint.networks.saliency import KINDS, saliency
from strainprint.networks.saliency_checks import deletion_test, randomization_test
from strainprint.networks.storage import load_network, read_tensors, write_tensors
from strainprint.seeds import derive_seed

FORMAT = "strainprint-explanations"
PICTURES = "pictures.safetensors"
DESCRIPTION = "explanations.json"
RANDOMIZATION = "randomization.csv"
DELETION = "deletion.csv"

# The whole middle square at the smallest scale: most of a picture that one crop can hold.
_CROP = SQUARES.index("middle") * len(CROP_KINDS) + CROP_KINDS.index("resized")

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Explanations:
    """What :func:`explain_network` wrote, read back.

    Attributes
    ----------
    filters
        Pictures that the filters with the highest answers were driven to, (n_shown, px, px).
    crops
        Crops of test maps, grey levels, (n_maps, px, px), uint8.
    saliency
        Saliency of each crop by kind, (n_maps, px, px).
    description
        All of ``explanations.json``: ``map_ids``, ``classes_named``, ``filter_answers`` …
    randomization, deletion
        As :mod:`strainprint.networks.saliency_checks` returns them.
    """

    filters: NDArray[np.float32]
    crops: NDArray[np.uint8]
    saliency: dict[str, NDArray[np.float32]]
    description: dict[str, Any]
    randomization: pd.DataFrame
    deletion: pd.DataFrame


def explain_network(
    *,
    network_dir: str | Path,
    crops_zarr: str | Path,
    crops_json: str | Path,
    manifest_csv: str | Path,
    split_csv: str | Path,
    out_dir: str | Path,
    maps: int,
    filter_px: int,
    filter_steps: int,
    config_seed: int,
    device: str = "auto",
    threads: int = 1,
) -> None:
    """Excite a network's filters, and ask for the saliency of one crop of some test maps.

    The maps are the first test maps of each subset and class in turn, up to ``maps``; the class
    asked about is the one that the network names for the crop.

    Writes ``pictures.safetensors``, ``randomization.csv``, ``deletion.csv`` and, last, their
    manifest ``explanations.json`` into ``out_dir``. A test part without maps leaves the filters.

    Raises
    ------
    BadInputError
        A file cannot be used, or files do not belong together.
    """
    chosen_device = prepare_device(device, threads)
    trained = load_network(network_dir)
    network = trained.network.to(chosen_device)
    manifest = read_manifest(manifest_csv)
    parts = read_split(split_csv, manifest)
    store = read_crops(crops_zarr, crops_json, memory_bytes=0)
    if store.map_ids != tuple(manifest["map_id"]):
        raise BadInputError("maps are not those of the manifest, in its order", where=crops_json)
    rows = explained_maps(manifest, np.asarray(parts) == "test", maps)
    crops = np.ascontiguousarray(store.maps(rows)[:, _CROP])
    named = predict_crops(network, crops[:, None])[0].argmax(axis=1)
    seed = derive_seed(config_seed, "explain")
    filters = excite_filters(network, px=filter_px, steps=filter_steps, seed=seed)
    by_kind = {kind: saliency(network, crops, named, kind=kind) for kind in KINDS}
    out_dir = Path(out_dir)
    write_tensors(
        out_dir / PICTURES,
        {
            "filters": torch.from_numpy(filters.pictures),
            "crops": torch.from_numpy(crops),
            **{f"saliency_{kind}": torch.from_numpy(found) for kind, found in by_kind.items()},
        },
    )
    map_ids = manifest["map_id"].to_numpy()[rows]
    torch_seed = seed % 2**32
    for name, table in (
        (RANDOMIZATION, randomization_test(network, crops, named, seed=torch_seed)),
        (DELETION, deletion_test(network, crops, named, seed=seed)),
    ):
        write_csv(
            out_dir / name,
            table.assign(crop=map_ids[table["crop"]]).rename(columns={"crop": "map_id"}),
        )
    write_json(
        out_dir / DESCRIPTION,
        {
            "format": FORMAT,
            "version": 1,
            "network": Path(network_dir).name,
            "crop_px": crops.shape[-1],
            "map_ids": map_ids.tolist(),
            "classes_named": [trained.classes[label] for label in named],
            "filter_steps": filter_steps,
            "filters": filters.filters.tolist(),
            "filter_answers": filters.answers.tolist(),
            "filters_of_layer": filters.n_filters,
            "device": chosen_device.type,
            "threads": threads,
            "sha256": {
                name: sha256_of_file(out_dir / name) for name in (PICTURES, RANDOMIZATION, DELETION)
            },
        },
    )
    _log.info("explained %s on %d maps", Path(network_dir).name, len(rows))


def explained_maps(
    manifest: pd.DataFrame, test: NDArray[np.bool_], count: int
) -> NDArray[np.int64]:
    """Return rows of the manifest: test maps, every class and subset in turn, at most ``count``.

    Of each class and subset first the maps of the largest reload, on which there is most to see.
    """
    rows = np.flatnonzero(test)
    chosen = manifest.iloc[rows][["subset", "label", "reload_strain"]].assign(row=rows)
    chosen = chosen.sort_values("reload_strain", ascending=False, kind="stable")
    chosen["turn"] = chosen.groupby(["subset", "label"], sort=True).cumcount()
    ordered = chosen.sort_values(["turn", "subset", "label"], kind="stable")
    return ordered["row"].to_numpy(dtype=np.int64)[:count]


def read_explanations(folder: str | Path) -> Explanations:
    """Read what :func:`explain_network` wrote and prove it against its checksums.

    Raises
    ------
    BadInputError
        A file is missing, damaged or altered.
    """
    folder = Path(folder)
    description = read_json(folder / DESCRIPTION, expected_format=FORMAT)
    for name, digest in description["sha256"].items():
        path = folder / Path(name).name
        if not path.is_file() or sha256_of_file(path) != digest:
            raise BadInputError(
                "is missing or was altered", where=path, way_out="delete it and re-run"
            )
    tensors = read_tensors(folder / PICTURES)
    return Explanations(
        tensors["filters"].numpy(),
        tensors["crops"].numpy(),
        {kind: tensors[f"saliency_{kind}"].numpy() for kind in KINDS},
        description,
        pd.read_csv(folder / RANDOMIZATION),
        pd.read_csv(folder / DELETION),
    )
