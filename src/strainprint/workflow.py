"""The only module that knows Snakemake: file names, what a job asks for, its code, its log.

It is imported while the DAG is built, on a cluster once per job, so it imports nothing heavy.
"""

from __future__ import annotations

import csv
import errno
import json
import logging
import math
import os
import re
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cache
from importlib.metadata import version
from pathlib import Path
from time import perf_counter, time
from typing import Any

from strainprint.config import RESERVED_STUDIES, SEEN_BY
from strainprint.digest import code_digest
from strainprint.errors import BadInputError
from strainprint.specimens.naming import parse_subset, subset_name
from strainprint.specimens.strain_path import StrainPath, strain_paths

_log = logging.getLogger(__name__)

_SKEW_S = 5.0
"""How far the clock of a file server may be ahead."""

_held: list[Any] = []
"""Locks that end with the process."""

_RUN = "STRAINPRINT_RUN"
"""What tells a job on this machine the name of the run that started it."""


# ---- file names ----------------------------------------------------------------------------------


RESULTS = "results"
_VARIANT = "results/experiments/{experiment}/networks/{variant}/{network}-seed{seed}"


class Paths:
    """Every file-name pattern of the workflow, relative to the working directory."""

    states = "results/specimens/{subset}/{shard}.h5"
    states_manifest = "results/specimens/{subset}/{shard}.json"

    strengths = "results/specimens/strengths.csv"

    maps = "results/{study}/maps/{subset}/{shard}.zarr"
    maps_manifest = "results/{study}/maps/{subset}/{shard}.json"

    external_maps = "results/external/maps"
    external_manifest = "results/external/maps.json"
    external_predictions = "results/{study}/{split}/external/predictions.csv"
    external_curves = "results/{study}/{split}/external/curves.csv"
    predictor = "results/{study}/{split}/predictor/predictor.json"
    predictor_references = "results/{study}/{split}/predictor/references.safetensors"

    manifest = "results/{study}/dataset/manifest.csv"
    crops = "results/{study}/dataset/crops.zarr"
    crops_manifest = "results/{study}/dataset/crops.json"
    split = "results/{study}/dataset/splits/{split}.csv"

    weights = "results/{study}/{split}/networks/{network}-seed{seed}/weights.safetensors"
    history = "results/{study}/{split}/networks/{network}-seed{seed}/history.csv"
    training = "results/{study}/{split}/networks/{network}-seed{seed}/training.json"
    network_predictions = "results/{study}/{split}/networks/{network}-seed{seed}/predictions.csv"
    network_features = "results/{study}/{split}/networks/{network}-seed{seed}/features.npy"
    network_metrics = "results/{study}/{split}/networks/{network}-seed{seed}/metrics.json"

    ensemble_predictions = "results/{study}/{split}/ensemble/predictions.csv"
    ensemble_metrics = "results/{study}/{split}/ensemble/metrics.json"

    calibration = "results/{study}/{split}/ensemble/calibration.json"
    explanations = "results/{study}/{split}/explanations/explanations.json"
    explained_pictures = "results/{study}/{split}/explanations/pictures.safetensors"
    randomization = "results/{study}/{split}/explanations/randomization.csv"
    deletion = "results/{study}/{split}/explanations/deletion.csv"

    correlations = "results/{study}/correlations/correlations.zarr"
    correlations_manifest = "results/{study}/correlations/correlations.json"
    baseline_predictions = "results/{study}/{split}/baseline/predictions.csv"
    shape_predictions = "results/{study}/{split}/baseline/shape_predictions.csv"
    baseline_metrics = "results/{study}/{split}/baseline/metrics.json"
    cross_validation = "results/{study}/{split}/baseline/cross_validation.csv"
    baseline_variants = "results/{study}/{split}/baseline/variants.csv"
    baseline_variant_predictions = "results/{study}/{split}/baseline/variant_predictions.csv"

    neighbours = "results/{study}/{split}/curves/neighbours.csv"
    curves = "results/{study}/{split}/curves/curves.csv"
    curve_bands = "results/{study}/{split}/curves/bands.csv"
    curve_errors = "results/{study}/{split}/curves/errors.csv"
    curve_metrics = "results/{study}/{split}/curves/metrics.json"

    tables = "results/{study}/{split}/report/tables"
    tables_manifest = "results/{study}/{split}/report/tables.json"
    figures = "results/{study}/{split}/report/figures"
    figures_manifest = "results/{study}/{split}/report/figures.json"
    drawings = "results/drawings/figures"
    drawings_manifest = "results/drawings/figures.json"
    page = "results/report.html"

    experiment_table = "results/experiments/{experiment}/table.csv"
    experiment_summary = "results/experiments/{experiment}/summary.json"
    twin_states = "results/experiments/twins/specimens/{subset}/{shard}.h5"
    twin_states_manifest = "results/experiments/twins/specimens/{subset}/{shard}.json"
    twin_maps = "results/experiments/twins/maps/{study}/{subset}/{shard}.zarr"
    twin_maps_manifest = "results/experiments/twins/maps/{study}/{subset}/{shard}.json"
    variant_split = "results/experiments/{experiment}/splits/{variant}.csv"
    variant_weights = f"{_VARIANT}/weights.safetensors"
    variant_history = f"{_VARIANT}/history.csv"
    variant_training = f"{_VARIANT}/training.json"
    variant_predictions = f"{_VARIANT}/predictions.csv"
    variant_features = f"{_VARIANT}/features.npy"
    variant_metrics = f"{_VARIANT}/metrics.json"

    channel_crops = "results/experiments/channels/{study}/crops/{variant}.zarr"
    channel_crops_manifest = "results/experiments/channels/{study}/crops/{variant}.json"
    layer_crops = "results/experiments/stacks/crops/{variant}.zarr"
    layer_crops_manifest = "results/experiments/stacks/crops/{variant}.json"
    stack_weights = "results/experiments/stacks/networks/{variant}/weights.safetensors"
    stack_history = "results/experiments/stacks/networks/{variant}/history.csv"
    stack_training = "results/experiments/stacks/networks/{variant}/training.json"
    stack_calibration = "results/experiments/stacks/networks/{variant}/calibration.json"
    stack_predictions = "results/experiments/stacks/networks/{variant}/predictions.csv"
    fitted_predictions = "results/experiments/{experiment}/predictions.csv"
    ladder_states = "results/experiments/regression/specimens/{subset}/{shard}.h5"
    ladder_states_manifest = "results/experiments/regression/specimens/{subset}/{shard}.json"
    ladder_maps = "results/experiments/regression/{study}/maps/{subset}/{shard}.zarr"
    ladder_maps_manifest = "results/experiments/regression/{study}/maps/{subset}/{shard}.json"
    ladder_manifest = "results/experiments/regression/{study}/manifest.csv"
    ladder_crops = "results/experiments/regression/{study}/crops.zarr"
    ladder_crops_manifest = "results/experiments/regression/{study}/crops.json"
    ladder_split = "results/experiments/regression/{study}/splits/{split}.csv"

    trial_states = "results/calibration/{trial}/specimens/{subset}/{shard}.h5"
    trial_states_manifest = "results/calibration/{trial}/specimens/{subset}/{shard}.json"
    trial_strengths = "results/calibration/{trial}/specimens.csv"
    trial_maps = "results/calibration/{trial}/maps.csv"
    trial_pairs = "results/calibration/{trial}/pairs.csv"
    trial_pictures = "results/calibration/{trial}/pictures.h5"
    trial_judged = "results/calibration/{trial}/judged.csv"
    calibration_tables = "results/calibration/tables"
    calibration_tables_manifest = "results/calibration/tables.json"
    calibration_figures = "results/calibration/figures"
    calibration_figures_manifest = "results/calibration/figures.json"

    @classmethod
    def patterns(cls) -> dict[str, str]:
        """Return every pattern by its name."""
        return {
            name: value
            for name, value in vars(cls).items()
            if isinstance(value, str) and not name.startswith("_")
        }


WILDCARDS = {
    "subset": r"w\d{4}(?:\.\d+)?-s[12]",
    "shard": r"\d{4}",
    "study": rf"(?!(?:{'|'.join(sorted(RESERVED_STUDIES))})/)[a-z][a-z0-9_]*",
    "split": "profile|specimen",
    "network": "[a-z][a-z0-9-]*?",
    "seed": r"\d+",
    "experiment": "[a-z][a-z_]*",
    "variant": "[a-z][a-z0-9.-]*",
    "trial": r"(?!(?:tables|figures)/)[a-z][a-z0-9-]*",
}


def log_path(rule: str, *wildcards: str) -> str:
    """Return the log pattern of a rule, e.g. ``results/logs/split/{study}/{split}.log``."""
    return _job_path("logs", rule, wildcards) + ".log"


def benchmark_path(rule: str, *wildcards: str) -> str:
    """Return the benchmark pattern of a rule, named like its log."""
    return _job_path("benchmarks", rule, wildcards) + ".tsv"


def _job_path(folder: str, rule: str, wildcards: tuple[str, ...]) -> str:
    return "/".join(["results", folder, rule, *(f"{{{name}}}" for name in wildcards)])


# ---- jobs and what they ask for ------------------------------------------------------------------


def config_of_results(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the config without the keys that say where and how jobs run and change no result."""
    training = dict(config["training"])
    for key in ("devices", "crops_memory_gb"):
        training.pop(key)
    return {**config, "training": training}


@dataclass(frozen=True)
class Captions:
    """The captions of a rule's figures by name, read when Snakemake's own report asks for one.

    As a parameter of a rule it runs nothing again: Snakemake compares plain values only.
    """

    manifest: str

    def __getitem__(self, name: str) -> str:
        """Return title and caption of a figure in reStructuredText."""
        entries = json.loads(Path(self.manifest).read_text(encoding="utf-8"))["figures"]
        one = next(entry for entry in entries if entry["name"] == name)
        title, caption = (re.sub(r"([\\*`_|])", r"\\\1", one[k]) for k in ("title", "caption"))
        return f"**{title}.** {caption}"


@dataclass(frozen=True)
class TableOrigin:
    """What every table of a study and split counts, and the config it came from, for captions.

    Like `Captions` it runs nothing again: tables that a changed key leaves as they are would come
    out the same.
    """

    folder: str
    config_digest: str

    def __str__(self) -> str:
        """Return it as the captions of figures end."""
        from strainprint.report.wording import counted

        with open(Path(self.folder, "summary.csv"), encoding="utf-8", newline="") as file:
            row = next(csv.DictReader(file))

        def n(column: str, noun: str) -> str:
            return counted(int(row[column]), noun)

        return (
            f"n = {n('test_maps', 'test map')} of {n('test_specimens', 'specimen')}; all parts: "
            f"{n('maps', 'map')} of {n('specimens', 'specimen')}. Config {self.config_digest}."
        )


def subset_names(config: Mapping[str, Any]) -> list[str]:
    """Return the subsets of a config, e.g. ``["w0062.5-s1", "w0062.5-s2", …]``."""
    specimens = config["specimens"]
    return sorted(
        subset_name(width, systems)
        for width in specimens["widths_nm"]
        for systems in specimens["slip_systems"]
    )


def shard_names(config: Mapping[str, Any]) -> list[str]:
    """Return the shards of each subset, ``["0000", …]``: fixed size, so more specimens only add."""
    specimens = config["specimens"]
    shards = math.ceil(specimens["per_subset"] / specimens["per_shard"])
    return [f"{index:04d}" for index in range(shards)]


def shard_size(config: Mapping[str, Any], shard: str) -> int:
    """Return the number of specimens of a shard: ``per_shard``, or what is left for the last."""
    specimens = config["specimens"]
    size: int = specimens["per_shard"]
    wanted: int = specimens["per_subset"]
    return min(size, wanted - int(shard) * size)


def class_names(config: Mapping[str, Any]) -> list[str]:
    """Return the classes of a config: its strain paths by name, plain prior strains first."""
    return [path.name for path in _strain_paths(config)]


def _strain_paths(config: Mapping[str, Any]) -> tuple[StrainPath, ...]:
    specimens = config["specimens"]
    return strain_paths(
        specimens["prior_strains"], specimens["loading"]["sense"], specimens["paths"]
    )


def lead_network(config: Mapping[str, Any]) -> str:
    """Return the network whose features find neighbours: ``proposed`` if listed, else the first."""
    networks: list[str] = config["run"]["networks"]
    return "proposed" if "proposed" in networks else networks[0]


def strict_dataset(config: Mapping[str, Any]) -> dict[str, str]:
    """Return the study and split of those run that allow the fewest shortcuts, for experiments."""
    run = config["run"]
    study = "audited" if "audited" in run["studies"] else run["studies"][0]
    split = "specimen" if "specimen" in run["splits"] else run["splits"][0]
    return {"study": study, "split": split}


def instrument_studies(config: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the studies of the experiment ``instrument``: the strict one seen by each instrument.

    Empty where the config does not ask for it. Their names begin with ``seen_by_``.
    """
    if "instrument" not in config["experiments"]:
        return {}
    strict = config["studies"][strict_dataset(config)["study"]]
    return {
        f"{SEEN_BY}{name}": {**strict, "instrument": name} for name in config["maps"]["instruments"]
    }


def filled(pattern: str, **wildcards: str | int) -> str:
    """Return a pattern with some wildcards filled in and the others left as they are."""
    for name, value in wildcards.items():
        pattern = pattern.replace(f"{{{name}}}", str(value))
    return pattern


_WITH_OWN_SPLITS = frozenset({"leave_out", "seeds"})


def split_of_variant(config: Mapping[str, Any], *, experiment: str, **wildcards: str) -> str:
    """Return the split table that a variant of an experiment trains on."""
    if experiment in _WITH_OWN_SPLITS:
        return filled(Paths.variant_split, experiment=experiment, **wildcards)
    return filled(Paths.split, **strict_dataset(config))


def training_of_variant(config: Mapping[str, Any], key: str, experiment: str) -> float:
    """Return a key of ``training`` as an experiment's variants take it, which may set it itself."""
    of_experiment = {
        ("noise", "noise_grey_levels"): "noise_training_grey_levels",
        ("crop_filter", "least_contrast"): "crop_filter_least_contrast",
    }.get((experiment, key))
    value: float = (
        config["training"][key]
        if of_experiment is None
        else config["experiment_settings"][of_experiment]
    )
    return value


def compared_models(config: Mapping[str, Any], experiment: str) -> dict[str, list[str]]:
    """Return the prediction tables of the models that an experiment compares, the reference first.

    Several tables of one model are averaged.
    """
    lead, first = lead_network(config), config["run"]["seeds"][0]

    def usual(network: str, seed: int) -> str:
        return filled(
            Paths.network_predictions, **strict_dataset(config), network=network, seed=seed
        )

    if experiment == "ensembles":
        seeds = range(config["experiment_settings"]["seeds"])
        networks = config["run"]["networks"]
        return {
            f"{len(seeds)} seeds of {lead}": [usual(lead, seed) for seed in seeds],
            " + ".join(networks): [usual(network, first) for network in networks],
            **{network: [usual(network, first)] for network in networks},
        }
    if experiment == "crop_filter":
        filtered = filled(
            Paths.variant_predictions,
            experiment=experiment,
            variant="filtered",
            network=lead,
            seed=first,
        )
        return {"every crop": [usual(lead, first)], "informative crops": [filtered]}
    if experiment in ("channels", "hybrid"):
        fitted = filled(Paths.fitted_predictions, experiment=experiment)
        network = network_of_fit(config, experiment)
        added = {
            "channels": " + ".join(config["experiment_settings"]["channels"]),
            "hybrid": f"{network} with correlations",
        }[experiment]
        return {f"{network} alone": [usual(network, first)], added: [fitted]}
    raise BadInputError(f"experiment {experiment!r} compares no models")


def network_of_fit(config: Mapping[str, Any], experiment: str) -> str:
    """Return the architecture that an experiment adds to: ``res4`` is the one with a branch."""
    return "res4" if experiment == "hybrid" else lead_network(config)


_PROTOCOL = (
    *("batch_size", "learning_rate", "max_epochs", "patience", "batch_norm_momentum"),
    *("l2_penalty", "adam_beta1", "adam_beta2", "adam_epsilon", "crops_per_map_per_epoch"),
)
"""Keys of ``training`` that every training follows."""


def training_params(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parameters that every training has in common, the paper's or not."""
    return {key: config["training"][key] for key in _PROTOCOL}


def fitted_training(config: Mapping[str, Any], experiment: str) -> dict[str, Any]:
    """Return the training settings of a network that is not the paper's.

    Those of every training. Precision, noise and the choice of crops stay at the library's defaults
    (fp32, none, every crop), whatever the config says of the paper's networks.
    """
    return {
        "architecture": network_of_fit(config, experiment),
        "config_seed": config["seed"],
        "seed": config["run"]["seeds"][0],
        **training_params(config),
    }


def training_resources(config: Mapping[str, Any]) -> dict[str, int]:
    """Return what every training asks for: a GPU where there is one, memory in MB, minutes.

    The memory for crops stands here and not among the parameters: it changes no result, so another
    value trains nothing again.
    """
    return {
        "gpu": 1,
        "mem_mb": network_mb(config),
        "crops_mb": crops_mb(config),
        "runtime": 24 * 60,
    }


def device_params(config: Mapping[str, Any]) -> dict[str, Any]:
    """Return where a network computes.

    Other counts of threads give other rounding, so they are a parameter and not only a resource.
    """
    return {key: config["training"][key] for key in ("device", "threads")}


def stack_variants(config: Mapping[str, Any], layers: int) -> dict[str, list[str]]:
    """Return the networks that people's stacks of some layers ask for, with the layers of each.

    ``stack`` sees all layers; the others, such as ``layer-1``, see one alone and are compared with
    it. Empty without layers; where there is one, it alone is the stack.

    Raises
    ------
    BadInputError
        The config asks for a layer that the stacks do not have.
    """
    if layers == 0:
        return {}
    alone: list[int] = config["experiment_settings"]["stacks_alone"]
    if max(alone, default=0) > layers:
        raise BadInputError(
            f"experiment_settings.stacks_alone names layer {max(alone)}",
            where=config["maps"]["external"],
            allowed=f"1 to {layers}, the layers of each stack",
        )
    single = {f"layer-{layer}": [f"layer-{layer}"] for layer in alone if layers > 1}
    return {**single, "stack": [f"layer-{layer}" for layer in range(1, layers + 1)]}


def ladder_strains(config: Mapping[str, Any]) -> list[float]:
    """Return the prior strains of the regression's specimens, those trained on and the others."""
    settings = config["experiment_settings"]
    return sorted({*settings["regression_strains"], *settings["regression_unseen_strains"]})


def ladder_shards(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return subsets and shards of the regression's specimens, every pair of them."""
    count: int = config["experiment_settings"]["regression_per_subset"]
    shards = range(-(-count // config["specimens"]["per_shard"]))
    return {"subset": subset_names(config), "shard": [f"{shard:04d}" for shard in shards]}


def ladder_shard_size(config: Mapping[str, Any], shard: str) -> int:
    """Return the number of specimens in a shard of the regression; the last may be short."""
    count: int = config["experiment_settings"]["regression_per_subset"]
    size: int = config["specimens"]["per_shard"]
    return min(size, count - int(shard) * size)


def twin_shards(config: Mapping[str, Any]) -> dict[str, list[str]]:
    """Return subsets and shards of the twins, the first of each subset."""
    asked: int = config["experiment_settings"]["twins_per_subset"]
    count = min(asked, config["specimens"]["per_subset"])
    shards = range(-(-count // config["specimens"]["per_shard"]))
    return {"subset": subset_names(config), "shard": [f"{shard:04d}" for shard in shards]}


def twin_shift_nm(config: Mapping[str, Any]) -> float:
    """Return how far sources and obstacles of twins are moved."""
    burgers_nm: float = config["specimens"]["material"]["burgers_vector_nm"]
    shift: float = config["experiment_settings"]["twins_shift_burgers"]
    return shift * burgers_nm


def drawn_trainings(config: Mapping[str, Any]) -> list[tuple[int, str, int]]:
    """Return draw, network and seed of every training of the experiment ``seeds``."""
    settings = config["experiment_settings"]
    return [
        (draw, network, seed)
        for draw in range(settings["split_draws"])
        for network in config["run"]["networks"]
        for seed in range(settings["seeds"])
    ]


def groups_to_leave_out(config: Mapping[str, Any]) -> list[str]:
    """Return the widths and slip systems to leave out in turn, ``["width-62.5", …, "slip-1"]``."""
    specimens = config["specimens"]
    values = {"width": specimens["widths_nm"], "slip": specimens["slip_systems"]}
    return [f"{kind}-{value:g}" for kind, some in values.items() if len(some) > 1 for value in some]


def explanations_of(config: Mapping[str, Any], study: str, split: str) -> list[str]:
    """Return the file of filters and saliency, empty where the config asks for none."""
    if split not in config["report"]["explained_splits"]:
        return []
    return [Paths.explanations.format(study=study, split=split)]


def simulate_minutes(config: Mapping[str, Any], subset: str) -> int:
    """Return the minutes that a cluster grants one shard of specimens.

    ASSUME: 30 minutes per specimen of 1 um and 10 % of strain, a multiple of what the benchmark's
    takes (docs/benchmarks/specimens.log), since equal ones differ by as much; growing with the cube
    of the width (sources, planes and pair sums) and with the strain of all paths (one load serves
    all plain prior strains), never less than 30. A job cut short keeps its finished specimens.
    """
    width_nm = parse_subset(subset)[0]
    specimens = config["specimens"]
    strain = max(specimens["prior_strains"], default=0.0)
    strain += sum(path.total_strain for path in _strain_paths(config) if path.is_named)
    each = 30 * (width_nm / 1000) ** 3 * max(1.0, strain / 0.1)
    minutes: float = specimens["per_shard"] * each
    return min(14 * 24 * 60, max(30, round(minutes)))


def simulate_mb(subset: str) -> int:
    """Return the memory in MB that one shard of specimens asks for.

    Pairs of dislocations (20 bytes each, with room for twice as many dislocations at most), three
    copies of a specimen at once. ASSUME: at most 4,100 dislocations at 1 um and 12,000 at 2 um;
    docs/benchmarks/specimens.log has how many there were, and the memory that the process took.
    """
    width_nm = parse_subset(subset)[0]
    return 1500 + round(2000 * (width_nm / 1000) ** 3)


def crop_store_mb(config: Mapping[str, Any]) -> int:
    """Return the size of all crops of a study in MB, unpacked."""
    specimens, dataset = config["specimens"], config["dataset"]
    reloads, squares_and_kinds = 2, 6
    maps: int = len(subset_names(config)) * specimens["per_subset"]
    maps *= len(class_names(config)) * reloads
    crops: int = maps * len(dataset["scales"]) * squares_and_kinds
    return int(crops * dataset["crop_px"] ** 2 / 1e6)


def crops_mb(config: Mapping[str, Any]) -> int:
    """Return the memory in MB that the crops of one training or prediction may take."""
    crops_memory_gb: float = config["training"]["crops_memory_gb"]
    return round(1000 * crops_memory_gb)


def network_mb(config: Mapping[str, Any]) -> int:
    """Return the memory a training asks for in MB: libraries, crops, one batch's activations.

    A training of 72 crops of 224 px takes 5.6 to 5.7 GB beside its crops (``make
    bench-networks-memory``): some 340 float32 values per input pixel for the backward pass.
    """
    crops = min(crop_store_mb(config), crops_mb(config))
    batch: int = config["training"]["batch_size"] * config["dataset"]["crop_px"] ** 2
    return int(1200 + crops + 340 * 4 * batch / 1e6)


def published_weights() -> list[str]:
    """Return the file of the network that the paper's authors published, empty where it is absent.

    In the folder that ``STRAINPRINT_REFERENCE`` names, else ``../shared/reference``.
    """
    reference = os.environ.get("STRAINPRINT_REFERENCE", "../shared/reference")
    weights = Path(reference) / "published-cnn" / "weights.hdf5"
    return [str(weights)] if weights.is_file() else []


def rule_flow(rules: Iterable[Any], target: str, sample: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return every rule that a target rests on, with the rules it reads from, in order of name.

    Parameters
    ----------
    rules
        Snakemake's rules.
    target
        Name of a rule.
    sample
        Values of wildcards, for inputs that are functions of them; functions of others are left
        out.

    Returns
    -------
    ``rule``, ``stage`` (the rule file's name), ``reads`` (rules) and ``writes`` (file patterns).
    """
    # imported here because every script imports this module
    from snakemake.io import strip_wildcard_constraints as plain
    from snakemake.iocontainers import Wildcards

    known = {rule.name: rule for rule in rules}
    written = {name: [plain(str(file)) for file in rule.output] for name, rule in known.items()}
    made_by = {file: name for name, files in written.items() for file in files}
    found: dict[str, list[str]] = {}
    wanted = [target]
    while wanted:
        name = wanted.pop()
        if name in found:
            continue
        rule = known[name]
        asked = {key: sample[key] for key in rule.wildcard_names if key in sample}
        wildcards = Wildcards(fromdict=asked) if len(asked) == len(rule.wildcard_names) else None
        makers = {_maker(file, made_by) for file in _input_files(rule, wildcards)}
        found[name] = sorted(one for one in makers if one not in {None, name})
        wanted += found[name]
    return [
        {
            "rule": name,
            "stage": Path(known[name].snakefile).stem,
            "reads": found[name],
            "writes": written[name],
        }
        for name in sorted(found)
    ]


def _input_files(rule: Any, wildcards: Any) -> Iterator[str]:
    """Yield a rule's inputs; those that are functions only where wildcards are known."""
    for file in rule.input:
        if callable(file) and wildcards is None:
            continue
        given = file(wildcards) if callable(file) else file
        yield from [given] if isinstance(given, str) else map(str, given)


def _maker(file: str, made_by: Mapping[str, str]) -> str | None:
    """Return the rule that makes a file, itself maybe a pattern: the one of the longest pattern."""
    if file in made_by:
        return made_by[file]
    matching = [pattern for pattern in made_by if _as_expression(pattern).fullmatch(file)]
    return made_by[max(matching, key=len)] if matching else None


@cache
def _as_expression(pattern: str) -> re.Pattern[str]:
    """Return what matches the files of a pattern; compiled once, thousands of files are asked."""
    return re.compile(re.sub(r"\\\{\w+\\\}", "[^/]+", re.escape(pattern)))


def rule_digest(scripts: str | Path, rule: str) -> str:
    """Return the :func:`code_digest` of a rule, whose script carries its name."""
    return code_digest(Path(scripts) / f"{rule}.py")


def installed_versions() -> dict[str, str]:
    """Return the versions of this package and of what its numbers rest on, for the report."""
    names = ("strainprint", "numpy", "scipy", "numba", "scikit-learn", "torch")
    return {name: version(name) for name in names}


def granted_device(snakemake: Any) -> str:
    """Return the device of a job: ``cpu``, or a GPU that it holds alone until its process ends.

    ``auto`` is the CPU where the profile grants the job no GPU (``gpu``, or Slurm's ``gres``).
    Waits while every device of the config's list is held. Which of them it is, is no parameter of
    a rule and in no file name.

    Raises
    ------
    BadInputError
        A device of the config's list does not exist.
    """
    from strainprint.networks.device_queue import chosen_devices, take_device, visible_devices

    kind: str = snakemake.params.device
    granted = snakemake.resources
    has_gpu = granted.get("gpu") or str(granted.get("gres", "")).startswith("gpu")
    if kind == "cpu" or (kind == "auto" and not has_gpu):
        return "cpu"
    devices = chosen_devices(snakemake.config["training"]["devices"], visible_devices())
    if not devices:
        return kind
    name, lock = take_device(devices)
    _held.append(lock)
    return name


# ---- the job log ---------------------------------------------------------------------------------


@contextmanager
def job_log(snakemake: Any) -> Iterator[None]:
    """Send a job's log records, warnings and traceback to its log file, and record what it made.

    Before the job, its input files are compared with their records; after it, its outputs are
    recorded (:mod:`strainprint.records`). Bad input, an interrupt, a full disk, a forbidden file
    and memory that ran out end the job with their message alone on the terminal; any other error
    is raised again.

    Nothing is written, and the job ends with a message, where the run that started it was killed
    before the job came here and another has begun since.
    """
    from strainprint.run_lock import job_at_work

    with ExitStack() as stack:
        try:
            # Before the log, which may be that of another run's job by now.
            stack.enter_context(job_at_work(run=os.environ.get(_RUN)))
        except BadInputError as error:
            raise SystemExit(f"error in rule {snakemake.rule}: {error}") from None
        stack.enter_context(_logged(snakemake))
        yield


@contextmanager
def _logged(snakemake: Any) -> Iterator[None]:
    from strainprint import records, status

    root, own = logging.getLogger(), logging.getLogger("strainprint")
    handler = logging.FileHandler(snakemake.log[0], mode="w", encoding="utf-8")
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    level = own.level
    root.addHandler(handler)
    own.setLevel(logging.INFO)
    logging.captureWarnings(True)
    begun = perf_counter()
    _log.info(status.STARTED, os.getpid(), socket.gethostname())
    try:
        records.forget(snakemake.output)
        records.check_inputs(snakemake.input)
        yield
        records.record(snakemake.output, rule=snakemake.rule, versions=installed_versions())
        _log.info(status.FINISHED, perf_counter() - begun)
        if line := status.stage_line(".", snakemake.rule):
            sys.stderr.write(f"{line}\n")
    except BaseException as error:
        plain = _in_plain_words(error)
        _log.exception(status.FAILED, (plain or repr(error)).splitlines()[0])
        if plain is None:
            raise
        raise SystemExit(f"error in rule {snakemake.rule}: {plain}") from error
    finally:
        logging.captureWarnings(False)
        own.setLevel(level)
        root.removeHandler(handler)
        handler.close()


def _in_plain_words(error: BaseException) -> str | None:
    """Say what happened and the way out; None where only the traceback can tell."""
    if isinstance(error, BadInputError):
        return str(error)
    if isinstance(error, KeyboardInterrupt):
        return "interrupted\n  way out: run again; what is finished is kept"
    if isinstance(error, MemoryError):
        return (
            f"not enough memory ({error})\n"
            "  way out: fewer jobs at a time (--cores 1) or a machine with more; run again, what "
            "is finished is kept"
        )
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOSPC, errno.EDQUOT) or "No space left on device" in str(error):
        return (
            f"no space left on the disk ({error})\n"
            "  way out: make room and run again; what is finished is kept"
        )
    if number in (errno.EACCES, errno.EPERM, errno.EROFS):
        return f"not allowed ({error})\n  way out: give write permission there and run again"
    return None


# ---- runs ----------------------------------------------------------------------------------------


def check_working_directory() -> None:
    """Refuse a working directory in which Snakemake cannot make the folder of its notes.

    Raises
    ------
    BadInputError
        The folder and the way out.
    """
    folder = Path.cwd()
    if not (folder / ".snakemake").is_dir() and not os.access(folder, os.W_OK | os.X_OK):
        raise BadInputError(
            "permission to write denied in the working directory",
            where=folder,
            way_out="give it there, or work in a folder of your own (--directory)",
        )


def begin_run(workflow: Any) -> None:
    """Take the lock of the working directory, say what is mixed, and write down what is planned.

    What writers of a killed run left half-written is removed. Called once for a run, before its
    first job.

    Raises
    ------
    WorkflowError
        Another run, or a job of one that was killed, is at work in this folder; or nothing can be
        written there.
    """
    from snakemake.exceptions import WorkflowError

    try:
        _begin_run(workflow)
    except (BadInputError, OSError) as error:
        raise WorkflowError(_in_plain_words(error) or str(error)) from None


def _begin_run(workflow: Any) -> None:
    from strainprint.files import remove_partials
    from strainprint.records import other_versions
    from strainprint.run_lock import holder, jobs_at_work, take_lock
    from strainprint.status import Plan, jobs_running, write_plan

    lock = take_lock()
    _held.append(lock)
    # Not on a cluster: there the job of a killed run has thrown away its outputs before it comes
    # here, and would do so again where it is refused.
    if lock and workflow.local_exec:
        os.environ[_RUN] = holder()["run"]
    if jobs_at_work():
        raise BadInputError(
            f"jobs of a run that was killed are still at work here: {jobs_running('.')}",
            where=Path.cwd(),
            way_out="wait until they are gone or end them, then call again",
        )
    planned = list(workflow.dag.needrun_jobs())
    refuse_closed_folders(planned)
    refuse_files_of_the_future(planned)
    for partial in remove_partials(RESULTS):
        _log.info("%s: half-written by a killed job, removed", partial)
    if mixed := other_versions(installed_versions()):
        logging.getLogger("snakemake").warning(mixed)
    order = {rule.name: place for place, rule in enumerate(workflow.rules)}
    jobs = sorted(
        ((job.rule.name, job.log[0]) for job in planned if job.log),
        key=lambda job: (order[job[0]], job[1]),
    )
    cores = workflow.resource_settings.cores or workflow.resource_settings.nodes or 1
    write_plan(".", Plan(int(cores), jobs))
    bear_slurm_outages(workflow)


def refuse_closed_folders(jobs: Iterable[Any]) -> None:
    """Refuse to begin where some planned job could not write what it makes, hours from now.

    Raises
    ------
    BadInputError
        Folders that may not be written to, or what stands in the place of a folder.
    """
    from strainprint.records import record_of

    made = {str(file) for job in jobs for file in (*job.output, *job.log)}
    wanted = [Path(file) for file in made]
    wanted += filter(None, map(record_of, made))
    there = {_nearest(file) for file in wanted} | {file for file in wanted if file.is_dir()}
    for place in sorted(there):
        if not place.is_dir():
            raise BadInputError(
                "is no folder, but a file or a link that leads nowhere",
                where=place,
                way_out="move it away, or mount what the link leads to",
            )
    closed = sorted(str(place) for place in there if not os.access(place, os.W_OK | os.X_OK))
    if closed:
        raise BadInputError(
            f"permission to write denied in {', '.join(closed[:3])}"
            + (f" and {len(closed) - 3} more folders" if len(closed) > 3 else ""),
            way_out="give it there (chmod -R u+w, chown), or work in another folder (--directory)",
        )


def refuse_files_of_the_future(jobs: Iterable[Any]) -> None:
    """Refuse to begin where a planned job would read a file that is newer than now.

    What is made from it would be older than it: Snakemake would throw that away after the work.

    Raises
    ------
    BadInputError
        The files, and how to date them anew.
    """
    latest = time() + _SKEW_S
    read = sorted({str(file) for job in jobs for file in job.input})
    written = {file: Path(file).stat().st_mtime for file in read if Path(file).exists()}
    ahead = [file for file, when in written.items() if when > latest]
    if ahead:
        when = datetime.fromtimestamp(written[ahead[0]]).isoformat(" ", "seconds")
        raise BadInputError(
            f"was written in the future, at {when}: a clock is or was wrong"
            + (f" (and {len(ahead) - 1} more files)" if len(ahead) > 1 else ""),
            where=ahead[0],
            way_out=f"set the clock right, then: find {RESULTS} -newermt now -exec touch {{}} +",
        )


def _nearest(file: Path) -> Path:
    """Return what there is nearest above a file: a folder, unless something is in its place."""
    return next(place for place in file.parents if os.path.lexists(place))


def bear_slurm_outages(
    workflow: Any, *, patience_s: float = 6 * 3600.0, longest_pause_s: float = 30.0
) -> None:
    """Let a run on Slurm wait out what `strainprint.slurm_outages` describes; else do nothing."""
    from strainprint.slurm_outages import OutageGuard

    for job in workflow.dag.needrun_jobs():
        executor = workflow.scheduler.get_executor(job)
        if type(executor).__module__ == "snakemake_executor_plugin_slurm":
            OutageGuard(executor, patience_s=patience_s, longest_pause_s=longest_pause_s)
            return


def versions_in_results(installed: Mapping[str, str]) -> dict[str, str]:
    """Return the versions that the results were made with, all where there are several.

    Asked for by what writes the page, the one file that installed versions without any made.
    """
    from strainprint.records import versions_used

    return {
        name: " and ".join(
            f"{version} ({f'{count} files' if count else 'this page'})"
            if len(counts) > 1
            else version
            for version, count in sorted(counts.items())
        )
        for name, counts in versions_used(installed).items()
    }


def grow_with_attempts(rules: Iterable[Any]) -> None:
    """Let memory and runtime of every rule be what it asks for, times the number of the attempt.

    A later attempt happens only under ``--retries``, as in ``profiles/slurm``.
    """
    for rule in rules:
        for name in ("mem", "mem_mb", "mem_mib", "runtime"):
            if name in rule.resources:
                rule.resources[name] = _grown(rule.resources[name])


def _grown(asked: Any) -> Callable[..., Any]:
    """Return the resource as a function of the attempt; ``asked`` may be a function too.

    Snakemake's own defaults are expressions that want to know more than a rule's functions do.
    """

    def grown(
        wildcards: Any, input: Any, attempt: int, threads: int, rulename: str, async_run: Any
    ) -> Any:
        known = {"threads": threads, "rulename": rulename, "async_run": async_run}
        value = asked.evaluate(wildcards, input=input, attempt=attempt, **known).value
        # Not yet a number where it depends on files that are still to be made.
        return value * attempt if isinstance(value, int) else value

    return grown
