"""A measurement: the immutable result of one execution of a cell, and its origin."""

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
    """One measure. task: from 1. stage: None for the network after the task. layer: None for the whole network."""

    task: int
    stage: str | None
    layer: int | None
    measure: str
    value: float | None


class Columns(Params):
    """Measures, column by column, in the order of measurement."""

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
    """The machine that a cell ran on. None: not recorded. memory: in bytes."""

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
        """A short name: the GPU, or the processor and the instruction set that torch uses of it."""
        if self.gpu:
            return self.gpu
        return f"{self.processor}, {self.capability}" if self.processor else "processor not recorded"


class Sizes(Params):
    """The sizes of a stream that determine how long a cell takes.

    examples: training examples of task 1. example: the shape of one. classes: of all tasks.
    """

    examples: PositiveInt
    example: tuple[PositiveInt, ...] = Field(min_length=1)
    classes: PositiveInt


class Carried(Params):
    """A step in which version 0.5.0 carried a record over to changed code.

    identity: the record's identity before. commit: the changed code. compared: the number of cells that proved it.
    """

    identity: str
    commit: str | None
    compared: NonNegativeInt


class Record(Params):
    """Fields of a version 0.5.0 record that a measurement does not have."""

    identity: str = Field(pattern=KEY)
    stream_hash: str = Field(pattern=HASH)
    carried: tuple[Carried, ...] = ()


class Origin(Params):
    """Where a measurement comes from. None: not recorded.

    run: the run that measured it; None for a cell without a run. slots: the number of cells in parallel.
    load: of the machine when the cell began, in running processes. record: of version 0.5.0, if it was one.
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
        """A hash of the machine and versions that determine bits; empty if the processor is not recorded."""
        if self.machine.processor is None:
            return ""
        of_cpu = self.machine.processor, self.torch, self.machine.capability, self.machine.variables
        return short_hash(*of_cpu, self.machine.gpu, self.machine.driver, self.machine.cuda, self.machine.cudnn)

    @property
    def time(self) -> str:
        """A hash of the machine and versions that determine times; empty if the processor is not recorded."""
        if not self.bits:
            return ""
        return short_hash(self.bits, self.machine.cores, self.machine.memory, self.slots)


class Measurement(Params):
    """Scores and measures of one execution of a cell.

    scores: per score the matrix R[t][i], None where nothing was measured. data: a hash of the data that the cell reads.
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
        """The first 16 hex digits of the checksum over the whole measurement."""
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
        """The number of tasks of the stream."""
        count = self.settings["stream_params"].get("tasks")
        return count if isinstance(count, int) else len(next(iter(self.scores.values())))

    @property
    def device(self) -> str:
        """The GPU's name, or cpu."""
        return self.origin.machine.gpu or "cpu"

    @property
    def digest(self) -> str:
        """A hash of scores and measures without times: measurements with the same digest are equal to the bit."""
        rows = [row for row in self.measures.rows() if row.measure not in measures.TIMES]
        return hashlib.sha256(json.dumps([self.scores, rows], sort_keys=True).encode()).hexdigest()

    @property
    def digests(self) -> dict[str, str]:
        """A hash per score and per measure, by name, without times; it shows which of them two measurements share."""
        numbers: dict[str, list[Any]] = {score: [matrix] for score, matrix in self.scores.items()}
        columns = self.measures
        entries = zip(columns.measure, columns.task, columns.stage, columns.layer, columns.value, strict=True)
        for name, *number in entries:
            if name not in measures.TIMES:
                numbers.setdefault(name, []).append(number)
        return {name: hashlib.sha256(json.dumps(rows).encode()).hexdigest()[:16] for name, rows in numbers.items()}

    @property
    def totals(self) -> dict[str, float]:
        """Capacity, weights, non-zero weights and operations after the last task, if the method reports them."""
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
        """Return the matrix R of a score: (tasks, tasks) float64, nan where nothing was measured."""
        return np.array(self.scores[score], dtype=float)

    def values(self) -> dict[str, dict[str, float]]:
        """Return every metric of every score, as in values()["auroc"]["average"], without those that are nan."""
        values = {
            score: {name: metric(self.matrix(score)) for name, metric in metrics.METRICS.items()}
            for score in self.scores
        }
        return {
            score: {name: value for name, value in by_metric.items() if not math.isnan(value)}
            for score, by_metric in values.items()
        }

    def _seconds(self, evaluation: bool) -> float:
        rows = (row for row in self.measures.rows() if row.measure == measures.SECONDS)
        return math.fsum(row.value or 0.0 for row in rows if (row.stage == measures.EVALUATION) is evaluation)

    def _of(self, measure: str) -> Iterator[float | None]:
        return (row.value for row in self.measures.rows() if row.measure == measure)


@dataclass(frozen=True)
class CellResult:
    """A measurement under the name of its settings in a suite: a variant's, or else the method's.

    how: measured in this run, reused from the ledger, or taken from the accepted results.
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
