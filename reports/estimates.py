"""Means over seeds and their standard errors, and the types of what they are computed from."""

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]
"A score matrix: the score on each task (column) after learning each task (row); nan if it was not measured."
Metric = Callable[[Matrix], float]
"A number computed from a score matrix."
Values = Mapping[str, Mapping[int, float]]
"A number for each method and seed."


@dataclass(frozen=True)
class Estimate:
    """A mean over seeds, its standard error (nan for one seed) and the number of seeds."""

    mean: float
    error: float
    seeds: int

    @property
    def pair(self) -> tuple[float, float]:
        """The mean and its standard error."""
        return self.mean, self.error


MISSING = Estimate(math.nan, math.nan, 0)


def estimate(values: Iterable[float]) -> Estimate:
    """Return the mean of the values and its standard error; nan is left out."""
    numbers = np.array([value for value in values if not math.isnan(value)])
    mean = float(numbers.mean()) if len(numbers) else math.nan
    error = float(numbers.std(ddof=1) / math.sqrt(len(numbers))) if len(numbers) > 1 else math.nan
    return Estimate(mean, error, len(numbers))


def mean_of(values: Values, method: str) -> Estimate:
    """Return a method's mean over its seeds; nan if it has none."""
    return estimate(values.get(method, {}).values())


def over_seeds(curves: Iterable[Matrix]) -> tuple[Matrix, Matrix]:
    """Return the mean of (points,) curves over seeds and its standard error, nan for one seed."""
    points = [estimate(values) for values in zip(*curves, strict=True)]
    return np.array([point.mean for point in points]), np.array([point.error for point in points])
