"""Resolved shear stress of many dislocations on many points, four pairs at a time.

The same stress as :func:`strainprint.specimens.pillar.closed_stress`, in a form that compilers
vectorise: no branch, no exponential, one division for the four poles of a pair. With
t = coth(p (z - z_k)) for the dislocation itself (1), its mirror in the platen (2), its image in the
nearer side x = c (3) and that image's mirror (4), and lengths in units of 1/p,

    tau = 2 p Im( exp(2i theta) { Re(gamma) (t1 + t2 - t3 - t4)
          - (x - x0) [gamma (t1^2 - 1) + conj(gamma) (t2^2 - 1)]
          + [(x - c) gamma - (c - x0) conj(gamma)] (t3^2 - 1)
          + [(x - c) conj(gamma) - (c - x0) gamma] (t4^2 - 1)
          + 4 (c - x0) (x - c) [conj(gamma) t3 (t3^2 - 1) + gamma t4 (t4^2 - 1)] } ).

The four arguments are a +- ib with two different a (x -+ x0) and two different b (y -+ y0), and
coth(a + ib) = (sinh a cosh a - i sin b cos b) / (sinh^2 a + sin^2 b), so that all of it follows
from exp(+-p x), cos(p y) and sin(p y) of either partner by addition theorems. Close pairs, whose
cores may be regularised, are left out of the vectorised pass and added one by one.

Dislocations and points come as the columns of tables of shape (``ROWS``, room).
"""

from __future__ import annotations

from functools import partial

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, inner

Array = NDArray[np.float64]

ROWS = 13
"""Numbers per dislocation; the constants below name the rows of a table."""
X, Y = 0, 1
"""p x and p y."""
GROWTH, DECAY, COSINE, SINE = 2, 3, 4, 5
"""exp(p x), exp(-p x), cos(p y), sin(p y)."""
GAMMA_REAL, GAMMA_IMAG = 6, 7
"""gamma in MPa nm; 0 for a point that exerts nothing."""
COS_2THETA, SIN_2THETA, COS_THETA, SIN_THETA = 8, 9, 10, 11
PLANE = 12
"""Number of the slip plane: partners on one plane have no core. Below 0: a plane of its own."""

FLOPS = 137
"""Additions, multiplications and divisions of one pair: 28 in :func:`_shape`, 18 in :func:`_poles`,
91 in :func:`_stress` and its sum."""

FLOPS_INFINITE = 25
"""The same of one pair in an infinite medium."""

_BLOCK = 128
"""Sources whose numbers stay in the first-level cache while all points pass."""

_BLOCK_INFINITE = 512
"""The same in an infinite medium."""

_FAST = {"contract", "nsz", "arcp"}
_SUMS = {"contract", "nsz", "arcp", "reassoc"}
"""Freedoms for the compiler: fused multiply-adds; sums in any order. Not: no infinities."""


@compiled
def tabulate(
    wave: float,
    x: float,
    y: float,
    cos_theta: float,
    sin_theta: float,
    gamma: complex,
    plane: int,
    table: Array,
    i: int,
) -> None:
    """Fill column ``i`` of a table with a dislocation, or a point if gamma = 0; lengths in nm."""
    table[X, i] = wave * x
    table[Y, i] = wave * y
    table[GROWTH, i] = np.exp(wave * x)
    table[DECAY, i] = 1.0 / table[GROWTH, i]
    table[COSINE, i] = np.cos(wave * y)
    table[SINE, i] = np.sin(wave * y)
    table[GAMMA_REAL, i] = gamma.real
    table[GAMMA_IMAG, i] = gamma.imag
    table[COS_2THETA, i] = cos_theta * cos_theta - sin_theta * sin_theta
    table[SIN_2THETA, i] = 2.0 * cos_theta * sin_theta
    table[COS_THETA, i] = cos_theta
    table[SIN_THETA, i] = sin_theta
    table[PLANE, i] = plane


@partial(compiled, forceinline=True, fastmath=_FAST, error_model="numpy")
def _shape(
    x: float,
    y: float,
    growth: float,
    decay: float,
    cosine: float,
    sine: float,
    x0: float,
    y0: float,
    growth0: float,
    decay0: float,
    growth_image: float,
    decay_image: float,
    cosine0: float,
    sine0: float,
    box: float,
) -> tuple[float, float, float, float, float, float, float, float, float]:
    """Return sinh a cosh a and sin b cos b (two each), the four denominators, and whether to keep
    the direct term (1) or not (0): not in a box around the dislocation.

    Factors of the point or of the dislocation are half of what the table holds.
    """
    # differences of stored numbers, so that every caller finds the same pairs close
    close = (abs(x - x0) <= box) & (abs(y - y0) <= box)
    one, other = growth * decay0, decay * growth0
    sinh, cosh = one - other, one + other
    one, other = growth * growth_image, decay * decay_image
    sinh_image, cosh_image = one - other, one + other
    one, other = sine * cosine0, cosine * sine0
    sin, sin_mirror = one - other, one + other
    one, other = cosine * cosine0, sine * sine0
    cos, cos_mirror = one + other, one - other
    sinh2, sinh2_image = sinh * sinh, sinh_image * sinh_image
    sin2, sin2_mirror = sin * sin, sin_mirror * sin_mirror
    return (
        sinh * cosh,
        sinh_image * cosh_image,
        sin * cos,
        sin_mirror * cos_mirror,
        1.0 if close else sinh2 + sin2,
        sinh2 + sin2_mirror,
        sinh2_image + sin2,
        sinh2_image + sin2_mirror,
        0.0 if close else 1.0,
    )


@partial(compiled, forceinline=True, fastmath=_FAST, error_model="numpy")
def _poles(
    real: float,
    real_image: float,
    imag: float,
    imag_mirror: float,
    size1: float,
    size2: float,
    size3: float,
    size4: float,
    keep: float,
) -> tuple[float, float, float, float, float, float, float, float]:
    """Return t1 ... t4, real and imaginary parts, from what :func:`_shape` returned."""
    near, far = size1 * size2, size3 * size4
    inverse = 1.0 / (near * far)
    near, far = inverse * far, inverse * near
    inverse1, inverse2 = keep * (near * size2), near * size1
    inverse3, inverse4 = far * size4, far * size3
    return (
        real * inverse1,
        -imag * inverse1,
        real * inverse2,
        -imag_mirror * inverse2,
        real_image * inverse3,
        -imag * inverse3,
        real_image * inverse4,
        -imag_mirror * inverse4,
    )


@partial(compiled, forceinline=True, fastmath=_FAST, error_model="numpy")
def _stress(
    t1r: float,
    t1i: float,
    t2r: float,
    t2i: float,
    t3r: float,
    t3i: float,
    t4r: float,
    t4i: float,
    keep: float,
    x: float,
    x0: float,
    side: float,
    gamma_real: float,
    gamma_imag: float,
) -> tuple[float, float]:
    """Return real and imaginary part of the braces above."""
    # s = t^2 - 1 and, for the images, c = t s
    s1r, s1i = t1r * t1r - t1i * t1i - keep, 2.0 * (t1r * t1i)
    s2r, s2i = t2r * t2r - t2i * t2i - 1.0, 2.0 * (t2r * t2i)
    s3r, s3i = t3r * t3r - t3i * t3i - 1.0, 2.0 * (t3r * t3i)
    s4r, s4i = t4r * t4r - t4i * t4i - 1.0, 2.0 * (t4r * t4i)
    c3r, c3i = t3r * s3r - t3i * s3i, t3r * s3i + t3i * s3r
    c4r, c4i = t4r * s4r - t4i * s4i, t4r * s4i + t4i * s4r
    reach, depth, inset = x - x0, side - x0, x - side
    less, more, product = inset - depth, inset + depth, 4.0 * (depth * inset)
    # gamma = a + ib: what a multiplies, and what ib multiplies
    ar = (t1r + t2r - t3r - t4r) - reach * (s1r + s2r) + less * (s3r + s4r) + product * (c3r + c4r)
    ai = (t1i + t2i - t3i - t4i) - reach * (s1i + s2i) + less * (s3i + s4i) + product * (c3i + c4i)
    br = more * (s3r - s4r) - reach * (s1r - s2r) - product * (c3r - c4r)
    bi = more * (s3i - s4i) - reach * (s1i - s2i) - product * (c3i - c4i)
    return gamma_real * ar - gamma_imag * bi, gamma_real * ai + gamma_imag * br


@partial(compiled, fastmath=_FAST, error_model="numpy")
def direct_stress(
    wave: float, core: float, targets: Array, i: int, sources: Array, j: int
) -> float:
    """Return the direct stress (MPa) of one close pair, with its core unless on one plane.

    ``core`` is p times the radius.
    """
    dx = targets[X, i] - sources[X, j]
    dy = targets[Y, i] - sources[Y, j]
    r2 = dx * dx + dy * dy
    if r2 == 0.0:
        return 0.0
    gamma = complex(sources[GAMMA_REAL, j], sources[GAMMA_IMAG, j])
    if targets[PLANE, i] == sources[PLANE, j] and targets[PLANE, i] >= 0.0:
        core = 0.0
    back = complex(dx, -dy)
    if r2 < (6.0 * core) ** 2:
        s = r2 * r2 + core**4
        field = gamma.conjugate() * back / np.sqrt(s) - gamma * back * back * back / s
        return float(
            wave * (targets[COS_2THETA, i] * field.imag + targets[SIN_2THETA, i] * field.real)
        )
    growth = targets[GROWTH, i] * sources[DECAY, j]
    decay = targets[DECAY, i] * sources[GROWTH, j]
    sinh, cosh = 0.5 * (growth - decay), 0.5 * (growth + decay)
    sin = targets[SINE, i] * sources[COSINE, j] - targets[COSINE, i] * sources[SINE, j]
    cos = targets[COSINE, i] * sources[COSINE, j] + targets[SINE, i] * sources[SINE, j]
    inverse = 1.0 / (sinh * sinh + sin * sin)
    t = complex(sinh * cosh * inverse, -sin * cos * inverse)
    field = gamma.real * t - dx * gamma * (t * t - 1.0)
    return float(
        2.0 * wave * (targets[COS_2THETA, i] * field.imag + targets[SIN_2THETA, i] * field.real)
    )


@partial(compiled, fastmath=_SUMS, error_model="numpy")
def sum_stress(
    wave: float, half_width: float, core: float, targets: Array, sources: Array, out: Array
) -> None:
    """Fill ``out`` with the resolved shear stress (MPa) of all dislocations at all targets.

    What row 0 of :func:`slopes_at` sums to, without storing the pairs.
    """
    points, n = targets.shape[1], sources.shape[1]
    right, core = wave * half_width, wave * core
    box = 6.0 * core
    squeeze, stretch = np.exp(-2.0 * right), np.exp(2.0 * right)
    out[:points] = 0.0
    # One pair is a chain of some 25 dependent operations, longer than a processor looks ahead: in
    # three short loops over numbers in the first-level cache it works on several pairs at once.
    # One scratch array at fixed distances, so that compilers see that nothing overlaps.
    b = np.empty(20 * _BLOCK)
    for first in range(0, n, _BLOCK):
        m = min(n - first, _BLOCK)
        for k in range(m):
            j = first + k
            right_half = sources[X, j] > 0.0
            b[k] = sources[X, j]
            b[_BLOCK + k] = sources[Y, j]
            b[2 * _BLOCK + k] = 0.5 * sources[GROWTH, j]
            b[3 * _BLOCK + k] = 0.5 * sources[DECAY, j]
            b[4 * _BLOCK + k] = b[2 * _BLOCK + k] * (squeeze if right_half else stretch)
            b[5 * _BLOCK + k] = b[3 * _BLOCK + k] * (stretch if right_half else squeeze)
            b[6 * _BLOCK + k] = sources[COSINE, j]
            b[7 * _BLOCK + k] = sources[SINE, j]
            b[8 * _BLOCK + k] = right if right_half else -right
            b[9 * _BLOCK + k] = sources[GAMMA_REAL, j]
            b[10 * _BLOCK + k] = sources[GAMMA_IMAG, j]
        for i in range(points):
            x, y = targets[X, i], targets[Y, i]
            growth, decay = targets[GROWTH, i], targets[DECAY, i]
            cosine, sine = targets[COSINE, i], targets[SINE, i]
            near = 0.0
            for k in range(m):
                shape = _shape(
                    x,
                    y,
                    growth,
                    decay,
                    cosine,
                    sine,
                    b[k],
                    b[_BLOCK + k],
                    b[2 * _BLOCK + k],
                    b[3 * _BLOCK + k],
                    b[4 * _BLOCK + k],
                    b[5 * _BLOCK + k],
                    b[6 * _BLOCK + k],
                    b[7 * _BLOCK + k],
                    box,
                )
                b[11 * _BLOCK + k] = shape[0]
                b[12 * _BLOCK + k] = shape[1]
                b[13 * _BLOCK + k] = shape[2]
                b[14 * _BLOCK + k] = shape[3]
                b[15 * _BLOCK + k] = shape[4]
                b[16 * _BLOCK + k] = shape[5]
                b[17 * _BLOCK + k] = shape[6]
                b[18 * _BLOCK + k] = shape[7]
                b[19 * _BLOCK + k] = shape[8]
                near += 1.0 - shape[8]
            for k in range(m):
                poles = _poles(
                    b[11 * _BLOCK + k],
                    b[12 * _BLOCK + k],
                    b[13 * _BLOCK + k],
                    b[14 * _BLOCK + k],
                    b[15 * _BLOCK + k],
                    b[16 * _BLOCK + k],
                    b[17 * _BLOCK + k],
                    b[18 * _BLOCK + k],
                    b[19 * _BLOCK + k],
                )
                b[11 * _BLOCK + k] = poles[0]
                b[12 * _BLOCK + k] = poles[1]
                b[13 * _BLOCK + k] = poles[2]
                b[14 * _BLOCK + k] = poles[3]
                b[15 * _BLOCK + k] = poles[4]
                b[16 * _BLOCK + k] = poles[5]
                b[17 * _BLOCK + k] = poles[6]
                b[18 * _BLOCK + k] = poles[7]
            total_real = total_imag = 0.0
            for k in range(m):
                real, imag = _stress(
                    b[11 * _BLOCK + k],
                    b[12 * _BLOCK + k],
                    b[13 * _BLOCK + k],
                    b[14 * _BLOCK + k],
                    b[15 * _BLOCK + k],
                    b[16 * _BLOCK + k],
                    b[17 * _BLOCK + k],
                    b[18 * _BLOCK + k],
                    b[19 * _BLOCK + k],
                    x,
                    b[k],
                    b[8 * _BLOCK + k],
                    b[9 * _BLOCK + k],
                    b[10 * _BLOCK + k],
                )
                total_real += real
                total_imag += imag
            out[i] += (
                2.0
                * wave
                * (targets[COS_2THETA, i] * total_imag + targets[SIN_2THETA, i] * total_real)
            )
            if near > 0.0:
                for k in range(m):
                    if abs(x - b[k]) <= box and abs(y - b[_BLOCK + k]) <= box:
                        out[i] += direct_stress(wave, core, targets, i, sources, first + k)


@partial(compiled, forceinline=True, fastmath=_FAST, error_model="numpy")
def _stress_infinite(
    dx: float, dy: float, gamma_real: float, gamma_imag: float
) -> tuple[float, float]:
    """Return real and imaginary part of what one pair adds in an infinite medium."""
    # 1 / zeta = u - iv; at its own place all products vanish
    inverse = 1.0 / (dx * dx + (dy * dy + 1e-300))
    u, v = dx * inverse, dy * inverse
    # conj(gamma) - gamma conj(zeta) / zeta = 2 (real + i imag)
    real = gamma_real * (dy * v) - gamma_imag * (dx * v)
    imag = gamma_imag * (dy * v) + (gamma_real * (dx * v) - gamma_imag)
    return u * real + v * imag, u * imag - v * real


@partial(compiled, fastmath=_SUMS, error_model="numpy")
def sum_stress_infinite(wave: float, targets: Array, sources: Array, out: Array) -> None:
    """Fill ``out`` with the resolved shear stress (MPa) of all dislocations in an infinite medium.

    Without cores and without images, for comparison with codes that have neither; a dislocation
    does not act on itself. ``wave`` only tells in which unit the tables hold lengths.
    """
    points, n = targets.shape[1], sources.shape[1]
    x0, y0 = sources[X], sources[Y]
    gamma_real, gamma_imag = sources[GAMMA_REAL], sources[GAMMA_IMAG]
    x, y = targets[X], targets[Y]
    out[:points] = 0.0
    for first in range(0, n, _BLOCK_INFINITE):
        end = min(n, first + _BLOCK_INFINITE)
        # four points at once, so that a processor has other sums to go on with while it divides;
        # after the last one, that again
        for i in range(0, points, 4):
            k1, k2, k3 = min(i + 1, points - 1), min(i + 2, points - 1), min(i + 3, points - 1)
            real0 = real1 = real2 = real3 = 0.0
            imag0 = imag1 = imag2 = imag3 = 0.0
            for j in range(first, end):
                a, b = gamma_real[j], gamma_imag[j]
                real, imag = _stress_infinite(x[i] - x0[j], y[i] - y0[j], a, b)
                real0, imag0 = real0 + real, imag0 + imag
                real, imag = _stress_infinite(x[k1] - x0[j], y[k1] - y0[j], a, b)
                real1, imag1 = real1 + real, imag1 + imag
                real, imag = _stress_infinite(x[k2] - x0[j], y[k2] - y0[j], a, b)
                real2, imag2 = real2 + real, imag2 + imag
                real, imag = _stress_infinite(x[k3] - x0[j], y[k3] - y0[j], a, b)
                real3, imag3 = real3 + real, imag3 + imag
            reals, imags = (real0, real1, real2, real3), (imag0, imag1, imag2, imag3)
            for k in range(min(4, points - i)):
                c, s = targets[COS_2THETA, i + k], targets[SIN_2THETA, i + k]
                out[i + k] += 2.0 * wave * (c * imags[k] + s * reals[k])


@compiled
def shear_slope(
    dx: float, dy: float, gamma: complex, own: complex, along: complex, core: float
) -> float:
    """Return the derivative (MPa/nm) along ``along`` of the infinite-medium stress of j at i.

    ``own`` is the unit slip direction of i, (dx, dy) its place seen from j, ``core`` the core
    radius, all in nm. As i glides the derivative is that along ``own``; as j glides, minus that
    along j's direction.
    """
    r2 = dx * dx + dy * dy
    s = r2 * r2 + core**4
    back = complex(dx, -dy)
    straight = gamma.conjugate() / np.sqrt(s)
    twisted = gamma * back * back / s
    # d(s) = 4 r^2 Re(a conj(zeta)) along the direction a
    steep = back * (twisted - 0.5 * straight) / s
    slope = (straight - 3.0 * twisted) * along.conjugate() + steep * (
        4.0 * r2 * (along.real * dx + along.imag * dy)
    )
    stress: complex = own * own * slope
    return stress.imag


@partial(compiled, forceinline=True, fastmath=_FAST, error_model="numpy")
def _stress_and_slopes(
    t1r: float,
    t1i: float,
    t2r: float,
    t2i: float,
    t3r: float,
    t3i: float,
    t4r: float,
    t4i: float,
    keep: float,
    x: float,
    x0: float,
    side: float,
    gamma_real: float,
    gamma_imag: float,
    cos: float,
    sin: float,
    cos0: float,
    sin0: float,
) -> tuple[float, float, float, float, float, float]:
    """Return the braces of the module's formula and their derivatives, real and imaginary parts.

    The first derivative is that as the point glides along (cos, sin), the second as the
    dislocation does along (cos0, sin0), both per 1/p. With s = t^2 - 1, c = t s and
    q = s (3 s + 2): dt = -s dz, ds = -2 c dz, dc = -q dz.
    """
    g, g_c = complex(gamma_real, gamma_imag), complex(gamma_real, -gamma_imag)
    along = complex(cos, sin)
    along0, along0_c = complex(cos0, sin0), complex(cos0, -sin0)
    t1, t2, t3, t4 = complex(t1r, t1i), complex(t2r, t2i), complex(t3r, t3i), complex(t4r, t4i)
    one = complex(1.0, 0.0)
    s1, s2, s3, s4 = t1 * t1 - complex(keep, 0.0), t2 * t2 - one, t3 * t3 - one, t4 * t4 - one
    c3, c4 = t3 * s3, t4 * s4
    q3, q4 = s3 * (3.0 * s3 + 2.0 * one), s4 * (3.0 * s4 + 2.0 * one)
    reach, depth, inset = x - x0, side - x0, x - side
    third, fourth = inset * g - depth * g_c, inset * g_c - depth * g
    both, cubic = g * s1 + g_c * s2, g_c * c3 + g * c4
    product = 4.0 * depth * inset
    stress = (
        gamma_real * (t1 + t2 - t3 - t4) - reach * both + third * s3 + fourth * s4 + product * cubic
    )
    # minus the derivatives with respect to z, of the terms with t1 ... t4
    of1 = gamma_real * s1 - 2.0 * reach * (g * (t1 * s1))
    of2 = gamma_real * s2 - 2.0 * reach * (g_c * (t2 * s2))
    of3 = 2.0 * (third * c3) + product * (g_c * q3) - gamma_real * s3
    of4 = 2.0 * (fourth * c4) + product * (g * q4) - gamma_real * s4
    at_point = cos * (g * s3 + g_c * s4 - both + 4.0 * depth * cubic) - along * (
        of1 + of2 + of3 + of4
    )
    at_dislocation = (
        along0 * (of1 - of4)
        + along0_c * (of2 - of3)
        + cos0 * (both + g_c * s3 + g * s4 - 4.0 * inset * cubic)
    )
    return (
        stress.real,
        stress.imag,
        at_point.real,
        at_point.imag,
        at_dislocation.real,
        at_dislocation.imag,
    )


@inner
def _add_close(
    wave: float, core: float, targets: Array, i: int, sources: Array, j: int, out: Array, k: int
) -> None:
    """Add the direct stress of a close pair and its derivatives to column k; ``core`` in 1/p."""
    out[0, k] += direct_stress(wave, core, targets, i, sources, j)
    dx, dy = (targets[X, i] - sources[X, j]) / wave, (targets[Y, i] - sources[Y, j]) / wave
    if dx == 0.0 and dy == 0.0:
        return
    gamma = complex(sources[GAMMA_REAL, j], sources[GAMMA_IMAG, j])
    own = complex(targets[COS_THETA, i], targets[SIN_THETA, i])
    other = complex(sources[COS_THETA, j], sources[SIN_THETA, j])
    same = targets[PLANE, i] == sources[PLANE, j] and targets[PLANE, i] >= 0.0
    radius = 0.0 if same else core / wave
    out[1, k] += shear_slope(dx, dy, gamma, own, own, radius)
    out[2, k] -= shear_slope(dx, dy, gamma, own, other, radius)


@partial(compiled, fastmath=_SUMS, error_model="numpy")
def slopes_at(
    wave: float,
    half_width: float,
    core: float,
    targets: Array,
    i: int,
    sources: Array,
    n: int,
    out: Array,
) -> None:
    """Fill out[:3, :n] with the stress of each of n dislocations at target i and its derivatives.

    Row 0 is the resolved shear stress (MPa), row 1 its derivative (MPa/nm) as the target glides
    along its plane, row 2 that as the dislocation does. Target and dislocation at the same place:
    only the images act. ``core`` is the core radius (nm); uniform and Fourier parts are not
    included. Direct terms of close pairs are differentiated in an infinite medium. Rows 3 to 5 of
    ``out`` are scratch.
    """
    x, y = targets[X, i], targets[Y, i]
    growth, decay = 0.5 * targets[GROWTH, i], 0.5 * targets[DECAY, i]
    cosine, sine = targets[COSINE, i], targets[SINE, i]
    c, s = 2.0 * wave * targets[COS_2THETA, i], 2.0 * wave * targets[SIN_2THETA, i]
    cos, sin = targets[COS_THETA, i], targets[SIN_THETA, i]
    right, core = wave * half_width, wave * core
    box = 6.0 * core
    squeeze = np.exp(-2.0 * right)
    stretch = 1.0 / squeeze
    x0, y0, growth0, decay0 = sources[X], sources[Y], sources[GROWTH], sources[DECAY]
    cosine0, sine0 = sources[COSINE], sources[SINE]
    cos0, sin0 = sources[COS_THETA], sources[SIN_THETA]
    gamma_real, gamma_imag = sources[GAMMA_REAL], sources[GAMMA_IMAG]
    stress, own, other = out[0], out[1], out[2]
    # compilers vectorise the long loop only without a choice in it
    side, growth_image, decay_image = out[3], out[4], out[5]
    for j in range(n):
        side[j] = right if x0[j] > 0.0 else -right
        growth_image[j] = growth0[j] * (squeeze if x0[j] > 0.0 else stretch)
        decay_image[j] = decay0[j] * (stretch if x0[j] > 0.0 else squeeze)
    near = 0.0
    for j in range(n):
        shape = _shape(
            x,
            y,
            growth,
            decay,
            cosine,
            sine,
            x0[j],
            y0[j],
            growth0[j],
            decay0[j],
            growth_image[j],
            decay_image[j],
            cosine0[j],
            sine0[j],
            box,
        )
        found = _stress_and_slopes(
            *_poles(*shape),
            shape[8],
            x,
            x0[j],
            side[j],
            gamma_real[j],
            gamma_imag[j],
            cos,
            sin,
            cos0[j],
            sin0[j],
        )
        stress[j] = c * found[1] + s * found[0]
        own[j] = wave * (c * found[3] + s * found[2])
        other[j] = wave * (c * found[5] + s * found[4])
        near += (1.0 - shape[8]) * (x != x0[j] or y != y0[j])
    if near > 0.0:
        for j in range(n):
            if abs(x - x0[j]) <= box and abs(y - y0[j]) <= box:
                _add_close(wave, core, targets, i, sources, j, out, j)


@partial(compiled, fastmath=_SUMS, error_model="numpy")
def slopes_of(
    wave: float,
    half_width: float,
    core: float,
    sources: Array,
    i: int,
    targets: Array,
    n: int,
    out: Array,
) -> None:
    """Fill out[:3, :n] with the stress of dislocation i at each of n targets and its derivatives.

    The transpose of :func:`slopes_at`, to the same rules: row 1 as each target glides, row 2 as the
    dislocation does.
    """
    x0, y0 = sources[X, i], sources[Y, i]
    growth0, decay0 = 0.5 * sources[GROWTH, i], 0.5 * sources[DECAY, i]
    cosine0, sine0 = sources[COSINE, i], sources[SINE, i]
    cos0, sin0 = sources[COS_THETA, i], sources[SIN_THETA, i]
    gamma_real, gamma_imag = sources[GAMMA_REAL, i], sources[GAMMA_IMAG, i]
    side = wave * half_width if x0 > 0.0 else -wave * half_width
    growth_image = growth0 * np.exp(-2.0 * side)
    decay_image = decay0 * np.exp(2.0 * side)
    core *= wave
    box = 6.0 * core
    x, y, growth, decay = targets[X], targets[Y], targets[GROWTH], targets[DECAY]
    cosine, sine = targets[COSINE], targets[SINE]
    c, s = targets[COS_2THETA], targets[SIN_2THETA]
    cos, sin = targets[COS_THETA], targets[SIN_THETA]
    stress, own, other = out[0], out[1], out[2]
    near = 0.0
    for j in range(n):
        shape = _shape(
            x[j],
            y[j],
            growth[j],
            decay[j],
            cosine[j],
            sine[j],
            x0,
            y0,
            growth0,
            decay0,
            growth_image,
            decay_image,
            cosine0,
            sine0,
            box,
        )
        found = _stress_and_slopes(
            *_poles(*shape),
            shape[8],
            x[j],
            x0,
            side,
            gamma_real,
            gamma_imag,
            cos[j],
            sin[j],
            cos0,
            sin0,
        )
        stress[j] = 2.0 * wave * (c[j] * found[1] + s[j] * found[0])
        own[j] = 2.0 * wave * wave * (c[j] * found[3] + s[j] * found[2])
        other[j] = 2.0 * wave * wave * (c[j] * found[5] + s[j] * found[4])
        near += (1.0 - shape[8]) * (x[j] != x0 or y[j] != y0)
    if near > 0.0:
        for j in range(n):
            if abs(x[j] - x0) <= box and abs(y[j] - y0) <= box:
                _add_close(wave, core, targets, j, sources, i, out, j)
