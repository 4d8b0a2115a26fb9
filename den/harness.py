"""run(): teach a method a stream, task after task, and score it on all tasks learned; knows no method by name."""

import hashlib
import itertools
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor

from den.config import Params
from den.measures import CERTIFICATE_SECONDS, EVALUATION, SECONDS
from den.methods.base import Measure, Measures, Method, Problem, Stage
from den.scores import SCORES
from den.streams.lazy import Lazy
from den.tasks import Split, Stream, Task
from den.training import Diverged, blocks


@dataclass
class Result:
    """What a run has found so far.

    scores: for every score, the matrix R[t][i], nan where nothing was measured. measures: rows of the ledger.
    done: (task, stage) of every finished stage, tasks from 0.
    """

    scores: dict[str, list[list[float]]]
    measures: list[dict[str, Any]] = field(default_factory=list)
    done: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def empty(cls, tasks: int) -> "Result":
        return cls({name: [[math.nan] * tasks for _ in range(tasks)] for name in SCORES})

    def add(self, task: int, stage: str | None, measures: Measures) -> None:
        """Keep measures as rows; tasks count from 1 there."""
        for measure, value, layer in measures:
            row = {"task": task + 1, "stage": stage, "layer": layer, "measure": measure, "value": float(value)}
            self.measures.append(row)


@dataclass(frozen=True)
class Step:
    """One stage of one task, ready to run; `task` counts from 0, the title from 1."""

    task: int
    stage: str
    run: Callable[[], None]

    @property
    def title(self) -> str:
        return f"task {self.task + 1} · {self.stage}"


def untrained(kind: type[Method], params: Params, problem: Problem) -> Method:
    """Return a method before its first stage, drawn by the seed of its problem."""
    return kind.build(params, problem, generator_for(problem.seed, -1, "build"))


def on_validation(stream: Stream) -> Stream:
    """Return the stream with its validation data in the place of the test data, for choosing numbers."""
    return replace(stream, tests=Lazy(len(stream), lambda task: stream.tasks[task].validation))


def run(method: Method, stream: Stream, seed: int) -> Result:
    """Return what the method achieves on the stream, on the CPU."""
    result = Result.empty(len(stream))
    for step in steps(method, stream, seed, result, torch.device("cpu")):
        step.run()
    return result


def steps(method: Method, stream: Stream, seed: int, result: Result, device: torch.device) -> Iterator[Step]:
    """Yield the stages still to do, each task's followed by an evaluation; run each before asking for the next."""
    evaluation = Stage(EVALUATION, lambda task, generator: evaluate(method, stream, task, result, device))
    for task in stream:
        stages = itertools.chain(method.stages(task.to(device)), [evaluation])
        if (task.id, EVALUATION) in result.done:
            next(stages)  # lets the method meet the task; its stages lie behind a checkpoint
            continue
        for stage in stages:
            if (task.id, stage.name) not in result.done:
                yield Step(task.id, stage.name, _runner(stage, task.to(device), seed, result))


def generator_for(seed: int, task: int, stage: str) -> Generator:
    """Return the stage's own random generator: resumed or not, a stage draws the same numbers."""
    digest = hashlib.sha256(f"{seed}/{task}/{stage}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def evaluate(method: Method, stream: Stream, task: Task, result: Result, device: torch.device) -> Measures:
    """Score the method on the test data of all tasks so far, and take its measures."""
    for known in range(task.id + 1):
        test = stream.tests[known].to(device)
        if (answers := predict(method, test, known)) is not None:
            for name, score in SCORES.items():
                result.scores[name][task.id][known] = score(answers, test.y)
    result.add(task.id, None, method.measure())
    return []


def predict(method: Method, split: Split, task: int) -> Tensor | None:
    """Return the method's class scores for a whole split, computed in batches of one size; None where it has none."""
    answers = [method.predict(split.inputs(rows), task) for rows in blocks(len(split))]
    given = [answer for answer in answers if answer is not None]
    if method.problem.training.loss == "softmax":  # a class's logit alone ranks no examples
        given = [answer.log_softmax(dim=1) for answer in given]
    if any(answer.isnan().any() for answer in given):
        raise Diverged(f"the answers to task {task + 1} hold NaN; lower training.learning_rate or the strengths")
    return torch.cat(given) if given else None


def _runner(stage: Stage, task: Task, seed: int, result: Result) -> Callable[[], None]:
    def run_stage() -> None:
        start = time.perf_counter()
        measures = stage.run(task, generator_for(seed, task.id, stage.name))
        certified = sum(value for measure, value, _ in measures if measure == CERTIFICATE_SECONDS)
        seconds = Measure(SECONDS, time.perf_counter() - start - certified)
        result.add(task.id, stage.name, [*measures, seconds])
        result.done.append((task.id, stage.name))

    return run_stage
