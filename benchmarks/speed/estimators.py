"""Estimators beside the harness on the same tasks, and what `import den` costs: processor seconds."""

import subprocess
import sys
import time
from functools import partial

import torch
from sklearn.datasets import load_digits

from benchmarks.speed import timing
from den import harness
from den.estimators import ESTIMATORS
from den.methods import METHODS
from den.methods.base import Problem
from den.streams import tables
from den.tasks import Stream

TASKS = 3
IMPORTS = {
    "import den": ("", "import den"),
    "from den import DEN, after torch": ("import torch", "from den import DEN"),
}


def rows(repeats: int) -> list[timing.Row]:
    """Return processor seconds: of three tasks of digits, learned and scored, and of imports in fresh processes."""
    features, classes = load_digits(return_X_y=True)
    data = tables.build(tables.Params(standardise=False), features, classes, seed=0)
    stream = Stream(data.name, data.shape, data.classes, data.tasks[:TASKS], data.tests[:TASKS])
    of_tasks = [row for method in ("finetune", "den") for row in beside_the_harness(method, stream, repeats)]
    bars = {"import den": 0.1}
    return of_tasks + [
        timing.Row(name, [imported(*lines) for _ in range(repeats + 1)][1:], "s", bar=bars.get(name))
        for name, lines in IMPORTS.items()
    ]


def beside_the_harness(method: str, stream: Stream, repeats: int) -> list[timing.Row]:
    """Return the processor seconds of a method on a stream, through `harness.run` and as an estimator."""
    base, name = f"{method}, harness.run", f"{method}, the estimator"
    runs = {base: partial(by_harness, method, stream), name: partial(by_estimator, method, stream)}
    times = timing.alternated(runs, repeats, time.process_time)
    return timing.beside(times, base, "s", 1.0, {name: (base, 1.02)})


def by_harness(method: str, stream: Stream) -> None:
    """Learn the tasks, and score all tasks so far after each."""
    kind, settings = METHODS[method], ESTIMATORS[method]().check()
    problem = Problem(stream.shape, stream.classes, len(stream), settings.network, settings.training, seed=0)
    harness.run(harness.untrained(kind, settings.method, problem), stream, seed=0)


def by_estimator(method: str, stream: Stream) -> None:
    """Do the same with an estimator."""
    model = ESTIMATORS[method](standardise=False)
    for number, task in enumerate(stream, start=1):
        model.learn(task.train.x, labels(task.train.y))
        for learned in range(1, number + 1):
            test = stream.tests[learned - 1]
            model.score(test.x, labels(test.y), learned)


def labels(y: torch.Tensor) -> torch.Tensor:
    """Return the output that is 1 for each example: (examples,)."""
    return y.argmax(dim=1)


def imported(before: str, line: str) -> float:
    """Return the processor seconds that an import takes in a fresh process, after another line."""
    code = f"{before}\nimport time\nstart = time.process_time()\n{line}\nprint(time.process_time() - start)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return float(done.stdout)
