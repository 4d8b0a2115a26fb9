"""The verdict on a run: what it measured, against accepted results and earlier measurements."""

import re
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from synthetic import LATER_SCORE, ORIGIN, result, results, with_more, with_scores

from den import measures
from den.ledger import Asked, Begun, CellResult, Columns, Ended, Ledger, Machine, Measurement, Places, Planned, Run
from den.ledger.settings import key_of
from flows.commands import why
from flows.commands.lookup import Located
from flows.judging import verdicts
from flows.judging.verdicts import Verdict
from reports import accepted_results

METHODS = ("den", "l2", "ewc")
NIGHT = datetime(2026, 12, 1, 2, tzinfo=UTC)
OTHER_PROCESSOR = ORIGIN["machine"] | {"processor": "another"}


@pytest.fixture
def ledger(here: Path) -> Ledger:
    return Ledger(here / "ledger", here / "index.sqlite")


@pytest.fixture(scope="module")
def accepted() -> list[CellResult]:
    """Return nine seeds of three methods, measured where no processor was recorded."""
    found = [result("blobs", method, seed, 3, fingerprint=None) for method in METHODS for seed in range(1, 10)]
    return [replace(made(one, 0, machine={"system": "Linux x86_64"}), how="accepted") for one in found]


def made(given: CellResult, night: int, **origin: Any) -> CellResult:
    """Return a result as measured in the run of a night."""
    started = NIGHT + timedelta(days=night)
    times = {"run": f"night-{night:04d}", "started": started, "ended": started + timedelta(minutes=5)}
    if "machine" in origin:
        origin["machine"] = Machine(**origin["machine"])
    changed = given.measurement.origin.model_copy(update=times | origin)
    return CellResult(given.name, given.measurement.model_copy(update={"origin": changed}))


def tonight(night: int = 1, methods: Sequence[str] = METHODS, seeds: Sequence[int] = (1,), **origin: Any) -> list[Any]:
    """Return what a sound run of a night measures."""
    return [made(result("blobs", method, seed, 3), night, **origin) for method in methods for seed in seeds]


def begun(night: int = 1, **about: Any) -> Begun:
    cells = (Planned(key="0" * 16, stream="blobs", name="den", seed=1, fingerprint="f" * 64),)
    fixed = {
        "id": f"night-{night:04d}",
        "asked": Asked(suite="smoke"),
        "cells": cells,
        "started": NIGHT + timedelta(days=night),
        "trigger": "schedule",
        "process": "here",
        "machine": Machine(**ORIGIN["machine"]),
        "load": 0.0,
        "slots": 2,
        "torch": ORIGIN["torch"],
        "commit": ORIGIN["commit"],
        "dirty": False,
    }
    return Begun(**fixed | about)


def night(ledger: Ledger, number: int, measured: Sequence[CellResult], accepted: Sequence[CellResult]) -> Verdict:
    """Write what a run measured into the ledger, as the flow does before it is judged; return its verdict."""
    for one in measured:
        ledger.add(one.measurement)
    return verdicts.judge(begun(number), measured, {}, ledger, accepted)


def lower(given: CellResult, by: float, score: str = "auroc") -> CellResult:
    return with_scores(given, lambda value: max(0.0, value - by), score)


def slowed(given: CellResult, factor: float) -> CellResult:
    columns = given.measurement.measures
    values = [
        value * factor if measure == measures.SECONDS and value else value
        for measure, value in zip(columns.measure, columns.value, strict=True)
    ]
    changed = Columns(**columns.model_dump() | {"value": tuple(values)})
    return replace(given, measurement=given.measurement.model_copy(update={"measures": changed}))


def remark(verdict: Verdict, beginning: str) -> str:
    """Return the one remark that begins so."""
    (found,) = (text for text in verdict.remarks if text.startswith(beginning))
    return found


def test_the_accepted_bits_are_unchanged_and_counted(ledger: Ledger, accepted: list[CellResult]) -> None:
    verdict = night(ledger, 1, tonight(), accepted)
    assert (verdict.word, verdict.of("blobs"), verdict.alarming) == ("unchanged", "unchanged", False)
    first = verdict.remarks[0]
    assert first.startswith("3 cells measured; ")
    assert first.endswith(" numbers the same to the bit as accepted at 8c5ce2b (processor not recorded)")
    same, total = first.split()[3], first.split()[5]
    assert same == total
    assert verdict.changes == ()


def test_numbers_that_came_later_are_no_other_bits(ledger: Ledger, accepted: list[CellResult]) -> None:
    before = night(ledger, 1, tonight(1), accepted)
    verdict = night(ledger, 2, [with_more(one) for one in tonight(2)], accepted)
    assert verdict.word == "unchanged"
    assert verdict.remarks[0] == before.remarks[0]
    assert {one.metric for one in verdict.judgements} == {"auroc", "accuracy", "capacity"}
    assert remark(verdict, "same bits as the last run")
    assert verdict.changes == ()
    alone = night(ledger, 3, tonight(3), accepted)
    assert (alone.word, alone.remarks[0]) == (before.word, before.remarks[0])


def test_an_accepted_measurement_of_the_same_code_may_lack_what_came_later(ledger: Ledger) -> None:
    accepted = [replace(one, how="accepted") for one in tonight(0, seeds=range(1, 10))]
    assert night(ledger, 1, [with_more(one) for one in tonight()], accepted).word == "unchanged"


def test_a_score_that_came_later_is_compared_from_then_on(ledger: Ledger, accepted: list[CellResult]) -> None:
    more = [[with_more(one) for one in tonight(number)] for number in (1, 2)]
    night(ledger, 1, more[0], accepted)
    verdict = night(ledger, 2, [lower(one, 1e-9, LATER_SCORE) for one in more[1]], accepted)
    assert verdict.word == "unstable"
    assert all("average_precision of task 1" in text for text in verdict.remarks if text.startswith("unstable: "))


def test_without_accepted_results_a_score_is_judged_by_the_runs_that_have_it(ledger: Ledger) -> None:
    night(ledger, 1, tonight(1, seeds=range(1, 6)), [])
    more = [with_more(one) for one in tonight(2, seeds=range(1, 6), fingerprint="1" * 64)]
    verdict = night(ledger, 2, more, [])
    assert verdict.word == "same bits"
    assert LATER_SCORE not in {one.metric for one in verdict.judgements}
    measured = [lower(with_more(one), 0.3, LATER_SCORE) for one in tonight(3, fingerprint="0" * 64)]
    verdict = night(ledger, 3, measured, [])
    assert {one.outcome for one in verdict.judgements if one.metric == LATER_SCORE} == {"changed"}
    assert {one.outcome for one in verdict.judgements if one.metric == "accuracy"} == {"unchanged"}


def test_nights_of_the_same_bits_are_counted(ledger: Ledger, accepted: list[CellResult]) -> None:
    remarks = [night(ledger, number, tonight(number), accepted).remarks for number in range(1, 5)]
    said = [[text for text in texts if text.startswith("same bits")] for texts in remarks]
    assert said[:2] == [[], ["same bits as the last run"]]
    assert said[2:] == [[f"same bits as the last {number} runs"] for number in (2, 3)]


def test_without_accepted_results_the_same_bits_are_the_verdict(ledger: Ledger) -> None:
    words = [night(ledger, number, tonight(number), []).word for number in range(1, 4)]
    assert words == ["new", "same bits", "same bits"]
    changed = [lower(one, 0.01) for one in tonight(4, fingerprint="0" * 64)]
    verdict = night(ledger, 4, changed, [])
    assert verdict.word == "changed"
    assert "no accepted results" in verdict.remarks[0]


@pytest.mark.parametrize("score", ["auroc", "accuracy"])
def test_only_the_main_score_alarms(ledger: Ledger, accepted: list[CellResult], score: str) -> None:
    measured = [lower(one, 0.2, score) if one.name == "l2" else one for one in tonight(machine=OTHER_PROCESSOR)]
    verdict = night(ledger, 1, measured, accepted)
    assert verdict.word == ("worse" if score == "auroc" else "changed")
    assert {one.method for one in verdict.judgements if one.grave == verdict.word} == {"l2"}
    assert remark(verdict, f"{verdict.word}: blobs · l2: ").startswith(f"{verdict.word}: blobs · l2: ")


def test_every_score_halved_is_worse(ledger: Ledger, accepted: list[CellResult]) -> None:
    halved = [with_scores(with_scores(one, half), half, "accuracy") for one in tonight()]
    verdict = night(ledger, 1, halved, accepted)
    assert verdict.word == verdict.of("blobs") == "worse"
    assert verdict.alarming
    assert {one.outcome for one in verdict.judgements if one.main} == {"worse"}


def half(value: float) -> float:
    return value / 2


def test_other_bits_on_another_processor_are_noise_with_the_processor_as_likeliest_reason(
    ledger: Ledger, accepted: list[CellResult]
) -> None:
    measured = [lower(one, 1e-5) for one in tonight(machine=OTHER_PROCESSOR, torch="9.9")]
    verdict = night(ledger, 1, measured, accepted)
    assert verdict.word == "within noise"
    assert "the likeliest reason: processor is another, AVX512, it was not recorded" in verdict.remarks[0]
    assert list(verdict.changes[:2]) == [
        "processor is another, AVX512, it was not recorded",
        "torch is 9.9, it was 2.14.1",
    ]
    assert verdict.explained("blobs").note.endswith(f"Changed since: {'; '.join(verdict.changes)}.")
    assert "Changed since" not in verdict.table("blobs").note
    text = remark(verdict, "changed since the accepted results: ")
    assert text.startswith(f"changed since the accepted results: {'; '.join(verdict.changes[:2])}; ")
    assert re.search(r"; `den why [0-9a-f]{8}` lists the changes of blobs · \w+ · seed 1$", text)


def test_many_changes_are_one_short_remark(ledger: Ledger, accepted: list[CellResult]) -> None:
    accepted_results.write(accepted, "smoke")
    other = dict(accepted[0].measurement.settings["training"]) | {"epochs": 1, "batch_size": 7, "learning_rate": 0.5}
    measured = [with_settings(lower(one, 0.4), training=other) for one in tonight()]
    verdict = night(ledger, 1, measured, accepted_results.results("smoke"))
    (text,) = [text for text in verdict.remarks if text.startswith("changed since")]
    assert "settings (3)" in text
    assert "training.epochs" not in text
    assert len(text) < 250


@pytest.mark.parametrize(
    ("key", "word"), [("data.streams.blobs.classes=20", "new"), ("data.streams.mine.file=a.csv", "worse")]
)
def test_a_run_on_other_data_is_not_compared_with_results_on_the_declared_ones(
    ledger: Ledger, accepted: list[CellResult], key: str, word: str
) -> None:
    night(ledger, 1, tonight(1), accepted)
    run = begun(2, asked=Asked(suite="smoke", overrides=(key,)))
    measured = [lower(one, 0.4) for one in tonight(2, fingerprint="0" * 64)]
    verdict = verdicts.judge(run, measured, {}, ledger, accepted)
    assert {one.outcome for one in verdict.judgements if one.main} == {word}


def test_why_lists_each_change_since_the_accepted_result(
    ledger: Ledger, accepted: list[CellResult], places: Places
) -> None:
    accepted_results.write(accepted, "smoke")
    measured = with_settings(lower(tonight()[0], 0.4), training={"epochs": 1, "device": "cpu"})
    planned = begun().cells[0].model_copy(update={"key": measured.measurement.key})
    ledger.begin(begun(cells=(planned,)))
    ledger.add(measured.measurement)
    text = why.describe(Located(measured.measurement, "ledger"), places)
    before = text.partition("since accepted")[2].partition("since then")[0].splitlines()
    assert "training.epochs is 1, it was 8" in map(str.strip, before)


def test_the_same_code_on_the_same_machine_with_other_bits_is_unstable(
    ledger: Ledger, accepted: list[CellResult]
) -> None:
    night(ledger, 1, tonight(1), accepted)
    measured = [lower(one, 1e-9) if one.name == "ewc" else one for one in tonight(2)]
    verdict = night(ledger, 2, measured, accepted)
    assert (verdict.word, verdict.alarming) == ("unstable", True)
    text = remark(verdict, "unstable: ")
    before, after = (found[-1].measurement.scores["auroc"][0][0] for found in (tonight(1), measured))
    assert text.startswith("unstable: blobs · ewc · seed 1 differs from the measurement of 2026-12-02 02:05")
    assert text.endswith(f"task 1 · evaluation · auroc of task 1: {after!r} now, {before!r} before")
    assert remark(verdict, "2 of 3 cells: same bits as the last run")


@pytest.mark.parametrize(
    "origin", [{"fingerprint": "0" * 64}, {"torch": "9.9"}, {"numpy": "9.9"}, {"machine": OTHER_PROCESSOR}]
)
def test_other_code_versions_or_machine_explain_other_bits(
    ledger: Ledger, accepted: list[CellResult], origin: dict[str, Any]
) -> None:
    night(ledger, 1, tonight(1), accepted)
    verdict = night(ledger, 2, [lower(one, 1e-5) for one in tonight(2, **origin)], accepted)
    assert verdict.word == "within noise"
    assert remark(verdict, "changed since the measurement of 2026-12-02 02:05: ")


def test_an_accepted_measurement_of_the_same_code_and_machine_must_be_repeated(ledger: Ledger) -> None:
    accepted = [replace(one, how="accepted") for one in tonight(0, seeds=range(1, 10))]
    verdict = night(ledger, 1, [lower(one, 1e-9) for one in tonight()], accepted)
    assert verdict.word == "unstable"
    assert len([text for text in verdict.remarks if text.startswith("unstable: ")]) == len(METHODS)


@pytest.mark.parametrize("gpu", [None, "NVIDIA H200"])
def test_a_seed_that_is_accepted_on_two_devices_is_compared_with_its_own(
    ledger: Ledger, accepted: list[CellResult], gpu: str | None
) -> None:
    on_gpu = [made(lower(one, 0.1), 0, machine=ORIGIN["machine"] | {"gpu": "NVIDIA H200"}) for one in accepted]
    measured = tonight() if gpu is None else [lower(one, 0.1) for one in tonight()]
    for both in ([*accepted, *on_gpu], [*on_gpu, *accepted]):
        verdict = night(ledger, 1, [made(one, 1, machine=ORIGIN["machine"] | {"gpu": gpu}) for one in measured], both)
        assert verdict.word == "unchanged"
        others = [made(lower(one, 1e-5), 1, machine=ORIGIN["machine"] | {"gpu": gpu}) for one in measured]
        assert night(ledger, 1, others, both).word == "within noise"


def test_a_run_is_not_compared_with_itself_or_with_later_ones(ledger: Ledger, accepted: list[CellResult]) -> None:
    for number in (1, 2, 3):
        night(ledger, number, tonight(number), accepted)
    assert night(ledger, 1, tonight(1), accepted).remarks[1].startswith("time is not judged")


def test_reused_cells_are_not_judged(ledger: Ledger, accepted: list[CellResult]) -> None:
    reused = [replace(lower(one, 0.5), how="reused") for one in tonight()]
    verdict = verdicts.judge(begun(), reused, {}, ledger, accepted)
    assert (verdict.word, verdict.of("blobs"), verdict.table("blobs")) == ("nothing measured", "nothing measured", None)
    verdict = verdicts.judge(begun(), [*reused[:2], *tonight()[2:]], {}, ledger, accepted)
    assert verdict.word == "unchanged"
    assert verdict.remarks[0].startswith("1 cell measured, 2 reused; ")


def test_a_failed_cell_is_a_failure_whatever_the_others_are(ledger: Ledger, accepted: list[CellResult]) -> None:
    for measured in ([], tonight()):
        verdict = verdicts.judge(begun(), measured, {"a cell": "no reason given"}, ledger, accepted)
        assert (verdict.word, verdict.alarming) == ("failed", True)


def test_the_spread_comes_from_earlier_seeds_of_the_ledger_if_nothing_is_accepted(ledger: Ledger) -> None:
    night(ledger, 1, tonight(1, seeds=(1, 2, 3, 4, 5)), [])
    verdict = night(ledger, 2, [lower(one, 0.4) for one in tonight(2, fingerprint="0" * 64)], [])
    assert verdict.word == "worse"
    verdict = night(ledger, 3, [lower(one, 1e-6) for one in tonight(3, fingerprint="1" * 64)], [])
    assert verdict.word == "within noise"


def test_bit_equal_repeats_make_no_spread(ledger: Ledger) -> None:
    for number in range(1, 9):
        night(ledger, number, tonight(number, seeds=(1, 2)), [])
    verdict = night(ledger, 9, [lower(one, 0.4) for one in tonight(9, fingerprint="0" * 64)], [])
    assert verdict.word == "changed"


def with_settings(given: CellResult, **settings: Any) -> CellResult:
    """Return a result of other settings."""
    old = given.measurement
    changed = old.settings | settings
    about = {"settings": changed, "key": key_of(changed, old.data)}
    return replace(given, measurement=Measurement(**dict(old) | about))


@pytest.mark.parametrize(("overrides", "word"), [((), "worse"), (("training.epochs=1",), "new")])
def test_other_settings_of_a_suite_are_judged_unless_they_were_asked_for(
    ledger: Ledger, accepted: list[CellResult], overrides: tuple[str, ...], word: str
) -> None:
    accepted_results.write(accepted, "smoke")
    other = {"epochs": 1, "device": "cpu"}
    measured = [with_settings(lower(one, 0.4), training=other) if one.name == "l2" else one for one in tonight()]
    run = begun(asked=Asked(suite="smoke", overrides=overrides))
    verdict = verdicts.judge(run, measured, {}, ledger, accepted)
    assert {one.outcome for one in verdict.judgements if one.method == "l2" and one.main} == {word}
    assert ("training.epochs is 1, it was 8" in verdict.changes) == (not overrides)


def test_time_is_judged_from_five_measurements_on(ledger: Ledger, accepted: list[CellResult]) -> None:
    for number in range(1, 6):
        verdict = night(ledger, number, [slowed(one, 1 + number / 1000) for one in tonight(number)], accepted)
        assert remark(verdict, "time is not judged: ").endswith(
            f"{number - 1} earlier measurements on such a machine, 5 are needed"
        )
    sound, slow = tonight(6), [slowed(one, 1.5) for one in tonight(7)]
    assert night(ledger, 6, sound, accepted).word == "unchanged"
    verdict = night(ledger, 7, slow, accepted)
    assert (verdict.word, verdict.alarming) == ("slower", False)
    assert len([text for text in verdict.remarks if text.startswith("slower: ")]) == len(METHODS)


@pytest.mark.parametrize(
    ("about", "origin", "why"),
    [
        ({"load": 3.1}, {}, "the machine's load was 3.1 at the start"),
        ({}, {"machine": ORIGIN["machine"] | {"cores": 64}}, "0 earlier measurements on such a machine"),
    ],
)
def test_time_is_muted_with_a_word(
    ledger: Ledger, accepted: list[CellResult], about: dict[str, Any], origin: dict[str, Any], why: str
) -> None:
    for number in range(1, 7):
        night(ledger, number, tonight(number), accepted)
    slow = [slowed(one, 1.5) for one in tonight(7, **origin)]
    verdict = verdicts.judge(begun(7, **about), slow, {}, ledger, accepted)
    assert verdict.word == "unchanged"
    assert why in remark(verdict, "time is not judged: ")


def test_every_stream_has_a_word_of_its_own(ledger: Ledger) -> None:
    both = [one for stream in ("blobs", "split_mnist") for one in results(stream, seeds=9, methods=METHODS, tasks=3)]
    accepted = [replace(one, how="accepted") for one in both]
    again = [made(one, 1, fingerprint="0" * 64) for one in both if one.measurement.seed == 1]
    measured = [lower(one, 0.4) if one.measurement.stream == "blobs" else one for one in again]
    verdict = night(ledger, 1, measured, accepted)
    words = [verdict.of(stream) for stream in ("blobs", "split_mnist", "awa")]
    assert words == ["worse", "unchanged", "nothing measured"]
    assert verdict.word == "worse"


def test_an_ended_run_keeps_the_verdict_it_had(ledger: Ledger, accepted: list[CellResult], here: Path) -> None:
    accepted_results.write(accepted, "smoke")
    ended = Ended(id="night-0001", ended=NIGHT, answers=(), verdict="better", remarks=("as it was",))
    verdict = verdicts.of_run(Run(begun(), ended), tonight(), ledger)
    assert (verdict.word, verdict.remarks, verdict.of("blobs")) == ("better", ("as it was",), "unchanged")


def test_words_are_ordered_from_the_gravest() -> None:
    assert verdicts.gravest(verdicts.WORDS) == "failed"
    assert verdicts.gravest([]) == "nothing measured"
    assert [word for word in verdicts.WORDS if Verdict(word).alarming] == ["failed", "worse", "unstable"]
