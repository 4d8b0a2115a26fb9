"""Scores judged by their reference: what is planted is found, and noise alone raises no alarm."""

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats
from scipy.stats import binomtest
from synthetic import results

from reports import labels, tables
from reports.analysis import inference, judgement
from reports.analysis.comparison import against_rival
from reports.analysis.judgement import Series
from reports.stream_results import StreamResults

SPREAD, MEAN = 0.004, 0.8
STEP = 0.01
DRAWS = {
    "continuous": lambda generator, shape: generator.normal(MEAN, SPREAD, shape),
    "wide steps": lambda generator, shape: MEAN + STEP * generator.choice([-1, 0, 1], shape, p=[0.25, 0.5, 0.25]),
    "narrow steps": lambda generator, shape: np.round(MEAN + 0.003 + generator.normal(0, SPREAD, shape), 2),
    "large steps": lambda generator, shape: np.round(generator.normal(MEAN, 3 * STEP, shape), 2),
}
"Sound scores of seeds, by kind."


def overall(judgements: Iterable[judgement.Judgement]) -> str:
    """Return the gravest outcome, `new` if there is none."""
    return min((item.grave for item in judgements), key=judgement.OUTCOMES.index, default="new")


def series(
    reference: Sequence[float], present: Sequence[float], method: str = "den", first: int = 1, **about: object
) -> Series:
    """Return a series on blobs, its AUROC alone. The seeds of the reference count from 1, the present from `first`."""
    values = (dict(enumerate(values, start=start)) for values, start in ((present, first), (reference, 1)))
    stream, same = about.get("stream", "blobs"), bool(about.get("same"))
    return Series(str(stream), method, *({"auroc": by_seed} for by_seed in values), same=same)


def word(*several: Series) -> str:
    return overall(judgement.judge(several))


def runs(
    kind: str, accepted: int, seeds: int, grid: tuple[int, int], number: int, first: int = 100
) -> Iterator[list[Series]]:
    """Yield runs of a grid of streams and methods that differ from the reference by noise alone."""
    generator = np.random.default_rng([accepted, seeds, *grid, *kind.encode()])
    for _ in range(number):
        values = np.clip(DRAWS[kind](generator, (*grid, accepted + seeds)), 0, 1)
        yield [
            series(values[at, method, :accepted], values[at, method, accepted:], f"m{method}", first, stream=f"s{at}")
            for at in range(grid[0])
            for method in range(grid[1])
        ]


def as_stated(alarms: int, number: int) -> bool:
    """Return whether so many false alarms are what chance makes of the stated level."""
    return binomtest(alarms, number, inference.LEVEL, alternative="greater").pvalue > 0.001


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("kind", DRAWS)
def test_sound_runs_raise_no_more_alarms_than_stated(kind: str, seeds: int) -> None:
    number = 150
    words = [word(*run) for run in runs(kind, 5, seeds, (1, 6), number)]
    assert as_stated(words.count("worse"), number)


@pytest.mark.slow
@pytest.mark.parametrize("grid", [(1, 1), (1, 11), (2, 6)], ids=str)
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
@pytest.mark.parametrize("accepted", [2, 3, 5, 9])
@pytest.mark.parametrize("kind", DRAWS)
def test_sound_runs_of_whole_grids_raise_no_more_alarms_than_stated(
    kind: str, accepted: int, seeds: int, grid: tuple[int, int]
) -> None:
    number = 300
    outcomes = [{item.outcome for item in judgement.judge(run)} for run in runs(kind, accepted, seeds, grid, number)]
    for alarm in ("worse", "better"):
        assert as_stated(sum(alarm in words for words in outcomes), number)


@pytest.mark.slow
@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("seeds", [1, 2, 3, 5])
def test_sound_runs_of_accepted_seeds_raise_no_more_alarms_than_stated(seeds: int, share: float) -> None:
    """A seed's own level is `share` of the variance: what comes again when its bits change."""
    number = 2000
    alarms = sum(word(*run) == "worse" for run in again(seeds, share, number))
    assert as_stated(alarms, number)


def again(seeds: int, share: float, number: int, drop: float = 0.0) -> Iterator[list[Series]]:
    """Yield sound runs of six methods on seeds that are among the nine accepted; the first method's fall by `drop`."""
    generator = np.random.default_rng([seeds, int(100 * share)])
    for _ in range(number):
        levels = MEAN + generator.normal(0, SPREAD * share**0.5, (6, 9))
        accepted, present = levels + generator.normal(0, SPREAD * (1 - share) ** 0.5, (2, 6, 9))
        present[0] -= drop * SPREAD
        yield [series(accepted[at], present[at, :seeds], f"m{at}") for at in range(6)]


@pytest.mark.parametrize("share", [0.0, 0.5, 0.9])
def test_a_drop_of_five_deviations_is_found_on_one_seed_of_nine_accepted(share: float) -> None:
    number = 400
    detected = sum(first(run).outcome == "worse" for run in again(1, share, number, drop=5))
    assert binomtest(detected, number, 0.9, alternative="less").pvalue > 0.001


@pytest.mark.slow
@pytest.mark.parametrize("new_seed", [False, True])
def test_a_drop_of_five_deviations_is_found_in_nine_of_ten_runs(new_seed: bool) -> None:
    number = 4000
    sound = runs("continuous", 9, 1, (1, 6), number) if new_seed else again(1, 0.0, number)
    assert sum(first(with_drop(run)).outcome == "worse" for run in sound) >= 0.9 * number


def first(run: list[Series]) -> judgement.Judgement:
    return judgement.judge(run)[0]


def with_drop(run: list[Series]) -> list[Series]:
    """Return a run whose first method has fallen by five standard deviations."""
    ((seed, value),) = run[0].present["auroc"].items()
    fallen = Series("s0", "m0", {"auroc": {seed: value - 5 * SPREAD}}, run[0].reference, same=False)
    return [fallen, *run[1:]]


@pytest.mark.parametrize("seeds", [2, 3, 5])
def test_equal_differences_in_steps_are_no_certainty(seeds: int) -> None:
    """By enumeration, over all outcomes of a noise in steps of .01, its chances 1/4, 1/2, 1/4."""
    chance = {"worse": 0.0, "better": 0.0}
    for gaps in product((-1, 0, 1), repeat=seeds):
        present = [0.9 + STEP * gap for gap in gaps]
        outcome = word(series([0.9] * seeds, present, same=not any(gaps)))
        if outcome in chance:
            chance[outcome] += 0.25 ** np.count_nonzero(gaps) * 0.5 ** gaps.count(0)
    assert sum(chance.values()) <= inference.LEVEL


@pytest.mark.parametrize("accepted", [3, 5])
def test_noise_in_steps_alarms_no_more_than_stated_by_enumeration(accepted: int) -> None:
    """Over all outcomes of the accepted seeds too, which may all agree by chance; one seed now."""
    alarm = 0.0
    for gaps in product((-1, 0, 1), repeat=accepted + 1):
        values = [0.9 + STEP * gap for gap in gaps]
        outcome = word(series(values[:-1], values[-1:], first=100))
        alarm += (outcome == "worse") * 0.25 ** np.count_nonzero(gaps) * 0.5 ** gaps.count(0)
    assert alarm <= inference.LEVEL


NINE = (0.801, 0.795, 0.804, 0.799, 0.806, 0.797, 0.802, 0.798, 0.803)


@pytest.mark.parametrize("seeds", [1, 2, 3, 5, 9])
def test_p_is_of_the_formula(seeds: int) -> None:
    present = np.array(NINE[:seeds]) - 0.01
    ((judged),) = judgement.judge([series(NINE, present, first=100)])
    spread = np.std(NINE, ddof=1)
    t = (present.mean() - np.mean(NINE)) / (spread * np.sqrt(1 / seeds + 1 / len(NINE)))
    assert judged.difference.p == pytest.approx(stats.t.cdf(t, len(NINE) - 1))
    assert judged.difference.adjusted == judged.difference.p


def test_holm_is_over_all_streams_and_methods_of_the_run() -> None:
    fallen = series(NINE, [0.791], first=100)
    (alone,) = judgement.judge([fallen])
    unchanged = [series(NINE, [0.8], f"m{at}", stream=stream) for at in range(6) for stream in ("a", "b")]
    among = judgement.judge([fallen, *unchanged])[0]
    assert (alone.outcome, among.outcome) == ("worse", "within noise")
    assert among.difference.adjusted == pytest.approx(13 * alone.difference.p)


CHANGES: dict[str, tuple[Callable[[NDArray[np.float64]], NDArray[np.float64]], str]] = {
    "halved": (lambda values: values / 2, "worse"),
    "eight deviations lower": (lambda values: values - 8 * np.std(NINE, ddof=1), "worse"),
    "eight deviations higher": (lambda values: values + 8 * np.std(NINE, ddof=1), "better"),
    "rounded": (lambda values: np.round(values, 3) + 1e-9, "within noise"),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("seed", range(9))
def test_a_planted_change_is_found_on_any_one_seed_and_nothing_else(change: str, seed: int) -> None:
    moved, outcome = CHANGES[change]
    sound = [series(NINE, NINE[:1], f"m{at}", same=True) for at in range(5)]
    planted = series(NINE, [float(moved(np.array(NINE[seed])))], first=seed + 1)
    judged = judgement.judge([planted, *sound])
    assert [item.outcome for item in judged] == [outcome, *["unchanged"] * 5]


def test_a_seed_that_always_was_the_lowest_is_no_regression() -> None:
    accepted = [*NINE, 0.78]
    before, lower = (series(accepted, [value], first=10) for value in (0.7799, 0.76))
    assert stats.t.cdf((0.7799 - np.mean(accepted)) / (np.std(accepted, ddof=1) * np.sqrt(1.1)), 9) < inference.LEVEL
    assert word(before) == "within noise"
    assert word(lower) == "worse"


def test_without_a_spread_what_differs_is_changed() -> None:
    assert word(series([0.8], [0.4])) == "changed"
    of_ledger = Series("blobs", "den", {"auroc": {1: 0.4}}, {"auroc": {1: 0.8, 2: 0.81}}, same=False, accepted=False)
    assert word(of_ledger) == "changed"
    assert word(series([], [0.4])) == "new"
    assert overall([]) == "new"


@pytest.mark.parametrize(("metric", "main"), [("capacity", False), ("accuracy", False), ("auroc", True)])
def test_other_metrics_never_alarm(metric: str, main: bool) -> None:
    reference = {"auroc": dict(enumerate(NINE)), metric: dict(enumerate(NINE))}
    present = {"auroc": {1: NINE[1]}, metric: {1: 0.1}}
    judged = {item.metric: item for item in judgement.judge([Series("blobs", "den", present, reference, same=False)])}
    assert judged[metric].outcome == judged[metric].grave == ("worse" if main else "changed")


def test_metrics_are_compared_seed_by_seed() -> None:
    values = {"auroc": {1: 0.8, 2: 0.8}}
    reference = values | {"capacity": {1: 1.5, 2: 1.25}}
    present = values | {"capacity": {1: 1.75, 2: 1.0}}
    judged = judgement.judge([Series("blobs", "den", present, reference, same=False)])
    assert {item.metric: item.outcome for item in judged}["capacity"] == "changed"
    judged = judgement.judge([Series("blobs", "den", reference, reference, same=False)])
    assert {item.metric: item.outcome for item in judged}["capacity"] == "unchanged"


def test_a_metric_that_its_reference_lacks_is_not_judged() -> None:
    present, reference = {"auroc": {1: 0.8}, "average_precision": {1: 0.7}}, {"auroc": {1: 0.8, 2: 0.8}}
    for same in (True, False):
        judged = judgement.judge([Series("blobs", "den", present, reference, same=same)])
        assert [item.metric for item in judged] == ["auroc"]
    judged = judgement.judge([Series("blobs", "den", present, {}, same=False)])
    assert {item.metric: item.outcome for item in judged} == {"auroc": "new", "average_precision": "new"}


def test_small_changes_of_other_metrics_do_not_decide_about_the_run() -> None:
    reference = {"auroc": dict(enumerate(NINE)), "accuracy": dict(enumerate(NINE))}
    present = {"auroc": {1: NINE[1] + 1e-6}, "accuracy": {1: NINE[1] + 1e-6}}
    judged = judgement.judge([Series("blobs", "den", present, reference, same=False)])
    assert [item.outcome for item in judged] == ["within noise", "changed"]
    assert overall(judged) == "within noise"


def test_a_table_of_judgements_has_a_row_for_each_method_and_for_all_that_moved() -> None:
    judged = judgement.judge([series(NINE, NINE[:1], "ewc", same=True), series(NINE, [0.7], "l2")])
    table = judgement.table(judged)
    assert list(table.rows["method"]) == ["ewc", "l2"]
    assert list(table.rows["verdict"]) == ["unchanged", "worse"]
    assert table.note.startswith("Of 2 judgements 1 worse, 1 unchanged.")


def blobs(seeds: int, *methods: str) -> StreamResults:
    return tables.collect(results("blobs", seeds, methods, 3), "smoke").of()


def test_a_comparison_has_a_row_for_each_method_and_no_difference_of_the_rival() -> None:
    stream = blobs(5, "den", "ewc", "l2")
    comparison = against_rival(stream)
    assert comparison.rival == "den"
    assert set(comparison.numbers["method"]) == set(stream.methods)
    rival = comparison.numbers.set_index("method").loc["den"]
    assert rival.filter(like="difference").isna().all()
    assert "cannot go below p = .0625" in comparison.note
    for table in comparison.tables:
        assert set(table[table["p"] == ""]["method"]) == {"den", labels.MAJORITY}


def test_a_single_method_has_nothing_to_be_compared_with() -> None:
    assert against_rival(blobs(2, "den")).note == "There is no other method to compare with."


def test_a_comparison_over_one_seed_has_no_p_and_says_why() -> None:
    comparison = against_rival(blobs(1, "den", "ewc"))
    assert comparison.note == "One seed is too few to judge differences."
    assert all((table["p"] == "").all() for table in comparison.tables)


def test_without_den_its_improvement_or_the_best_is_the_rival() -> None:
    assert against_rival(blobs(2, "den_plus", "finetune", "single_task")).rival == "den_plus"
    assert against_rival(blobs(2, "finetune", "single_task")).rival == "single_task"
    with pytest.raises(ValueError, match="ewc has no finished cell; there are"):
        against_rival(blobs(2, "finetune"), "ewc")
