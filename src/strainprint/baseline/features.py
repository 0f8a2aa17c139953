"""Correlation vectors of one length from maps of any shape, as a scikit-learn transformer."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from strainprint.baseline.two_point import (
    half_plane_correlation,
    half_plane_length,
    half_plane_pair_counts,
)
from strainprint.errors import BadInputError

STATES = ("raw", "two_state")


class Picture(NamedTuple):
    """A grey picture and what its pixels mean.

    Attributes
    ----------
    grey
        Shape (rows, columns); uint8 stands for 0 to 1, other types for themselves.
    pitch_nm
        Distance of neighbouring pixels.
    valid
        True where the picture is valid, shape (rows, columns); all valid if None.
    """

    grey: NDArray[Any]
    pitch_nm: float
    valid: NDArray[np.bool_] | None = None


def lag_grid(
    rows: ArrayLike,
    columns: ArrayLike,
    pitch_nm: ArrayLike,
    *,
    max_lag_nm: float,
    lag_step_nm: float | None = None,
) -> tuple[float, tuple[int, int]]:
    """Return the step of the lag grid in nm and the largest lag (rows, columns) in steps.

    The step is the coarsest pitch unless given. Lags end at ``max_lag_nm``, or before: at the last
    lag that has pairs in every picture, even the narrowest. A lag that some pictures have and
    others lack would tell their size.

    Parameters
    ----------
    rows, columns, pitch_nm
        Shape and pitch of every picture, each (n_pictures,).

    Raises
    ------
    BadInputError
        The step is no multiple of some picture's pitch, or no lag is left.
    """
    pitches = np.asarray(pitch_nm, dtype=np.float64)
    step = float(pitches.max()) if lag_step_nm is None else float(lag_step_nm)
    for pitch in np.unique(pitches):
        pixels_per_step(step, float(pitch))
    if not max_lag_nm >= step:
        raise BadInputError(
            f"max_lag_nm is {max_lag_nm:g}", allowed=f"at least one lag step of {step:g} nm"
        )
    lags = []
    for side in (rows, columns):
        shortest_nm = float(((np.asarray(side) - 1) * pitches).min())
        # The small term keeps 60 / 0.1 from falling to 599.
        lags.append(math.floor(min(max_lag_nm, shortest_nm) / step + 1e-9))
    return step, (lags[0], lags[1])


def pixels_per_step(lag_step_nm: float, pitch_nm: float) -> int:
    """Return how many pixels of a picture make one step of the lag grid.

    Raises
    ------
    BadInputError
        The step is no multiple of the pitch.
    """
    pixels = lag_step_nm / pitch_nm
    if pixels < 0.5 or abs(pixels - round(pixels)) > 1e-6:
        raise BadInputError(
            f"lag step {lag_step_nm:g} nm does not fit the pitch {pitch_nm:g} nm",
            allowed="a multiple of every map's pitch",
            way_out="measure every map at one pitch, or pass another lag_step_nm",
        )
    return round(pixels)


def correlation_vectors(
    picture: Picture,
    *,
    lag_step_nm: float,
    max_lag_steps: tuple[int, int],
    states: Sequence[str] = ("raw",),
    threshold: float = 1,
    device: str | None = None,
) -> tuple[NDArray[np.floating[Any]], int]:
    """Return one correlation vector for each kind of input, and how many lags have no pair.

    The vectors, shape (n_states, half_plane_length(max_lag_steps)), are weighted like those of
    :func:`strainprint.baseline.two_point.half_plane`. Pairs are counted once for all of them.

    Parameters
    ----------
    picture
        What is correlated; invalid points take no part.
    lag_step_nm, max_lag_steps
        The lag grid, see :func:`lag_grid`.
    states, threshold
        As of :class:`TwoPointCorrelation`.
    device
        torch device to correlate on, e.g. ``cuda``; NumPy on the CPU if None.
    """
    pixels = pixels_per_step(lag_step_nm, picture.pitch_nm)
    rows, columns = max_lag_steps
    lag = (rows * pixels, columns * pixels)
    valid = np.ones(picture.grey.shape, dtype=bool) if picture.valid is None else picture.valid
    pairs = half_plane_pair_counts(_on(device, valid), lag)
    vectors = []
    for name in states:
        field = _field(picture.grey, name, threshold)
        half = half_plane_correlation(_on(device, field), _on(device, valid), lag, pairs=pairs)
        vectors.append(_weighted(_on_grid(half, pixels)))
    without = _on_grid(pairs, pixels).ravel()[columns:] == 0
    return np.stack(vectors), int(np.count_nonzero(without))


class TwoPointCorrelation(
    ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
    TransformerMixin,  # type: ignore[misc]
    BaseEstimator,  # type: ignore[misc]
):
    """Turns pictures of any shape into correlation vectors of one length (scikit-learn API).

    Fitting sets the lag grid: physical lengths, ending where the narrowest picture ends. Nothing
    else is learned. Takes a list of :class:`Picture` or of 2-D arrays (NumPy masked arrays where
    points are invalid), an array (n_pictures, rows, columns), or scikit-learn's usual array
    (n_pictures, n_pixels) whose rows are pictures of ``picture_shape``.

    Parameters
    ----------
    max_lag_nm
        Longest lag.
    lag_step_nm
        Step of the lag grid, a multiple of every picture's pitch; the coarsest pitch if None.
    states
        ``raw``: the field is the picture, uint8 divided by 255. The periodic correlations of
        PyMKS' two linear local states (1 - f, f) are linear functions of this one and of the
        picture's mean. ``two_state``: 1 where the picture reaches ``threshold``, else 0.
    threshold
        Level of ``two_state``. Most of a picture is exactly 0, so the default 1 separates what
        strained from what did not.
    pitch_nm
        Pitch of arrays, which do not tell it.
    picture_shape
        Shape (rows, columns) of the pictures in an array (n_pictures, n_pixels); one row if None.
    device
        torch device to correlate on, e.g. ``cuda``; NumPy on the CPU if None.

    Attributes
    ----------
    lag_step_nm_, max_lag_steps_
        The lag grid.
    n_features_in_
        Pixels of a picture, where an array (n_pictures, n_pixels) was fitted.
    """

    def __init__(
        self,
        max_lag_nm: float = 60.0,
        *,
        lag_step_nm: float | None = None,
        states: str = "raw",
        threshold: float = 1,
        pitch_nm: float = 2.0,
        picture_shape: tuple[int, int] | None = None,
        device: str | None = None,
    ) -> None:
        """Keep the parameters, as scikit-learn requires, unchecked."""
        self.max_lag_nm = max_lag_nm
        self.lag_step_nm = lag_step_nm
        self.states = states
        self.threshold = threshold
        self.pitch_nm = pitch_nm
        self.picture_shape = picture_shape
        self.device = device

    def fit(self, pictures: Any, y: object = None) -> Self:
        """Set the lag grid.

        Raises
        ------
        BadInputError
            No lag grid fits all pictures, or a parameter is out of range.
        """
        if self.states not in STATES:
            raise BadInputError(f"states {self.states!r}", allowed=" or ".join(STATES))
        shapes = [
            (*picture.grey.shape, picture.pitch_nm) for picture in self._pictures(pictures, True)
        ]
        if not shapes:
            raise BadInputError("there is no picture to fit", allowed="one or more")
        rows, columns, pitches = zip(*shapes, strict=True)
        self.lag_step_nm_, self.max_lag_steps_ = lag_grid(
            rows, columns, pitches, max_lag_nm=self.max_lag_nm, lag_step_nm=self.lag_step_nm
        )
        return self

    def transform(self, pictures: Any) -> NDArray[np.floating[Any]]:
        """Return the correlation vectors, shape (n_pictures, half_plane_length(max_lag_steps_)).

        float32 where every picture is float32, else float64. Lags that a picture has no pairs for
        are 0.
        """
        check_is_fitted(self, "max_lag_steps_")
        return np.stack(
            [
                correlation_vectors(
                    picture,
                    lag_step_nm=self.lag_step_nm_,
                    max_lag_steps=self.max_lag_steps_,
                    states=(self.states,),
                    threshold=self.threshold,
                    device=self.device,
                )[0][0]
                for picture in self._pictures(pictures, False)
            ]
        )

    @property
    def _n_features_out(self) -> int:
        return half_plane_length(self.max_lag_steps_)

    def __sklearn_tags__(self) -> Any:
        """Tell scikit-learn what is taken beside arrays (n_pictures, n_pixels)."""
        tags = super().__sklearn_tags__()
        tags.input_tags.three_d_array = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags

    def _pictures(self, pictures: Any, fitting: bool) -> Iterable[Picture]:
        if _holds_pictures(pictures):
            return [self._picture(picture) for picture in pictures]
        table = validate_data(
            self, pictures, reset=fitting, dtype=[np.float64, np.float32], ensure_min_features=1
        )
        shape = self.picture_shape or (1, table.shape[1])
        if math.prod(shape) != table.shape[1]:
            raise BadInputError(
                f"rows of {table.shape[1]} pixels", allowed=f"pictures of shape {shape}"
            )
        return [Picture(row.reshape(shape), self.pitch_nm) for row in table]

    def _picture(self, picture: Any) -> Picture:
        if isinstance(picture, Picture):
            return picture
        grey = np.ma.getdata(picture)
        if grey.ndim != 2:
            raise BadInputError(f"picture has shape {grey.shape}", allowed="(rows, columns)")
        return Picture(grey, self.pitch_nm, ~np.ma.getmaskarray(picture))


def _holds_pictures(pictures: Any) -> bool:
    if isinstance(pictures, np.ndarray):
        return pictures.ndim == 3
    if not isinstance(pictures, Sequence) or not pictures:
        return False
    return isinstance(pictures[0], Picture) or getattr(pictures[0], "ndim", 0) == 2


def _field(grey: NDArray[Any], states: str, threshold: float) -> NDArray[Any]:
    if states == "two_state":
        kind = np.float32 if grey.dtype == np.float32 else np.float64
        return (grey >= threshold).astype(kind)
    return grey / 255.0 if grey.dtype == np.uint8 else grey


def _on(device: str | None, values: NDArray[Any]) -> Any:
    if device is None:
        return values
    import torch  # only here: it takes a second to load, and NumPy does without

    return torch.as_tensor(values, device=device)


def _on_grid(half: Any, pixels: int) -> NDArray[Any]:
    """Return every ``pixels``-th lag of the rows 0 to R, as a NumPy array."""
    middle = half.shape[1] // 2
    kept = half[::pixels, middle % pixels :: pixels]
    return np.asarray(kept if isinstance(kept, np.ndarray) else kept.cpu().numpy())


def _weighted(half: NDArray[Any]) -> NDArray[Any]:
    """Return the half plane as a vector from zero lag on, every other lag weighted by sqrt(2)."""
    vector = half.ravel()[half.shape[1] // 2 :].copy()
    vector[1:] *= math.sqrt(2.0)
    return vector
