"""Whether a map is known to be like those that a network was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from strainprint.maps.strain_map import StrainMap
from strainprint.networks.storage import TrainedNetwork

# A map may have lost points; one that lost more is no map of the body.
_LEAST_VALID = 0.8
# Longest strain gauge, of the training's, that still shows the same slip bands.
_LONGEST_GAUGE = 1.5
# Factors beyond the training's widths and reload strains that still count as within. ASSUME: prior
# strain widens a body by less, and neighbouring widths of a training set are two apart.
_BEYOND_WIDTH = 1.25
_BEYOND_RELOAD = 1.1


def outside_training(content: StrainMap | NDArray[np.uint8], trained: TrainedNetwork) -> list[str]:
    """Return why it is not known that the network was trained on such maps; nothing if it was.

    Compared are length over width, pitch, study, frame, strain gauge, width and reload strain with
    those of the training data, as far as the network's ``training.json`` tells them; of a measured
    map also the sense of the load and how much of the body was measured.
    """
    reasons = [_unlike_in_length(content.shape, trained.crops.get("aspect_range"))]
    if not isinstance(content, StrainMap):
        return ["no pitch in a picture", *filter(None, reasons)]
    pitch_nm, study = trained.crops.get("pitch_nm"), trained.crops.get("study")
    if pitch_nm is None:
        reasons.append("pitch: training range unknown")
    elif not np.isclose(content.pitch_nm, pitch_nm, rtol=1e-3):
        reasons.append(f"pitch {content.pitch_nm:g} nm, trained on {pitch_nm:g} nm")
    if (measured_as := content.attributes.get("study")) not in (None, study):
        reasons.append(f"measured as study {measured_as}, trained on {study}")
    if (frame := trained.crops.get("frame")) is None:
        reasons.append("frame: training frame unknown")
    elif content.frame != frame:
        reasons.append(f"frame {content.frame}, trained on {frame}")
    reasons.append(_unlike_in_gauge(content, trained))
    reasons.append(_unlike_in_width(content, trained.crops.get("width_range_nm")))
    reasons.append(_unlike_in_reload(content, trained.crops.get("reload_strain_range")))
    if content.attributes.get("origin") == "measured":
        reasons += _unlike_in_measurement(content)
    return [reason for reason in reasons if reason]


def _unlike_in_gauge(content: StrainMap, trained: TrainedNetwork) -> str:
    """Say where strain was taken over longer distances than that of the training data.

    ASSUME: simulated strain is a central difference over two pitches of pointwise displacements, a
    gauge of two pitches, where neither map nor ``training.json`` names a ``gauge_nm``.
    """
    pitch_nm = trained.crops.get("pitch_nm")
    trained_gauge = trained.crops.get("gauge_nm", None if pitch_nm is None else 2 * pitch_nm)
    gauge = content.attributes.get("gauge_nm")
    if gauge is None and content.attributes.get("origin") == "measured":
        return "strain gauge unknown (subset_px and the strain window are not declared)"
    if gauge is None or trained_gauge is None or gauge <= _LONGEST_GAUGE * trained_gauge:
        return ""
    return f"strain gauge {gauge:.3g} nm, trained on {trained_gauge:.3g} nm"


def _unlike_in_width(content: StrainMap, trained_on: Sequence[float] | None) -> str:
    """Say where a body is narrower or wider than all of the training data."""
    if trained_on is None:
        return ""
    width_nm = content.shape[0] * content.pitch_nm
    if _about_within(width_nm, trained_on, _BEYOND_WIDTH):
        return ""
    least, largest = trained_on
    return f"{width_nm:.4g} nm wide, trained on {least:.4g} to {largest:.4g} nm"


def _unlike_in_reload(content: StrainMap, trained_on: Sequence[float] | None) -> str:
    """Say where a map shows a smaller or larger test than all of the training data."""
    if trained_on is None:
        return ""
    strain = content.attributes.get("reload_strain")
    if strain is None:
        return "strain of the test unknown (test_strain is not declared)"
    strain = abs(float(strain))
    if _about_within(strain, trained_on, _BEYOND_RELOAD):
        return ""
    least, largest = trained_on
    return f"test to a strain of {strain:g}, trained on {least:g} to {largest:g}"


def _about_within(value: float, trained_on: Sequence[float], factor: float) -> bool:
    """Return whether a value is in the training's range or beyond it by less than a factor."""
    least, largest = trained_on
    return bool(least / factor <= value <= largest * factor)


def _unlike_in_measurement(content: StrainMap) -> list[str]:
    """Say how a map from a correlation tool differs from the simulated training data.

    ASSUME: the training specimens were compressed.
    """
    given = content.attributes
    reasons = []
    across, along = float(given["pitch_rows_nm"]), float(given["pitch_columns_nm"])
    if abs(across / along - 1) > 1e-3:
        reasons.append(f"pitch {across:.3g} nm across the load, {along:.3g} nm along it")
    if given.get("loading_sense") != "compression":
        reasons.append(f"loaded in {given.get('loading_sense')}, trained on compression")
    if given["valid_fraction"] < _LEAST_VALID:
        reasons.append(f"only {100 * given['valid_fraction']:.0f} % of the points hold a strain")
    return reasons


def _unlike_in_length(shape: tuple[int, ...], trained_on: Sequence[float] | None) -> str:
    """Say how length over width differs from the training data's, ``""`` where it does not."""
    if trained_on is None:
        return "length over width: training range unknown"
    rows, columns = shape
    least, largest = trained_on
    # Bodies end between pixels: a side is known to half a pixel.
    if least <= (columns + 0.5) / (rows - 0.5) and (columns - 0.5) / (rows + 0.5) <= largest:
        return ""
    return (
        f"{columns / rows:.3g} times as long as wide, trained on {least:.3g} to {largest:.3g} "
        "(rows run across the width, columns along the loading axis)"
    )
