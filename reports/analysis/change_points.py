"""Lasting changes of a series of values: exact optimal partitioning (PELT) by `ruptures`, under one penalty.

The penalty is PENALTY σ² log n per change. σ² is estimated from the differences of neighbours, which a lasting step
hardly affects. In simulations at most 2 % of series of pure noise have a change point, at any length; a step of three
standard deviations with ten points on both sides is detected in 98 %.
"""

import json
import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

import numpy as np

FEWEST = 10
"Points that a series needs before it can have a change point."
SIDE = FEWEST // 2
"Points that each level needs, so that no outlier becomes a level."
PENALTY = 5.0
SMALLEST = 0.0005
"The least standard deviation: that of runs with the same bits would be 0."
RATIO = 1.1
"The smallest ratio of times that is reported."

Series = Sequence[Sequence[float]]
Search = Callable[[Series], list[list[int]]]


@dataclass(frozen=True)
class Change:
    """The first point of a new level, and the means of the levels before and after it."""

    start: int
    before: float
    after: float


def changes(series: Series, times: bool = False, search: Search | None = None) -> list[list[Change]]:
    """Return the change points of each series.

    times: search the logarithms, and report only changes by RATIO or more. search: `starts`, or a function like it.
    """
    comparable = [np.log(np.maximum(values, SMALLEST)).tolist() if times else list(values) for values in series]
    levels = map(_levels, series, (search or starts)(comparable))
    return [[change for change in changed if not times or _is_large(change)] for changed in levels]


def starts(series: Series) -> list[list[int]]:
    """Return the first point of each level but the first, per series; none for fewer points than FEWEST."""
    return [_starts(np.array(values, dtype=float)) for values in series]


class Process:
    """The search in another process: its library takes a second to load, during which the caller can go on.

    It is a context manager: leaving it ends the process.
    """

    def __enter__(self) -> Self:
        """Start the process."""
        command = (sys.executable, "-m", __name__)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *raised: object) -> None:
        """End the process."""
        self._process.kill()
        self._process.communicate()

    def starts(self, series: Series) -> list[list[int]]:
        """Return what `starts` returns; can be called once."""
        answer, _ = self._process.communicate(json.dumps(series))
        points: list[list[int]] = json.loads(answer)
        return points


def _starts(values: np.ndarray) -> list[int]:
    if len(values) < FEWEST or not np.ptp(values):
        return []
    from ruptures.detection.kernelcpd import KernelCPD  # slow to load, needed by long series only

    variance = max(float(np.mean(np.diff(values) ** 2)) / 2, SMALLEST**2)
    search = KernelCPD("linear", min_size=SIDE).fit(values.reshape(-1, 1))
    return [int(end) for end in search.predict(pen=PENALTY * variance * math.log(len(values)))[:-1]]


def _levels(values: Sequence[float], begins: Sequence[int]) -> list[Change]:
    bounds = [0, *begins, len(values)] if begins else []
    means = [float(np.mean(values[start:end])) for start, end in pairwise(bounds)]
    return [Change(start, *levels) for start, levels in zip(begins, pairwise(means), strict=True)]


def _is_large(change: Change) -> bool:
    return max(change.before, change.after) >= RATIO * min(change.before, change.after)


if __name__ == "__main__":
    import ruptures  # noqa: F401  loads while the caller prepares the series

    print(json.dumps(starts(json.load(sys.stdin))))
