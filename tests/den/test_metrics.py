"""Metrics against hand-computed matrices, and what must hold for every matrix."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from den.metrics import METRICS, average, averages, backward_transfer, disparities, forgetting, plasticity

NAN = math.nan
HAND = np.array([[0.9, NAN, NAN], [0.8, 0.7, NAN], [0.85, 0.6, 0.95]])
LAST_ROW = np.array([[NAN, NAN], [0.8, 0.6]])


def lower(seed: int, tasks: int) -> np.ndarray:
    """Return a random score matrix, measured up to the diagonal."""
    R = np.random.default_rng(seed).uniform(0, 1, (tasks, tasks))
    R[np.triu_indices(tasks, 1)] = NAN
    return R


matrices = st.builds(lower, st.integers(0, 2**32 - 1), st.integers(2, 8))


def test_hand_computed() -> None:
    assert averages(HAND) == pytest.approx([0.9, 0.75, 0.8])
    assert average(HAND) == pytest.approx(0.8)
    assert backward_transfer(HAND) == pytest.approx((-0.05 - 0.1) / 2)
    assert forgetting(HAND) == pytest.approx((0.05 + 0.1) / 2)
    assert plasticity(HAND) == pytest.approx(0.85)


def test_forgetting_is_more_than_lost_backward_transfer_where_a_task_rose_before_it_fell() -> None:
    R = np.array([[0.5, NAN, NAN], [0.9, 0.7, NAN], [0.6, 0.7, 0.8]])
    assert forgetting(R) == pytest.approx(0.15)
    assert backward_transfer(R) == pytest.approx(0.05)


def test_a_matrix_with_a_last_row_alone_has_an_average_and_nothing_else() -> None:
    assert average(LAST_ROW) == pytest.approx(0.7)
    assert np.isnan(averages(LAST_ROW)).tolist() == [True, False]
    assert all(math.isnan(metric(LAST_ROW)) for metric in (backward_transfer, forgetting, plasticity))


def test_one_task_cannot_be_forgotten() -> None:
    R = np.array([[0.7]])
    assert average(R) == plasticity(R) == 0.7
    assert math.isnan(forgetting(R))
    assert math.isnan(backward_transfer(R))


@given(matrices)
def test_forgetting_is_at_least_lost_backward_transfer(R: np.ndarray) -> None:
    assert forgetting(R) >= -backward_transfer(R) - 1e-12


@given(matrices)
def test_networks_that_never_change_forget_nothing(R: np.ndarray) -> None:
    still = np.where(np.isnan(R), NAN, R.diagonal())
    assert forgetting(still) == backward_transfer(still) == 0
    assert average(still) == pytest.approx(plasticity(still))


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@given(R=matrices)
def test_a_metric_leaves_its_matrix_alone(metric, R: np.ndarray) -> None:
    before = R.copy()
    metric(R)
    np.testing.assert_array_equal(R, before)


@pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)
@pytest.mark.parametrize("shape", [(0, 0), (2, 3), (4,)])
def test_what_is_no_score_matrix_is_refused(metric, shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="score matrix"):
        metric(np.zeros(shape))


@given(seed=st.integers(0, 2**32 - 1), orders=st.integers(2, 6))
def test_a_disparity_is_the_largest_difference_between_two_orders(seed: int, orders: int) -> None:
    scores = np.random.default_rng(seed).uniform(0, 1, (orders, 5))
    pairs = [np.abs(one - other) for one in scores for other in scores]
    assert disparities(scores) == pytest.approx(np.max(pairs, axis=0))
    assert disparities(scores[:1].repeat(2, axis=0)) == pytest.approx(np.zeros(5))


def test_one_order_is_refused() -> None:
    with pytest.raises(ValueError, match="at least two orders"):
        disparities(np.zeros((1, 5)))
