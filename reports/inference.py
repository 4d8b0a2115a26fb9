"""Every method against one of them, and how surely they differ: paired t-tests by split, Holm-corrected.

Source: Student 1908; Holm 1979; for learners in particular Demsar 2006.
scipy loads its `stats` when it is first asked for it, and a benchmark's first stage need not wait for that.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from reports.comparisons import Values

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
    """Return what differences by split say; p is nan for fewer than two. Equal differences are as sure as can be."""
    over = interval(differences)
    if over.size < 2:
        return Difference(over, math.nan)
    if over.reach == 0:
        return Difference(over, _sure(over.mean))
    return Difference(over, float(scipy.stats.ttest_1samp(differences, 0).pvalue))


def unpaired(values: Sequence[float], others: Sequence[float]) -> Difference:
    """Return by how much `values` exceed `others` of other splits, by Welch's t; p is nan for fewer than two each."""
    gap, size = float(np.mean(values) - np.mean(others)), min(len(values), len(others))
    if size < 2:
        return Difference(Interval(gap, math.nan, math.nan, size), math.nan)
    if max(np.ptp(values), np.ptp(others)) <= ALIKE:
        return Difference(Interval(gap, gap, gap, size), _sure(gap))
    found = scipy.stats.ttest_ind(values, others, equal_var=False)
    low, high = found.confidence_interval(1 - LEVEL)
    return Difference(Interval(gap, float(low), float(high), size), float(found.pvalue))


def corrected(differences: Sequence[Difference]) -> list[Difference]:
    """Return the differences with p adjusted after Holm over all of them; those without p keep none."""
    from statsmodels.stats.multitest import multipletests

    known = [one.p for one in differences if not math.isnan(one.p)]
    adjusted = iter(multipletests(known, LEVEL, "holm")[1]) if known else iter(())
    return [one if math.isnan(one.p) else Difference(one.over, one.p, float(next(adjusted))) for one in differences]


def against(values: Values, rival: str) -> dict[str, Difference]:
    """Return by how much every other method exceeds the rival, by name, p adjusted over all of them."""
    theirs = values[rival]
    others = [method for method in values if method != rival]
    found = [
        paired([values[method][seed] - theirs[seed] for seed in sorted(values[method].keys() & theirs.keys())])
        for method in others
    ]
    return dict(zip(others, corrected(found), strict=True))


def smallest_rank_p(size: int) -> float:
    """Return the smallest two-sided p that a signed-rank test of `size` splits can reach."""
    return min(1.0, 2.0 ** (1 - size))


def _sure(gap: float) -> float:
    """Return the p of a difference that is the same in every split."""
    return 1.0 if abs(gap) <= ALIKE else 0.0
