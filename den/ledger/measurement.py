"""A measurement: what one execution of a cell gave, and where it comes from. It is never changed."""

import hashlib
import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import AwareDatetime, Field, NonNegativeFloat, NonNegativeInt, PositiveInt, model_validator

from den import measures, metrics, paths
from den.config import Params
from den.ledger import sealed
from den.ledger.settings import Settings, key_of, short_hash

HASH = r"^[0-9a-f]{64}$"
KEY = r"^[0-9a-f]{16}$"
REQUIRED = {"stream": str, "method": str, "seed": int, "stream_params": dict, "method_params": dict, "evaluation": str}


class Row(NamedTuple):
    """One measure: of a task (from 1), of a stage or of the network after the task, of a layer or of all."""

    task: int
    stage: str | None
    layer: int | None
    measure: str
    value: float | None


class Columns(Params):
    """Measures, column by column, in the order in which they were taken."""

    task: tuple[PositiveInt, ...]
    stage: tuple[str | None, ...]
    layer: tuple[NonNegativeInt | None, ...]
    measure: tuple[str, ...]
    value: tuple[float | None, ...]

    @model_validator(mode="after")
    def equal_lengths(self) -> Self:
        """Refuse columns of different lengths."""
        if len({len(column) for column in (self.task, self.stage, self.layer, self.measure, self.value)}) != 1:
            raise ValueError("the columns differ in length")
        return self

    def rows(self) -> Iterator[Row]:
        """Yield the measures one by one."""
        return map(Row, self.task, self.stage, self.layer, self.measure, self.value)


class Machine(Params):
    """The machine that a cell ran on. None: not recorded."""

    system: str
    processor: str | None = None
    capability: str | None = None
    variables: dict[str, str] | None = None
    gpu: str | None = None
    driver: str | None = None
    cuda: str | None = None
    cudnn: int | None = None
    cores: PositiveInt | None = None
    memory: PositiveInt | None = None

    @property
    def label(self) -> str:
        """The machine in a few words: its GPU, or its processor and what torch uses of it."""
        if self.gpu:
            return self.gpu
        return f"{self.processor}, {self.capability}" if self.processor else "processor not recorded"


class Sizes(Params):
    """What of a stream decides how long a cell takes: examples of task 1, the shape of one, classes of all tasks."""

    examples: PositiveInt
    example: tuple[PositiveInt, ...] = Field(min_length=1)
    classes: PositiveInt


class Carried(Params):
    """A step in which version 0.5.0 carried a record to other code: its identity before, and how it was proved."""

    identity: str
    commit: str | None
    compared: NonNegativeInt


class Record(Params):
    """What a record of version 0.5.0 had that a measurement has not."""

    identity: str = Field(pattern=KEY)
    stream_hash: str = Field(pattern=HASH)
    carried: tuple[Carried, ...] = ()


class Origin(Params):
    """Where a measurement comes from. None: not recorded, or not known.

    run: the run it was measured in, None for a cell run alone. slots: cells that ran beside each other.
    load: of the machine as the cell began, in running processes. memory: in bytes.
    """

    run: str | None
    commit: str | None
    dirty: bool | None
    fingerprint: str | None = Field(default=None, pattern=HASH)
    lock: str | None
    python: str
    numpy: str | None
    torch: str
    machine: Machine
    load: NonNegativeFloat | None = None
    slots: PositiveInt | None = None
    started: AwareDatetime
    ended: AwareDatetime
    flow_run: str | None = None
    data_version: str | None = None
    record: Record | None = None

    @property
    def bits(self) -> str:
        """The kind of machine and torch that decide about bits, as a hash; empty if the processor is not recorded."""
        if self.machine.processor is None:
            return ""
        of_cpu = self.machine.processor, self.torch, self.machine.capability, self.machine.variables
        return short_hash(*of_cpu, self.machine.gpu, self.machine.driver, self.machine.cuda, self.machine.cudnn)

    @property
    def time(self) -> str:
        """The kind of machine that decides about time, as a hash; empty if the processor is not recorded."""
        if not self.bits:
            return ""
        return short_hash(self.bits, self.machine.cores, self.machine.memory, self.slots)


class Measurement(Params):
    """Scores and measures of one execution of a cell.

    scores: for every score the matrix R[t][i], None where nothing was measured. data: the hash of what the cell reads.
    """

    version: Literal[2] = 2
    key: str = Field(pattern=KEY)
    settings: Settings
    data: str = Field(pattern=HASH)
    sizes: Sizes
    scores: dict[str, tuple[tuple[float | None, ...], ...]] = Field(min_length=1)
    measures: Columns
    origin: Origin

    @model_validator(mode="after")
    def consistent(self) -> Self:
        """Refuse content that contradicts itself."""
        for name, kind in REQUIRED.items():
            if not isinstance(self.settings.get(name), kind) or isinstance(self.settings[name], bool):
                raise ValueError(f"settings.{name} is missing or no {kind.__name__}")
        for name in ("stream", "method"):
            paths.part(self.settings[name])
        if self.key != key_of(self.settings, self.data):
            raise ValueError("its key is not that of its settings and data")
        for score, matrix in self.scores.items():
            _check_matrix(score, matrix, self.tasks)
        if any(task > self.tasks for task in self.measures.task):
            raise ValueError(f"a measure is of a task beyond the {self.tasks} of the stream")
        for row in self.measures.rows():
            if row.measure in measures.MEASURES and row.value is not None and row.value < 0:
                raise ValueError(f"{row.measure} of task {row.task} is {row.value}, below zero")
        return self

    @property
    def id(self) -> str:
        """The beginning of the checksum of everything in it."""
        return sealed.identifier(sealed.seal(self))

    @property
    def stream(self) -> str:
        return str(self.settings["stream"])

    @property
    def method(self) -> str:
        return str(self.settings["method"])

    @property
    def seed(self) -> int:
        return int(self.settings["seed"])

    @property
    def tasks(self) -> int:
        """How many tasks the stream has."""
        count = self.settings["stream_params"].get("tasks")
        return count if isinstance(count, int) else len(next(iter(self.scores.values())))

    @property
    def device(self) -> str:
        """The GPU's name, or cpu."""
        return self.origin.machine.gpu or "cpu"

    @property
    def digest(self) -> str:
        """A hash of scores and measures, times left out: equal digest, equal result to the bit."""
        rows = [row for row in self.measures.rows() if row.measure not in measures.TIMES]
        return hashlib.sha256(json.dumps([self.scores, rows], sort_keys=True).encode()).hexdigest()

    @property
    def digests(self) -> dict[str, str]:
        """A hash of every score and every measure by its name, times left out: what two measurements both have."""
        numbers: dict[str, list[Any]] = {score: [matrix] for score, matrix in self.scores.items()}
        of = self.measures
        for name, *number in zip(of.measure, of.task, of.stage, of.layer, of.value, strict=True):
            if name not in measures.TIMES:
                numbers.setdefault(name, []).append(number)
        return {name: hashlib.sha256(json.dumps(kept).encode()).hexdigest()[:16] for name, kept in numbers.items()}

    @property
    def totals(self) -> dict[str, float]:
        """Capacity, weights, non-zero weights and operations after the last task, as far as the method reports them."""
        last = {row.measure: row.value for row in self.measures.rows() if row.stage is None and row.layer is None}
        return {name: value for name in measures.TOTALS if (value := last.get(name)) is not None}

    @property
    def train_seconds(self) -> float:
        """Seconds of all stages but evaluations."""
        return self._seconds(evaluation=False)

    @property
    def evaluation_seconds(self) -> float:
        """Seconds of all evaluations."""
        return self._seconds(evaluation=True)

    @property
    def steps(self) -> float:
        """Optimiser steps of all stages."""
        return math.fsum(value for value in self._of(measures.STEPS) if value is not None)

    def matrix(self, score: str) -> NDArray[np.float64]:
        """Return a score's matrix R (tasks, tasks), nan where nothing was measured."""
        return np.array(self.scores[score], dtype=float)

    def values(self) -> dict[str, dict[str, float]]:
        """Return every metric of every score; nan is left out."""
        values = {
            score: {name: metric(self.matrix(score)) for name, metric in metrics.METRICS.items()}
            for score in self.scores
        }
        return {
            score: {name: value for name, value in found.items() if not math.isnan(value)}
            for score, found in values.items()
        }

    def _seconds(self, evaluation: bool) -> float:
        rows = (row for row in self.measures.rows() if row.measure == measures.SECONDS)
        return math.fsum(row.value or 0.0 for row in rows if (row.stage == measures.EVALUATION) is evaluation)

    def _of(self, measure: str) -> Iterator[float | None]:
        return (row.value for row in self.measures.rows() if row.measure == measure)


@dataclass(frozen=True)
class CellResult:
    """A measurement under the name that its settings go by in a suite: a variant's, or else the method's.

    how: whether it was measured now, reused from the ledger, or taken from the accepted results.
    """

    name: str
    measurement: Measurement
    how: Literal["measured", "reused", "accepted"] = "measured"

    @property
    def title(self) -> str:
        return f"{self.measurement.stream} · {self.name} · seed {self.measurement.seed}"


def _check_matrix(score: str, matrix: Sequence[Sequence[float | None]], tasks: int) -> None:
    if len(matrix) != tasks or any(len(row) != tasks for row in matrix):
        raise ValueError(f"scores.{score} is not the matrix of {tasks} tasks")
    if all(value is None for row in matrix for value in row):
        raise ValueError(f"scores.{score} has no score")
    for after, row in enumerate(matrix):
        for task, value in enumerate(row):
            if value is not None and (task > after or not 0 <= value <= 1):
                raise ValueError(f"scores.{score}: {value} after task {after + 1} on task {task + 1} is impossible")
