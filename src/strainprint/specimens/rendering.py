"""Displacement of a whole specimen on a rectangular grid, far faster than point by point.

The same field as :func:`strainprint.specimens.displacement.displacement_nm`, in four parts:

*Slip.* Each dislocation is given the cut that runs from it to smaller x at constant y, in place of
the one along its slip plane. The two differ by b on the part of the body left of the slip plane and
below the dislocation; with the whole-plane slip that makes, for each plane and each column of the
grid (constant y), one step of delta_p at the row where the column meets the plane. Whole numbers of
Burgers vectors, so the sums are exact.

*Dislocations and images.* Under w = exp(2 p z), p = pi / (2 h), a dislocation with all its copies
at period 2h becomes a single point w_s; so do its mirror in the platens and the images of both in
the nearer side. With h = 2 p w_s / (w - w_s) each of the four contributes

    2 mu u = kappa (a L + e h) - conj[conj(a) L + 2 (x - x_ref) (a h - e h (h + 2p))],

L = ln(w - w_s), with e = 0 for a dislocation and its mirror; terms linear in z cancel among the
four. All of it is power series around any point away from w_s. The grid is halved again and again;
a source joins the series of the first rectangle that is far from it (``_NEAR`` of its distance
away at most), the series is shifted down to the halves, and what is still near where few points
are left is summed directly. A far source's cut may cross a rectangle: the series goes on beyond
it, and the points there get a whole Burgers vector with the slip.

*Side correction.* Its modes are products of functions of x and y.

*Uniform strain.*
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from strainprint.errors import BadInputError
from strainprint.specimens.compilation import compiled
from strainprint.specimens.crystal import Crystal
from strainprint.specimens.displacement import Placed, displacement_nm, place, uniform_strain
from strainprint.specimens.material import Material
from strainprint.specimens.pillar import Pillar, correction_displacement, correction_profile
from strainprint.specimens.state import State

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Integers = NDArray[np.int64]
Steps = NDArray[np.int32]

_NEAR = 0.5
"""A rectangle is far from a source when its radius is at most this part of their distance."""

_TERMS = 40
"""Room for the series: _NEAR ** _TERMS is below _TRUNCATION."""

_TRUNCATION = 1e-11
"""Where a series ends, relative to the field of one dislocation."""

_FEW_PAIRS = 300
"""Pairs of points and near sources that are summed sooner than a rectangle is halved."""


class _Sources(NamedTuple):
    """The four singular points of every dislocation in the plane of w (module docstring)."""

    w: Complex
    a: Complex
    e: Complex
    x_ref: Array
    turned: NDArray[np.bool_]
    """Whether L is ln(1 - w / w_s), smooth within the body, instead of ln(w / w_s - 1)."""
    y: Array
    """Of the dislocation."""
    sign: Integers
    system: Integers


@compiled
def _lay_sources(pillar: Pillar, x0: Array, y0: Array, gamma: Complex, sources: _Sources) -> None:
    """Fill w, a, e, x_ref and turned: dislocation, mirror, image, image of the mirror."""
    p2 = 2.0 * pillar.wave
    for j in range(len(x0)):
        w = np.exp(complex(p2 * x0[j], p2 * y0[j]))
        side = pillar.half_width if x0[j] > 0 else -pillar.half_width
        edge = np.exp(2.0 * p2 * side)
        d = side - x0[j]
        for mirror in range(2):
            g = gamma[j].conjugate() if mirror else gamma[j]
            place_w = w.conjugate() if mirror else w
            own, image = 4 * j + mirror, 4 * j + 2 + mirror
            sources.w[own] = place_w
            sources.a[own] = g
            sources.e[own] = 0.0
            sources.x_ref[own] = x0[j]
            sources.turned[own] = mirror == 1
            sources.w[image] = edge / place_w.conjugate()
            sources.a[image] = -g
            sources.e[image] = 2.0 * d * g.conjugate()
            sources.x_ref[image] = side
            # the image beyond the left side sees the body as the dislocation does
            sources.turned[image] = mirror == 1 or side > 0


@compiled
def _square(v: complex) -> float:
    """Return |v|^2; at the very centre of a source as if some 1e-11 nm beside it."""
    return max(v.real * v.real + v.imag * v.imag, 4e-30)


@compiled
def _log_of(v: complex, square: float, turned: bool, above: bool) -> complex:
    """Return ln(v), or ln(-v) if ``turned``; ``above`` says on which side of the cut it lies."""
    size = 0.5 * np.log(square)
    if turned:
        return complex(size, np.arctan2(-v.imag, -v.real))
    # decided by the coordinates themselves: beside the cut the imaginary part is rounding
    rise = abs(v.imag)
    return complex(size, np.arctan2(rise if above else -rise, v.real))


@compiled
def _add_source(
    wave: float,
    kappa: float,
    radius: float,
    centre: complex,
    x_centre: float,
    y_centre: float,
    s: int,
    sources: _Sources,
    series: Complex,
) -> None:
    """Add source s to the ``series`` (3, terms) of a far rectangle, in powers of (w - w_c) / R.

    2 mu u = kappa series[0] - conj[series[1] + (x - x_c) series[2]].
    """
    w_s = sources.w[s]
    a = sources.a[s]
    a_c = a.conjugate()
    e = sources.e[s]
    ratio = radius / (w_s - centre)
    h = 2.0 * wave * w_s / (w_s - centre)
    lever = x_centre - sources.x_ref[s]
    v = centre / w_s - 1.0
    log = _log_of(v, _square(v), sources.turned[s], y_centre >= sources.y[s])
    series[0, 0] += a * log
    series[1, 0] += a_c * log
    size = ratio.real * ratio.real + ratio.imag * ratio.imag
    terms = min(int(np.log(_TRUNCATION) / (0.5 * np.log(size))) + 2, series.shape[1])
    pole = -2.0 * (a - 2.0 * wave * e) * h
    double = -2.0 * e * h * h
    simple = -e * h
    power = complex(1.0, 0.0)
    for k in range(terms):
        if k > 0:
            power *= ratio
            of_log = -power / k
            series[0, k] += a * of_log
            series[1, k] += a_c * of_log
        rest = (pole + (k + 1.0) * double) * power
        series[0, k] += simple * power
        series[1, k] += lever * rest
        series[2, k] += rest


@compiled
def _shift(source: Complex, move: complex, shrink: float, x_move: float, series: Complex) -> None:
    """Re-expand ``source`` in t' where t = move + shrink t', with x_c moved by ``x_move``."""
    terms = source.shape[1]
    for part in range(3):
        for k in range(terms):
            series[part, k] = source[part, k]
        # Horner's scheme, taken again on its own remainders
        for start in range(terms - 1):
            for k in range(terms - 2, start - 1, -1):
                series[part, k] += move * series[part, k + 1]
        factor = 1.0
        for k in range(terms):
            series[part, k] *= factor
            factor *= shrink
    for k in range(terms):
        series[1, k] += x_move * series[2, k]


@compiled
def _evaluate(
    kappa: float,
    series: Complex,
    tolerance: float,
    centre: complex,
    radius: float,
    x_centre: float,
    x: Array,
    wx: Array,
    wy: Complex,
    box: Integers,
    u: Complex,
) -> None:
    """Add a rectangle's series to its points of 2 mu u."""
    first, last = box[2], box[3]
    columns = last - first
    reach = abs(x[box[1] - 1] - x[box[0]]) + 1.0
    terms = series.shape[1]
    while terms > 1:
        c0, c1, c2 = series[0, terms - 1], series[1, terms - 1], series[2, terms - 1]
        if abs(c0) + abs(c1) + reach * abs(c2) > tolerance:
            break
        terms -= 1
    t_re, t_im = np.empty(columns), np.empty(columns)
    f_re, f_im = np.empty(columns), np.empty(columns)
    g_re, g_im = np.empty(columns), np.empty(columns)
    scale = 1.0 / radius
    for i in range(box[0], box[1]):
        lever = x[i] - x_centre
        top = terms - 1
        f0 = series[0, top]
        g0 = series[1, top] + lever * series[2, top]
        for c in range(columns):
            w = wx[i] * wy[first + c]
            t_re[c] = (w.real - centre.real) * scale
            t_im[c] = (w.imag - centre.imag) * scale
            f_re[c] = f0.real
            f_im[c] = f0.imag
            g_re[c] = g0.real
            g_im[c] = g0.imag
        for k in range(top - 1, -1, -1):
            f0 = series[0, k]
            g0 = series[1, k] + lever * series[2, k]
            fr, fi, gr, gi = f0.real, f0.imag, g0.real, g0.imag
            for c in range(columns):
                f = f_re[c] * t_re[c] - f_im[c] * t_im[c] + fr
                f_im[c] = f_re[c] * t_im[c] + f_im[c] * t_re[c] + fi
                f_re[c] = f
                g = g_re[c] * t_re[c] - g_im[c] * t_im[c] + gr
                g_im[c] = g_re[c] * t_im[c] + g_im[c] * t_re[c] + gi
                g_re[c] = g
        for c in range(columns):
            u[i, first + c] += complex(kappa * f_re[c] - g_re[c], kappa * f_im[c] + g_im[c])


@compiled
def _sum_near(
    wave: float,
    kappa: float,
    x: Array,
    y: Array,
    wx: Array,
    wy: Complex,
    box: Integers,
    near: Integers,
    sources: _Sources,
    u: Complex,
) -> None:
    """Add sources to a rectangle's points of 2 mu u, one by one."""
    for s in near:
        inverse = 1.0 / sources.w[s]
        a = sources.a[s]
        e = sources.e[s]
        turned = sources.turned[s]
        pole = a - 2.0 * wave * e
        for i in range(box[0], box[1]):
            lever = 2.0 * (x[i] - sources.x_ref[s])
            for c in range(box[2], box[3]):
                v = (wx[i] * inverse) * wy[c] - 1.0
                square = _square(v)
                h = v.conjugate() * (2.0 * wave / square)
                log = _log_of(v, square, turned, y[c] >= sources.y[s])
                field = a * complex((kappa - 1.0) * log.real, (kappa + 1.0) * log.imag)
                field += kappa * e * h - lever * (h * (pole - e * h)).conjugate()
                u[i, c] += field


@compiled
def _add_dislocations(
    pillar: Pillar,
    x: Array,
    y: Array,
    wx: Array,
    wy: Complex,
    sources: _Sources,
    u: Complex,
    steps: Steps,
) -> None:
    """Add 2 mu u of all sources, without the part that is booked in ``steps``.

    ``wx`` times ``wy`` is w = exp(2 p z) on the grid. ``steps`` (systems, rows, columns) takes
    whole Burgers vectors, to be summed along rows.
    """
    wave = pillar.wave
    kappa = 3.0 - 4.0 * pillar.poissons_ratio
    count = len(sources.w)
    levels = 2
    size = max(len(x), len(y))
    while size > 1:
        levels += 2
        size = (size + 1) // 2
    series = np.zeros((levels, 3, _TERMS), np.complex128)
    centres = np.zeros(levels, np.complex128)
    radii = np.zeros(levels)
    x_centres = np.zeros(levels)
    near = np.empty((levels, count), np.int64)
    number = np.zeros(levels, np.int64)
    for s in range(count):
        near[0, s] = s
    number[0] = count
    # level 0 is the empty parent of the whole grid; a waiting half is (rows, columns, level)
    waiting = np.zeros((levels + 1, 5), np.int64)
    waiting[0, 1], waiting[0, 3], waiting[0, 4] = len(x), len(y), 1
    box = np.empty(5, np.int64)
    height = 1
    centres[0] = radii[0] = 1.0
    while height > 0:
        height -= 1
        for k in range(5):
            box[k] = waiting[height, k]
        level = box[4]
        x_low, x_high = x[box[0]], x[box[1] - 1]
        y_low, y_high = y[box[2]], y[box[3] - 1]
        x_c, y_c = 0.5 * (x_low + x_high), 0.5 * (y_low + y_high)
        w_c = np.exp(complex(2.0 * wave * x_c, 2.0 * wave * y_c))
        # |exp(s) - 1| is largest at the corner of largest real part; a point has a radius too
        corner = np.exp(complex(wave * (x_high - x_low), wave * (y_high - y_low))) - 1.0
        radius = abs(w_c) * max(abs(corner), 1e-9)
        centres[level], radii[level], x_centres[level] = w_c, radius, x_c
        _shift(
            series[level - 1],
            (w_c - centres[level - 1]) / radii[level - 1],
            radius / radii[level - 1],
            x_c - x_centres[level - 1],
            series[level],
        )
        left = 0
        for k in range(number[level - 1]):
            s = near[level - 1, k]
            if radius > _NEAR * abs(sources.w[s] - w_c):
                near[level, left] = s
                left += 1
                continue
            _add_source(wave, kappa, radius, w_c, x_c, y_c, s, sources, series[level])
            if s % 4 == 0 and x_c < sources.x_ref[s] and y_low < sources.y[s] <= y_high:
                beyond = y_c >= sources.y[s]
                for c in range(box[2], box[3]):
                    step = (1 if y[c] >= sources.y[s] else 0) - (1 if beyond else 0)
                    if step != 0:
                        step *= sources.sign[s]
                        steps[sources.system[s], box[0], c] += step
                        if box[1] < len(x):
                            steps[sources.system[s], box[1], c] -= step
        number[level] = left
        rows, columns = box[1] - box[0], box[3] - box[2]
        if left * rows * columns <= _FEW_PAIRS or rows * columns <= 16:
            _evaluate(
                kappa,
                series[level],
                _TRUNCATION * pillar.strength,
                w_c,
                radius,
                x_c,
                x,
                wx,
                wy,
                box,
                u,
            )
            _sum_near(wave, kappa, x, y, wx, wy, box, near[level, :left], sources, u)
            continue
        first, second = waiting[height], waiting[height + 1]
        box[4] += 1
        for k in range(5):
            first[k] = second[k] = box[k]
        axis = 0 if x_high - x_low > y_high - y_low else 2
        first[axis + 1] = second[axis] = (box[axis] + box[axis + 1]) // 2
        height += 2


@compiled
def _add_slip(
    x: Array,
    y: Array,
    angle: Array,
    origin: Array,
    system: Integers,
    whole: Integers,
    start: Integers,
    cut_y: Array,
    sign: Integers,
    steps: Steps,
) -> None:
    """Book the slip of every plane at the rows where the grid's columns cross it.

    ``start`` (planes + 1) delimits each plane's dislocations in ``cut_y`` (ascending), ``sign``.
    """
    rows = len(x)
    for p in range(len(angle)):
        if whole[p] == 0 and start[p] == start[p + 1]:
            continue
        slip = whole[p]
        for j in range(start[p], start[p + 1]):
            slip += sign[j]
        c, s = np.cos(angle[p]), np.sin(angle[p])
        ox, oy = origin[p, 0], origin[p, 1]
        passed = start[p]
        above = 0
        for column in range(len(y)):
            while passed < start[p + 1] and y[column] >= cut_y[passed]:
                slip -= sign[passed]
                passed += 1
            rise = (y[column] - oy) * c
            while above < rows and -(x[above] - ox) * s + rise > 0:
                above += 1
            while above > 0 and not -(x[above - 1] - ox) * s + rise > 0:
                above -= 1
            if above > 0 and slip != 0:
                steps[system[p], 0, column] += slip
                if above < rows:
                    steps[system[p], above, column] -= slip


@compiled
def _add_correction(
    pillar: Pillar, modes: Array, x: Array, cosine: Array, sine: Array, u: Complex
) -> None:
    """Add the side correction on the grid; ``cosine, sine`` (modes, columns) are those of ky."""
    n = pillar.modes
    columns = cosine.shape[1]
    profile, amplitude = np.empty((n, 4)), np.empty((2, n))
    u_x, u_y = np.empty(columns), np.empty(columns)
    for i in range(len(x)):
        correction_profile(pillar, modes, x[i], profile)
        correction_displacement(pillar, profile, amplitude)
        for c in range(columns):
            u_x[c] = u_y[c] = 0.0
        for m in range(n):
            a_x, a_y = amplitude[0, m], amplitude[1, m]
            for c in range(columns):
                u_x[c] += a_x * cosine[m, c]
                u_y[c] += a_y * sine[m, c]
        for c in range(columns):
            u[i, c] += complex(u_x[c], u_y[c])


@compiled
def _collect(
    u: Complex,
    steps: Steps,
    slip: Complex,
    scale: float,
    strain_x: Array,
    strain_y: Array,
    u_x: Array,
    u_y: Array,
) -> None:
    """Fill u_x, u_y with ``scale`` u, the steps summed along rows times ``slip``, and strains."""
    count = np.zeros((len(slip), u.shape[1]), np.int32)
    for i in range(u.shape[0]):
        for c in range(u.shape[1]):
            total = scale * u[i, c]
            for k in range(len(slip)):
                count[k, c] += steps[k, i, c]
                total += count[k, c] * slip[k]
            u_x[i, c] = total.real + strain_x[i]
            u_y[i, c] = total.imag + strain_y[c]


def _field(
    crystal: Crystal,
    material: Material,
    state: State,
    dislocations: Placed,
    strain: tuple[float, float],
    x: Array,
    y: Array,
) -> tuple[Array, Array]:
    """Return the displacement on the grid of two axes up to a translation of the whole body."""
    pillar = dislocations.pillar
    angles, system = np.unique(crystal.plane_angle, return_inverse=True)
    u = np.zeros((len(x), len(y)), np.complex128)
    steps = np.zeros((len(angles), len(x), len(y)), np.int32)

    order = np.lexsort((dislocations.y, state.plane))
    start = np.searchsorted(state.plane[order], np.arange(len(system) + 1))
    _add_slip(
        x,
        y,
        crystal.plane_angle,
        crystal.plane_origin_nm,
        system,
        state.whole_plane_slip,
        start,
        dislocations.y[order],
        state.sign[order],
        steps,
    )
    count = len(state.plane)
    if count:
        sources = _Sources(
            w=np.empty(4 * count, np.complex128),
            a=np.empty(4 * count, np.complex128),
            e=np.empty(4 * count, np.complex128),
            x_ref=np.empty(4 * count),
            turned=np.empty(4 * count, np.bool_),
            y=np.repeat(dislocations.y, 4),
            sign=np.repeat(state.sign, 4),
            system=np.repeat(system[state.plane], 4),
        )
        _lay_sources(pillar, dislocations.x, dislocations.y, dislocations.gamma, sources)
        # in units of 2 mu u, as the sources
        modes = 2.0 * pillar.shear_modulus * dislocations.modes
        ky = pillar.mode_table[:, :1] * y
        _add_correction(pillar, modes, x, np.cos(ky), np.sin(ky), u)
        wx, wy = np.exp(2.0 * pillar.wave * x), np.exp(2.0j * pillar.wave * y)
        _add_dislocations(pillar, x, y, wx, wy, sources, u, steps)
    u_x, u_y = np.empty(u.shape), np.empty(u.shape)
    _collect(
        u,
        steps,
        material.burgers_vector_nm * np.exp(1j * angles),
        0.5 / pillar.shear_modulus,
        strain[0] * x,
        strain[1] * y,
        u_x,
        u_y,
    )
    return u_x, u_y


def displacement_on_axes_nm(
    crystal: Crystal,
    material: Material,
    state: State,
    x_nm: ArrayLike,
    y_nm: ArrayLike,
    *,
    axial_stress_mpa: float | None = None,
) -> tuple[Array, Array]:
    """Return (u_x, u_y) in nm, of shape (rows, columns), on the grid of two axes.

    What :func:`~strainprint.specimens.displacement.displacement_nm` returns at ``x_nm[:, None]``,
    ``y_nm[None, :]``, to about 1e-9 nm at a few thousand dislocations (module docstring). Memory:
    48 bytes a point.

    Parameters
    ----------
    x_nm, y_nm
        Ascending coordinates of the rows and of the columns, |x| <= w/2, 0 <= y <= h.
    axial_stress_mpa
        As for ``displacement_nm``.

    Raises
    ------
    BadInputError
        An axis is empty or not ascending.
    """
    x, y = np.asarray(x_nm, np.float64), np.asarray(y_nm, np.float64)
    for name, axis in (("x_nm", x), ("y_nm", y)):
        if axis.ndim != 1 or axis.size == 0 or not (np.diff(axis) > 0).all():
            raise BadInputError(f"{name} is no axis", allowed="one dimension, ascending")
    dislocations = place(crystal, material, state)
    strain = uniform_strain(crystal, material, state, dislocations, axial_stress_mpa)
    u_x, u_y = _field(crystal, material, state, dislocations, strain, x, y)
    # the centre of the bottom platen is held
    held = np.zeros(1)
    h_x, h_y = _field(crystal, material, state, dislocations, strain, held, held)
    u_x -= h_x[0, 0]
    u_y -= h_y[0, 0]
    return u_x, u_y


def displacement_on_mesh_nm(
    crystal: Crystal, material: Material, state: State, x_nm: Array, y_nm: Array
) -> tuple[Array, Array]:
    """Return (u_x, u_y) in nm at points, fast where they form a mesh.

    Points that form a rectangular mesh (as of ``np.meshgrid(x, y, indexing="ij")``, ascending) go
    to :func:`displacement_on_axes_nm`, all others to the sum over every point and dislocation.
    """
    if x_nm.ndim == y_nm.ndim == 2 and x_nm.shape == y_nm.shape and x_nm.size > 1:
        x, y = x_nm[:, 0], y_nm[0]
        if (
            (np.diff(x) > 0).all()
            and (np.diff(y) > 0).all()
            and (x_nm == x[:, None]).all()
            and (y_nm == y).all()
        ):
            return displacement_on_axes_nm(crystal, material, state, x, y)
    return displacement_nm(crystal, material, state, x_nm, y_nm)
