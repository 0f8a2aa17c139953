"""Two-point correlation of ragged, masked maps: the features of the paper's baseline.

The non-periodic autocorrelation at lag r is the mean of f(x) f(x + r) over the pairs that lie in
the map, with neither end masked:

    C(r) = sum_x m(x) f(x) m(x + r) f(x + r) / sum_x m(x) m(x + r)

Both sums are autocorrelations and are taken with real FFTs (Wiener-Khinchin), padded so that
nothing wraps. The denominators are exact pair counts. Unlike PyMKS (which the authors used), maps
may differ in shape and in every pixel's validity.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import fft
from sklearn.base import BaseEstimator, TransformerMixin

from strainprint.errors import BadInputError

STATES = ("raw", "two_state")


def two_point_correlation(
    field: ArrayLike,
    mask: ArrayLike | None = None,
    max_lag: tuple[int, int] | None = None,
    periodic: bool = False,
) -> NDArray[np.float64]:
    """Return the autocorrelation of a field at every lag up to ``max_lag``.

    Parameters
    ----------
    field
        Shape (rows, columns). Values under the mask are never read and may be NaN.
    mask
        True where the field is valid; all valid by default.
    max_lag
        Largest lag (rows, columns) in pixels; by default the largest that has pairs.
        Lags without any pair are 0, see :func:`pair_counts`.
    periodic
        Wrap around the edges; lags must then stay below the shape.

    Returns
    -------
    Shape (2 R + 1, 2 C + 1) for ``max_lag`` (R, C), zero lag in the middle, point-symmetric about
    it; in units of the field squared.

    Raises
    ------
    BadInputError
        The field is not 2-D, empty or not finite where valid, or shapes or lags do not fit.
    """
    values = np.asarray(field, dtype=np.float64)
    if values.ndim != 2 or values.size == 0:
        raise BadInputError(f"field has shape {values.shape}", allowed="(rows, columns), not empty")
    valid = _valid(mask, (values.shape[0], values.shape[1]))
    values = np.where(valid, values, 0.0)
    if not np.isfinite(values).all():
        raise BadInputError(
            "field is not finite at valid points", way_out="mark these points in the mask"
        )
    lag = _largest_lag(values.shape, max_lag, periodic)
    sums = _autocorrelation(values, lag, periodic)
    pairs = pair_counts(valid, lag, periodic)
    return np.divide(sums, pairs, out=np.zeros_like(sums), where=pairs > 0)


def pair_counts(
    mask: ArrayLike, max_lag: tuple[int, int] | None = None, periodic: bool = False
) -> NDArray[np.int64]:
    """Return the exact number of pairs of valid points at every lag, shape (2 R + 1, 2 C + 1)."""
    valid = np.asarray(mask, dtype=bool)
    rows, columns = valid.shape
    lag = _largest_lag(valid.shape, max_lag, periodic)
    if valid.all():
        if periodic:
            return np.full((2 * lag[0] + 1, 2 * lag[1] + 1), valid.size, dtype=np.int64)
        across = np.maximum(rows - np.abs(np.arange(-lag[0], lag[0] + 1)), 0)
        along = np.maximum(columns - np.abs(np.arange(-lag[1], lag[1] + 1)), 0)
        return np.outer(across, along).astype(np.int64)
    return np.rint(_autocorrelation(valid.astype(np.float64), lag, periodic)).astype(np.int64)


def half_plane(correlation: ArrayLike) -> NDArray[np.float64]:
    """Return the independent half of a point-symmetric correlation as one vector.

    Zero lag comes first; every other lag stands for two and is weighted by sqrt(2), so distances,
    and with them PCA, are those of the full plane. Length ((2 R + 1)(2 C + 1) + 1) / 2.
    """
    full = np.asarray(correlation, dtype=np.float64).ravel()
    half = full[full.size // 2 :].copy()
    half[1:] *= np.sqrt(2.0)
    return half


def half_plane_length(max_lag: tuple[int, int]) -> int:
    """Return the length of :func:`half_plane` for lags up to ``max_lag``."""
    return ((2 * max_lag[0] + 1) * (2 * max_lag[1] + 1) + 1) // 2


class TwoPointCorrelation(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Turns ragged grey pictures into correlation vectors of one length (scikit-learn API).

    Parameters
    ----------
    max_lag
        Largest lag (rows, columns) in steps of the lag grid.
    lag_step
        Pixels per step of the lag grid, 1 or more.
    states
        ``raw``: the field is grey / 255. With PyMKS' two linear local states (1 - f, f) every
        correlation is a linear function of this one. ``two_state``: 1 where the grey level
        reaches ``threshold``, else 0.
    threshold
        Grey level of ``two_state``. Most of a picture is exactly 0, so the default 1 separates
        what strained from what did not.
    """

    def __init__(
        self,
        max_lag: tuple[int, int] = (30, 30),
        lag_step: int = 1,
        states: str = "raw",
        threshold: int = 1,
    ) -> None:
        """Keep the parameters, as scikit-learn requires, unchecked."""
        self.max_lag = max_lag
        self.lag_step = lag_step
        self.states = states
        self.threshold = threshold

    def fit(self, pictures: object, y: object = None) -> Self:
        """Learn nothing: correlations of a picture depend on this picture alone."""
        return self

    def transform(self, pictures: Iterable[NDArray[np.uint8]]) -> NDArray[np.float64]:
        """Return the correlation vectors, shape (n_pictures, half_plane_length(max_lag)).

        Parameters
        ----------
        pictures
            Grey pictures, 2-D uint8; NumPy masked arrays where points are invalid.
        """
        if self.states not in STATES:
            raise BadInputError(f"states {self.states!r}", allowed=" or ".join(STATES))
        if self.lag_step < 1:
            raise BadInputError(f"lag_step is {self.lag_step}", allowed="1 or more")
        return np.stack([self._vector(picture) for picture in pictures])

    def _vector(self, picture: NDArray[np.uint8]) -> NDArray[np.float64]:
        grey = np.ma.getdata(picture)
        field = grey / 255.0 if self.states == "raw" else grey >= self.threshold
        step = self.lag_step
        rows, columns = self.max_lag
        correlation = two_point_correlation(
            field, ~np.ma.getmaskarray(picture), (rows * step, columns * step)
        )
        return half_plane(correlation[::step, ::step])


def _valid(mask: ArrayLike | None, shape: tuple[int, int]) -> NDArray[np.bool_]:
    if mask is None:
        return np.ones(shape, dtype=bool)
    valid = np.asarray(mask)
    if valid.shape != shape or valid.dtype != np.bool_:
        raise BadInputError(
            f"mask has shape {valid.shape} and type {valid.dtype}", allowed=f"bool, shape {shape}"
        )
    return valid


def _largest_lag(
    shape: Sequence[int], max_lag: tuple[int, int] | None, periodic: bool
) -> tuple[int, int]:
    lag = (shape[0] - 1, shape[1] - 1) if max_lag is None else max_lag
    if min(lag) < 0:
        raise BadInputError(f"max_lag is {lag}", allowed="0 or more, in both axes")
    if periodic and (lag[0] >= shape[0] or lag[1] >= shape[1]):
        raise BadInputError(
            f"max_lag {lag} in a periodic field", allowed=f"below the shape {tuple(shape)}"
        )
    return lag


def _autocorrelation(
    values: NDArray[np.float64], lag: tuple[int, int], periodic: bool
) -> NDArray[np.float64]:
    """Sum of products at lags -lag ... lag. Padding by the lag is enough: only wraps beyond it."""
    rows, columns = values.shape
    if periodic:
        shape = (rows, columns)
    else:
        # Lags beyond the field have no pairs; they are filled with 0 below.
        within = (min(lag[0], rows - 1), min(lag[1], columns - 1))
        shape = (
            fft.next_fast_len(rows + within[0], real=True),
            fft.next_fast_len(columns + within[1], real=True),
        )
    spectrum = fft.rfft2(values, shape)
    power = spectrum.real**2 + spectrum.imag**2
    cyclic = fft.irfft2(power, shape)
    row_lags = np.arange(-lag[0], lag[0] + 1)
    column_lags = np.arange(-lag[1], lag[1] + 1)
    sums = cyclic[np.ix_(row_lags % shape[0], column_lags % shape[1])]
    if not periodic:
        sums[np.abs(row_lags) >= rows, :] = 0.0
        sums[:, np.abs(column_lags) >= columns] = 0.0
    return np.asarray(sums, dtype=np.float64)
