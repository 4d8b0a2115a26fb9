"""Tests of whether methods differ: paired t-tests by seed, Holm-corrected.

Source: Student 1908; Holm 1979; for learners in particular Demsar 2006.
The module imports scipy alone: scipy loads its slow `stats` on first use, so that no benchmark waits for it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from reports.estimates import Values

LEVEL = 0.05
EQUAL = 1e-12
"Numbers that spread no more than this differ by rounding alone."


@dataclass(frozen=True)
class Interval:
    """A mean over `size` seeds and its 95 % interval, whose ends are nan for fewer than two seeds."""

    mean: float
    low: float
    high: float
    size: int

    @property
    def reach(self) -> float:
        """How far the interval reaches to each side of the mean."""
        return (self.high - self.low) / 2


@dataclass(frozen=True)
class Difference:
    """By how much a method exceeds another over the seeds of both; p is of the t-test, `adjusted` after Holm."""

    over: Interval
    p: float
    adjusted: float = math.nan


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of the values and its 95 % interval, by Student's t; nan is left out."""
    numbers = np.array([value for value in values if not math.isnan(value)])
    size = len(numbers)
    mean = float(numbers.mean()) if size else math.nan
    if size < 2:
        return Interval(mean, math.nan, math.nan, size)
    if np.ptp(numbers) <= EQUAL:
        return Interval(mean, mean, mean, size)
    low, high = scipy.stats.t.interval(1 - LEVEL, size - 1, loc=mean, scale=scipy.stats.sem(numbers))
    return Interval(mean, float(low), float(high), size)


def paired(differences: Sequence[float]) -> Difference:
    """Return the test of differences by seed; nan is left out, and p is nan for fewer than two.

    Equal differences show no spread. They have no interval, and their p is that of a test of their signs.
    """
    over = interval(differences)
    if over.size < 2:
        return Difference(over, math.nan)
    if over.reach > 0:
        return Difference(over, float(scipy.stats.ttest_1samp(differences, 0, nan_policy="omit").pvalue))
    if abs(over.mean) <= EQUAL:
        return Difference(over, 1.0)
    return Difference(Interval(over.mean, math.nan, math.nan, over.size), smallest_rank_p(over.size))


def fall(gap: float, spread: float, present: int, reference: int) -> Difference:
    """Return the test of whether the mean of `present` new values lies below the mean of `reference` earlier ones.

    gap: the difference of the means; spread: the standard deviation of the earlier values, two or more. p is one-sided:
    the lower tail of Student's t with reference − 1 degrees of freedom. The 95 % interval is two-sided.
    """
    error, freedom = spread * math.sqrt(1 / present + 1 / reference), reference - 1
    reach = float(scipy.special.stdtrit(freedom, 1 - LEVEL / 2)) * error
    p = float(scipy.special.stdtr(freedom, gap / error))
    return Difference(Interval(gap, gap - reach, gap + reach, present), p)


def holm(chances: Sequence[float]) -> list[float]:
    """Return p values corrected after Holm; nan does not count and stays nan.

    statsmodels has the same function, but each call collects garbage: .2 s in a process that has torch.
    """
    p = np.array(chances, dtype=float)
    order = np.argsort(p)[: int(np.sum(~np.isnan(p)))]  # nan comes last
    p[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return [float(value) for value in p]


def corrected(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences with p adjusted after Holm over all of them; nan stays nan."""
    adjusted = holm([difference.p for difference in differences])
    return [replace(difference, adjusted=p) for difference, p in zip(differences, adjusted, strict=True)]


def against(values: Values, rival: str) -> dict[str, Difference]:
    """Return by how much every other method exceeds the rival, by method, with p adjusted over all methods.

    All differences are nan if the rival has no values.
    """
    theirs = values.get(rival, {})
    methods = [method for method in values if method != rival]
    differences = [
        paired([values[method][seed] - theirs[seed] for seed in sorted(values[method].keys() & theirs.keys())])
        for method in methods
    ]
    return dict(zip(methods, corrected(differences), strict=True))


def smallest_rank_p(size: int) -> float:
    """Return the smallest two-sided p that a test of signs or ranks over `size` seeds can reach."""
    return min(1.0, 2.0 ** (1 - size))
