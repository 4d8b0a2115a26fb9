"""Avalanche beside us: the same images, steps, loss and network, CPU seconds of one thread.

Below both are the matrix products alone, in float32: nothing that takes these steps can take less. Accuracies of EWC
differ at equal strength, since Avalanche's Fisher squares the gradient of a batch's mean loss, and ours each example's.
Avalanche lives in an environment of its own; its Python is told by DEN_PEER_PYTHON. To make one:

    python -m venv ENV && ENV/bin/pip install torch torchvision avalanche-lib==0.6.0 wandb
"""

import json
import os
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Generator, Tensor

from benchmarks.speed import timing, training
from benchmarks.speed.training import BATCH, SIZES
from den import harness
from den.config import Network, Training, read
from den.ledger import Places
from den.methods import METHODS
from den.methods.base import Problem
from den.streams import prepared
from den.streams.permuted_mnist import NAME, Params
from den.tasks import Examples, Stream, Task
from den.training import EVALUATION_BATCH

VARIABLE = "DEN_PEER_PYTHON"
NOT_RUN = f"{VARIABLE} names no Python with Avalanche"
EPOCHS, TASKS, STRENGTH, LEARNING_RATE = 2, 3, 1.0, 0.001
PATHS = ("memory", "fused", "stock")
PARTS = ("training", "evaluation")
ROUNDS = 20  # batches answered to time one
BARS = {("memory", "training"): 1 / 2.5, ("stock", "training"): 1 / 8, ("memory", "evaluation"): 1 / 4}

Times = dict[str, float]


def rows(repeats: int) -> list[timing.Row]:
    """Return CPU seconds of training and evaluation beside Avalanche's; nothing where nobody says where that is."""
    if VARIABLE not in os.environ:
        return []
    stream = whole_batches(prepared.open_stream(Places().data, NAME, Params(tasks=TASKS), 1))
    with tempfile.TemporaryDirectory() as folder:
        arrays = Path(folder) / "arrays.npz"
        contents: dict[str, Any] = exported(stream) | {"about": json.dumps(about())}
        np.savez(arrays, **contents)
        return [row for kind in ("finetune", "ewc") for row in _of(kind, stream, arrays, repeats)]


def _of(kind: str, stream: Stream, arrays: Path, repeats: int) -> list[timing.Row]:
    ours = [measured(kind, stream) for _ in range(repeats)]
    theirs = {path: [peer(arrays, kind, path) for _ in range(repeats)] for path in PATHS}
    rows = [_beside(kind, path, what, ours, theirs[path], BARS) for path in theirs for what in PARTS]
    if kind == "finetune":
        floors = [products(stream) for _ in range(repeats)]
        rows += [_beside("products alone", path, what, floors, theirs[path], {}) for path in theirs for what in PARTS]
    accuracies = {"ours": ours, **theirs}
    return rows + [
        timing.Row(f"{kind}, accuracy, {who}", [run["accuracy"] for run in runs], "")
        for who, runs in accuracies.items()
    ]


def _beside(
    who: str, path: str, what: str, ours: list[Times], theirs: list[Times], bars: Mapping[tuple[str, str], float]
) -> timing.Row:
    name, peer = f"{who}, {what}", f"Avalanche 0.6.0, {path}"
    times = {name: [repeat[what] for repeat in ours], peer: [repeat[what] for repeat in theirs]}
    return timing.row(name, times, "s", 1, peer, bars.get((path, what)))


def products(stream: Stream) -> Times:
    """Return the CPU seconds of the matrix products that the steps and the answers of one run are made of."""
    generator = Generator().manual_seed(0)
    split, weights = training.examples(generator), [layer.weight for layer in training.network(generator).layers]
    steps = EPOCHS * sum(len(task.train) for task in stream.tasks) / BATCH
    answers = sum(len(test) * (len(stream) - number) for number, test in enumerate(stream.tests))
    forwards = partial(forward, split.inputs(slice(EVALUATION_BATCH)), weights)
    return {
        "training": cpu(training.products(split, weights)) / training.STEPS * steps,
        "evaluation": cpu(lambda: [forwards() for _ in range(ROUNDS)]) / (ROUNDS * EVALUATION_BATCH) * answers,
    }


def forward(x: Tensor, weights: list[Tensor]) -> Tensor:
    """Return what is left of inputs after the products of all layers."""
    for weight in weights:
        x = torch.mm(x, weight.T)
    return x


def cpu(run: Callable[[], object]) -> float:
    """Return the CPU seconds that a run takes."""
    start = time.process_time()
    run()
    return time.process_time() - start


def about() -> dict[str, Any]:
    """Return what both sides run with."""
    settings = {"sizes": SIZES, "batch": BATCH, "epochs": EPOCHS, "tasks": TASKS}
    return settings | {"strength": STRENGTH, "learning_rate": LEARNING_RATE}


def whole_batches(stream: Stream) -> Stream:
    """Return the stream with as many training images as fill whole batches, so that both sides take the same steps."""

    def cut(split: Examples) -> Examples:
        count = len(split) // BATCH * BATCH
        return Examples(split.x[:count], split.y[:count], split.mean, split.deviation)

    tasks = [Task(task.id, cut(task.train), task.validation) for task in stream.tasks]
    return Stream(stream.name, stream.shape, stream.classes, tasks, stream.tests)


def exported(stream: Stream) -> dict[str, np.ndarray]:
    """Return images and labels of all tasks, by part and task."""
    parts = {"train": [task.train for task in stream.tasks], "test": list(stream.tests)}
    images = {f"{part}_x_{i}": task.x.numpy() for part, tasks in parts.items() for i, task in enumerate(tasks)}
    labels = {
        f"{part}_y_{i}": task.y.argmax(1).numpy() for part, tasks in parts.items() for i, task in enumerate(tasks)
    }
    return images | labels


def measured(kind: str, stream: Stream) -> Times:
    """Return the CPU seconds of our own training and evaluation, and the accuracy at the end."""
    problem = Problem(
        stream.shape, stream.classes, len(stream), Network(widths=SIZES[1:-1], heads="one"),
        Training(epochs=EPOCHS, batch_size=BATCH, learning_rate=LEARNING_RATE, schedule="constant"), 0,
    )  # fmt: skip
    given = {"strength": STRENGTH} if kind == "ewc" else {}
    method = METHODS[kind].build(
        read(METHODS[kind].accepts, given, kind), problem, harness.generator_for(0, -1, "build")
    )
    result, times = harness.Result.empty(len(stream)), {"training": 0.0, "evaluation": 0.0}
    for step in harness.steps(method, stream, 0, result, torch.device("cpu")):
        start = time.process_time()
        step.run()
        times["evaluation" if step.stage == harness.EVALUATION else "training"] += time.process_time() - start
    return times | {"accuracy": float(np.mean(result.scores["accuracy"][-1]))}


def peer(arrays: Path, kind: str, path: str) -> Times:
    """Return the same of Avalanche."""
    command = [os.environ[VARIABLE], str(Path(__file__).with_name("peer.py")), str(arrays), kind, path]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    times: Times = json.loads(done.stdout.splitlines()[-1])
    return times
