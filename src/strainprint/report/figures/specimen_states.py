"""A simulated specimen as a drawing: its body with slip steps, its dislocations, its curve."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, LogNorm
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.path import Path as Outline
from matplotlib.transforms import Affine2D
from numpy.typing import NDArray
from tqdm import tqdm

from strainprint.errors import BadInputError
from strainprint.report.figures.style import INK, MUTED, Plate, house_style, save_figure
from strainprint.report.wording import class_label, counted, slip_label, step_label, width_label
from strainprint.specimens.crystal import BULK, Crystal
from strainprint.specimens.material import Material
from strainprint.specimens.naming import map_name
from strainprint.specimens.outline import (
    SlipSegments,
    deformed_outline,
    moved_on_planes,
    slip_segments,
    surface_steps,
)
from strainprint.specimens.record import (
    LoadingPath,
    LostSpecimen,
    Shard,
    SpecimenRecord,
    read_shard,
)
from strainprint.specimens.state import State

POSITIVE_COLOUR, NEGATIVE_COLOUR = "#0072b2", "#882255"
_BODY, _SOURCE, _OBSTACLE, _RELOAD = "#f1f4f7", "#009e73", "#9aa5b1", "#d55e00"
# without its palest third, which would not show on the body
_SLIP_COLOURS = ListedColormap(colormaps["YlOrBr"](np.linspace(0.3, 1, 256)))
_NO_SLIP = SlipSegments(np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0, np.int64))
_SIZE_IN = (8.0, 4.5)
"""A slide's proportions: these drawings are for talks, unlike the column-wide ones of the page."""

# The sign of an edge dislocation: a bar along its plane, a stem towards the extra half plane.
_EDGE = Outline(
    [(-1, 0), (1, 0), (0, 0), (0, 1.3)],
    [Outline.MOVETO, Outline.LINETO, Outline.MOVETO, Outline.LINETO],
)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Body:
    """A crystal in one state with the factor that its displacement is drawn with."""

    crystal: Crystal
    material: Material
    state: State
    magnification: float

    def on_planes(
        self, plane: NDArray[np.int64], position_nm: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Return places on planes as they are drawn, (n, 2) in nm."""
        return moved_on_planes(
            self.crystal,
            self.material,
            self.state,
            plane,
            position_nm,
            magnification=self.magnification,
        )


def draw_specimens(
    specimens_h5: str | Path, folder: str | Path, *, specimen: int | None = None
) -> list[Path]:
    """Draw every specimen of a shard after every strain path, and those that were lost.

    Parameters
    ----------
    folder
        Where an SVG and a PNG for each specimen and path are written.
    specimen
        Draw only the one of this index.

    Returns
    -------
    The PNG files.

    Raises
    ------
    BadInputError
        The shard cannot be read, or has no such specimen.
    """
    shard = read_shard(specimens_h5)
    drawn: list[Path] = []
    wanted = [s for s in shard.specimens if specimen in (None, s.index)]
    lost = [s for s in shard.lost if specimen in (None, s.index)]
    if not wanted and not lost:
        have = sorted([*(s.index for s in shard.specimens), *(s.index for s in shard.lost)])
        raise BadInputError(
            f"there is no specimen {specimen}",
            where=specimens_h5,
            allowed=", ".join(map(str, have)),
        )
    Path(folder).mkdir(parents=True, exist_ok=True)
    with house_style():
        for record in tqdm(wanted, "draw", disable=None):
            for name in record.paths:
                plate = draw_history(shard, record, name)
                file = map_name(record.specimen_id, name, "states")
                drawn.append(Path(save_figure(plate.figure, folder, file)[1]))
                _log.info("%s: %s", drawn[-1], plate.caption)
        for broken in lost:
            plate = draw_lost(shard, broken)
            file = f"{broken.specimen_id}-lost"
            drawn.append(Path(save_figure(plate.figure, folder, file)[1]))
            _log.info("%s: %s", drawn[-1], plate.caption)
    return drawn


def draw_history(shard: Shard, record: SpecimenRecord, name: str) -> Plate:
    """Draw a specimen virgin, after a strain path and after the large reload, with its curve."""
    crystal, path = record.crystal, record.paths[name]
    figure = Figure(figsize=_SIZE_IN)
    *panels, curve_axes = figure.subplots(1, 4, gridspec_kw={"width_ratios": [1, 1, 1, 2.6]})
    factor = min(magnification_of(crystal, shard.material, s) for s in (path.reference, path.large))
    virgin, reference, large = (
        Body(crystal, shard.material, state, factor)
        for state in (_virgin(crystal), path.reference, path.large)
    )
    total = slip_segments(crystal, path.reference)
    gained = slip_segments(crystal, path.large, path.reference)
    norm = _slip_norm(total, gained)
    _draw_body(panels[0], virgin, _NO_SLIP, norm, defects=True)
    _draw_body(panels[1], reference, total, norm)
    slip = _draw_body(panels[2], large, gained, norm)
    panels[0].set_title("virgin\n\n", fontsize=7)
    panels[1].set_title(f"after its path\n{_counted(path.reference)}\nall slip", fontsize=7)
    panels[2].set_title(
        f"reloaded by {class_label(shard.reload_strains['large'])}\n{_counted(path.large)}\n"
        "slip of the reload",
        fontsize=7,
    )
    _share_scale(panels, crystal, factor)
    _slip_bar(figure, panels[2], slip)
    _draw_curve(curve_axes, path, shard)
    figure.legend(handles=_symbols(), loc="outside lower center", ncols=5, handletextpad=0.3)
    steps = ", ".join(step_label(leg.step) for leg in path.legs)
    about = f"{record.specimen_id}: {width_label(shard.width_nm)}, {slip_label(shard.slip_systems)}"
    figure.suptitle(f"{about}; {steps}", fontsize=9)
    count = len(surface_steps(crystal, path.reference).plane)
    return Plate(
        figure,
        f"{record.specimen_id} after {name}",
        f"{about}, after: {steps}. Bodies to scale, displacements times {factor:g}; "
        f"{counted(count, 'slip step')} on the sides before the reload. Lines: slipped planes, "
        f"coloured by slip. Right: mean axial stress against strain over the whole path and the "
        f"reload.",
        "A pillar before and after loading, with its dislocations, and its stress-strain curve.",
        "1 specimen",
    )


def draw_lost(shard: Shard, lost: LostSpecimen) -> Plate:
    """Draw the last state of a specimen that broke a physical check, and why."""
    finite = np.isfinite(lost.state.position_nm)
    state = State(
        lost.state.plane[finite],
        lost.state.position_nm[finite],
        lost.state.sign[finite],
        lost.state.whole_plane_slip,
        float(np.nan_to_num(lost.state.platen_displacement_nm)),
    )
    figure = Figure(figsize=_SIZE_IN)
    axes, words = figure.subplots(1, 2, gridspec_kw={"width_ratios": [1, 3]})
    body = Body(
        lost.crystal, shard.material, state, magnification_of(lost.crystal, shard.material, state)
    )
    total = slip_segments(lost.crystal, state)
    slip = _draw_body(axes, body, total, _slip_norm(total))
    axes.set_title(f"last state\n{_counted(state)}\nall slip", fontsize=7)
    _share_scale([axes], lost.crystal, body.magnification)
    _slip_bar(figure, axes, slip)
    doing = ", ".join(step_label(step) for step in lost.doing.split(", "))
    words.set_axis_off()
    words.text(
        *(0, 0.6),
        f"{lost.specimen_id} was lost\nat: {doing}\nat a strain of {100 * lost.strain:.4f} %\n"
        f"\n{lost.reason}",
        fontsize=9,
        va="center",
        wrap=True,
        transform=words.transAxes,
    )
    return Plate(
        figure,
        f"{lost.specimen_id}, lost",
        f"{lost.specimen_id} was lost at {lost.doing}: {lost.reason}.",
        "The last state of a specimen that broke a physical check.",
        "1 specimen",
    )


def magnification_of(crystal: Crystal, material: Material, state: State) -> float:
    """Return the factor that makes a displacement visible: 1, or the largest 2, 5, 10 … that keeps
    the largest displacement of the outline below an eighth of the width."""
    outline = deformed_outline(crystal, material, state, magnification=1.0)
    at_rest = deformed_outline(crystal, material, state, magnification=0.0)
    largest = float(np.abs(outline - at_rest).max())
    if not largest > 0:
        return 1.0
    room = 0.125 * crystal.width_nm / largest
    power = 10.0 ** np.floor(np.log10(room))
    return float(max([1.0, *(m * power for m in (1, 2, 5) if m * power <= room)]))


def _virgin(crystal: Crystal) -> State:
    none = np.zeros(0, np.int64)
    return State(none, np.zeros(0), none, np.zeros(len(crystal.plane_angle), np.int64), 0.0)


def _counted(state: State) -> str:
    return counted(len(state.plane), "dislocation")


def _slip_norm(*drawn: SlipSegments) -> LogNorm:
    """Return the colour scale from one Burgers vector to the largest slip drawn, 10 at least."""
    largest = [np.abs(segments.burgers_vectors).max(initial=10) for segments in drawn]
    return LogNorm(1, float(max(largest)))


def _slip_bar(figure: Figure, axes: Axes, slip: LineCollection) -> None:
    bar = figure.colorbar(
        slip,
        ax=axes,
        location="right",
        fraction=0.08,
        aspect=40,
        shrink=0.6,
        pad=0.04,
        format="%g",
    )
    bar.set_label("slip (Burgers vectors)", fontsize=7)
    bar.outline.set_visible(False)
    bar.ax.minorticks_off()


def _share_scale(panels: Sequence[Axes], crystal: Crystal, factor: float) -> None:
    """Give all bodies one scale, say which, and by what their displacements are multiplied."""
    for axes in panels:
        axes.set_aspect("equal")
        axes.set_axis_off()
        axes.autoscale_view()
    low = min(axes.get_ylim()[0] for axes in panels) - 0.1 * crystal.height_nm
    high = max(axes.get_ylim()[1] for axes in panels)
    left = min(axes.get_xlim()[0] for axes in panels)
    right = max(axes.get_xlim()[1] for axes in panels)
    for axes in panels:
        axes.set_xlim(left, right)
        axes.set_ylim(low, high)
    x, y = -crystal.width_nm / 2, low + 0.06 * crystal.height_nm
    power = 10.0 ** np.floor(np.log10(crystal.width_nm))
    length = max(m * power for m in (1, 2, 5) if m * power <= crystal.width_nm)
    panels[0].plot([x, x + length], [y, y], color=INK, lw=1.5, solid_capstyle="butt")
    y -= 0.01 * crystal.height_nm
    magnified = f"displacements × {factor:g}" if factor != 1 else ""
    if len(panels) > 1:
        panels[0].text(x, y, width_label(length), fontsize=6, va="top")
        panels[-1].text(x, y, magnified, fontsize=6, va="top")
    else:
        panels[0].text(x, y, f"{width_label(length)}\n{magnified}", fontsize=6, va="top")


def _draw_body(
    axes: Axes, body: Body, segments: SlipSegments, norm: LogNorm, *, defects: bool = False
) -> LineCollection:
    """Draw outline, slipped planes and dislocations; with ``defects`` sources and obstacles."""
    crystal, state = body.crystal, body.state
    outline = deformed_outline(crystal, body.material, state, magnification=body.magnification)
    axes.fill(*outline.T, facecolor=_BODY, edgecolor=INK, linewidth=0.8, joinstyle="miter")
    ends = np.stack(
        [
            body.on_planes(segments.plane, segments.start_nm),
            body.on_planes(segments.plane, segments.end_nm),
        ],
        axis=1,
    )
    slip = LineCollection(list(ends), cmap=_SLIP_COLOURS, norm=norm, linewidths=0.9)
    slip.set_array(np.abs(segments.burgers_vectors))
    axes.add_collection(slip)
    if defects:
        _draw_defects(axes, body)
    for sign, colour in ((1, POSITIVE_COLOUR), (-1, NEGATIVE_COLOUR)):
        for angle in np.unique(crystal.plane_angle):
            chosen = (state.sign == sign) & np.isclose(crystal.plane_angle[state.plane], angle)
            places = body.on_planes(state.plane[chosen], state.position_nm[chosen])
            turn = Affine2D().scale(1, sign).rotate(angle)
            axes.scatter(
                places[:, 0],
                places[:, 1],
                s=16,
                marker=_EDGE.transformed(turn),
                facecolor="none",
                edgecolor=colour,
                linewidth=0.9,
                zorder=3,
            )
    return slip


def _draw_defects(axes: Axes, body: Body) -> None:
    crystal = body.crystal
    planes = np.unique(crystal.source_plane)
    ends = np.stack(
        [
            body.on_planes(planes, np.zeros(len(planes))),
            body.on_planes(planes, np.full(len(planes), crystal.plane_length_nm)),
        ],
        axis=1,
    )
    axes.add_collection(LineCollection(list(ends), colors=_OBSTACLE, linewidths=0.25))
    places = body.on_planes(crystal.obstacle_plane, crystal.obstacle_position_nm)
    axes.scatter(places[:, 0], places[:, 1], s=1.5, color=_OBSTACLE, linewidth=0, zorder=2)
    places = body.on_planes(crystal.source_plane, crystal.source_position_nm)
    bulk = crystal.source_kind == BULK
    x, y = places[bulk].T
    axes.scatter(x, y, s=14, marker="o", color=_SOURCE, linewidth=0, zorder=3)
    x, y = places[~bulk].T
    axes.scatter(x, y, s=12, marker="D", facecolor="white", edgecolor=_SOURCE, lw=0.8, zorder=3)


def _draw_curve(axes: Axes, path: LoadingPath, shard: Shard) -> None:
    """Draw all legs and the reload, positive along the reload's sense."""
    sense = path.reload.sense
    for leg in path.legs:
        strain = 100 * sense * (leg.start_strain + leg.sense * leg.curve.strain)
        axes.plot(strain, sense * leg.sense * leg.curve.stress_mpa, color=INK, lw=0.6)
    start = 100 * sense * path.reload.start_strain
    strain = start + 100 * path.reload_strain
    axes.plot(strain, path.reload_stress_mpa, color=_RELOAD, lw=1.2)
    axes.plot(start, path.reload_stress_mpa[0], "o", color=INK, ms=4, label="after its path")
    for name, marker in (("small", "s"), ("large", "^")):
        at = shard.reload_strains[name]
        stress = float(np.interp(at, path.reload_strain, path.reload_stress_mpa))
        label = f"reloaded by {class_label(at)}"
        axes.plot(start + 100 * at, stress, marker, color=_RELOAD, ms=4, label=label)
    axes.axhline(0, color=MUTED, lw=0.5, zorder=0)
    word = "compression" if sense < 0 else "tension"
    axes.set_xlabel(f"strain (%), positive in {word}")
    axes.set_ylabel(f"mean axial stress (MPa), positive in {word}")
    axes.legend(loc="best")


def _symbols() -> list[Line2D]:
    def symbol(label: str, **how: object) -> Line2D:
        return Line2D([], [], linestyle="none", label=label, **how)  # type: ignore[arg-type]

    down = _EDGE.transformed(Affine2D().scale(1, -1))
    return [
        symbol("positive dislocation", marker=_EDGE, mfc="none", mec=POSITIVE_COLOUR, ms=6),
        symbol("negative dislocation", marker=down, mfc="none", mec=NEGATIVE_COLOUR, ms=6),
        symbol("bulk source", marker="o", color=_SOURCE, ms=4),
        symbol("surface source", marker="D", mfc="white", mec=_SOURCE, ms=3.5),
        symbol("obstacle", marker=".", color=_OBSTACLE, ms=3),
    ]
