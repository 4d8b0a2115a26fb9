"""A network between tasks: the method, its scale, and the tasks that it has learned."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from pydantic import Field, NonNegativeInt, PositiveInt
from torch import Tensor

from den import harness
from den.config import Network, Params, Training
from den.estimators import inputs
from den.estimators.reports import TaskReport, report_of
from den.harness import Result, Step
from den.measures import EVALUATION
from den.methods.base import Method, Problem
from den.streams import pixels
from den.tasks import Examples, Stream, Task

AS_IT_IS = {"mean": 0.0, "deviation": 1.0}
MOST_THREADS = 1024


class OfEstimator(Params):
    """The parameters that are the estimator's own, and not of its method, network or training."""

    seed: NonNegativeInt
    threads: int = Field(gt=0, le=MOST_THREADS)
    tasks: PositiveInt | None = None


@dataclass(frozen=True)
class Settings:
    """The checked parameters of an estimator; they hold from the first task on.

    tasks: their number, if the method has to know it; None: as many as there are so far.
    """

    method: Params
    network: Network
    training: Training
    standardise: bool
    seed: int
    tasks: int | None = None


@dataclass
class Learned:
    """What an estimator has learned.

    shape: of one example. scale: mean and deviation of features or channels; None if features stay as they are.
    names: of the columns of the first data frame. classes: per task, its labels in the order of its outputs.
    whole: whether the method holds all that it needs to learn a further task.
    """

    settings: Settings
    method: Method
    shape: tuple[int, ...]
    scale: tuple[Tensor, Tensor] | None
    names: tuple[str, ...] | None
    classes: list[np.ndarray] = field(default_factory=list)
    reports: list[TaskReport] = field(default_factory=list)
    whole: bool = True

    def learn(self, x: Tensor, y: np.ndarray, classes: np.ndarray, announce: Callable[[Step], None]) -> None:
        """Learn the next task. x: as given, changed in place. y: labels. announce: called before each stage."""
        self.classes.append(classes)
        self.method.problem = problem_of(self.settings, self.shape, self.classes)
        train = Examples(inputs.scaled(x, self.scale), pixels.targets(y, classes), **AS_IT_IS)
        task = Task(len(self.classes) - 1, train, replace(train, x=train.x[:0], y=train.y[:0]))
        stream = Stream("data of one's own", self.shape, self.method.problem.classes, [task], [])
        result, device = Result({}), self.method.problem.device
        for step in harness.steps(self.method, stream, self.settings.seed, result, device):
            if step.stage == EVALUATION:  # an estimator has no test data
                break
            announce(step)
            step.run()
        result.add(task.id, None, self.method.measure())
        self.reports.append(report_of(len(self.classes), classes.tolist(), len(y), result.measures))

    def scores(self, x: Tensor, task: int) -> Tensor:
        """Return the scores of a task's classes: (examples, classes) float32. x: changed in place. task: from 0."""
        x = inputs.scaled(x, self.scale)
        examples = Examples(x, torch.zeros(len(x), 1, dtype=torch.uint8), **AS_IT_IS)
        scores = harness.predict(self.method, examples.to(self.method.problem.device), task)
        assert scores is not None  # every method answers after a task that it has learned
        return scores.cpu()


def begin(kind: type[Method], settings: Settings, x: Tensor, names: tuple[str, ...] | None) -> Learned:
    """Return the untrained network for examples like x, the first task's. Raises SettingsError."""
    shape = tuple(x.shape[1:])
    scale = inputs.scale_of(x) if settings.standardise else None
    method = harness.untrained(kind, settings.method, problem_of(settings, shape, []))
    return Learned(settings, method, shape, scale, names)


def problem_of(settings: Settings, shape: tuple[int, ...], classes: list[np.ndarray]) -> Problem:
    """Return the problem as it is known now: its tasks and classes are those so far."""
    outputs, tasks = sum(map(len, classes)), settings.tasks or len(classes)
    return Problem(shape, max(outputs, 1), max(tasks, 1), settings.network, settings.training, settings.seed)
