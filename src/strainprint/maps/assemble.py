"""From what a file says and what the user declares to one measured map.

Order matters: units and axes first, then the grid, then the mask, and strain from displacement
last, so that no failed point enters a strain.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import maximum_filter

from strainprint.errors import BadInputError
from strainprint.maps.declaration import Declaration, missing_keys
from strainprint.maps.gauge import MEASURES, Strain, strain_from_displacement, virtual_gauge
from strainprint.maps.gridding import is_even, lay_points
from strainprint.maps.measured_map import STRAINS, MeasuredMap
from strainprint.maps.quality import (
    INTERPOLATED,
    LOW_CORRELATION,
    NOT_CORRELATED,
    NOTHING_MEASURED,
    OUTSIDE_ROI,
    WINDOW_INCOMPLETE,
    flagged,
)
from strainprint.maps.readers.reading import Picture, Reading
from strainprint.maps.readers.units import METRES, STRAIN_FACTORS

_DISPLACEMENTS = ("u", "v")
_ALIKE = 1e-6
# Agreement of the file's strain with its displacement, over a block of at most so many points.
_CHECKED_POINTS = 200
_CORRELATED = 0.9
_LEAST_CHECKED_STRAIN = 1e-5
_CHECK_WINDOW = 3
# A strain above this at half of the points is a wrong unit, not a solid.
_LARGEST_MEDIAN_STRAIN = 2.0


def assemble(reading: Reading, declared: Declaration, where: object) -> MeasuredMap:
    """Return the measured map.

    Raises
    ------
    BadInputError
        The declaration lacks a key (all that are missing are named, with the lines to add) or
        contradicts the file; the file's strain contradicts its displacement; or nothing usable is
        left.
    """
    if not set(reading.fields) - {"u", "v"} and not set(_DISPLACEMENTS) <= set(reading.fields):
        raise BadInputError(
            "has neither displacement nor strain",
            where=where,
            allowed="u and v, or exx, eyy and exy",
        )
    facts = _facts(reading, declared, where)
    recompute = _strain_comes_from_displacement(reading, facts)
    _require(reading, declared, facts, recompute, where)
    metres, metres_displaced = _scales(facts)

    configuration = facts["configuration"]
    move_back = (
        configuration == "deformed"
        and reading.flags.ndim == 1
        and set(_DISPLACEMENTS) <= set(reading.fields)
    )
    if not move_back:
        lay_raster(reading)
    x, y = reading.x * metres, reading.y * metres
    up = facts["y_axis"] == "up"
    fields = dict(reading.fields)
    reading.fields.clear()
    for name in [name for name in STRAINS if name in fields and recompute]:
        del fields[name]
    for name in fields:
        factor = 1.0
        if name in _DISPLACEMENTS:
            factor = metres_displaced * (-1.0 if name == "v" and not up else 1.0)
        else:
            factor = STRAIN_FACTORS[facts["strain_unit"]]
            if name == "exy":
                factor *= 0.5 if facts["shear"] == "engineering" else 1.0
                factor *= 1.0 if facts.get("strain_y_axis", facts["y_axis"]) == "up" else -1.0
        if factor != 1.0:
            fields[name] *= factor
    y = y if up else -y

    if move_back:
        # The material point is where it was before it moved; a failed point stays.
        x -= np.nan_to_num(fields["u"])
        y -= np.nan_to_num(fields["v"])
        configuration = "reference"

    keep = np.float64 if recompute else np.float32
    x, y, fields, flags = _on_grid(reading, x, y, fields, keep, where)
    _mask(fields, flags)
    pitch_x, pitch_y = _pitch(x), _pitch(y)
    window = facts.get("strain_window_points")
    if recompute:
        window = facts["recompute_window_points"]
        strain = strain_from_displacement(
            fields["u"],
            fields["v"],
            pitch_x=pitch_x,
            pitch_y=pitch_y,
            window_points=window,
            measure=facts["strain_measure"],
            configuration=configuration,
        )
        if np.isnan(strain.exx).all() and np.isfinite(fields["u"]).any():
            raise BadInputError(
                f"no window of {window} x {window} points holds enough measured points",
                where=where,
                way_out="declare a smaller recompute_window_points",
            )
        fields |= {"exx": strain.exx, "eyy": strain.eyy, "exy": strain.exy}
        flags |= strain.flags
    else:
        if window is not None:
            _mask_around_failed(fields, flags, window)
        _check_against_displacement(fields, pitch_x, pitch_y, where)
    for name in fields:
        with np.errstate(over="ignore"):
            fields[name] = fields[name].astype(np.float32, copy=False)
    # Strain beyond the largest float32 is no value either.
    without = ~(np.isfinite(fields["exx"]) & np.isfinite(fields["eyy"]))
    without |= ~np.isfinite(fields["exy"])
    for name in STRAINS:
        fields[name][without] = np.nan
    flags[without & (flags & ~np.uint8(INTERPOLATED) == 0)] |= WINDOW_INCOMPLETE
    _refuse_absurd(fields, where)
    attributes = _attributes(reading, declared, facts, configuration, window, recompute)
    attributes |= _gauge(attributes, pitch_x, pitch_y, window)
    return MeasuredMap(fields, flags, x, y, attributes).check(where)


def assemble_picture(picture: Picture, declared: Declaration, where: object) -> MeasuredMap:
    """Return a picture as a map of relative intensity, row 0 at the top of y.

    Raises
    ------
    BadInputError
        The declaration lacks the loading axis or sense, or nothing is in the picture.
    """
    missing = [key for key in ("loading_axis", "loading_sense") if key not in declared]
    if missing:
        raise missing_keys(missing, where, declared, {})
    intensity = picture.intensity[::-1]
    rows, columns = intensity.shape
    pixel_nm = declared.get("pixel_size_nm")
    scale = 1.0 if pixel_nm is None else pixel_nm * 1e-9
    attributes = {
        "reader": picture.reader,
        "source_tool": "picture",
        "declared_by_user": ",".join(sorted(declared.values)),
        **{
            key: declared.get(key)
            for key in ("loading_axis", "loading_sense", "specimen_id", "test_strain")
            if key in declared
        },
    }
    if pixel_nm is not None:
        attributes["pixel_size_m"] = scale
    return MeasuredMap(
        {"intensity": intensity},
        flagged(np.isnan(intensity), OUTSIDE_ROI),
        np.arange(columns) * scale,
        np.arange(rows) * scale,
        attributes,
        scaled=pixel_nm is not None,
    ).check(where)


def _facts(reading: Reading, declared: Declaration, where: object) -> dict[str, Any]:
    """Lay together what the tool always does, what the user declares and what the file states."""
    for key, said in reading.stated.items():
        given = declared.get(key)
        same = given is None or given == said
        if not same and isinstance(said, (int, float)) and isinstance(given, (int, float)):
            same = abs(given - said) <= 0.01 * abs(said)
        # Asking for another measure is fine where strain is computed anew.
        if not same and not (key == "strain_measure" and "recompute_window_points" in declared):
            raise BadInputError(
                f"{key} is declared as {given}, the file itself says {said}",
                where=where,
                way_out=f"take {key} out of {declared.path}",
            )
    facts = reading.convention | dict(reading.stated)
    return facts | dict(declared.values)


def _strain_comes_from_displacement(reading: Reading, facts: dict[str, Any]) -> bool:
    """Tell whether strain is computed: when asked, or where the file lacks a component."""
    return "recompute_window_points" in facts or not set(STRAINS) <= set(reading.fields)


def _require(
    reading: Reading, declared: Declaration, facts: dict[str, Any], recompute: bool, where: object
) -> None:
    """Name everything that neither the file nor the user says, and that this map needs."""
    displaced = set(_DISPLACEMENTS) <= set(reading.fields)
    if recompute and not displaced:
        lacking = [name for name in STRAINS if name not in reading.fields]
        raise BadInputError(
            f"has no displacement and lacks {', '.join(lacking) or 'nothing else'}",
            where=where,
            allowed="exx, eyy and exy, or u and v",
            way_out="export the missing columns, or take recompute_window_points out",
        )
    needed = ["loading_axis", "loading_sense", "y_axis", "configuration", "strain_measure"]
    needed += ["length_unit"]
    needed += ["displacement_unit"] if displaced and _unit_of_displacement(facts) is None else []
    needed += [] if recompute else ["shear", "strain_unit"]
    needed += ["recompute_window_points"] if recompute else []
    if "px" in (facts.get("length_unit"), _unit_of_displacement(facts)):
        needed.append("pixel_size_nm")
    missing = [key for key in needed if key not in facts]
    if missing:
        raise missing_keys(missing, where, declared, reading.notes)


def _unit_of_displacement(facts: dict[str, Any]) -> str | None:
    unit = facts.get("displacement_unit", facts.get("length_unit"))
    return None if unit is None else str(unit)


def _scales(facts: dict[str, Any]) -> tuple[float, float]:
    """Return metres per unit of the coordinates and of the displacements."""
    scales = []
    for unit in (facts["length_unit"], _unit_of_displacement(facts)):
        scales.append(facts["pixel_size_nm"] * 1e-9 if unit == "px" else METRES[str(unit)])
    return scales[0], scales[1]


def lay_raster(reading: Reading) -> None:
    """Turn points that come line by line without a gap into a grid; leave others as they are.

    A grid needs no sorting, which for the largest maps would take more memory than the map.
    """
    x, y = reading.x, reading.y
    if reading.flags.ndim != 1 or len(x) < 4:
        return
    for fast, slow, order in ((x, y, "C"), (y, x, "F")):
        changes = slow != slow[0]
        run = int(np.argmax(changes)) if changes.any() else 0
        if run < 2 or len(fast) % run or len(fast) // run < 2:
            continue
        lines = fast.reshape(-1, run)
        if (
            not (lines == lines[0]).all()
            or not (slow.reshape(-1, run) == slow[::run, np.newaxis]).all()
        ):
            continue
        axes = (lines[0].copy(), slow[::run].copy())
        if not (is_even(axes[0]) and is_even(axes[1])):
            return
        reading.x, reading.y = axes if order == "C" else axes[::-1]
        for name, values in reading.fields.items():
            grid = values.reshape(-1, run)
            reading.fields[name] = grid if order == "C" else grid.T
        flags = reading.flags.reshape(-1, run)
        reading.flags = flags if order == "C" else flags.T
        return


def _on_grid(
    reading: Reading,
    x: NDArray[np.floating],
    y: NDArray[np.floating],
    fields: dict[str, Any],
    keep: type[np.floating],
    where: object,
) -> tuple[NDArray[np.float64], NDArray[np.float64], dict[str, Any], NDArray[np.uint8]]:
    """Return ascending axes, components and flags on them."""
    if reading.flags.ndim == 2:
        flags = reading.flags
        axes = []
        for dimension, axis in ((0, y), (1, x)):
            if not is_even(axis):
                raise BadInputError("the grid's coordinates are not even", where=where)
            axes.append(np.linspace(min(axis[0], axis[-1]), max(axis[0], axis[-1]), len(axis)))
            if axis[0] > axis[-1]:
                flags = np.flip(flags, dimension)
                fields = {name: np.flip(values, dimension) for name, values in fields.items()}
        with np.errstate(over="ignore"):
            laid = {name: np.array(fields.pop(name), dtype=keep) for name in list(fields)}
        return axes[1], axes[0], laid, np.array(flags)

    for name in _DISPLACEMENTS:
        if name in fields:
            bad = ~np.isfinite(fields[name]) & (reading.flags & NOTHING_MEASURED == 0)
            reading.flags[bad] |= NOT_CORRELATED
    point_flags = reading.flags
    usable = point_flags & NOTHING_MEASURED == 0
    grid = lay_points(x, y, where)
    if grid.interpolated and not usable.all():
        # Failed points must not enter a triangle, nor spoil a grid: lay out the others alone.
        grid = lay_points(x[usable], y[usable], where)
        fields = {name: values[usable] for name, values in fields.items()}
        point_flags = point_flags[usable]
    with np.errstate(over="ignore", invalid="ignore"):
        laid = {name: grid.laid(fields.pop(name), keep) for name in list(fields)}
    flags = np.full(grid.shape[0] * grid.shape[1], OUTSIDE_ROI, dtype=np.uint8)
    if grid.flat is not None:
        flags[grid.flat] = point_flags
    else:
        flags[grid.inside] = INTERPOLATED
    flags = flags.reshape(grid.shape)
    return grid.x, grid.y, laid, flags


def _mask(fields: dict[str, Any], flags: NDArray[np.uint8]) -> None:
    """Set NaN where nothing was measured; a value that is not finite counts as not measured."""
    displaced = [name for name in _DISPLACEMENTS if name in fields]
    bad = np.zeros(flags.shape, dtype=bool)
    for name in displaced or list(fields):
        bad |= ~np.isfinite(fields[name])
    flags[bad & (flags & NOTHING_MEASURED == 0)] |= NOT_CORRELATED
    nothing = flags & NOTHING_MEASURED != 0
    for name, values in fields.items():
        values[nothing] = np.nan
        if name not in displaced:
            values[~np.isfinite(values)] = np.nan


def _mask_around_failed(fields: dict[str, Any], flags: NDArray[np.uint8], window: int) -> None:
    """Drop the tool's strain wherever its window held a failed point: that strain is poisoned."""
    failed = flags & (NOT_CORRELATED | LOW_CORRELATION) != 0
    if window < 2 or not failed.any():
        return
    side = 2 * (window // 2) + 1
    poisoned = maximum_filter(failed, size=min(side, 2 * max(flags.shape) + 1), mode="constant")
    poisoned &= flags & NOTHING_MEASURED == 0
    flags[poisoned] |= WINDOW_INCOMPLETE
    for name in STRAINS:
        fields[name][poisoned] = np.nan


def _pitch(axis: NDArray[np.float64]) -> float:
    return float((axis[-1] - axis[0]) / (len(axis) - 1))


def _check_against_displacement(
    fields: dict[str, Any], pitch_x: float, pitch_y: float, where: object
) -> None:
    """Refuse strain that its own displacement contradicts: a factor, or the sign of the shear.

    A declaration that is wrong by 100, by 2 or by a sign shows here wherever the field is strong
    enough; nothing is corrected silently.
    """
    if not set(_DISPLACEMENTS) <= set(fields):
        return
    rows, columns = fields["exx"].shape
    top, left = max(0, (rows - _CHECKED_POINTS) // 2), max(0, (columns - _CHECKED_POINTS) // 2)
    part = (slice(top, top + _CHECKED_POINTS), slice(left, left + _CHECKED_POINTS))

    def own(measure: str) -> Strain:
        return strain_from_displacement(
            fields["u"][part],
            fields["v"][part],
            pitch_x=pitch_x,
            pitch_y=pitch_y,
            window_points=_CHECK_WINDOW,
            measure=measure,
        )

    small, *finite = MEASURES
    infinitesimal = own(small)
    for name in STRAINS:
        file = fields[name][part]
        said = _contradiction(name, file, infinitesimal)
        # Where a component is as small as the squares of others, measures part even in their sign.
        if said and all(_contradiction(name, file, own(measure)) != "" for measure in finite):
            raise BadInputError(
                f"the file's strain contradicts its displacement: {said}",
                where=where,
                way_out="or let it be computed from the displacement: recompute_window_points: 5",
            )


def _contradiction(name: str, file: NDArray[np.floating[Any]], own: Strain) -> str | None:
    """Return how a component contradicts that of the displacement: "" not, None cannot be told."""
    computed = getattr(own, name)
    both = np.isfinite(file) & np.isfinite(computed) & (own.flags == 0)
    f, c = file[both].astype(np.float64), computed[both].astype(np.float64)
    # Noise and a longer gauge lower the likeness more than the ratio of the sizes.
    size_f, size_c = float(np.sqrt(f @ f)), float(np.sqrt(c @ c))
    if len(f) < 25 or not size_f > 0 or not size_c > _LEAST_CHECKED_STRAIN * np.sqrt(len(c)):
        return None
    likeness, ratio = float(f @ c) / (size_f * size_c), size_f / size_c
    if name == "exy" and likeness < -_CORRELATED:
        return "shear has the opposite sign: check y_axis, or declare strain_y_axis the other way"
    if name == "exy" and likeness > _CORRELATED and 1.5 < ratio < 2.7:
        return "shear is twice as large: declare shear: engineering"
    if name == "exy" and likeness > _CORRELATED and 0.37 < ratio < 0.66:
        return "shear is half as large: declare shear: tensor"
    if abs(likeness) > _CORRELATED and not 0.37 < ratio < 2.7:
        return (
            f"{name} is {ratio:.3g} times as large: check strain_unit, displacement_unit, "
            "pixel_size_nm and y_axis"
        )
    return ""


def _refuse_absurd(fields: dict[str, Any], where: object) -> None:
    """Refuse a map half of whose points are strained beyond any solid."""
    step = max(1, fields["exx"].size // 1_000_000)
    for name in STRAINS:
        sample = np.abs(fields[name].reshape(-1)[::step])
        sample = sample[np.isfinite(sample)]
        if len(sample) and float(np.median(sample)) > _LARGEST_MEDIAN_STRAIN:
            raise BadInputError(
                f"half of the points have |{name}| above {float(np.median(sample)):.3g}",
                where=where,
                allowed=f"a median of at most {_LARGEST_MEDIAN_STRAIN:g}",
                way_out="check strain_unit, pixel_size_nm and the units of the displacement",
            )


def _attributes(
    reading: Reading,
    declared: Declaration,
    facts: dict[str, Any],
    configuration: str,
    window: int | None,
    recompute: bool,
) -> dict[str, Any]:
    attributes: dict[str, Any] = {
        "strain_measure": facts["strain_measure"],
        "shear_convention": "tensor",
        "configuration": configuration,
        "loading_axis": facts["loading_axis"],
        "loading_sense": facts["loading_sense"],
        "source_tool": reading.tool,
        "reader": reading.reader,
        "strain_source": "displacement" if recompute else "file",
        "declared_by_user": ",".join(sorted(declared.values)),
    }
    if "pixel_size_nm" in facts:
        attributes["pixel_size_m"] = facts["pixel_size_nm"] * 1e-9
    if window is not None:
        attributes["strain_window_points"] = window
        attributes["strain_window_definition"] = (
            "plane fit over window x window points" if recompute else "the tool's own, in points"
        )
    keys = ("subset_px", "step_px", "noise_floor", "specimen_id", "test_strain")
    return attributes | {key: facts[key] for key in keys if key in facts}


def _gauge(
    attributes: dict[str, Any], pitch_x: float, pitch_y: float, window: int | None
) -> dict[str, Any]:
    """Return step and length of the virtual strain gauge, as far as they are known."""
    pitch = max(pitch_x, pitch_y)
    pixel = attributes.get("pixel_size_m")
    if pixel is None and "step_px" in attributes:
        pixel = pitch / attributes["step_px"]
    if pixel is None:
        return {}
    known = {"step_px": attributes.get("step_px", pitch / pixel)}
    if window is not None and "subset_px" in attributes:
        gauge_px = virtual_gauge(window, pitch / pixel, attributes["subset_px"])
        known |= {"vsg_px": gauge_px, "vsg_m": gauge_px * pixel}
    return known
