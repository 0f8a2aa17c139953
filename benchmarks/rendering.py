"""The cost of a strain map of a 2 um specimen, and its distance from the direct sum.

The crystal is the default one; its 2,000 dislocations lie at random on a third as many planes, and
every plane slipped as a whole by a random number of Burgers vectors (a made-up state: the cost
depends on how many dislocations there are and hardly on where). One thread. The direct sum would
take an hour, so it runs at some points only, and its time for all of them is that times the ratio
of the numbers. The last line is one JSON object.
"""

import json
import resource
from dataclasses import replace
from functools import partial
from time import perf_counter

import numpy as np

from strainprint.maps.render import lay_grid, render_on_grid
from strainprint.seeds import generator
from strainprint.specimens.crystal import CrystalSettings, place_crystal
from strainprint.specimens.displacement import displacement_nm
from strainprint.specimens.material import Material
from strainprint.specimens.rendering import displacement_on_axes_nm, displacement_on_mesh_nm
from strainprint.specimens.state import State

WIDTH_NM = 2000.0
PITCH_NM = 2.0
DISLOCATIONS = 2000
RANDOM_POINTS = 2000
POINTS_AT_PLANES = 1000
MATERIAL = Material()


def draw_state(width_nm, count, rng):
    crystal = place_crystal(width_nm, 2, CrystalSettings(), MATERIAL, rng)
    planes = len(crystal.plane_angle)
    active = rng.choice(planes, min(planes, count // 3 + 1), replace=False)
    state = State(
        plane=rng.choice(active, count).astype(np.int64),
        position_nm=rng.uniform(0, crystal.plane_length_nm, count),
        sign=rng.choice([-1, 1], count).astype(np.int64),
        whole_plane_slip=rng.integers(-6, 7, planes),
        platen_displacement_nm=-0.05 * crystal.height_nm,
    )
    return crystal, state


def timed(function, *arguments, **options):
    start = perf_counter()
    result = function(*arguments, **options)
    return result, perf_counter() - start


def beside_planes(crystal, state, x, y, count, rng):
    """Indices of grid points next to slip planes that hold dislocations."""
    plane = rng.choice(state.plane, count)
    r = rng.uniform(0.05, 0.95, count) * crystal.plane_length_nm
    angle = crystal.plane_angle[plane]
    column = np.searchsorted(y, crystal.plane_origin_nm[plane, 1] + r * np.sin(angle))
    column = np.clip(column, 1, len(y) - 2)
    crossing = crystal.plane_origin_nm[plane, 0] + (
        y[column] - crystal.plane_origin_nm[plane, 1]
    ) / np.tan(angle)
    row = np.searchsorted(x, crossing) - rng.integers(0, 2, count)
    return np.clip(row, 1, len(x) - 2), column


def strains(at):
    """Central differences of displacement(row offset, column offset): exx, eyy, exy."""
    (xx, yx), (xy, yy) = (
        np.subtract(at(*ahead), at(*behind)) / (2 * PITCH_NM)
        for ahead, behind in (((1, 0), (-1, 0)), ((0, 1), (0, -1)))
    )
    return np.array([xx, yy, 0.5 * (xy + yx)])


def main():
    rng = generator(0, "benchmark of rendering")
    small, small_state = draw_state(62.5, 5, rng)
    crystal, state = draw_state(WIDTH_NM, DISLOCATIONS, rng)
    x = -WIDTH_NM / 2 + (np.arange(round(WIDTH_NM / PITCH_NM)) + 0.5) * PITCH_NM
    y = (np.arange(round(crystal.height_nm / PITCH_NM)) + 0.5) * PITCH_NM
    points = len(x) * len(y)
    # so that nothing is compiled while the clock runs
    displacement_on_axes_nm(small, MATERIAL, small_state, [0.0, 1.0], [1.0, 2.0])
    displacement_nm(small, MATERIAL, small_state, 0.0, 1.0)

    (ux, uy), fast = timed(displacement_on_axes_nm, crystal, MATERIAL, state, x, y)
    print(f"{len(x)} x {len(y)} points, {DISLOCATIONS} dislocations, one thread")
    print(f"displacement of one state, fast: {fast:.2f} s, {1e-6 * points / fast:.2f} Mpoints/s")

    loaded = replace(
        state,
        position_nm=np.clip(
            state.position_nm + rng.normal(0, 20, DISLOCATIONS), 0, crystal.plane_length_nm
        ),
        platen_displacement_nm=state.platen_displacement_nm - 0.01 * crystal.height_nm,
    )
    displacement = partial(displacement_on_mesh_nm, crystal, MATERIAL)
    seconds = {}
    for frame in ("reference", "deformed"):
        grid, laying = timed(
            lay_grid,
            displacement,
            state,
            width_nm=WIDTH_NM,
            height_nm=crystal.height_nm,
            pitch_nm=PITCH_NM,
            frame=frame,
        )
        _, rendering = timed(render_on_grid, displacement, grid, loaded)
        seconds[frame] = laying + rendering
        print(
            f"whole map, {frame} frame: {seconds[frame]:.2f} s (grid in the reference state "
            f"{laying:.2f} s, loaded state and strains {rendering:.2f} s)"
        )
    peak_gb = 1e-6 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    print(f"peak memory of this process: {peak_gb:.2f} GB")

    chosen = [
        np.concatenate(pair)
        for pair in zip(
            (
                rng.integers(1, len(x) - 1, RANDOM_POINTS),
                rng.integers(1, len(y) - 1, RANDOM_POINTS),
            ),
            beside_planes(crystal, state, x, y, POINTS_AT_PLANES, rng),
            strict=True,
        )
    ]
    row, column = chosen
    direct = partial(displacement_nm, crystal, MATERIAL, state)
    summed, spent = timed(direct, x[row], y[column])
    whole = spent / len(row) * points
    print(
        f"direct sum at {len(row)} of the points: {spent:.2f} s; extrapolated to all of them: "
        f"{whole:.0f} s; ratio {whole / fast:.0f}"
    )
    off = np.abs(np.subtract(summed, (ux[row, column], uy[row, column])))
    of_peak = off.max() / np.abs(summed).max()
    expected = strains(lambda i, j: direct(x[row + i], y[column + j]))
    found = strains(lambda i, j: (ux[row + i, column + j], uy[row + i, column + j]))
    strain_off = np.abs(expected - found).max()
    strain_of_peak = strain_off / np.abs(expected).max()
    print(
        f"largest difference at {RANDOM_POINTS} random points and {POINTS_AT_PLANES} next to slip "
        f"planes: displacement {off.max():.1e} nm, {of_peak:.1e} of the peak there; strain "
        f"{strain_off:.1e}, {strain_of_peak:.1e} of the peak there"
    )
    print(
        json.dumps(
            {
                "seconds": round(seconds["deformed"], 3),
                "seconds_displacement": round(fast, 3),
                "ratio_direct": round(whole / fast, 1),
                "max_relative_error_displacement": float(f"{of_peak:.2g}"),
                "max_relative_error_strain": float(f"{strain_of_peak:.2g}"),
                "peak_memory_gb": round(peak_gb, 2),
                "points": points,
                "dislocations": DISLOCATIONS,
            }
        )
    )


if __name__ == "__main__":
    main()
