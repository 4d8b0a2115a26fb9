"""The estimate: cells take what cells like them took, and it says so where there are none."""

from pathlib import Path

import pytest
import small
from small import SIZES, TRAINING, cell

from den.cells import Cell
from den.config import Network, Training
from den.execution import execute
from den.ledger import CellResult, Ledger, Places
from den.ledger.settings import key_of
from flows.runtime import estimates
from flows.runtime.estimates import Estimate, Sample, Shape, estimate, in_words, nearest, seconds_of, stages_of

SHAPE = Shape(examples=120, example=(48,), classes=4, tasks=3)
STEPS = 3 * 6 * 6  # tasks, epochs, batches of 20 among 120 examples
ANSWERS = 6  # after the first task for one, then for two, then for three


def sample(one: Cell, stages: float = 2.0, step: float = 0.01, answer: float = 0.5) -> Sample:
    """Return a sample of so many stages a task, and so many seconds a step and an answer."""
    steps = stages * STEPS
    return Sample(one, SHAPE, steps, step * steps, answer * ANSWERS)


def seconds(one: Cell, *samples: Sample, shape: Shape = SHAPE) -> float:
    return seconds_of(one, shape, samples) - estimates.START


def test_a_cell_takes_what_its_like_took() -> None:
    assert seconds(cell(), sample(cell(seed=1))) == pytest.approx(0.01 * 2 * STEPS + 0.5 * ANSWERS)


def test_training_grows_with_the_steps_and_evaluation_does_not() -> None:
    longer = cell(training=TRAINING.model_copy(update={"epochs": 12}))
    assert seconds(longer, sample(cell())) == pytest.approx(0.01 * 4 * STEPS + 0.5 * ANSWERS)
    fixed = cell(training=Training(batch_size=20, steps=10))
    assert seconds(fixed, sample(cell())) == pytest.approx(0.01 * 2 * 3 * 10 + 0.5 * ANSWERS)


def test_more_tasks_take_more_of_both() -> None:
    four = cell(stream_params=SIZES | {"tasks": 4})
    measured = seconds(four, sample(cell()), shape=SHAPE._replace(tasks=4))
    assert measured == pytest.approx(0.01 * 2 * STEPS * 4 / 3 + 0.5 * 10)


def test_near_samples_are_preferred_to_far_ones() -> None:
    elsewhere = Cell(stream="split_mnist", method="l2", seed=0, network=small.NETWORK, training=TRAINING)
    both, method, stream = sample(cell("l2")), sample(elsewhere), sample(cell("ewc"))
    assert nearest(cell("l2", seed=1), [stream, method, both]) == [both]
    assert nearest(cell("l2", seed=1), [stream, method]) == [method]
    assert nearest(cell("l2", seed=1), [stream]) == [stream]
    assert nearest(cell("l2", seed=1), []) == []


def test_steps_of_another_size_tell_nothing_of_their_time_but_their_number() -> None:
    wide = cell(network=Network(widths=(80, 60)))
    assert nearest(cell(), [sample(wide)]) == []
    assert seconds(cell(), sample(wide)) == pytest.approx(2 * STEPS * estimates.SMALLEST)


def test_the_constant_grows_with_weights_and_batch() -> None:
    base = Cell(stream="permuted_mnist", method="l2", seed=0)
    shape = Shape(55_000, (784,), 10, 10)
    assert estimates.step_seconds(base, shape) == estimates.STEP
    double = base.model_copy(update={"training": Training(batch_size=512, epochs=1)})
    assert estimates.step_seconds(double, shape) == 2 * estimates.STEP


def test_an_unknown_method_is_guessed_from_below() -> None:
    assert stages_of("l2", [sample(cell("ewc"))]) == 1
    estimated = estimate([(cell("l2"), SHAPE)], [sample(cell("ewc"))])
    assert not estimated.complete
    assert in_words(estimated, 1).startswith("at least")
    assert in_words(estimate([(cell("l2"), SHAPE)], [sample(cell("l2"))]), 1).startswith("about")


@pytest.mark.parametrize(("slots", "elapsed"), [(1, 10), (2, 6), (3, 4), (9, 4)])
def test_slots_take_the_next_cell_when_they_are_free(slots: int, elapsed: float) -> None:
    assert Estimate((3, 2, 4, 1), True).elapsed(slots) == elapsed


@pytest.mark.parametrize(
    ("each", "text"),
    [
        (1.0, "about 1 core-minute, 2 seconds on 2 slots"),
        (600.0, "about 0.7 core-hours, 20 minutes on 2 slots"),
        (9000.0, "about 10.0 core-hours, 5.0 hours on 2 slots"),
    ],
)
def test_it_is_told_in_words(each: float, text: str) -> None:
    assert in_words(Estimate((each,) * 4, True), 2) == text


def test_the_ledger_and_results_show_what_measurements_took(places: Places) -> None:
    measurement = execute(cell("l2"), places)
    gone = measurement.settings | {"method": "gone"}
    ledger = Ledger.of(places)
    ledger.add(measurement.model_copy(update={"settings": gone, "key": key_of(gone, measurement.data)}))
    for (sample,) in (
        estimates.of_ledger(ledger, places),
        estimates.of_results([CellResult("l2", measurement)], places),
    ):
        assert sample.cell == cell("l2")
        assert sample.shape == SHAPE
        assert sample.steps == STEPS
        assert sample.training == measurement.train_seconds
        assert sample.evaluation == measurement.evaluation_seconds > 0


def test_a_stream_that_is_not_prepared_is_left_out_with_a_word(places: Places, here: Path) -> None:
    elsewhere = Cell(stream="awa", method="l2", seed=0)
    text = estimates.announce([cell("l2"), elsewhere], 3, 2, "tiny", places)
    assert text.startswith("2 of 3 cells to run: at least ")
    assert text.endswith(", without awa, not prepared here (`den prepare` prepares)")
    text = estimates.announce([elsewhere], 3, 2, "tiny", places)
    assert text == "1 of 3 cells to run: without awa, not prepared here (`den prepare` prepares)"


def test_what_is_to_run_is_announced(places: Places, here: Path) -> None:
    assert estimates.announce([], 3, 2, "tiny", places) == "0 of 3 cells to run"
    text = estimates.announce([cell("l2"), cell("l2", seed=1)], 3, 2, "tiny", places)
    assert text == "2 of 3 cells to run: at least 1 core-minute, 1 second on 2 slots"
    execute(cell("l2"), places)
    assert estimates.announce([cell("l2", seed=1)], 3, 1, "tiny", places).startswith("1 of 3 cells to run: about ")
