"""Estimates how long the cells of a suite will take, from the times of finished cells.

A cell consists of training steps and evaluations. The ledger shows how many steps a method takes, and what a step and
an evaluation cost.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from den.cells import Cell, cell_of, is_prepared, open_stream, tasks_of
from den.config import SettingsError
from den.ledger import CellResult, Ledger, Places
from den.ledger.settings import Settings
from den.networks.blueprint import Blueprint
from den.training import length
from reports import accepted_results

STEP = 0.006  # seconds of a step on one core, for a network of WEIGHTS and a batch of BATCH examples
WEIGHTS, BATCH = 784 * 312 + 312 * 128 + 128 * 10, 256
SMALLEST = 0.0005  # seconds of the shortest step
START = 1.0  # seconds of a cell besides its stages


class Shape(NamedTuple):
    """The sizes of a stream that determine the time.

    examples: of its first task. example: the shape of one. classes: the outputs of all tasks. tasks: their number.
    """

    examples: int
    example: tuple[int, ...]
    classes: int
    tasks: int


@dataclass(frozen=True)
class Sample:
    """The cost of a finished cell: training steps, and the seconds of training and of evaluation."""

    cell: Cell
    shape: Shape
    steps: float
    training: float
    evaluation: float


@dataclass(frozen=True)
class Estimate:
    """The seconds of each cell. complete: False if this is only a lower bound."""

    seconds: tuple[float, ...]
    complete: bool

    def elapsed(self, slots: int) -> float:
        """Return the seconds that all cells take on `slots` slots, if a free slot takes the next cell."""
        ends = [0.0] * slots
        for seconds in self.seconds:
            heapq.heapreplace(ends, ends[0] + seconds)
        return max(ends)


def announce(cells: Sequence[Cell], among: int, slots: int, suite: str, places: Places) -> str:
    """Return in words how many of `among` cells will run, and how long they will take.

    The time leaves out the streams whose size is not known: they are not prepared, and no measurement shows it.
    """
    text = f"{len(cells)} of {among} cells to run"
    if not cells:
        return text
    samples = [*of_ledger(Ledger.of(places), places), *of_results(_accepted(suite), places)]
    shapes = {_stream(sample.cell): sample.shape for sample in samples}
    shapes |= {
        _stream(cell): shape_of(cell, places)
        for cell in cells
        if _stream(cell) not in shapes and is_prepared(cell, places)
    }
    sized = [(cell, shapes[_stream(cell)]) for cell in cells if _stream(cell) in shapes]
    unsized = sorted({cell.stream for cell in cells if _stream(cell) not in shapes})
    times = [in_words(estimate(sized, samples), slots)] if sized else []
    gaps = [f"without {', '.join(unsized)}, not prepared here (`den prepare` prepares)"] if unsized else []
    return f"{text}: {', '.join(times + gaps)}"


def in_words(estimated: Estimate, slots: int) -> str:
    """Return an estimate in words, as in "about 1.2 core-hours, 36 minutes on 2 slots"."""
    hours = sum(estimated.seconds) / 3600
    work = f"{hours:.1f} core-hours" if hours >= 0.1 else _counted(60 * hours, "core-minute")
    on = f"{duration(estimated.elapsed(slots))} on {_counted(slots, 'slot')}"
    return f"{'about' if estimated.complete else 'at least'} {work}, {on}"


def duration(seconds: float) -> str:
    """Return a duration in words, as in "36 minutes"."""
    if seconds < 100:
        return _counted(seconds, "second")
    return _counted(seconds / 60, "minute") if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def estimate(cells: Iterable[tuple[Cell, Shape]], samples: Sequence[Sample]) -> Estimate:
    """Estimate the time of cells. A method without a sample counts as one stage per task."""
    cells = list(cells)
    sampled = {sample.cell.method for sample in samples}
    complete = all(cell.method in sampled and nearest(cell, samples) for cell, _ in cells)
    return Estimate(tuple(seconds_of(cell, shape, samples) for cell, shape in cells), complete)


def seconds_of(cell: Cell, shape: Shape, samples: Sequence[Sample]) -> float:
    """Return the seconds of a cell: its steps and evaluations at the cost that the nearest samples had for each."""
    steps = stages_of(cell.method, samples) * _unit(cell, shape)
    near = nearest(cell, samples)
    if not near:
        return START + steps * step_seconds(cell, shape)
    step = sum(sample.training for sample in near) / sum(sample.steps for sample in near)
    evaluation = sum(sample.evaluation for sample in near) / sum(_evaluations(sample.shape) for sample in near)
    return START + steps * step + evaluation * _evaluations(shape)


def stages_of(method: str, samples: Iterable[Sample]) -> float:
    """Return how many stages of full length a method takes per task; 1 without a sample of the method."""
    of_method = [sample for sample in samples if sample.cell.method == method]
    units = sum(_unit(sample.cell, sample.shape) for sample in of_method)
    return sum(sample.steps for sample in of_method) / units if of_method else 1.0


def nearest(cell: Cell, samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples with steps of the same size that share stream and method, else the method, else the stream."""
    like = [sample for sample in samples if _size(sample.cell) == _size(cell)]
    same_method = [sample for sample in like if sample.cell.method == cell.method]
    same_stream = [sample for sample in like if sample.cell.stream == cell.stream]
    same_method_and_stream = [sample for sample in same_method if sample.cell.stream == cell.stream]
    return same_method_and_stream or same_method or same_stream


def step_seconds(cell: Cell, shape: Shape) -> float:
    """Return the assumed seconds of a training step, for a cell without a sample."""
    products = Blueprint.of(cell.network, shape.example).multiplications(shape.classes)
    return max(SMALLEST, STEP * products / WEIGHTS * cell.training.batch_size / BATCH)


def of_ledger(ledger: Ledger, places: Places) -> list[Sample]:
    """Return a sample of the newest measurement of each series in the ledger, if this code can read its settings.

    places: with the data that know the number of their tasks.
    """
    newest = {entry.series: entry for entry in ledger.entries()}
    settings = ledger.settings(newest)
    return [
        sample
        for series, entry in newest.items()
        for sample in _sample(
            settings[series] | {"seed": entry.seed},
            entry.sizes,
            entry.steps,
            entry.train_seconds,
            entry.evaluation_seconds,
            places,
        )
    ]


def of_results(results: Iterable[CellResult], places: Places) -> list[Sample]:
    """Return the samples of these results. places: as for `of_ledger`."""
    measurements = (result.measurement for result in results)
    return [
        sample
        for measurement in measurements
        for sample in _sample(
            measurement.settings,
            measurement.sizes.model_dump(),
            measurement.steps,
            measurement.train_seconds,
            measurement.evaluation_seconds,
            places,
        )
    ]


def _accepted(suite: str) -> list[CellResult]:
    return accepted_results.results(suite) if suite in accepted_results.suites() else []


def shape_of(cell: Cell, places: Places) -> Shape:
    """Return the shape of the cell's stream. Raises DataError or SettingsError if it cannot be opened."""
    stream = open_stream(cell, places)
    return Shape(len(stream.tasks[0].train), stream.shape, stream.classes, len(stream))


def _sample(
    settings: Settings, sizes: Mapping[str, Any], steps: float, training: float, evaluation: float, places: Places
) -> Iterator[Sample]:
    """Yield the sample of a measurement if it took a step and this code can read its settings."""
    if steps:
        with suppress(SettingsError):  # also where the cell's own data are not here, and with them its number of tasks
            cell = cell_of(dict(settings))
            shape = Shape(sizes["examples"], tuple(sizes["example"]), sizes["classes"], tasks_of(cell, places))
            yield Sample(cell, shape, steps, training, evaluation)


def _stream(cell: Cell) -> str:
    return f"{cell.stream} {cell.stream_params}"


def _unit(cell: Cell, shape: Shape) -> int:
    """Return the steps of a cell whose method takes one stage of full length per task."""
    return shape.tasks * length(cell.training, shape.examples)


def _evaluations(shape: Shape) -> float:
    """Return how often a cell evaluates a task: all tasks so far, after every task."""
    return shape.tasks * (shape.tasks + 1) / 2


def _size(cell: Cell) -> tuple[object, ...]:
    return cell.network, cell.training.batch_size, cell.training.device


def _counted(value: float, word: str) -> str:
    """Return a rounded number, at least 1, with its noun."""
    number = max(1, round(value))
    return f"{number} {word}{'s' * (number > 1)}"
