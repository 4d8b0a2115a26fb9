"""Inputs: arrays, frames, tensors and data sets of others, as arrays that are checked."""

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import Dataset, IterableDataset

from den.streams.tables import standard

LIMIT = 5.0  # deviations; docs/decisions/0067 says why


def unpacked(X: Any, y: Any = None) -> tuple[Any, Any]:
    """Return features and labels. X: both, if it is a torch Dataset, whose items are pairs or features alone."""
    if not isinstance(X, Dataset):
        return X, y
    if y is not None:
        raise ValueError("X is a Dataset, which holds its own labels: leave y out")
    items = list(X if isinstance(X, IterableDataset) else (X[index] for index in range(len(X))))  # type: ignore[arg-type]
    if not items or not isinstance(items[0], tuple | list):
        return _stacked(items), None
    return _stacked([item[0] for item in items]), [_plain(item[1]) for item in items]


def _stacked(features: Sequence[Any]) -> np.ndarray:
    return np.stack([np.asarray(x) for x in features]) if features else np.empty((0, 0))


def _plain(label: Any) -> Any:
    return label.item() if isinstance(label, Tensor | np.generic) else label


def names_of(X: Any) -> tuple[str, ...] | None:
    """Return the names of a data frame's columns; None if they are not all strings, or X is no data frame."""
    columns = getattr(X, "columns", ())
    names = tuple(columns) if isinstance(columns, Iterable) else ()
    return names if names and all(isinstance(name, str) for name in names) else None


def numbers(X: Any) -> Tensor:
    """Return features as a float32 tensor of its own: (examples, features) or (examples, channels, height, width).

    Raises TypeError for sparse matrices and other objects, ValueError for other shapes, NaN and infinity.
    """
    if hasattr(X, "toarray"):
        raise TypeError("X is a sparse matrix, and a network reads dense arrays: give X.toarray()")
    table = _array(X)
    _refuse_shape(table)
    with np.errstate(over="ignore"):
        x = np.array(table, dtype=np.float32, order="C")
    if not np.isfinite(x).all():
        place = tuple(int(index) for index in np.argwhere(~np.isfinite(x))[0])
        raise ValueError(
            f"X holds NaN, infinity (inf) or a value too large for float32, the first at {place}, counted from 0; "
            "fill it in, or leave its example or feature out"
        )
    return torch.from_numpy(x)


def _array(X: Any) -> np.ndarray:
    """Return X as an array of numbers."""
    if isinstance(X, Tensor):
        X = X.detach().cpu()
        X = X.float() if X.is_floating_point() else X
    array = np.asarray(X)
    if array.dtype.kind == "c":
        raise ValueError("Complex data not supported: give real numbers")
    if array.dtype.kind not in "biuf":
        try:
            return array.astype(np.float64)
        except (TypeError, ValueError) as error:
            raise type(error)(f"X holds {array.dtype} values that are not numbers: {error}") from None
    return array


def _refuse_shape(table: np.ndarray) -> None:
    shape = table.shape
    if table.ndim not in (2, 4):
        raise ValueError(
            f"X has the shape {shape}; give (examples, features), or images (examples, channels, height, width). "
            "Reshape your data, with X.reshape(1, -1) if it is one example"
        )
    if not shape[0]:
        raise ValueError(f"X has 0 examples (shape={shape}) while a minimum of 1 is required.")
    if not table.size:
        raise ValueError(f"X has 0 feature(s) (shape={shape}) while a minimum of 1 is required.")


def labels(y: Any, examples: int) -> np.ndarray:
    """Return labels (examples,), integers, whole numbers, booleans or strings. Raises ValueError for others."""
    if y is None:
        raise ValueError("learning requires y to be passed, but the target y is None: give one label per example")
    column = _typed(np.asarray(y.detach().cpu() if isinstance(y, Tensor) else y))
    if column.ndim != 1:
        raise ValueError(f"y has the shape {column.shape}; give ({examples},), one label per example")
    if len(column) != examples:
        raise ValueError(f"X has {examples} examples, and y has {len(column)} labels; give one label per example")
    return column


def _typed(column: np.ndarray) -> np.ndarray:
    """Return labels without the type `object`. Raises ValueError for what is no label."""
    if column.dtype.kind == "O":
        kinds = {str if isinstance(label, str) else type(_plain(label)) for label in column.ravel()}
        column = (
            np.array([_plain(label) for label in column.ravel()]).reshape(column.shape) if len(kinds) == 1 else column
        )
    if column.dtype.kind == "f" and not np.isfinite(column).all():
        raise ValueError("Input y contains NaN or infinity: give every example a label, or leave it out")
    if column.dtype.kind not in "biufU" or (column.dtype.kind == "f" and (column % 1).any()):
        raise ValueError(
            f"Unknown label type: {column.dtype}. Labels are classes: integers, strings or booleans, all of one type"
        )
    return column


def scale_of(x: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean and deviation of each feature, or of each channel of images, for `scaled`.

    x: (examples, features) or (examples, channels, height, width), float32.
    """
    mean, deviation = standard(x.movedim(1, -1).flatten(0, -2))
    shape = (-1, *(1,) * (x.ndim - 2))
    return mean.view(shape), deviation.view(shape)


def scaled(x: Tensor, scale: tuple[Tensor, Tensor] | None) -> Tensor:
    """Scale x in place and return it: standardised, and cut off at `LIMIT` deviations. None: as it is."""
    if scale is None:
        return x
    mean, deviation = scale
    return x.sub_(mean).div_(deviation).clamp_(-LIMIT, LIMIT)
