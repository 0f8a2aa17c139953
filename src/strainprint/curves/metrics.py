"""How far a predicted stress-strain curve is from the true one.

The paper shows curves and gives no number; these are ours (learning.md 8).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from strainprint.errors import BadInputError

# ASSUME: a 0.02 % offset. The usual 0.2 % would put the yield point of specimens of 62.5 nm
# (500-650 MPa, elastic to 0.8 %) at or beyond the end of the curves at 1 %.
YIELD_OFFSET_STRAIN = 2e-4


def relative_rmse(true_mpa: NDArray[np.float64], predicted_mpa: NDArray[np.float64]) -> float:
    """Return the root-mean-square error over the strain grid, over the true curve's own RMS.

    0 is perfect; predicting no stress at all scores 1.
    """
    _same_grid(true_mpa, predicted_mpa)
    scale = float(np.sqrt(np.mean(true_mpa**2)))
    if not scale > 0:
        raise BadInputError("true curve is zero or not finite", allowed="stress in MPa")
    return float(np.sqrt(np.mean((predicted_mpa - true_mpa) ** 2))) / scale


def r_squared(true_mpa: NDArray[np.float64], predicted_mpa: NDArray[np.float64]) -> float:
    """Return the coefficient of determination of one curve over its strain grid.

    ``1 - sum (true - predicted)^2 / sum (true - mean)^2``: 1 is perfect, 0 what the true curve's
    own mean stress would score; NaN where the true curve is constant.
    """
    _same_grid(true_mpa, predicted_mpa)
    spread = float(np.sum((true_mpa - true_mpa.mean()) ** 2))
    residual = float(np.sum((true_mpa - predicted_mpa) ** 2))
    return 1.0 - residual / spread if spread > 0 else float("nan")


def r_squared_at_strain(
    true_mpa: NDArray[np.float64], predicted_mpa: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the coefficient of determination over specimens at every strain, r²(strain).

    Parameters
    ----------
    true_mpa, predicted_mpa
        Curves of several maps on one strain grid, shape (n_maps, n_points).

    Returns
    -------
    Shape (n_points,); NaN where the maps' true stresses do not differ (always so at zero strain).
    Source: predictability of arXiv 2111.07362, with the coefficient of determination in place of
    the squared correlation, so that a constant offset counts as an error.
    """
    _same_grid(true_mpa, predicted_mpa)
    spread = np.sum((true_mpa - true_mpa.mean(axis=0)) ** 2, axis=0)
    residual = np.sum((true_mpa - predicted_mpa) ** 2, axis=0)
    # Elastic stretches differ by rounding only: no spread worth explaining.
    some = spread > 1e-12 * np.maximum(np.sum(true_mpa**2, axis=0), 1e-300)
    ratio = np.divide(residual, spread, out=np.full(spread.shape, np.nan), where=some)
    return np.asarray(1.0 - ratio, dtype=np.float64)


def yield_stress_mpa(
    strain: NDArray[np.float64],
    stress_mpa: NDArray[np.float64],
    modulus_mpa: float,
    offset_strain: float = YIELD_OFFSET_STRAIN,
) -> float:
    """Return the offset yield stress: where the curve first falls below the offset elastic line.

    The line is ``modulus_mpa * (strain - offset_strain)``; the crossing is interpolated linearly.
    NaN where the curve never leaves the line within its range.

    Parameters
    ----------
    strain, stress_mpa
        One curve, shape (n_points,), strain ascending.
    modulus_mpa
        Elastic modulus of the curve; in plane strain E' = E / (1 - nu²) (78.55 GPa).
    offset_strain
        Plastic strain at which the specimen counts as yielded.
    """
    _same_grid(strain, stress_mpa)
    if not (modulus_mpa > 0 and offset_strain > 0):
        raise BadInputError(
            f"modulus {modulus_mpa} MPa, offset {offset_strain}", allowed="both above 0"
        )
    above = stress_mpa - modulus_mpa * (strain - offset_strain)
    below = np.flatnonzero(above <= 0)
    if below.size == 0:
        return float("nan")
    after = int(below[0])
    if after == 0:
        return float(stress_mpa[0])
    share = above[after - 1] / (above[after - 1] - above[after])
    return float(stress_mpa[after - 1] + share * (stress_mpa[after] - stress_mpa[after - 1]))


def _same_grid(first: NDArray[np.float64], second: NDArray[np.float64]) -> None:
    if first.shape != second.shape or first.size == 0:
        raise BadInputError(
            f"curves of shapes {first.shape} and {second.shape}", allowed="one strain grid"
        )
