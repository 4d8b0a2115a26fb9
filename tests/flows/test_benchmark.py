"""The benchmark's cells, without Prefect: what is measured, what is reused, and what a killed run leaves to do."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest
from sites import until
from small import TRAINING, cell

from den import cells
from den.cells import Cell
from den.execution import Execution, execute
from den.ledger import Asked, Begun, CellResult, Ledger, Measurement, Order, Places, Run
from den.worker import CellFailed
from flows.executors.cell_flow import Worked
from flows.pipeline import benchmark
from flows.pipeline.benchmark import run_cells
from flows.runtime import run_records
from flows.runtime.progress import Watcher
from flows.runtime.run_context import RunContext, entered
from flows.runtime.run_records import Circumstances

ran: list[str] = []

CELLS = (cell(), cell("l2"), cell("ewc"))


def learn(one: Cell, places: Places, order: Order) -> Worked:
    """Measure a cell in this process and a thread of the pool; note the title if any stage ran."""
    stages: list[str] = []
    measurement = execute(one, places, order, stages.append)
    ran.extend([one.title] * bool(stages))
    return Worked(measurement, measurement.origin.run == order.run)


@pytest.fixture(autouse=True)
def anew(monkeypatch: pytest.MonkeyPatch) -> None:
    ran.clear()
    monkeypatch.setattr(benchmark, "STAGGER", 0)


@contextmanager
def begun(places: Places, these: tuple[Cell, ...] = CELLS, fresh: bool = False, **about: Any) -> Iterator[Begun]:
    circumstances = Circumstances(
        slots=2, **{key: about.pop(key) for key in ("deployment", "flow_run") if key in about}
    )
    with run_records.begun(Asked(suite="tiny", **about), these, places, circumstances, fresh) as start:
        yield start


def run(places: Places, these: tuple[Cell, ...] = CELLS, **about: Any) -> tuple[Run, tuple[CellResult, ...]]:
    """Run cells to the end, and write how the run ended."""
    with begun(places, these, **about) as start:
        results, failures = run_cells(these, start, places, learn, 2)
        print(failures)  # pytest shows it beside a failed assertion
        return run_records.end(start, results, failures, "new", (), places), results


def names(results: tuple[CellResult, ...]) -> list[str]:
    return [result.name for result in results]


# What runs


def test_a_second_run_reuses_and_again_measures(places: Places) -> None:
    first, results = run(places)
    assert [result.how for result in results] == ["measured"] * 3
    second, reused = run(places)
    assert [result.how for result in reused] == ["reused"] * 3
    assert [result.measurement for result in reused] == [result.measurement for result in results]
    assert second.id != first.id
    assert len(ran) == 3
    _, anew = run(places, again=True)
    assert [result.how for result in anew] == ["measured"] * 3
    assert len(ran) == 6
    digests = [result.measurement.digest for result in results]
    assert [result.measurement.digest for result in anew] == digests
    assert len(Ledger.of(places).entries()) == 6


def test_a_run_says_which_measurement_answers_each_cell(places: Places) -> None:
    run(places, CELLS[:1])
    whole, results = run(places)
    assert whole.whole
    assert Ledger.of(places).run(whole.id) == whole
    assert {title: answer.how for title, answer in whole.answers.items()} == {
        "blobs · finetune · seed 0": "reused",
        "blobs · l2 · seed 0": "measured",
        "blobs · ewc · seed 0": "measured",
    }
    assert [answer.measurement for answer in whole.answers.values()] == [result.measurement.id for result in results]


def test_code_that_has_changed_is_measured_and_its_old_measurement_kept(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(places)
    fingerprint = cells.fingerprint
    for module in (cells, run_records):
        monkeypatch.setattr(module, "fingerprint", lambda one: "0" * 64 if one.method == "ewc" else fingerprint(one))
    with begun(places) as start:
        answers = benchmark.answered(CELLS, start, places, elsewhere=False)
    assert sorted(answers) == ["blobs · finetune · seed 0", "blobs · l2 · seed 0"]
    assert len(Ledger.of(places).entries()) == 3


def test_equal_settings_are_measured_once_and_shown_under_both_names(places: Places) -> None:
    these = (cell(variant="one"), cell("l2"), cell(variant="other"))
    for again in (False, True):
        _, results = run(places, these, again=again)
        assert names(results) == ["one", "l2", "other"]
        assert {result.how for result in results} == {"measured"}
    assert sorted(ran) == ["blobs · l2 · seed 0"] * 2 + ["blobs · one · seed 0"] * 2


def test_equal_settings_fail_together_and_stop_no_other(places: Places) -> None:
    wild = TRAINING.model_copy(update={"learning_rate": 1e6})
    these = (*(cell("l2", variant=name, training=wild) for name in ("one", "other")), cell())
    ended, results = run(places, these)
    assert names(results) == ["finetune"]
    assert ended.ended is not None
    assert set(ended.ended.failures) == {"blobs · one · seed 0", "blobs · other · seed 0"}
    assert not ended.whole


# Killed and continued


def killed(places: Places, **about: Any) -> Begun:
    """Begin a run, measure its first cell and one stage of the second, and leave it as a killed process does."""
    with begun(places, **about) as start:
        execute(CELLS[0], places, run_records.order_for(start, CELLS[0], 2))
        next(Execution.resume(CELLS[1], places, run_records.order_for(start, CELLS[1], 2)).steps()).run()
    return start


@pytest.mark.parametrize("again", [False, True])
def test_a_killed_run_is_continued_and_loses_and_repeats_nothing(again: bool, places: Places) -> None:
    start = killed(places, again=again)
    ended, results = run(places, again=again)
    assert ended.id == start.id
    assert {result.how for result in results} == {"measured"}
    assert sorted(ran) == ["blobs · ewc · seed 0", "blobs · l2 · seed 0"]
    assert len(Ledger.of(places).entries(run=start.id)) == len(Ledger.of(places).entries()) == 3
    straight = [execute(one, places, Order(again=True)).digest for one in CELLS]
    assert [result.measurement.digest for result in results] == straight


def test_new_begins_another_run(places: Places) -> None:
    start = killed(places)
    assert run(places, fresh=True)[0].id != start.id


@pytest.mark.parametrize(
    "change", [{"again": True}, {"seeds": (0,)}, {"overrides": ("training.epochs=6",)}, {"methods": ("l2",)}]
)
def test_another_request_is_another_run(change: dict[str, Any], places: Places) -> None:
    start = killed(places)
    assert run(places, **change)[0].id != start.id


def test_other_code_is_another_run(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    start = killed(places)
    monkeypatch.setattr(run_records, "fingerprint", lambda one: "0" * 64)
    with begun(places) as other:
        assert other.id != start.id


def test_another_kind_of_machine_is_another_run(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    start = killed(places)
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    with begun(places) as other:
        assert other.id != start.id


class Listening(Watcher):
    """Keeps why cells ended."""

    def __init__(self) -> None:
        self.failures: list[str | None] = []

    def ended(self, cell: Cell, failure: str | None = None, reused: Measurement | None = None) -> None:
        self.failures.append(failure)


@pytest.mark.parametrize("interrupted", [True, False])
def test_a_cell_that_an_interruption_stops_has_not_failed(
    interrupted: bool, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    context = RunContext(Listening())

    def die(one: Cell, places: Places, order: Order) -> Worked:
        until(lambda: context.interrupted == interrupted, 20)
        raise CellFailed("its process ended with code -9")

    def get_ready() -> None:
        if interrupted:
            raise KeyboardInterrupt

    monkeypatch.setattr(benchmark, "_get_ready", get_ready)
    with entered(context), begun(places) as start, suppress(KeyboardInterrupt):
        run_cells(CELLS, start, places, die, 2)
    assert context.watcher.failures == ([] if interrupted else ["its process ended with code -9"] * 3)


def test_a_run_of_which_a_cell_failed_is_continued_with_its_finished_stages(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def break_off(one: Cell, places: Places, order: Order) -> Worked:
        if one.method == "ewc" and not mended:
            next(Execution.resume(one, places, order).steps()).run()
            raise CellFailed("its process ended with code -9")
        return undisturbed(one, places, order)

    undisturbed = learn
    mended: list[bool] = []
    monkeypatch.setattr(sys.modules[__name__], "learn", break_off)
    first, _ = run(places)
    run_records.discard_checkpoints(first, places)
    mended.append(True)
    second, results = run(places)
    assert second.id == first.id
    assert second.whole
    assert Ledger.of(places).run(first.id) == second
    assert {result.how for result in results} == {"measured"}
    assert len(Ledger.of(places).entries()) == 3
    (entry,) = Ledger.of(places).entries(method="ewc")
    assert first.ended is not None
    assert entry.started < first.ended.ended.isoformat()
    third, reused = run(places)
    assert third.id != first.id
    assert {result.how for result in reused} == {"reused"}


def test_a_failed_run_that_measures_everything_is_not_continued(places: Places) -> None:
    wild = (cell("l2", training=TRAINING.model_copy(update={"learning_rate": 1e6})), cell())
    assert run(places, wild, again=True)[0].id != run(places, wild, again=True)[0].id


def test_a_run_whose_process_lives_is_not_continued(places: Places) -> None:
    with begun(places) as first, begun(places) as second:
        assert first.id != second.id
        assert run_records.is_held(places, first.id)
    assert not run_records.is_held(places, first.id)


def test_a_run_of_another_machine_is_not_continued(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    start = killed(places)
    monkeypatch.setattr(run_records.platform, "node", lambda: "elsewhere")
    with begun(places) as other:
        assert other.id != start.id


def test_a_deployments_run_has_the_id_of_its_flow_run_and_only_its_retry_continues_it(places: Places) -> None:
    tonight = {"deployment": "nightly", "flow_run": "aaaaaaaa-0000"}
    assert killed(places, again=True, **tonight).id == "aaaaaaaa-0000"
    with begun(places, again=True) as local:
        assert local.id != "aaaaaaaa-0000"
    with begun(places, again=True, deployment="nightly", flow_run="bbbbbbbb-0000") as next_night:
        assert next_night.id == "bbbbbbbb-0000"
    ended, results = run(places, again=True, **tonight)
    assert ended.id == "aaaaaaaa-0000"
    assert {result.how for result in results} == {"measured"}
    assert "blobs · finetune · seed 0" not in ran
