"""Change points: rare in noise, found after a step, of the right size, and never without enough points."""

from collections.abc import Sequence

import numpy as np
import pytest

from reports.analysis import change_points


def of_scores(values: Sequence[float] | np.ndarray) -> list[change_points.Change]:
    """Return the change points of one series."""
    return change_points.changes([list(values)])[0]


def of_times(values: np.ndarray) -> list[change_points.Change]:
    return change_points.changes([values.tolist()], times=True)[0]


LENGTHS = (10, 12, 15, 20, 30, 60, 120, 400)


def share(rows: np.ndarray) -> float:
    """Return the share of series that have a change point."""
    return float(np.mean([bool(of_scores(values)) for values in rows]))


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("shape", ["normal", "heavy tails"])
def test_pure_noise_has_no_change_point_in_95_percent_of_histories(length: int, shape: str) -> None:
    draw = np.random.default_rng(length)
    size = (300, length)
    noise = draw.normal(size=size) if shape == "normal" else draw.standard_t(4, size=size)
    assert share(0.8 + 0.003 * noise) <= 0.05


@pytest.mark.parametrize("step", [3, -3])
def test_a_step_of_three_deviations_is_found_in_90_percent_with_ten_points_on_both_sides(step: int) -> None:
    draw = np.random.default_rng(1)
    rows = 0.8 + 0.003 * (draw.normal(size=(300, 20)) + step * (np.arange(20) >= 10))
    starts = [[change.start for change in of_scores(values)] for values in rows]
    assert np.mean([len(places) == 1 and abs(places[0] - 10) <= 2 for places in starts]) >= 0.9


def test_a_change_says_from_which_point_on_and_from_what_to_what() -> None:
    values = [0.8] * 12 + [0.75] * 8
    (change,) = of_scores(values)
    assert (change.start, change.before, change.after) == (12, pytest.approx(0.8), pytest.approx(0.75))


def test_several_changes_are_found_in_order() -> None:
    values = [0.8] * 12 + [0.75] * 8 + [0.8] * 9
    assert [change.start for change in of_scores(values)] == [12, 20]


def test_runs_that_repeat_each_other_to_the_bit_have_no_change_point_for_the_least_difference() -> None:
    assert of_scores([0.8] * 50) == []
    assert of_scores([0.8] * 25 + [0.8 + 1e-7] * 25) == []


@pytest.mark.parametrize("length", [0, 1, 2, change_points.FEWEST - 1])
def test_too_few_points_have_no_change_point(length: int) -> None:
    assert of_scores([float(at >= length // 2) for at in range(length)]) == []


def test_an_outlier_is_no_change_point() -> None:
    draw = np.random.default_rng(2)
    values = 0.8 + 0.003 * draw.normal(size=60)
    values[30] -= 0.03
    assert of_scores(values) == []


def test_a_time_must_change_by_a_tenth() -> None:
    draw = np.random.default_rng(3)
    noise = np.exp(0.005 * draw.normal(size=40))
    later = np.arange(40) >= 20
    assert of_times(60 * noise * (1 + 0.05 * later)) == []
    (change,) = of_times(60 * noise * (1 + 0.2 * later))
    assert change.start == 20
    assert change.after / change.before == pytest.approx(1.2, abs=0.01)


def test_a_process_of_its_own_finds_the_same() -> None:
    draw = np.random.default_rng(4)
    series = [(0.8 + 0.01 * (np.arange(length) >= length // 2) + 0.001 * draw.normal(size=length)).tolist()
              for length in (3, 20, 50)]  # fmt: skip
    with change_points.Process() as process:
        changed = change_points.changes(series, search=process.starts)
    assert changed == change_points.changes(series)
    assert [len(changes) for changes in changed] == [0, 1, 1]
