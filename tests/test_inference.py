"""Statistics of differences by split: against SciPy's and statsmodels' own words, and at their limits."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as draws
from scipy import stats

from reports import inference

NUMBERS = draws.lists(draws.floats(-1, 1), min_size=2, max_size=8).filter(lambda values: np.ptp(values) > 1e-6)


@given(NUMBERS)
def test_an_interval_excludes_zero_exactly_where_p_is_below_the_level(values: list[float]) -> None:
    found = inference.paired(values)
    assert (found.p < inference.LEVEL) == (found.over.low > 0 or found.over.high < 0)
    assert found.over.low <= found.over.mean <= found.over.high


@given(NUMBERS, NUMBERS)
def test_what_exceeds_turned_round_falls_short_as_surely(values: list[float], others: list[float]) -> None:
    one, other = inference.unpaired(values, others), inference.unpaired(others, values)
    assert one.over.mean == pytest.approx(-other.over.mean)
    assert one.p == pytest.approx(other.p)


@settings(max_examples=25)  # statsmodels takes its time
@given(draws.lists(draws.floats(0, 1), min_size=1, max_size=12))
def test_a_correction_makes_nothing_surer_and_keeps_the_order(chances: list[float]) -> None:
    gaps = [inference.Difference(inference.interval([0.0, 1.0]), p) for p in chances]
    adjusted = [gap.adjusted for gap in inference.corrected(gaps)]
    assert all(after >= before for before, after in zip(chances, adjusted, strict=True))
    order = np.argsort(chances, kind="stable")
    assert list(np.array(adjusted)[order]) == sorted(adjusted)


def test_one_split_says_nothing() -> None:
    found = inference.paired([0.3])
    assert found.over.mean == 0.3
    assert math.isnan(found.p)
    assert math.isnan(found.over.low)
    assert math.isnan(inference.corrected([found])[0].adjusted)


def test_equal_differences_are_as_sure_as_can_be() -> None:
    assert inference.paired([0.01, 0.01 + 1e-17, 0.01]).p == 0
    assert inference.paired([0.0, 0.0]).p == 1
    assert inference.unpaired([0.5, 0.5], [0.4, 0.4]).p == 0


def test_methods_are_paired_by_the_splits_that_both_have() -> None:
    values = {"den": {1: 0.8, 2: 0.9, 3: 0.7}, "l2": {2: 0.8, 3: 0.65, 4: 0.1}, "ewc": {9: 0.5}}
    found = inference.against(values, "den")
    assert found["l2"].p == pytest.approx(stats.ttest_rel([0.8, 0.65], [0.9, 0.7]).pvalue)
    assert found["l2"].over.size == 2
    assert math.isnan(found["ewc"].p)


@pytest.mark.parametrize("size", range(2, 9))
def test_no_signed_rank_test_goes_below_the_smallest_p(size: int) -> None:
    certain = stats.wilcoxon(np.arange(1, size + 1), method="exact").pvalue
    assert inference.smallest_rank_p(size) == pytest.approx(certain)
