"""Measuring again: bits that are the same, the first number that is not, and how long the bits have been the same."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as draws
from synthetic import LATER_SCORE, MORE, ORIGIN, result, with_more, with_scores

from den import measures
from den.ledger import Columns, Entry, Measurement
from reports.analysis import repeats
from reports.analysis.repeats import Tally

MEASURED_RESULT = result("blobs", "den", 1, tasks=3)
MEASURED = MEASURED_RESULT.measurement


def with_value(measurement: Measurement, at: int, value: float | None) -> Measurement:
    """Return a measurement whose measure at a position is another."""
    values = list(measurement.measures.value)
    values[at] = value
    columns = measurement.measures.model_dump() | {"value": tuple(values)}
    return measurement.model_copy(update={"measures": Columns(**columns)})


def entry(run: str, measurement: Measurement = MEASURED, **origin: Any) -> Entry:
    """Return the entry of a measurement in a run."""
    changed = measurement.model_copy(update={"origin": measurement.origin.model_copy(update={"run": run, **origin})})
    return Entry.of(changed, changed.id)


def test_numbers_are_all_scores_and_all_measures_but_times() -> None:
    counted = sum(value is not None for matrix in MEASURED.scores.values() for row in matrix for value in row)
    counted += sum(measure != measures.SECONDS for measure in MEASURED.measures.measure)
    assert len(repeats.numbers(MEASURED)) == counted
    assert repeats.tally(MEASURED, MEASURED) == Tally(counted, counted)
    assert repeats.deviation(MEASURED, MEASURED) is None


@given(draws.integers(0, len(MEASURED.measures.value) - 1))
def test_the_one_number_that_differs_is_named_and_counted_unless_it_is_a_time(at: int) -> None:
    changed = with_value(MEASURED, at, 12345.0)
    row = list(MEASURED.measures.rows())[at]
    time = row.measure == measures.SECONDS
    same, total = repeats.tally(MEASURED, changed)
    assert total - same == (not time)
    assert (MEASURED.digest == changed.digest) == time
    if not time:
        deviation = repeats.deviation(MEASURED, changed)
        assert deviation is not None
        assert deviation.place[:4] == row[:4]
        assert (deviation.before, deviation.after) == (row.value, 12345.0)
        assert str(deviation).startswith(f"task {row.task} · ")


def test_the_first_of_many_is_the_earliest_task() -> None:
    later = [at for at, task in enumerate(MEASURED.measures.task) if task == 3]
    changed = with_value(with_scores(MEASURED_RESULT, lambda score: score / 2).measurement, later[0], 0.5)
    deviation = repeats.deviation(MEASURED, changed)
    assert deviation is not None
    assert (deviation.place.task, deviation.place.stage) == (1, measures.EVALUATION)
    assert str(deviation).startswith("task 1 · evaluation · auroc of task 1: 0.4")


def test_a_number_that_only_one_has_is_none_of_the_same() -> None:
    assert MEASURED.measures.measure[0] == MEASURED.measures.measure[1] == measures.UNITS
    columns = {name: column[1:] for name, column in MEASURED.measures.model_dump().items()}
    shorter = MEASURED.model_copy(update={"measures": Columns(**columns)})
    assert not repeats.same_bits(MEASURED.digests, shorter.digests)
    for pair in ((MEASURED, shorter), (shorter, MEASURED)):
        same, total = repeats.tally(*pair)
        assert (same, total) == (len(repeats.numbers(shorter)), len(repeats.numbers(MEASURED)))
        assert repeats.deviation(*pair) is not None


def test_scores_and_measures_that_only_one_has_are_compared_with_nothing() -> None:
    more, counted = with_more(MEASURED_RESULT).measurement, len(repeats.numbers(MEASURED))
    assert more.digest != MEASURED.digest
    assert len(repeats.numbers(more)) > counted
    for pair in ((MEASURED, more), (more, MEASURED)):
        assert repeats.tally(*pair) == Tally(counted, counted)
        assert repeats.deviation(*pair) is None
        assert repeats.same_bits(*(measurement.digests for measurement in pair))
    assert repeats.streak(more, [entry("run-1")]).runs == 1


def test_scores_and_measures_that_both_have_are_compared_however_late_they_came() -> None:
    more = with_more(MEASURED_RESULT)
    score = with_scores(more, lambda value: value / 2, LATER_SCORE).measurement
    size = with_value(more.measurement, len(more.measurement.measures.value) - 1, 12345.0)
    for changed, name in ((score, LATER_SCORE), (size, MORE[-1])):
        deviation = repeats.deviation(more.measurement, changed)
        assert deviation is not None
        assert deviation.place.measure.startswith(name)
        assert not repeats.same_bits(more.measurement.digests, changed.digests)
        assert repeats.same_bits(MEASURED.digests, changed.digests)


@given(draws.integers(0, len(MEASURED.measures.value) - 1))
def test_an_entry_has_the_digests_of_its_measurement(at: int) -> None:
    changed = with_value(MEASURED, at, 12345.0)
    digests, name = entry("run-1", changed).digests, MEASURED.measures.measure[at]
    assert digests == changed.digests
    differing = {name for name, digest in digests.items() if digest != MEASURED.digests[name]}
    assert differing == {name} - {measures.SECONDS}


def test_a_streak_counts_runs_back_to_the_first_other_bits_on_this_kind_of_machine() -> None:
    changed = with_value(MEASURED, 0, 12345.0)
    elsewhere = MEASURED.origin.machine.model_copy(update={"processor": "another"})
    earlier = [
        entry("run-0", changed),
        entry("run-1"),
        entry("run-2", changed, machine=elsewhere),
        entry("run-3"),
        entry("run-3"),
    ]
    streak = repeats.streak(MEASURED, earlier)
    assert (streak.runs, streak.code) == (2, True)
    assert repeats.streak(MEASURED, [*earlier, entry("run-4", fingerprint="0" * 64)]).code is False
    assert repeats.streak(changed, earlier).runs == 0
    assert repeats.streak(MEASURED, []).runs == 0


@pytest.mark.parametrize("change", [{"fingerprint": "0" * 64}, {"fingerprint": None}, {"torch": "9.9"}])
def test_only_the_same_code_torch_and_machine_must_agree(change: dict[str, Any]) -> None:
    same = entry("run-1")
    assert repeats.must_agree(MEASURED, [same, entry("run-2", **change)]) == same
    assert repeats.must_agree(MEASURED, [entry("run-2", **change)]) is None


def test_a_machine_that_is_not_recorded_is_like_no_other() -> None:
    unknown = MEASURED.origin.machine.model_copy(update={"processor": None})
    origin = MEASURED.origin.model_copy(update={"machine": unknown})
    measurement = MEASURED.model_copy(update={"origin": origin})
    assert repeats.must_agree(measurement, [Entry.of(measurement, measurement.id)]) is None


def test_versions_that_an_entry_does_not_hold_are_compared() -> None:
    assert ORIGIN["numpy"] != "1.0"
    newer_numpy = MEASURED.model_copy(update={"origin": MEASURED.origin.model_copy(update={"numpy": "1.0"})})
    assert repeats.same_versions(MEASURED, MEASURED)
    assert not repeats.same_versions(MEASURED, newer_numpy)
    assert newer_numpy.digest == MEASURED.digest
