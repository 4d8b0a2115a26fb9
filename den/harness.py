"""The harness: it trains any method on a stream, task after task, and scores it on all tasks learned so far."""

import hashlib
import itertools
import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Generator, Tensor

from den.config import Params
from den.measures import CERTIFICATE_SECONDS, EVALUATION, SECONDS
from den.methods.base import Measure, Measures, Method, Problem, Stage
from den.scores import SCORES
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task
from den.training import Diverged, blocks


@dataclass
class Result:
    """The results of a cell so far.

    scores: per score the matrix R[t][i], (tasks, tasks), nan where nothing was measured.
    measures: rows of the ledger. done: (task, stage) of each finished stage; tasks count from 0.
    """

    scores: dict[str, list[list[float]]]
    measures: list[dict[str, Any]] = field(default_factory=list)
    done: list[tuple[int, str]] = field(default_factory=list)

    @classmethod
    def empty(cls, tasks: int) -> "Result":
        """Return the result of a cell before its first stage."""
        return cls({name: [[math.nan] * tasks for _ in range(tasks)] for name in SCORES})

    def add(self, task: int, stage: str | None, measures: Measures) -> None:
        """Append measures as rows. task: counts from 0; rows count from 1. stage: None for the network after a task."""
        for measure, value, layer in measures:
            row = {"task": task + 1, "stage": stage, "layer": layer, "measure": measure, "value": float(value)}
            self.measures.append(row)


@dataclass(frozen=True)
class Step:
    """One stage of one task, ready to run. `task` counts from 0, the title from 1."""

    task: int
    stage: str
    run: Callable[[], None]

    @property
    def title(self) -> str:
        return f"task {self.task + 1} · {self.stage}"


def untrained(kind: type[Method], params: Params, problem: Problem) -> Method:
    """Return a method before its first stage, initialised from the seed of its problem."""
    return kind.build(params, problem, generator_for(problem.seed, -1, "build"))


def on_validation(stream: Stream) -> Stream:
    """Return the stream with its validation data in place of its test data, for choosing hyperparameters."""
    return replace(stream, tests=Lazy(len(stream), lambda task: stream.tasks[task].validation))


def run(method: Method, stream: Stream, seed: int) -> Result:
    """Run all stages on the CPU; return the results."""
    result = Result.empty(len(stream))
    for step in steps(method, stream, seed, result, torch.device("cpu")):
        step.run()
    return result


def steps(method: Method, stream: Stream, seed: int, result: Result, device: torch.device) -> Iterator[Step]:
    """Yield the remaining stages, and an evaluation after those of each task; run each before taking the next.

    The evaluation is a stage, too. result: holds the finished stages; each new one adds to it. Raises Diverged.
    """
    evaluation = Stage(EVALUATION, lambda task, generator: evaluate(method, stream, task, result, device))
    for task in stream:
        stages = itertools.chain(method.stages(task.to(device)), [evaluation])
        if (task.id, EVALUATION) in result.done:
            next(stages)  # shows the method the task; a checkpoint holds the results of its stages
            continue
        for stage in stages:
            if (task.id, stage.name) not in result.done:
                yield Step(task.id, stage.name, _runner(stage, task.to(device), seed, result))


def generator_for(seed: int, task: int, stage: str) -> Generator:
    """Return a stage's random generator, seeded from the arguments alone: a resumed cell draws the same numbers."""
    digest = hashlib.sha256(f"{seed}/{task}/{stage}".encode()).digest()
    return Generator().manual_seed(int.from_bytes(digest[:8], "big") >> 1)


def evaluate(method: Method, stream: Stream, task: Task, result: Result, device: torch.device) -> Measures:
    """Add to the result the method's scores on the test data of all tasks so far, and its measures.

    Returns no measures of the evaluation itself. Raises Diverged if an answer is nan.
    """
    for learned in range(task.id + 1):
        test = stream.tests[learned].to(device)
        if (answers := predict(method, test, learned)) is not None:
            for name, score in SCORES.items():
                result.scores[name][task.id][learned] = score(answers, test.y)
    result.add(task.id, None, method.measure())
    return []


def predict(method: Method, examples: Examples, task: int) -> Tensor | None:
    """Return the method's class scores (examples, outputs), computed in batches of one size; None if it has none yet.

    task: counts from 0. Raises Diverged if a score is nan.
    """
    answers = [method.predict(examples.inputs(rows), task) for rows in blocks(len(examples))]
    scores = [answer for answer in answers if answer is not None]
    if method.problem.training.loss == "softmax":  # the logit of a single class does not rank examples
        scores = [logits.log_softmax(dim=1) for logits in scores]
    if any(batch.isnan().any() for batch in scores):
        raise Diverged(f"the answers to task {task + 1} hold NaN; lower training.learning_rate or the strengths")
    return torch.cat(scores) if scores else None


@contextmanager
def flushed() -> Iterator[None]:
    """Round numbers below 1.2e-38 to zero in this thread, where the processor can.

    Weight decay lets weights and moments shrink into that range, where each product takes up to a hundred times as
    long. Do not nest: the end restores torch's default.
    """
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)


def _runner(stage: Stage, task: Task, seed: int, result: Result) -> Callable[[], None]:
    def run_stage() -> None:
        start = time.perf_counter()
        with flushed():
            measures = stage.run(task, generator_for(seed, task.id, stage.name))
        certified = sum(value for measure, value, _ in measures if measure == CERTIFICATE_SECONDS)
        seconds = Measure(SECONDS, time.perf_counter() - start - certified)
        result.add(task.id, stage.name, [*measures, seconds])
        result.done.append((task.id, stage.name))

    return run_stage
