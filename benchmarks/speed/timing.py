"""Timing things side by side, and the rows of the table that comes of it."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True)
class Row:
    """What something costs: median, least and most of its repeats in `unit`; beside something else where there is one.

    ratio: the median of its ratios to `against`, repeat by repeat; bar: the most that the ratio, or else the median
    itself, is to be.
    """

    what: str
    values: Sequence[float]
    unit: str
    against: str = ""
    ratios: Sequence[float] = ()
    bar: float | None = None

    @property
    def judged(self) -> float:
        """What the bar is for."""
        return median(self.ratios or self.values)

    @property
    def met(self) -> bool | None:
        """Whether the bar is met; None where there is none."""
        return None if self.bar is None else self.judged <= self.bar


def alternated(
    runs: Mapping[str, Callable[[], object]], repeats: int, clock: Callable[[], float] = time.perf_counter
) -> dict[str, list[float]]:
    """Return the seconds of every run, all of them once in every repeat; a first round is not counted."""
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(repeats + 1):
        for name, run in runs.items():
            times[name].append(seconds(run, clock))
    return {name: seconds[1:] for name, seconds in times.items()}


def seconds(run: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """Return the seconds that a run takes by the clock."""
    start = clock()
    run()
    return clock() - start


def beside(
    times: Mapping[str, Sequence[float]], base: str, unit: str, scale: float, bars: Mapping[str, tuple[str, float]]
) -> list[Row]:
    """Return a row for each of the times, scaled into `unit`, beside `base` or what its bar is for: (against, bar)."""
    return [row(name, times, unit, scale, *bars.get(name, (base, None))) for name in times]


def row(
    name: str, times: Mapping[str, Sequence[float]], unit: str, scale: float, against: str, bar: float | None
) -> Row:
    """Return the row of one of the times, scaled into `unit`, beside another."""
    values = [scale * seconds for seconds in times[name]]
    if name == against:
        return Row(name, values, unit)
    return Row(name, values, unit, against, [a / b for a, b in zip(times[name], times[against], strict=True)], bar)
