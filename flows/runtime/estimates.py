"""How long the cells of a suite will take, from what finished cells took.

A cell is training steps and evaluations; the ledger shows how many steps a method takes and what each costs.
"""

import heapq
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from den.cells import Cell, cell_of, open_stream
from den.config import SettingsError
from den.ledger import CellResult, Ledger, Places
from den.networks.blueprint import Blueprint
from den.training import length
from reports import accepted_results

STEP = 0.006  # seconds, on one core, of a network of so many weights and a batch of so many examples:
WEIGHTS, BATCH = 784 * 312 + 312 * 128 + 128 * 10, 256
SMALLEST = 0.0005  # seconds of a step, however small
START = 1.0  # seconds of a cell besides its stages


class Shape(NamedTuple):
    """What of a stream decides the time: examples of its first task, the shape of one, and outputs of all tasks."""

    examples: int
    example: tuple[int, ...]
    classes: int


@dataclass(frozen=True)
class Sample:
    """What a finished cell took: training steps, and the seconds of training and of evaluation."""

    cell: Cell
    shape: Shape
    steps: float
    training: float
    evaluation: float


@dataclass(frozen=True)
class Guess:
    """The seconds of some cells, one after another; whole is False where more than this is to be expected."""

    seconds: tuple[float, ...]
    whole: bool

    def elapsed(self, slots: int) -> float:
        """Return how long they take, so many at a time, each slot taking the next cell when it is free."""
        ends = [0.0] * slots
        for one in self.seconds:
            heapq.heapreplace(ends, ends[0] + one)
        return max(ends)


def announce(cells: Sequence[Cell], among: int, slots: int, suite: str, places: Places) -> str:
    """Return in words how many cells of how many are to run, and how long that is."""
    text = f"{len(cells)} of {among} cells to run"
    if not cells:
        return text
    samples = [*of_ledger(Ledger.of(places)), *of_results(_accepted(suite))]
    shapes = {_stream(sample.cell): sample.shape for sample in samples}
    sized = [(cell, shapes.get(_stream(cell)) or shape_of(cell, places)) for cell in cells]
    return f"{text}: {told(guessed(sized, samples), slots)}"


def told(guess: Guess, slots: int) -> str:
    """Return a guess in words, as in "about 1.2 core-hours, 36 minutes on 2 slots"."""
    hours = sum(guess.seconds) / 3600
    work = f"{hours:.1f} core-hours" if hours >= 0.1 else _counted(60 * hours, "core-minute")
    on = f"{duration(guess.elapsed(slots))} on {_counted(slots, 'slot')}"
    return f"{'about' if guess.whole else 'at least'} {work}, {on}"


def duration(seconds: float) -> str:
    """Return a time in words, as in "36 minutes"."""
    if seconds < 100:
        return _counted(seconds, "second")
    return _counted(seconds / 60, "minute") if seconds < 6000 else f"{seconds / 3600:.1f} hours"


def guessed(cells: Iterable[tuple[Cell, Shape]], samples: Sequence[Sample]) -> Guess:
    """Return how long cells will take; those whose method no sample shows are guessed at one stage a task."""
    cells = list(cells)
    shown = {sample.cell.method for sample in samples}
    whole = all(cell.method in shown and nearest(cell, samples) for cell, _ in cells)
    return Guess(tuple(seconds_of(cell, shape, samples) for cell, shape in cells), whole)


def seconds_of(cell: Cell, shape: Shape, samples: Sequence[Sample]) -> float:
    """Return the seconds of a cell: its steps and its evaluations, at what the nearest samples paid for each."""
    steps = stages_of(cell.method, samples) * _unit(cell, shape)
    near = nearest(cell, samples)
    if not near:
        return START + steps * step_seconds(cell, shape)
    step = sum(sample.training for sample in near) / sum(sample.steps for sample in near)
    evaluation = sum(sample.evaluation for sample in near) / sum(_answers(sample.cell) for sample in near)
    return START + steps * step + evaluation * _answers(cell)


def stages_of(method: str, samples: Iterable[Sample]) -> float:
    """Return how many stages of full length the method takes a task, or 1 where no sample shows it."""
    own = [sample for sample in samples if sample.cell.method == method]
    whole = sum(_unit(sample.cell, sample.shape) for sample in own)
    return sum(sample.steps for sample in own) / whole if own else 1.0


def nearest(cell: Cell, samples: Iterable[Sample]) -> list[Sample]:
    """Return the samples of like steps that share stream and method, or else the method, or else the stream."""
    like = [sample for sample in samples if _size(sample.cell) == _size(cell)]
    same_method = [sample for sample in like if sample.cell.method == cell.method]
    same_stream = [sample for sample in like if sample.cell.stream == cell.stream]
    both = [sample for sample in same_method if sample.cell.stream == cell.stream]
    return both or same_method or same_stream


def step_seconds(cell: Cell, shape: Shape) -> float:
    """Return the seconds of a training step where no record tells them."""
    products = Blueprint.of(cell.network, shape.example).multiplications(shape.classes)
    return max(SMALLEST, STEP * products / WEIGHTS * cell.training.batch_size / BATCH)


def of_ledger(ledger: Ledger) -> list[Sample]:
    """Return what the ledger shows, the newest measurement of each series; what this code cannot read shows nothing."""
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
        )
    ]


def of_results(results: Iterable[CellResult]) -> list[Sample]:
    """Return what results show."""
    measurements = (result.measurement for result in results)
    return [
        sample
        for one in measurements
        for sample in _sample(
            one.settings, one.sizes.model_dump(), one.steps, one.train_seconds, one.evaluation_seconds
        )
    ]


def _accepted(suite: str) -> list[CellResult]:
    return accepted_results.results(suite) if suite in accepted_results.suites() else []


def shape_of(cell: Cell, places: Places) -> Shape:
    """Return the shape of the cell's stream. Raises DataError or SettingsError if it cannot be opened."""
    stream = open_stream(cell, places)
    return Shape(len(stream.tasks[0].train), stream.shape, stream.classes)


def _sample(
    settings: Mapping[str, Any], sizes: Mapping[str, Any], steps: float, training: float, evaluation: float
) -> Iterator[Sample]:
    """Yield the sample of a measurement that took any step and whose settings this code can read."""
    if steps:
        with suppress(SettingsError):
            shape = Shape(sizes["examples"], tuple(sizes["example"]), sizes["classes"])
            yield Sample(cell_of(dict(settings)), shape, steps, training, evaluation)


def _stream(cell: Cell) -> str:
    return f"{cell.stream} {cell.stream_params}"


def _unit(cell: Cell, shape: Shape) -> int:
    """Return the steps of a cell whose method takes one stage of full length a task."""
    return int(cell.stream_params["tasks"]) * length(cell.training, shape.examples)


def _answers(cell: Cell) -> float:
    """Return how often a cell answers for a task: after every task, for all so far."""
    tasks = int(cell.stream_params["tasks"])
    return tasks * (tasks + 1) / 2


def _size(cell: Cell) -> tuple[object, ...]:
    return cell.network, cell.training.batch_size, cell.training.device


def _counted(value: float, word: str) -> str:
    """Return a whole number of things, one at least."""
    number = max(1, round(value))
    return f"{number} {word}{'s' * (number > 1)}"
