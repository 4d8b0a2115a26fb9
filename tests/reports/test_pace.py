"""Time judged by earlier measurements: noise alone is rarely called slower or faster, a slowdown is found."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as draws
from scipy.stats import binomtest

from reports.analysis import durations

TIMES = draws.lists(draws.floats(0.1, 100), min_size=durations.FEWEST, max_size=40)


@pytest.mark.parametrize("count", range(durations.FEWEST))
def test_too_few_earlier_measurements_judge_nothing(count: int) -> None:
    assert durations.pace(10.0, [10.0] * count) is None


@pytest.mark.parametrize(
    ("seconds", "word"), [(10.9, "as before"), (11.1, "slower"), (9.2, "as before"), (9.0, "faster")]
)
def test_without_any_spread_a_tenth_decides(seconds: float, word: str) -> None:
    judged = durations.pace(seconds, [10.0] * durations.FEWEST)
    assert judged is not None
    assert judged.word == word


@given(TIMES, draws.floats(0.1, 100), draws.floats(0.01, 100))
def test_the_unit_of_time_does_not_matter(earlier: list[float], seconds: float, unit: float) -> None:
    judged, scaled = (durations.pace(seconds * scale, [time * scale for time in earlier]) for scale in (1.0, unit))
    assert judged is not None
    assert scaled is not None
    assert scaled.usual == pytest.approx(judged.usual * unit)
    assert judged.earlier == scaled.earlier == min(len(earlier), durations.RECENT)


@pytest.mark.parametrize("count", [5, 10, 30])
def test_noise_alone_is_called_slower_or_faster_in_a_hundredth(count: int) -> None:
    generator, number = np.random.default_rng(count), 3000
    times = np.exp(generator.normal(3, 0.3, (number, count + 1)))
    called = sum(bool((judged := durations.pace(row[0], row[1:])) and judged.telling) for row in times)
    assert binomtest(called, number, 1 - durations.LEVEL).pvalue > 0.001


def test_times_of_long_ago_do_not_count() -> None:
    judged = durations.pace(10.0, [50.0] * 20 + [10.0] * durations.RECENT)
    assert judged is not None
    assert (judged.word, judged.usual) == ("as before", pytest.approx(10))


@pytest.mark.parametrize(
    ("load", "cores", "slots", "too_much"),
    [(0.9, 2, 2, False), (1.1, 2, 2, True), (5.9, 8, 2, False), (6.1, 8, 2, True), (None, 2, 2, False),
     (9.0, None, 2, False), (9.0, 2, None, False)],
)  # fmt: skip
def test_a_load_beyond_the_free_cores_is_too_much(
    load: float | None, cores: int | None, slots: int | None, too_much: bool
) -> None:
    assert durations.overloaded(load, cores, slots) is too_much
