"""Judge single maps and pictures from anywhere: class, prior strain, curve, and what to doubt."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.errors import BadInputError
from strainprint.files import without_formulas, write_csv
from strainprint.maps.declaration import Declaration, beside, read_declaration
from strainprint.maps.external_maps import (
    external_curve,
    external_strain_map,
    read_external,
    single_maps,
)
from strainprint.maps.map_file import read_picture_png
from strainprint.maps.people import read_strain_map, turned_picture
from strainprint.maps.picture import grey_picture
from strainprint.maps.strain_map import StrainMap
from strainprint.networks.devices import prepare_device
from strainprint.networks.inference import predict_picture
from strainprint.networks.saliency import picture_saliency
from strainprint.networks.storage import TrainedNetwork, load_network
from strainprint.prediction.domain import outside_training
from strainprint.prediction.drawing import write_saliency_png
from strainprint.prediction.predictor import CURVE_COLUMNS, LEVEL, Predictor, load_predictor

_RANGE_FLOOR = 1e-6
_PNG = b"\x89PNG\r\n\x1a\n"
# A reload counts as the small one up to this difference, relative to its strain.
_SAME_RELOAD = 0.2

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Refused:
    """A file that could not be classified, and why."""

    file: str
    reason: str


@dataclass(frozen=True)
class Judge:
    """Networks that count as one ensemble, and what a predictor knows of their doubts.

    Attributes
    ----------
    networks
        On the device to use; the first one's features are compared and its saliency is drawn.
    predictor
        None where only networks were named: probabilities are then as the networks give them, and
        there is no set, no interval and no curve.
    """

    networks: tuple[TrainedNetwork, ...]
    predictor: Predictor | None

    @classmethod
    def load(
        cls,
        networks: Sequence[str | Path],
        predictor: str | Path | None,
        *,
        level: float = LEVEL,
        device: str = "auto",
        threads: int = 1,
    ) -> Judge:
        """Load a predictor, or networks alone, onto a device.

        Raises
        ------
        BadInputError
            Neither or both are named, one cannot be used, networks differ in classes or study, or
            the level is not between 0 and 1.
        """
        if not 0 < level < 1:
            raise BadInputError(f"level is {level}", allowed="between 0 and 1, both excluded")
        if bool(networks) == (predictor is not None):
            raise BadInputError(
                "neither networks nor a predictor named" if predictor is None else "both named",
                allowed="one predictor, or one network directory or more",
            )
        chosen_device = prepare_device(device, threads)
        known = None if predictor is None else load_predictor(predictor, level=level)
        loaded = known.networks if known else tuple(load_network(one) for one in networks)
        for number, trained in enumerate(loaded):
            for what, one, other in (
                ("classes", trained.classes, loaded[0].classes),
                ("study", trained.crops.get("study"), loaded[0].crops.get("study")),
            ):
                if one != other:
                    raise BadInputError(
                        f"{what}: {one}",
                        where=networks[number] if networks else predictor,
                        allowed=f"{other}, as the first network",
                    )
            trained.network.to(chosen_device)
        return cls(loaded, known)

    def judge(self, content: StrainMap | NDArray[np.uint8]) -> Verdict:
        """Return what the ensemble says of a map or picture, and how far to believe it.

        Raises
        ------
        BadInputError
            The map has no valid point or its picture cannot be cropped.
        """
        classes = self.networks[0].classes
        # In the order of the networks; what holds for several is said once.
        reasons = list(
            dict.fromkeys(r for t in self.networks for r in outside_training(content, t))
        )
        # Networks of one study draw alike, and drawing a large map takes seconds.
        ways = [drawing_of(trained) for trained in self.networks]
        pictures = {way: drawn(content, *way) for way in dict.fromkeys(ways)}
        picture, uniform = pictures[ways[0]]
        if uniform:
            reasons.append("strain is uniform to rounding: the picture is black")
        judged = [
            predict_picture(trained, pictures[way][0])
            for trained, way in zip(self.networks, ways, strict=True)
        ]
        answers = [answer for answer, _ in judged]
        features = judged[0][1]
        probabilities = np.asarray(np.mean(answers, axis=0), dtype=np.float64)
        row: dict[str, object] = {}
        if self.predictor is not None:
            probabilities = self.predictor.probabilities(probabilities)
            row["possible_classes"] = "|".join(self.predictor.possible_classes(probabilities))
            named = ("prior_strain_estimate", "prior_strain_low", "prior_strain_high")
            strains = self.predictor.prior_strain(probabilities)
            row |= dict(zip(named, strains or [None] * 3, strict=True))
            row["level"] = self.predictor.level
            distance = self.predictor.relative_distance(features)
            row["feature_distance"] = distance
            if distance > 1:
                reasons.append(
                    f"features are {distance:.3g} times as far from the training maps' as those of "
                    "any validation map"
                )
        label = int(probabilities.argmax())
        return Verdict(
            {
                "prior_strain_predicted": classes[label],
                **{f"p_prior_{name}": p for name, p in zip(classes, probabilities, strict=True)},
                **row,
                "in_domain": int(not reasons),
                "reason": "; ".join(reasons),
            },
            label,
            features,
            picture,
        )

    def curve(
        self, content: StrainMap | NDArray[np.uint8], verdict: Verdict
    ) -> dict[str, NDArray[np.float64]] | None:
        """Return the predicted reload curve (:meth:`Predictor.curve`) of a small-reload map.

        None without a predictor, and for maps that are not known to show the small reload.
        """
        if self.predictor is None or not isinstance(content, StrainMap):
            return None
        strain = content.attributes.get("reload_strain")
        small = self.predictor.small_reload_strain
        if strain is None or abs(float(strain) / small - 1) > _SAME_RELOAD:
            return None
        return self.predictor.curve(verdict.features)


@dataclass(frozen=True)
class Verdict:
    """What is said of one map: its row of the table and its class.

    ``features`` are the lead network's, ``picture`` is what it saw.
    """

    row: dict[str, object]
    label: int
    features: NDArray[np.float32]
    picture: NDArray[np.uint8]


def classify_files(
    files: Sequence[str | Path],
    judge: Judge,
    out_csv: str | Path,
    *,
    declaration: str | Path | None = None,
    saliency_folder: str | Path | None = None,
    curves_folder: str | Path | None = None,
) -> list[Refused]:
    """Classify maps of any format and 8-bit grey PNGs; write one row for each.

    Columns: file, prior_strain_predicted, p_prior_<class> of each class, in_domain (1 where the
    map is known to be like those that every network was trained on, else 0) and the reason where
    it is 0. Several networks count as an ensemble: probabilities are averaged. With a predictor
    they are calibrated, and before in_domain come possible_classes (conformal set, ``|`` between
    names), prior_strain_estimate with _low and _high, level, and feature_distance
    (:meth:`Predictor.relative_distance`).

    Parameters
    ----------
    files, judge, out_csv
        What to classify, who does, and the table to write.
    declaration
        Says what the files of other tools do not, for every file that has no declaration of its
        own beside it.
    saliency_folder
        Where to write, for each map, its picture above the lead network's rectified saliency.
    curves_folder
        Where to write, for each small-reload map, the predicted curve as CSV.

    Returns
    -------
    The files that could not be read; the others are classified all the same. With none left
    nothing is written.

    Raises
    ------
    BadInputError
        Curves are asked for of a judge without a predictor.
    """
    if curves_folder is not None and judge.predictor is None:
        raise BadInputError(
            "networks alone predict no curves", way_out="name a predictor: --predictor DIR"
        )
    common = None if declaration is None else read_declaration(declaration)
    rows: list[dict[str, object]] = []
    refused: list[Refused] = []
    taken: set[str] = set()
    n_curves = 0
    for file in tqdm(files, "predict", disable=None):
        try:
            content = read_any(file, common)
            verdict = judge.judge(content)
            name = _free_name(Path(file).stem, taken)
            if saliency_folder is not None:
                _draw_saliency(Path(saliency_folder) / f"{name}.png", verdict, judge.networks[0])
            if curves_folder is not None:
                curve = judge.curve(content, verdict)
                if curve is not None:
                    write_csv(Path(curves_folder) / f"{name}.csv", pd.DataFrame(curve))
                    n_curves += 1
            rows.append({"file": str(file), **verdict.row})
        except (BadInputError, OSError, MemoryError) as error:
            reason = str(error) or f"{file}: needs more memory than there is"
            refused.append(Refused(str(file), reason))
            _log.info("refused %s", file)
    if rows and judge.predictor is not None and curves_folder is not None and not n_curves:
        _log.warning(
            "no curve is predicted: none of the maps says that it shows the small reload "
            "(declare test_strain: %g where it does)",
            judge.predictor.small_reload_strain,
        )
    if rows:
        write_csv(out_csv, without_formulas(pd.DataFrame(rows)))
    return refused


def classify_external(
    manifest_json: str | Path,
    folder: str | Path,
    judge: Judge,
    out_csv: str | Path,
    curves_csv: str | Path,
) -> None:
    """Classify the maps that the workflow ingested; one row for each, in the order of their table.

    Layers of stacks are not among them.

    Parameters
    ----------
    manifest_json, folder, judge
        What the rule ``ingest`` left, and who judges.
    out_csv
        Columns map_id, source, specimen, prior_strain (as the user gave it, empty where not
        known), trained_on (1 where the networks have seen the map or another of its specimen, and
        its class says little), and those of :func:`classify_files` from prior_strain_predicted on.
    curves_csv
        Predicted curves of the small-reload maps: map_id, strain, stress_mpa with _low and _high,
        and measured_mpa where the user gave a curve that reaches that strain. May have no row.

    Raises
    ------
    BadInputError
        A map or a curve cannot be used.
    """
    rows: list[dict[str, object]] = []
    curves = [pd.DataFrame(columns=["map_id", *CURVE_COLUMNS, "measured_mpa"])]
    maps = single_maps(read_external(manifest_json))
    trained_specimens = {one.specimen for one in maps if one.use == "train"} - {""}
    for one in tqdm(maps, "classify", disable=None):
        content = external_strain_map(folder, one)
        verdict = judge.judge(content)
        rows.append(
            {
                "map_id": one.map_id,
                "source": one.source,
                "specimen": one.specimen,
                "prior_strain": one.prior_strain,
                "trained_on": int(one.use == "train" or one.specimen in trained_specimens),
                **verdict.row,
            }
        )
        predicted = judge.curve(content, verdict)
        if predicted is not None:
            curve = pd.DataFrame({"map_id": one.map_id, **predicted})
            curve["measured_mpa"] = np.nan
            if (measured := external_curve(folder, one)) is not None:
                curve["measured_mpa"] = np.interp(
                    curve["strain"], *measured, left=np.nan, right=np.nan
                )
            curves.append(curve)
    write_csv(out_csv, without_formulas(pd.DataFrame(rows)))
    write_csv(curves_csv, pd.concat([table for table in curves if len(table)] or curves))


def read_any(path: str | Path, common: Declaration | None = None) -> StrainMap | NDArray[np.uint8]:
    """Read a map or a picture, told apart by its content.

    What the file does not say comes from the declaration beside it, else from ``common``. An 8-bit
    PNG needs none: the load then runs along its columns.

    Raises
    ------
    BadInputError
        Missing, of no known kind, or not usable.
    """
    path = Path(path)
    declared = beside(path)
    if not declared.values and common is not None:
        declared = common
    if not path.is_file():
        raise BadInputError("file is missing", where=path)
    with open(path, "rb") as handle:
        start = handle.read(8)
    if start == _PNG:
        picture = read_picture_png(path)
        axis = declared.get("loading_axis")
        return picture if axis is None else turned_picture(picture[::-1], axis)
    return read_strain_map(path, declared)


def drawing_of(trained: TrainedNetwork) -> tuple[str, float]:
    """Return scalar and range floor of the pictures that a network was trained on."""
    made = trained.crops
    return str(made.get("scalar", "equivalent")), float(made.get("range_floor", _RANGE_FLOOR))


def drawn(
    content: StrainMap | NDArray[np.uint8], scalar: str, range_floor: float
) -> tuple[NDArray[np.uint8], bool]:
    """Return the grey picture of a map, and whether it is black for want of strain.

    A picture is taken as it is.
    """
    if not isinstance(content, StrainMap):
        return content, False
    return grey_picture(content, scalar, range_floor)


def _draw_saliency(path: Path, verdict: Verdict, lead: TrainedNetwork) -> None:
    sizes = picture_saliency(
        lead.network, verdict.picture, verdict.label, kind="rectified", **lead.cropping
    )
    write_saliency_png(path, verdict.picture, sizes)


def _free_name(stem: str, taken: set[str]) -> str:
    """Return a file name that no earlier map of the call got."""
    name, number = stem, 1
    while name in taken:
        number += 1
        name = f"{stem}-{number}"
    taken.add(name)
    return name
