"""Resolved shear stress of thousands of dislocations on each other, in time proportional to N.

The same sums as :func:`strainprint.specimens.pair_sums.sum_stress`. With q = exp(2 p z), every
coth of a pair is a rational function, coth(p (z - z_k)) = 1 + 2 q_k / (q - q_k): the stress of a
dislocation with all its mirrors and images is A(q) + x B(q), where A and B have poles up to third
order at four points of the plane. So the classical fast multipole method for 1 / (q - q_k) applies
(Greengard & Rokhlin, J. Comput. Phys. 73 (1987) 325; Carrier, Greengard & Rokhlin, SIAM J. Sci.
Stat. Comput. 9 (1988) 669), periodic copies included, on a square of cells halved level by level.
Near poles are summed one by one; close pairs with their cores as in
:mod:`strainprint.specimens.pair_sums`.
"""

from __future__ import annotations

from functools import cache, partial
from math import comb

import numpy as np
from numpy.typing import NDArray

from strainprint.specimens.compilation import compiled
from strainprint.specimens.pair_sums import (
    COS_2THETA,
    COSINE,
    DECAY,
    GAMMA_IMAG,
    GAMMA_REAL,
    GROWTH,
    SIN_2THETA,
    SINE,
    X,
    Y,
    direct_stress,
)

Array = NDArray[np.float64]
Complex = NDArray[np.complex128]
Integers = NDArray[np.int64]

ORDER = 24
"""Terms of each expansion: stresses are good to 1e-6 of the largest where a tenth of the
dislocations touch each side, and to some 1e-8 otherwise."""

_PER_CELL = 24
"""Targets per cell of the finest level, on average over the cells that hold any."""

_FAST = {"contract", "nsz", "arcp", "reassoc"}

# rows of the table of poles: place in the q plane, three coefficients of A and three of B, then
# the place of the dislocation, out of reach for poles of mirrors and images
_PLACE, _A1, _A2, _A3, _B1, _B2, _B3, _U, _V = 0, 2, 4, 6, 8, 10, 12, 14, 15
_POLE_ROWS = 16
_NOWHERE = 1e300


@cache
def _operators(order: int) -> tuple[Complex, Complex, Complex]:
    """Return the matrices of multipole-to-multipole, -to-local and local-to-local shifts.

    They act on rows from the right. Multipole f = sum_k M_k (a / (q - c))^k, k = 1 ... order;
    local f = sum_l L_l ((q - c) / a)^l, l = 0 ... order - 1; a is the side of a cell.
    """
    up = np.zeros((4, order, order), np.complex128)
    down = np.zeros((4, order, order), np.complex128)
    across = np.zeros((7, 7, order, order), np.complex128)
    for child in range(4):
        # centre of the child seen from its parent, per side of the parent
        shift = complex(0.25 if child % 2 else -0.25, 0.25 if child // 2 else -0.25)
        for k in range(1, order + 1):
            for m in range(k, order + 1):
                up[child, k - 1, m - 1] = 0.5**k * comb(m - 1, k - 1) * shift ** (m - k)
        for k in range(order):
            for m in range(k + 1):
                down[child, k, m] = comb(k, m) * shift ** (k - m) * 0.5**m
    for column in range(7):
        for row in range(7):
            distance = complex(column - 3, row - 3)
            if abs(column - 3) <= 1 and abs(row - 3) <= 1:
                continue
            for k in range(1, order + 1):
                for m in range(order):
                    across[row, column, k - 1, m] = (
                        comb(k + m - 1, m) * (-1) ** m / distance ** (k + m)
                    )
    return up, across, down


@compiled
def _list_poles(wave: float, half_width: float, sources: Array, poles: Array) -> None:
    """Fill the table (16, 4 n) of poles of all dislocations.

    With h = q_k / (q - q_k): t = 1 + 2 h, t^2 - 1 = 4 (h + h^2) and t (t^2 - 1) =
    4 (h + 3 h^2 + 2 h^3) in the formula of :mod:`strainprint.specimens.pair_sums`.
    """
    right = wave * half_width
    for j in range(sources.shape[1]):
        u = sources[X, j]
        size = sources[GROWTH, j] ** 2
        cos, sin = sources[COSINE, j], sources[SINE, j]
        turn = complex(cos * cos - sin * sin, 2.0 * cos * sin)
        gamma = complex(sources[GAMMA_REAL, j], sources[GAMMA_IMAG, j])
        other = gamma.conjugate()
        side = right if u > 0.0 else -right
        depth = side - u
        for pole in range(4):
            k = 4 * j + pole
            # the mirror in the platen: everything but u is conjugate
            q, g, g_c = turn, gamma, other
            if pole % 2 == 1:
                q, g, g_c = turn.conjugate(), other, gamma
            if pole < 2:
                q *= size
                b1 = -4.0 * g
                b2, b3 = b1, 0.0 * g
                a1, a2, a3 = 2.0 * gamma.real - u * b1, -u * b2, 0.0 * g
            else:
                q *= np.exp(4.0 * side) / size
                strong = 16.0 * depth * g_c
                b1, b2, b3 = 4.0 * g + strong, 4.0 * g + 3.0 * strong, 2.0 * strong
                plain = -4.0 * depth * g_c
                a1 = -2.0 * gamma.real + plain - side * b1
                a2, a3 = plain - side * b2, -side * b3
            place = q
            poles[_PLACE, k], poles[_PLACE + 1, k] = q.real, q.imag
            for row, value in ((_A1, a1), (_B1, b1)):
                poles[row, k], poles[row + 1, k] = (value * place).real, (value * place).imag
            place *= q
            for row, value in ((_A2, a2), (_B2, b2)):
                poles[row, k], poles[row + 1, k] = (value * place).real, (value * place).imag
            place *= q
            for row, value in ((_A3, a3), (_B3, b3)):
                poles[row, k], poles[row + 1, k] = (value * place).real, (value * place).imag
            poles[_U, k] = u if pole == 0 else _NOWHERE
            poles[_V, k] = sources[Y, j] if pole == 0 else _NOWHERE


@compiled
def _sort_into_cells(real: Array, imag: Array, half: float, side: int) -> tuple[Integers, Integers]:
    """Return the first entry of every cell (side^2 + 1, row by row) and the order by cell."""
    n = len(real)
    cell = np.empty(n, np.int64)
    first = np.zeros(side * side + 1, np.int64)
    scale = side / (2.0 * half)
    for k in range(n):
        column = min(side - 1, max(0, int((real[k] + half) * scale)))
        row = min(side - 1, max(0, int((imag[k] + half) * scale)))
        cell[k] = row * side + column
        first[cell[k] + 1] += 1
    for c in range(side * side):
        first[c + 1] += first[c]
    fill = first.copy()
    order = np.empty(n, np.int64)
    for k in range(n):
        order[fill[cell[k]]] = k
        fill[cell[k]] += 1
    return first, order


@compiled
def _centre(cell: int, side: int, half: float) -> complex:
    """Return the centre of a cell."""
    width = 2.0 * half / side
    return complex((cell % side + 0.5) * width - half, (cell // side + 0.5) * width - half)


@compiled
def _gather(
    poles: Array, first: Integers, half: float, side: int, order: int, multipole: Complex
) -> None:
    """Fill the multipoles (2, side^2, order) of A and B of the finest cells.

    Poles below the real axis mirror those above, and so do the cells.
    """
    width = 2.0 * half / side
    for cell in range(side * (side // 2), side * side):
        mirror = (side - 1 - cell // side) * side + cell % side
        centre = _centre(cell, side, half)
        for k in range(first[cell], first[cell + 1]):
            step = (complex(poles[_PLACE, k], poles[_PLACE + 1, k]) - centre) / width
            a1 = complex(poles[_A1, k], poles[_A1 + 1, k]) / width
            a2 = complex(poles[_A2, k], poles[_A2 + 1, k]) / width**2
            a3 = complex(poles[_A3, k], poles[_A3 + 1, k]) / width**3
            b1 = complex(poles[_B1, k], poles[_B1 + 1, k]) / width
            b2 = complex(poles[_B2, k], poles[_B2 + 1, k]) / width**2
            b3 = complex(poles[_B3, k], poles[_B3 + 1, k]) / width**3
            # 1 / (q - q_k)^m = sum_l C(l - 1, m - 1) (q_k - c)^(l - m) / (q - c)^l
            power, lower, lowest = complex(1.0, 0.0), complex(0.0, 0.0), complex(0.0, 0.0)
            for m in range(order):
                two, three = float(m), 0.5 * m * (m - 1)
                multipole[0, cell, m] += a1 * power + two * (a2 * lower) + three * (a3 * lowest)
                multipole[1, cell, m] += b1 * power + two * (b2 * lower) + three * (b3 * lowest)
                lowest = lower
                lower = power
                power = power * step
        for field in range(2):
            for m in range(order):
                multipole[field, mirror, m] = multipole[field, cell, m].conjugate()


@compiled
def _go_up(fine: Complex, side: int, up: Complex, coarse: Complex) -> None:
    """Add the multipoles of cells to those of their parents."""
    for child in range(4):
        rows = np.empty((coarse.shape[1], fine.shape[2]), np.complex128)
        for field in range(2):
            for cell in range(coarse.shape[1]):
                row, column = cell // (side // 2), cell % (side // 2)
                rows[cell] = fine[field, (2 * row + child // 2) * side + 2 * column + child % 2]
            coarse[field] += np.dot(rows, up[child])


@compiled
def _go_across(
    multipole: Complex, side: int, across: Complex, wanted: NDArray[np.bool_], local: Complex
) -> None:
    """Add to the local expansions of wanted cells what the cells of their interaction list send:
    children of their parents' neighbours that are no neighbours of theirs."""
    order = multipole.shape[2]
    cells = np.empty(side * side, np.int64)
    others = np.empty(side * side, np.int64)
    for dy in range(-3, 4):
        for dx in range(-3, 4):
            if abs(dx) <= 1 and abs(dy) <= 1:
                continue
            count = 0
            for cell in range(side * side):
                if not wanted[cell]:
                    continue
                row, column = cell // side, cell % side
                # the source lies at minus (dx, dy) from the target
                y, x = row - dy, column - dx
                if not (0 <= y < side and 0 <= x < side):
                    continue
                if abs(y // 2 - row // 2) > 1 or abs(x // 2 - column // 2) > 1:
                    continue
                cells[count], others[count] = cell, y * side + x
                count += 1
            if count == 0:
                continue
            rows = np.empty((2 * count, order), np.complex128)
            for k in range(count):
                rows[k] = multipole[0, others[k]]
                rows[count + k] = multipole[1, others[k]]
            sent = np.dot(rows, across[dy + 3, dx + 3])
            for k in range(count):
                local[0, cells[k]] += sent[k]
                local[1, cells[k]] += sent[count + k]


@compiled
def _go_down(coarse: Complex, side: int, down: Complex, fine: Complex) -> None:
    """Add the local expansions of parents to those of their cells."""
    for child in range(4):
        for field in range(2):
            sent = np.dot(coarse[field], down[child])
            for cell in range(coarse.shape[1]):
                row, column = cell // (side // 2), cell % (side // 2)
                fine[field, (2 * row + child // 2) * side + 2 * column + child % 2] += sent[cell]


@partial(compiled, fastmath=_FAST, error_model="numpy")
def _near(
    real: float, imag: float, u: float, v: float, box: float, poles: Array, first: int, end: int
) -> tuple[float, float, float]:
    """Sum A + u B over poles first ... end - 1; also count the direct ones in the box, left out."""
    q_r, q_i, u0, v0 = poles[_PLACE], poles[_PLACE + 1], poles[_U], poles[_V]
    a1r, a1i, a2r, a2i = poles[_A1], poles[_A1 + 1], poles[_A2], poles[_A2 + 1]
    a3r, a3i, b1r, b1i = poles[_A3], poles[_A3 + 1], poles[_B1], poles[_B1 + 1]
    b2r, b2i, b3r, b3i = poles[_B2], poles[_B2 + 1], poles[_B3], poles[_B3 + 1]
    total_real = total_imag = count = 0.0
    for k in range(first, end):
        close = (abs(u - u0[k]) <= box) & (abs(v - v0[k]) <= box)
        dx, dy = real - q_r[k], imag - q_i[k]
        inverse = (0.0 if close else 1.0) / (1.0 if close else dx * dx + dy * dy)
        r, s = dx * inverse, -dy * inverse
        c, d = a3r[k] + u * b3r[k], a3i[k] + u * b3i[k]
        c, d = r * c - s * d + (a2r[k] + u * b2r[k]), r * d + s * c + (a2i[k] + u * b2i[k])
        c, d = r * c - s * d + (a1r[k] + u * b1r[k]), r * d + s * c + (a1i[k] + u * b1i[k])
        total_real += r * c - s * d
        total_imag += r * d + s * c
        count += 1.0 if close else 0.0
    return total_real, total_imag, count


@compiled
def _evaluate(
    wave: float,
    core: float,
    targets: Array,
    sources: Array,
    poles: Array,
    pole_first: Integers,
    pole_order: Integers,
    target_first: Integers,
    target_order: Integers,
    half: float,
    side: int,
    local: Complex,
    out: Array,
) -> None:
    """Fill ``out`` from the local expansions and the poles of neighbouring cells."""
    order = local.shape[2]
    width = 2.0 * half / side
    core *= wave
    box = 6.0 * core
    for cell in range(side * side):
        centre = _centre(cell, side, half)
        row, column = cell // side, cell % side
        left, right = max(0, column - 1), min(side - 1, column + 1)
        for t in range(target_first[cell], target_first[cell + 1]):
            i = target_order[t]
            u, v = targets[X, i], targets[Y, i]
            size = targets[GROWTH, i] / targets[DECAY, i]
            cos, sin = targets[COSINE, i], targets[SINE, i]
            q = complex(size * (cos * cos - sin * sin), size * (2.0 * cos * sin))
            step = (q - centre) / width
            a = b = complex(0.0, 0.0)
            for m in range(order - 1, -1, -1):
                a = a * step + local[0, cell, m]
                b = b * step + local[1, cell, m]
            total_real, total_imag = (a + u * b).real, (a + u * b).imag
            stress = 0.0
            for y in range(max(0, row - 1), min(side - 1, row + 1) + 1):
                first, end = pole_first[y * side + left], pole_first[y * side + right + 1]
                near_real, near_imag, count = _near(q.real, q.imag, u, v, box, poles, first, end)
                total_real += near_real
                total_imag += near_imag
                if count > 0.0:
                    for k in range(first, end):
                        if abs(u - poles[_U, k]) <= box and abs(v - poles[_V, k]) <= box:
                            j = pole_order[k] // 4
                            # t1 is left out whole, and the ones of the four t no longer cancel
                            total_real -= sources[GAMMA_REAL, j]
                            stress += direct_stress(wave, core, targets, i, sources, j)
            out[i] = stress + 2.0 * wave * (
                targets[COS_2THETA, i] * total_imag + targets[SIN_2THETA, i] * total_real
            )


@compiled
def _sum(
    wave: float,
    half_width: float,
    core: float,
    targets: Array,
    sources: Array,
    levels: int,
    up: Complex,
    across: Complex,
    down: Complex,
    out: Array,
) -> None:
    order = up.shape[1]
    side = 2**levels
    half = 1.0000001 * np.exp(4.0 * wave * half_width)
    n = sources.shape[1]
    unsorted = np.empty((_POLE_ROWS, 4 * n))
    _list_poles(wave, half_width, sources, unsorted)
    pole_first, pole_order = _sort_into_cells(unsorted[_PLACE], unsorted[_PLACE + 1], half, side)
    poles = np.empty((_POLE_ROWS, 4 * n))
    for row in range(_POLE_ROWS):
        for k in range(4 * n):
            poles[row, k] = unsorted[row, pole_order[k]]
    points = targets.shape[1]
    real, imag = np.empty(points), np.empty(points)
    for i in range(points):
        size = targets[GROWTH, i] / targets[DECAY, i]
        cos, sin = targets[COSINE, i], targets[SINE, i]
        real[i], imag[i] = size * (cos * cos - sin * sin), size * (2.0 * cos * sin)
    target_first, target_order = _sort_into_cells(real, imag, half, side)

    multipoles = [np.zeros((2, 4**level, order), np.complex128) for level in range(levels + 1)]
    _gather(poles, pole_first, half, side, order, multipoles[levels])
    for level in range(levels, 2, -1):
        _go_up(multipoles[level], 2**level, up, multipoles[level - 1])
    wanted = [np.zeros(4**level, np.bool_) for level in range(levels + 1)]
    for cell in range(side * side):
        wanted[levels][cell] = target_first[cell + 1] > target_first[cell]
    for level in range(levels, 2, -1):
        for cell in range(4**level):
            if wanted[level][cell]:
                row, column = cell // 2**level, cell % 2**level
                wanted[level - 1][(row // 2) * 2 ** (level - 1) + column // 2] = True
    local = np.zeros((2, 16, order), np.complex128)
    for level in range(2, levels + 1):
        if level > 2:
            finer = np.zeros((2, 4**level, order), np.complex128)
            _go_down(local, 2**level, down, finer)
            local = finer
        _go_across(multipoles[level], 2**level, across, wanted[level], local)
    _evaluate(
        wave,
        core,
        targets,
        sources,
        poles,
        pole_first,
        pole_order,
        target_first,
        target_order,
        half,
        side,
        local,
        out,
    )


def sum_stress_far(
    wave: float,
    half_width: float,
    core: float,
    targets: Array,
    sources: Array,
    out: Array,
    order: int = ORDER,
) -> None:
    """Fill ``out`` as :func:`strainprint.specimens.pair_sums.sum_stress` does.

    Parameters
    ----------
    order
        Terms of the expansions; each divides the error by 1.6 or more.
    """
    half = np.exp(4.0 * wave * half_width)
    body = 0.5 * np.pi * (np.exp(4.0 * wave * half_width) - np.exp(-4.0 * wave * half_width))
    cells = targets.shape[1] / _PER_CELL * (2.0 * half) ** 2 / body
    # cells stay wider than the box of close pairs
    box = 6.0 * core * 2.0 * wave * np.sqrt(half)
    most = np.log2(2.0 * half / (1.5 * box)) if core > 0 else np.inf
    levels = int(max(2, min(round(0.5 * np.log2(max(cells, 1.0))), most)))
    up, across, down = _operators(order)
    _sum(wave, half_width, core, targets, sources, levels, up, across, down, out)
