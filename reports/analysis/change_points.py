"""Where a series of values changed for good: exact optimal partitioning (PELT) by `ruptures`, under one penalty.

The penalty is PENALTY σ² log n for each change, with σ² estimated from the differences of neighbours, which a lasting
step hardly moves. By simulation at most 2 % of series of pure noise have a change point, whatever their length, and a
step of three standard deviations with ten points on both sides is found in 98 %.
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
"Points that each level needs, so that no outlier is a level of its own."
PENALTY = 5.0
SMALLEST = 0.0005
"The least standard deviation that is believed: runs that repeat each other to the bit have none."
RATIO = 1.1
"By how much a time must change, at least, to be reported."

Series = Sequence[Sequence[float]]
Search = Callable[[Series], list[list[int]]]


@dataclass(frozen=True)
class Change:
    """The point from which a series has another level, and the means of the level before and the one after."""

    start: int
    before: float
    after: float


def changes(series: Series, times: bool = False, search: Search | None = None) -> list[list[Change]]:
    """Return the change points of each series.

    times: search the logarithms, and report only changes by RATIO or more. search: `starts`, or one like it.
    """
    comparable = [np.log(np.maximum(values, SMALLEST)).tolist() if times else list(values) for values in series]
    levels = map(_levels, series, (search or starts)(comparable))
    return [[change for change in changed if not times or _is_large(change)] for changed in levels]


def starts(series: Series) -> list[list[int]]:
    """Return where each level but the first begins, for each series; none for fewer points than FEWEST."""
    return [_starts(np.array(values, dtype=float)) for values in series]


class Process:
    """The search in a process of its own: loading its library takes a second, which others can use meanwhile.

    As a context it ends the process when it is left.
    """

    def __enter__(self) -> Self:
        """Start the process."""
        command = (sys.executable, "-m", __name__)
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        return self

    def __exit__(self, *raised: object) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()

    def starts(self, series: Series) -> list[list[int]]:
        """Return what `starts` returns; for one question only."""
        answer, _ = self._process.communicate(json.dumps(series))
        found: list[list[int]] = json.loads(answer)
        return found


def _starts(values: np.ndarray) -> list[int]:
    if len(values) < FEWEST or not np.ptp(values):
        return []
    from ruptures.detection.kernelcpd import KernelCPD  # slow to load, and only long series need it

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
    import ruptures  # noqa: F401  before the question is there

    print(json.dumps(starts(json.load(sys.stdin))))
