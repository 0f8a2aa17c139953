"""Fields of edge dislocations in the finite body: a pillar between rigid, frictionless platens.

The body is |x| <= w/2, 0 <= y <= h. Its sides carry no traction; on the platens u_y is prescribed
and the shear traction vanishes. Such platens are mirror planes: a dislocation, its mirror image in
y = 0 and all copies of both with period 2h along y satisfy them *exactly*, and the sums over the
copies are closed (coth). What is left is the traction on the sides. The exact half-plane image in
the nearer side removes it there; the smooth rest on the farther side, at least w/2 away, is
removed by a Fourier series in y of Airy functions whose coefficients are closed forms too. The
series converges like exp(-n pi w / (2 h)), so no mesh is needed anywhere: boundary conditions hold
to the truncation error, about 1e-6 with 32 modes at h = 4 w.

Complex (Muskhelishvili) notation: sigma_xx + sigma_yy = 4 Re phi',
sigma_yy - sigma_xx + 2 i sigma_xy = 2 (conj(z) phi'' + psi'), with phi' = gamma / (z - z0) and
gamma = mu b / (4 pi i (1 - nu)) for one dislocation of complex Burgers vector b. With
S1 = p coth(p zeta), p = pi / (2 h), the sums over period 2h are S1, S2 = S1^2 - p^2 (of 1/zeta^2)
and S3 = S1 S2 (of 1/zeta^3). The half-plane image in the side x = c, at z* = 2c - conj(z0) with
d = c - x0, is phi1 = -gamma ln(omega) + 2 d conj(gamma) / omega, omega = z - z* (by Schwarz
reflection; the total traction on x = c vanishes identically).

The uniform part follows from the exact macroscopic relation sigma = E' (U / h - eps_p).
"""

from __future__ import annotations

from functools import partial
from math import pi
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled, folded
from strainprint.specimens.material import Material

Array = NDArray[np.float64]

MODES = 32
"""Fourier modes of the side correction; exp(-32 pi / 8) = 3e-6 of a mid-plane dislocation's
traction remains at h = 4 w."""


class Pillar(NamedTuple):
    """Geometry and elastic constants in the units of the kernels: nm, MPa, ns."""

    half_width: float
    height: float
    wave: float
    """p = pi / (2 h) in 1/nm."""
    strength: float
    """mu b / (4 pi (1 - nu)) in MPa nm: |gamma|."""
    modulus: float
    """E' in MPa."""
    shear_modulus: float
    poissons_ratio: float
    burgers: float
    mobility: float
    """b / B in nm / (ns MPa)."""
    modes: int
    mode_table: Array
    """(modes, 10): k, 1 / cosh(k w / 2), and the solutions of the even and odd Airy problems."""


def make_pillar(
    width_nm: float, height_nm: float, material: Material, modes: int = MODES
) -> Pillar:
    """Return the constants of a pillar of this width and height."""
    a = width_nm / 2
    k = np.arange(1, modes + 1) * pi / height_nm
    t = np.tanh(k * a)
    even = t + a * k * (1 - t * t)
    odd = t - a * k * (1 - t * t)
    table = np.stack(
        [
            k,
            1 / np.cosh(k * a),
            # even F = A cosh(kx) + B x sinh(kx), scaled by 1 / cosh(ka): A, B per f_even, g_odd
            (t + a * k) / (k * k * even),
            -t / (k * even),
            a * t / (k * even),
            -1 / (k * even),
            # odd F = A sinh(kx) + B x cosh(kx): A, B per f_odd, g_even
            (1 + a * k * t) / (k * k * odd),
            -1 / (k * odd),
            a / (k * odd),
            -t / (k * odd),
        ],
        axis=1,
    )
    return Pillar(
        half_width=a,
        height=height_nm,
        wave=pi / (2 * height_nm),
        strength=material.edge_constant_mpa_nm / 2,
        modulus=material.plane_strain_modulus_mpa,
        shear_modulus=material.shear_modulus_mpa,
        poissons_ratio=material.poissons_ratio,
        burgers=material.burgers_vector_nm,
        mobility=material.mobility_nm_per_ns_mpa,
        modes=modes,
        mode_table=table,
    )


@partial(compiled, inline="always")
def _quotient(numerator: complex, denominator: complex) -> complex:
    """Complex division without the overflow guards that a compiler adds."""
    inverse = 1.0 / (denominator.real * denominator.real + denominator.imag * denominator.imag)
    return complex(
        (numerator.real * denominator.real + numerator.imag * denominator.imag) * inverse,
        (numerator.imag * denominator.real - numerator.real * denominator.imag) * inverse,
    )


@compiled
def wave_factor(pillar: Pillar, x: float, y: float) -> complex:
    """Return exp(2 p z), from which every coth of a pair is one division."""
    size = np.exp(2.0 * pillar.wave * x)
    return complex(size * np.cos(2.0 * pillar.wave * y), size * np.sin(2.0 * pillar.wave * y))


@compiled
def closed_stress(
    wave: float,
    half_width: float,
    x: float,
    q: complex,
    x0: float,
    q0: complex,
    gamma: complex,
    with_direct: bool,
) -> tuple[float, complex]:
    """Stress at (x, q) of a dislocation at (x0, q0), its platen mirrors and its nearer-side image.

    ``q`` is :func:`wave_factor`; ``wave`` and ``half_width`` are the pillar's. Without
    ``with_direct`` the dislocation's own singular term is left out: what remains at its own place
    is the image stress on itself. Returns (sigma_xx + sigma_yy, sigma_yy - sigma_xx +
    2i sigma_xy) in MPa; the uniform and the Fourier parts are not included.
    """
    # scalars instead of the Pillar tuple: this is the innermost kernel and must be inlined
    p = wave
    gamma_c = gamma.conjugate()
    twice_real = 2.0 * gamma.real
    q0_c = q0.conjugate()
    trace = 0.0
    deviator = 0j
    reach = x - x0
    if with_direct:
        s1 = p * _quotient(q + q0, q - q0)
        s2 = s1 * s1 - p * p
        trace += 4.0 * (gamma * s1).real
        deviator += 2.0 * (twice_real * s1 - 2.0 * reach * gamma * s2)
    s1 = p * _quotient(q + q0_c, q - q0_c)
    s2 = s1 * s1 - p * p
    trace += 4.0 * (gamma_c * s1).real
    deviator += 2.0 * (twice_real * s1 - 2.0 * reach * gamma_c * s2)

    side = half_width if x0 > 0 else -half_width
    edge = np.exp(4.0 * p * side)
    d = side - x0
    reach = x - 2.0 * side + x0
    for mirror in range(2):
        # the image of the dislocation, then that of its mirror in the platen
        g, g_c = (gamma, gamma_c) if mirror == 0 else (gamma_c, gamma)
        product = q * (q0_c if mirror == 0 else q0)
        s1 = p * _quotient(product + edge, product - edge)
        s2 = s1 * s1 - p * p
        trace -= 4.0 * (g * s1 + 2.0 * d * g_c * s2).real
        deviator += 2.0 * (
            -twice_real * s1
            + 2.0 * (reach * g + d * (g - g_c)) * s2
            + 8.0 * d * (reach + d) * g_c * s1 * s2
        )
    return trace, deviator


@compiled
def side_traction_modes(pillar: Pillar, x0: float, y0: float, gamma: complex, modes: Array) -> None:
    """Fill ``modes`` (4 n) with the traction that :func:`closed_stress` leaves on the sides.

    sigma_xx = sum f_n cos(k_n y), sigma_xy = sum g_n sin(k_n y); order [f right, f left, g right,
    g left]. Only the farther side is loaded; its coefficients are closed forms (module docstring).
    """
    n = pillar.modes
    p = pillar.wave
    modes[:] = 0.0
    side = pillar.half_width if x0 > 0 else -pillar.half_width
    far = n if x0 > 0 else 0
    sense = -1.0 if x0 > 0 else 1.0
    gamma_c = gamma.conjugate()
    d = side - x0
    direct = -side - x0
    image = x0 - 3.0 * side
    # exp(-k |X| + i sense k y0), mode by mode as powers of the first
    k1 = 2.0 * p
    turn = complex(np.cos(sense * k1 * y0), np.sin(sense * k1 * y0))
    direct_step = np.exp(-k1 * abs(direct)) * turn
    image_step = np.exp(-k1 * abs(image)) * turn
    direct_power = complex(1.0, 0.0)
    image_power = complex(1.0, 0.0)
    for m in range(n):
        k = pillar.mode_table[m, 0]
        direct_power *= direct_step
        image_power *= image_step
        # the mirror adds the complex conjugate, hence twice the real part
        inward = (direct_power * (-sense * gamma_c + 2.0 * direct * k * gamma)).real
        outward = (direct_power * sense * gamma).real
        inward += (
            image_power
            * (
                sense * gamma_c
                - 2.0 * k * (image + d) * gamma
                - 4.0 * sense * d * k * k * (image + d) * gamma_c
            )
        ).real
        outward -= (image_power.conjugate() * (sense * gamma_c + 2.0 * d * k * gamma)).real
        modes[far + m] = 4.0 * p * (inward + outward)
        modes[2 * n + far + m] = 4.0 * p * sense * (inward - outward)


@compiled
def _airy(row: Array, x: float, cosh_x: float, sinh_x: float, out: Array) -> None:
    """Fill out (4, 4): integral of F, F, F', F'' at x per unit (f_even, g_odd, f_odd, g_even).

    ``cosh_x`` and ``sinh_x`` are those of k x, divided by cosh(k w / 2).
    """
    k = row[0]
    for column in range(4):
        a = row[2 + 2 * column]
        b = row[3 + 2 * column]
        even = cosh_x if column < 2 else sinh_x
        odd = sinh_x if column < 2 else cosh_x
        out[0, column] = a * odd / k + b * (x * even / k - odd / (k * k))
        out[1, column] = a * even + b * x * odd
        out[2, column] = a * k * odd + b * (odd + x * k * even)
        out[3, column] = a * k * k * even + b * (2.0 * k * even + x * k * k * odd)


@compiled
def correction_profile(pillar: Pillar, modes: Array, x: float, profile: Array) -> None:
    """Fill ``profile`` (modes, 4): integral of F, F, F', F'' at x of every mode's Airy function.

    ``modes`` are traction coefficients as in :func:`side_traction_modes`; the Airy function of
    mode k is F(x) cos(ky).
    """
    n = pillar.modes
    airy = np.empty((4, 4))
    growth = np.exp(pillar.mode_table[0, 0] * x)
    power = 1.0
    for m in range(n):
        row = pillar.mode_table[m]
        power *= growth
        inverse = 1.0 / power
        _airy(row, x, 0.5 * (power + inverse) * row[1], 0.5 * (power - inverse) * row[1], airy)
        f_even = 0.5 * (modes[m] + modes[n + m])
        g_odd = 0.5 * (modes[2 * n + m] - modes[3 * n + m])
        f_odd = 0.5 * (modes[m] - modes[n + m])
        g_even = 0.5 * (modes[2 * n + m] + modes[3 * n + m])
        for part in range(4):
            profile[m, part] = (
                airy[part, 0] * f_even
                + airy[part, 1] * g_odd
                + airy[part, 2] * f_odd
                + airy[part, 3] * g_even
            )


@compiled
def correction_displacement(pillar: Pillar, profile: Array, amplitude: Array) -> None:
    """Fill ``amplitude`` (2, modes) from a :func:`correction_profile`.

    u_x = sum amplitude[0] cos(ky), u_y = sum amplitude[1] sin(ky), in nm.
    """
    lateral = pillar.poissons_ratio / (1.0 - pillar.poissons_ratio)
    for m in range(pillar.modes):
        k = pillar.mode_table[m, 0]
        amplitude[0, m] = -(k * k * profile[m, 0] + lateral * profile[m, 2]) / pillar.modulus
        amplitude[1, m] = (profile[m, 3] / k + lateral * k * profile[m, 1]) / pillar.modulus


@compiled
def correction_field(
    pillar: Pillar, modes: Array, x: float, y: float
) -> tuple[float, float, float, float, float]:
    """Return (sigma_xx, sigma_yy, sigma_xy, u_x, u_y) that free the sides of the traction modes.

    The Airy function of mode k is F(x) cos(ky); stresses in MPa, displacements in nm. u_y vanishes
    on both platens by itself.
    """
    n = pillar.modes
    profile = np.empty((n, 4))
    amplitude = np.empty((2, n))
    correction_profile(pillar, modes, x, profile)
    correction_displacement(pillar, profile, amplitude)
    xx = yy = xy = u_x = u_y = 0.0
    k1 = pillar.mode_table[0, 0]
    turn = complex(np.cos(k1 * y), np.sin(k1 * y))
    phase = complex(1.0, 0.0)
    for m in range(n):
        k = pillar.mode_table[m, 0]
        phase *= turn
        xx -= k * k * profile[m, 1] * phase.real
        yy += profile[m, 3] * phase.real
        xy += k * profile[m, 2] * phase.imag
        u_x += amplitude[0, m] * phase.real
        u_y += amplitude[1, m] * phase.imag
    return xx, yy, xy, u_x, u_y


@compiled
def shear_weights(
    pillar: Pillar, x: float, y: float, sin_2theta: float, cos_2theta: float, weights: Array
) -> None:
    """Fill ``weights`` (4 n): resolved shear stress at (x, y) per unit of each traction mode.

    Its dot product with the modes summed over all dislocations is the correction's resolved shear,
    (1/2) sin 2theta (sigma_yy - sigma_xx) + cos 2theta sigma_xy.
    """
    n = pillar.modes
    k1 = pillar.mode_table[0, 0]
    turn = complex(np.cos(k1 * y), np.sin(k1 * y))
    phase = complex(1.0, 0.0)
    growth = np.exp(k1 * x)
    shrinkage = 1.0 / growth
    power = inverse = 1.0
    for m in range(n):
        row = pillar.mode_table[m]
        k = row[0]
        phase *= turn
        power *= growth
        inverse *= shrinkage
        cosh_x, sinh_x = 0.5 * (power + inverse) * row[1], 0.5 * (power - inverse) * row[1]
        axial, shear = sin_2theta * k * phase.real, cos_2theta * k * phase.imag
        # (1/2) sin 2theta (F'' + k^2 F) cos ky + cos 2theta k F' sin ky of each column of _airy
        f_even = _shear_weight(row[2], row[3], k, k * x, cosh_x, sinh_x, axial, shear)
        g_odd = _shear_weight(row[4], row[5], k, k * x, cosh_x, sinh_x, axial, shear)
        f_odd = _shear_weight(row[6], row[7], k, k * x, sinh_x, cosh_x, axial, shear)
        g_even = _shear_weight(row[8], row[9], k, k * x, sinh_x, cosh_x, axial, shear)
        weights[m] = 0.5 * (f_even + f_odd)
        weights[n + m] = 0.5 * (f_even - f_odd)
        weights[2 * n + m] = 0.5 * (g_odd + g_even)
        weights[3 * n + m] = 0.5 * (g_even - g_odd)


@folded
def _shear_weight(
    a: float, b: float, k: float, kx: float, even: float, odd: float, axial: float, shear: float
) -> float:
    """Return the resolved shear stress of F = integral of a even + b x odd."""
    own, lever = a * k + b, b * kx
    weight: float = even * (axial * own + shear * lever) + odd * (axial * lever + shear * own)
    return weight


@compiled
def mean_axial_stress(pillar: Pillar, x0: float, gamma: complex) -> float:
    """Return the section mean of sigma_yy that :func:`closed_stress` carries, in MPa.

    Only the term constant along y survives the mean; it steps at the dislocation and, with the
    image, leaves 8 p Re(gamma) (side - 2 x0 / w).
    """
    side = 1.0 if x0 > 0 else -1.0
    return 8.0 * pillar.wave * gamma.real * (side - x0 / pillar.half_width)


def image_stress(pillar: Pillar, x: float, y: float, angle: float) -> float:
    """Return the resolved shear stress (MPa) of a positive dislocation's images on itself."""
    gamma = complex(-1j * pillar.strength * np.exp(1j * angle))
    wave = wave_factor(pillar, x, y)
    _, deviator = closed_stress(pillar.wave, pillar.half_width, x, wave, x, wave, gamma, False)
    closed = 0.5 * (deviator * np.exp(2j * angle)).imag
    modes, weights = np.empty(4 * pillar.modes), np.empty(4 * pillar.modes)
    side_traction_modes(pillar, x, y, gamma, modes)
    shear_weights(pillar, x, y, np.sin(2 * angle), np.cos(2 * angle), weights)
    # the mean axial stress of the closed part is not the dislocation's own: the platens hold it
    uniform = -mean_axial_stress(pillar, x, gamma) * 0.5 * np.sin(2 * angle)
    return float(closed + modes @ weights + uniform)


@compiled
def _log_sinh(argument: complex) -> tuple[complex, complex]:
    """Return ln sinh and coth of an argument; the former continuous for 0 < |Im| < pi or Re > 0."""
    growth = np.exp(argument.real)
    sinh = 0.5 * (growth - 1.0 / growth)
    cosh = 0.5 * (growth + 1.0 / growth)
    cosine = np.cos(argument.imag)
    sine = np.sin(argument.imag)
    of_sinh = complex(sinh * cosine, cosh * sine)
    # at the very centre as if some 1e-11 nm beside it
    size = max(of_sinh.real * of_sinh.real + of_sinh.imag * of_sinh.imag, 1e-30)
    log = complex(0.5 * np.log(size), np.arctan2(of_sinh.imag, of_sinh.real))
    return log, complex(cosh * cosine, sinh * sine) * of_sinh.conjugate() * (1.0 / size)


@compiled
def closed_displacement(
    pillar: Pillar, x: float, y: float, x0: float, y0: float, gamma: complex, sign: int
) -> complex:
    """Return u_x + i u_y (nm) of a dislocation, its platen mirrors and its nearer-side image.

    The cut of the dislocation itself lies on its slip plane at smaller r (X < 0); those of the
    copies lie outside the body. Constants are left out: fix the rigid translation afterwards.
    """
    p = pillar.wave
    kappa = 3.0 - 4.0 * pillar.poissons_ratio
    gamma_c = gamma.conjugate()
    z = complex(x, y)
    z0 = complex(x0, y0)
    zeta = z - z0
    # gamma = -i |gamma| sign exp(i theta): recover the unit slip direction
    along = complex(0.0, 1.0) * gamma * (sign / pillar.strength)
    local = zeta * along.conjugate()
    full, coth = _log_sinh(p * zeta)
    # arg sinh(p zeta) = arg zeta + a remainder that is smooth within the body
    remainder = full.imag - np.arctan2(zeta.imag, zeta.real)
    remainder -= 2.0 * pi * np.round(remainder / (2.0 * pi))
    log = complex(full.real, np.arctan2(local.imag, local.real) + remainder)
    u = kappa * gamma * log - gamma * log.conjugate()
    u -= 2.0 * p * zeta.real * gamma_c * coth.conjugate()

    log, coth = _log_sinh(p * (z - z0.conjugate()))
    u += kappa * gamma_c * log - gamma_c * log.conjugate()
    u -= 2.0 * p * zeta.real * gamma * coth.conjugate()

    side = pillar.half_width if x0 > 0 else -pillar.half_width
    d = side - x0
    reach = x - side
    away = -1.0 if side > 0 else 1.0
    for mirror in range(2):
        g, g_c = (gamma, gamma_c) if mirror == 0 else (gamma_c, gamma)
        image = 2.0 * side - (z0.conjugate() if mirror == 0 else z0)
        log, coth = _log_sinh(away * p * (z - image))
        s1 = away * p * coth
        s2 = s1 * s1 - p * p
        rest = -2.0 * reach * g * s1 - 4.0 * d * reach * g_c * s2 - g_c * log
        u += kappa * (2.0 * d * g_c * s1 - g * log) - rest.conjugate()
    return complex(u.real, u.imag) * (0.5 / pillar.shear_modulus)
