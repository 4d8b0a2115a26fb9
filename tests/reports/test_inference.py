"""Statistics of differences by seed: against SciPy's and statsmodels' own words, and at their limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draws
from scipy import stats
from statsmodels.stats.multitest import multipletests

from reports.analysis import inference

NUMBERS = draws.lists(draws.floats(-1, 1), min_size=2, max_size=8).filter(lambda values: np.ptp(values) > 1e-6)


@given(NUMBERS)
def test_an_interval_excludes_zero_exactly_where_p_is_below_the_level(values: list[float]) -> None:
    difference = inference.paired(values)
    assert (difference.p < inference.LEVEL) == (difference.over.low > 0 or difference.over.high < 0)
    assert difference.over.low <= difference.over.mean <= difference.over.high


@given(
    NUMBERS,
    draws.floats(-1, 1),
    draws.integers(1, 5),
)
def test_a_fall_is_the_lower_tail_of_students_t(values: list[float], gap: float, seeds: int) -> None:
    spread = float(np.std(values, ddof=1))
    fall = inference.fall(gap, spread, seeds, len(values))
    t = gap / (spread * math.sqrt(1 / seeds + 1 / len(values)))
    assert fall.p == pytest.approx(stats.t.cdf(t, len(values) - 1))
    assert (min(fall.p, 1 - fall.p) < inference.LEVEL / 2) == (fall.over.low > 0 or fall.over.high < 0)


@given(draws.lists(draws.floats(0, 1), min_size=1, max_size=12))
def test_a_correction_makes_nothing_surer_and_keeps_the_order(chances: list[float]) -> None:
    gaps = [inference.Difference(inference.interval([0.0, 1.0]), p) for p in chances]
    adjusted = [gap.adjusted for gap in inference.corrected(gaps)]
    assert all(after >= before for before, after in zip(chances, adjusted, strict=True))
    order = np.argsort(chances, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)


def test_one_seed_says_nothing() -> None:
    difference = inference.paired([0.3])
    assert difference.over.mean == 0.3
    assert math.isnan(difference.p)
    assert math.isnan(difference.over.low)
    assert math.isnan(inference.corrected([difference])[0].adjusted)


@pytest.mark.parametrize("size", range(2, 8))
def test_equal_differences_are_as_sure_as_their_signs(size: int) -> None:
    equal = inference.paired([0.01 + 1e-17 * at for at in range(size)])
    assert equal.p == stats.binomtest(size, size).pvalue
    assert math.isnan(equal.over.low)
    assert inference.paired([0.0] * size).p == 1


@settings(max_examples=8)  # statsmodels collects all garbage with every call
@given(draws.lists(draws.floats(0, 1) | draws.just(math.nan), max_size=12))
def test_holm_is_that_of_statsmodels(chances: list[float]) -> None:
    adjusted = inference.holm(chances)
    numbers = [p for p in chances if not math.isnan(p)]
    assert [math.isnan(p) for p in adjusted] == [math.isnan(p) for p in chances]
    if numbers:
        expected = multipletests(numbers, inference.LEVEL, "holm")[1]
        assert [p for p in adjusted if not math.isnan(p)] == pytest.approx(list(expected))


def test_methods_are_paired_by_the_seeds_that_both_have() -> None:
    values = {"den": {1: 0.8, 2: 0.9, 3: 0.7}, "l2": {2: 0.8, 3: 0.65, 4: 0.1}, "ewc": {9: 0.5}}
    differences = inference.against(values, "den")
    assert differences["l2"].p == pytest.approx(stats.ttest_rel([0.8, 0.65], [0.9, 0.7]).pvalue)
    assert differences["l2"].over.size == 2
    assert math.isnan(differences["ewc"].p)


@pytest.mark.parametrize("size", range(2, 9))
def test_no_signed_rank_test_goes_below_the_smallest_p(size: int) -> None:
    certain = stats.wilcoxon(np.arange(1, size + 1), method="exact").pvalue
    assert inference.smallest_rank_p(size) == pytest.approx(certain)


@settings(deadline=None)  # SciPy loads its statistics with the first
@given(NUMBERS, draws.data())
def test_a_difference_that_is_no_number_counts_for_nothing(values: list[float], data: draws.DataObject) -> None:
    place = data.draw(draws.integers(0, len(values)))
    spoilt = [*values[:place], math.nan, *values[place:]]
    assert inference.paired(spoilt) == inference.paired(values)
