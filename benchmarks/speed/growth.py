"""Time and memory of task t, as t grows to hundreds: blobs, and features as wide as those of AwA."""

import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import matplotlib.pyplot as plt
import psutil
import torch

from benchmarks.speed import timing
from den import harness
from den.config import Network, Training, read
from den.methods import METHODS
from den.methods.base import Problem
from den.streams import blobs, prepared
from den.tasks import Stream

FIGURE = Path(__file__).with_name("growth.png")
STREAMS = {"blobs, 200 tasks": (32, 200), "500 features, 50 tasks": (500, 50)}
GIVEN = {"finetune": {}, "ewc": {}, "den": {"units_per_expansion": 2, "drift_threshold": 100.0}}
STEPS = 20
BAR = 3.0  # what task 50 may cost, in units of task 2 (DEN on AwA's fifty tasks)


@dataclass(frozen=True)
class Point:
    """What one task cost: seconds of its stages and of its evaluation, the process's memory in MB, and weights."""

    task: int
    seconds: float
    evaluation: float
    memory: float
    weights: float


def rows(repeats: int) -> list[timing.Row]:
    """Return seconds of task 50 beside task 2, and of the last; draw everything to growth.png."""
    points = {
        (name, kind): list(points(kind, *sizes)) for name, sizes in STREAMS.items() for kind in GIVEN
    }  # fmt: skip
    draw(points)
    return [row for (name, kind), curve in points.items() for row in _rows(f"{name}, {kind}", curve)]


def _rows(name: str, curve: list[Point]) -> Iterator[timing.Row]:
    second = _around(curve, 2)
    for task in sorted({50, len(curve)}):
        then = _around(curve, task)
        bar = BAR if name.endswith("den") and task == 50 else None
        yield timing.Row(f"{name}: task {task}", [then], "s", "task 2", [then / second], bar)
    yield timing.Row(f"{name}: memory gained from task 2 to the last", [curve[-1].memory - curve[1].memory], "MB")


def _around(curve: list[Point], task: int) -> float:
    """Return the seconds of a task: the least of three that begin with it, or end with the last."""
    first = min(task, len(curve) - 2) - 1
    return min(point.seconds for point in curve[first : first + 3])


def points(kind: str, features: int, tasks: int) -> Iterator[Point]:
    """Yield what each task cost."""
    with tempfile.TemporaryDirectory() as folder:
        prepared.prepare("blobs", blobs.Preparation(features=features, classes=tasks, examples=60), {}, 1, Path(folder))
        params = blobs.Params(tasks=tasks, training_examples=20, validation_examples=10, test_examples=10)
        yield from _learned(kind, prepared.open_stream(Path(folder), "blobs", params, 0))


def _learned(kind: str, stream: Stream) -> Iterator[Point]:
    problem = Problem(
        stream.shape, stream.classes, len(stream), Network(widths=(64, 32)),
        Training(steps=STEPS, batch_size=64, learning_rate=0.01), 0,
    )  # fmt: skip
    params = read(METHODS[kind].accepts, GIVEN[kind], kind)
    method = METHODS[kind].build(params, problem, harness.generator_for(0, -1, "build"))
    result, spent = harness.Result.empty(len(stream)), 0.0
    for step in harness.steps(method, stream, 0, result, torch.device("cpu")):
        start = time.perf_counter()
        step.run()
        took = time.perf_counter() - start
        if step.stage == harness.EVALUATION:
            yield Point(step.task + 1, spent, took, psutil.Process().memory_info().rss / 2**20, _weights(result))
        spent = 0.0 if step.stage == harness.EVALUATION else spent + took


def _weights(result: harness.Result) -> float:
    return next(row["value"] for row in reversed(result.measures) if row["measure"] == "weights")


def draw(points: dict[tuple[str, str], list[Point]]) -> None:
    """Draw seconds, evaluation, memory and weights over tasks."""
    quantities = {"seconds": "seconds of a task", "evaluation": "seconds of its evaluation", "memory": "MB of memory",
                  "weights": "weights"}  # fmt: skip
    figure, axes = plt.subplots(len(STREAMS), len(quantities), figsize=(13, 6), layout="constrained")
    for (name, kind), curve in points.items():
        row = list(STREAMS).index(name)
        for pane, quantity in zip(axes[row], quantities, strict=True):
            pane.plot([p.task for p in curve], [getattr(p, quantity) for p in curve], label=kind, linewidth=1)
            pane.set(title=name, xlabel="task", ylabel=quantities[quantity])
    for pane in axes.flat:
        pane.set_ylim(bottom=0)  # not before all curves are there: it would keep the top where the first one has it
    axes[0][0].legend(frameon=False)
    figure.savefig(FIGURE, dpi=110)
    plt.close(figure)
