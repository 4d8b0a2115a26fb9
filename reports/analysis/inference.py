"""Every method against one of them, and how surely they differ: paired t-tests by split, Holm-corrected.

Source: Student 1908; Holm 1979; for learners in particular Demsar 2006.
scipy loads its `stats` when it is first asked for it, and a benchmark's first stage need not wait for that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy

from reports.analysis.by_split import Values

LEVEL = 0.05
ALIKE = 1e-12  # differences that spread no more than this are one number, told apart by rounding alone


@dataclass(frozen=True)
class Interval:
    """A mean over `size` splits and its interval of 95 %: nan at both ends for fewer than two splits."""

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
    """By how much a method exceeds another over the splits of both; p is of the t-test, `adjusted` after Holm."""

    over: Interval
    p: float
    adjusted: float = math.nan


def interval(values: Sequence[float]) -> Interval:
    """Return the mean of the values and its interval of 95 %, by Student's t."""
    known = np.array([value for value in values if not math.isnan(value)])
    if len(known) < 2:
        return Interval(float(known.mean()) if len(known) else math.nan, math.nan, math.nan, len(known))
    mean = float(known.mean())
    if np.ptp(known) <= ALIKE:
        return Interval(mean, mean, mean, len(known))
    low, high = scipy.stats.t.interval(1 - LEVEL, len(known) - 1, loc=mean, scale=scipy.stats.sem(known))
    return Interval(mean, float(low), float(high), len(known))


def paired(differences: Sequence[float]) -> Difference:
    """Return what differences by split show, those that are no number left out; p is nan for fewer than two.

    Equal differences show nothing of their spread, so they have no interval, and p is that of their signs alone.
    """
    over = interval(differences)
    if over.size < 2:
        return Difference(over, math.nan)
    if over.reach > 0:
        return Difference(over, float(scipy.stats.ttest_1samp(differences, 0, nan_policy="omit").pvalue))
    if abs(over.mean) <= ALIKE:
        return Difference(over, 1.0)
    return Difference(Interval(over.mean, math.nan, math.nan, over.size), smallest_rank_p(over.size))


def fall(gap: float, spread: float, present: int, reference: int) -> Difference:
    """Return how surely the mean of `present` new values lies below that of `reference` earlier ones.

    gap: the difference of the means; spread: the standard deviation of the earlier values, two or more. p is one-sided:
    the lower tail of Student's t with reference − 1 degrees of freedom. The interval of 95 % is two-sided.
    """
    error, freedom = spread * math.sqrt(1 / present + 1 / reference), reference - 1
    reach = float(scipy.special.stdtrit(freedom, 1 - LEVEL / 2)) * error
    p = float(scipy.special.stdtr(freedom, gap / error))
    return Difference(Interval(gap, gap - reach, gap + reach, present), p)


def holm(chances: Sequence[float]) -> list[float]:
    """Return p values corrected after Holm over all of them that are no nan.

    statsmodels has the same, but collects all garbage with every call: .2 s in a process that has torch.
    """
    p = np.array(chances, dtype=float)
    order = np.argsort(p)[: int(np.sum(~np.isnan(p)))]  # nan comes last
    p[order] = np.minimum(1, np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1)))
    return [float(value) for value in p]


def corrected(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences with p adjusted after Holm over all of them; those without p keep none."""
    adjusted = holm([difference.p for difference in differences])
    return [replace(difference, adjusted=p) for difference, p in zip(differences, adjusted, strict=True)]


def against(values: Values, rival: str) -> dict[str, Difference]:
    """Return by how much every other method exceeds the rival, by name, p adjusted over all of them.

    Without values of the rival no difference is known.
    """
    theirs = values.get(rival, {})
    others = [method for method in values if method != rival]
    found = [
        paired([values[method][seed] - theirs[seed] for seed in sorted(values[method].keys() & theirs.keys())])
        for method in others
    ]
    return dict(zip(others, corrected(found), strict=True))


def smallest_rank_p(size: int) -> float:
    """Return the smallest two-sided p that a test of the signs or ranks of `size` splits can reach."""
    return min(1.0, 2.0 ** (1 - size))
