"""A cell: one stream, one method, one seed; its settings, its identity and its execution."""

import hashlib
import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, Literal, Self

import torch
from filelock import FileLock, Timeout
from pydantic import Field, NonNegativeInt, ValidationInfo, field_validator

from den import checkpoints, harness, sources
from den.config import Network, Params, SettingsError, Training, read
from den.harness import Result, Step, generator_for
from den.ledger import Places, Record, read_record, write_record
from den.methods import METHODS
from den.methods.base import Method, Problem, State
from den.provenance import provenance
from den.streams import IMAGES, STREAMS, prepared
from den.streams.lazy import Lazy
from den.tasks import Stream
from den.training import Diverged, device_of

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2


class Busy(RuntimeError):
    """Another process is running the cell."""


class Cell(Params):
    """All that decides a result but code, versions and machine. The blocks of stream and method are kept complete.

    variant: the name that these settings of the method go by; it decides nothing, and is no part of the identity.
    """

    stream: str
    method: str
    variant: str = ""
    seed: NonNegativeInt
    stream_params: dict[str, Any] = Field({}, validate_default=True)
    method_params: dict[str, Any] = Field({}, validate_default=True)
    network: Network = Network.model_validate({})
    training: Training = Training(epochs=10)
    evaluation: Literal["test", "validation"] = "test"

    @field_validator("stream")
    @classmethod
    def known_stream(cls, name: str) -> str:
        return _known(name, STREAMS, "stream")

    @field_validator("method")
    @classmethod
    def known_method(cls, name: str) -> str:
        return _known(name, METHODS, "method")

    @field_validator("stream_params")
    @classmethod
    def complete_stream(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "stream" not in info.data:
            return given
        return read(STREAMS[info.data["stream"]].Params, given, "stream_params").model_dump(mode="json")

    @field_validator("method_params")
    @classmethod
    def complete_method(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "method" not in info.data:
            return given
        return read(METHODS[info.data["method"]].accepts, given, "method_params").model_dump(mode="json")

    @property
    def name(self) -> str:
        return self.variant or self.method

    @property
    def title(self) -> str:
        return f"{self.stream} · {self.name} · seed {self.seed}"


def identity(cell: Cell, places: Places) -> str:
    """Return the cell's identity: equal identity, equal result.

    A hash of its settings, its stream's bytes, torch's version, the device's type and the code it uses.
    """
    settings = cell.model_dump(mode="json", exclude={"variant"})
    settings["training"]["device"] = device_of(cell.training).type
    modules = METHODS[cell.method].__module__, f"den.streams.{cell.stream}", harness.__name__
    about = [settings, prepared.hash_of(places.data / cell.stream), torch.__version__, sources.digest(modules)]
    return hashlib.sha256(json.dumps(about, sort_keys=True).encode()).hexdigest()[:16]


def record_path(cell: Cell, places: Places) -> Path:
    """Return where the cell's record lies, or will."""
    return places.results / cell.stream / cell.method / f"{identity(cell, places)}.json"


def finished(cell: Cell, places: Places) -> Record | None:
    """Return the cell's record, or None where it has not been run."""
    path = record_path(cell, places)
    return named(read_record(path), cell) if path.exists() else None


def named(record: Record, cell: Cell) -> Record:
    """Return a record of the cell's settings under the cell's own name, whatever name they were run under."""
    return record | {"cell": record["cell"] | {"variant": cell.variant}}


def unnamed(record: Record) -> Record:
    """Return a record as the ledger keeps it: without the name that its settings go by."""
    return record | {"cell": {key: value for key, value in record["cell"].items() if key != "variant"}}


@dataclass(frozen=True, eq=False)
class Execution:
    """A cell being run: the method as far as it has learned, a checkpoint behind every stage."""

    cell: Cell
    places: Places
    identity: str
    stream: Stream
    method: Method
    result: Result
    device: torch.device
    started: datetime
    origin: dict[str, Any]

    @classmethod
    def resume(cls, cell: Cell, places: Places, origin: Mapping[str, Any] | None = None) -> Self:
        """Return the cell as its last checkpoint left it, or before its first stage.

        origin: what the record's provenance shall say of who had the cell run.
        """
        stream, device = open_stream(cell, places), device_of(cell.training)
        method = untrained(cell, stream.shape, stream.classes, len(stream))
        own, empty = identity(cell, places), Result.empty(len(stream))
        run = cls(cell, places, own, stream, method, empty, device, _now(), dict(origin or {}))
        for path in reversed(run.checkpoints()):
            try:
                return run.restored(path)
            except checkpoints.Damaged as damage:
                logger.warning("%s; set aside, going on from the stage before it", damage)
                path.rename(path.with_suffix(".damaged"))
        return run

    @property
    def folder(self) -> Path:
        return self.places.work / self.identity

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints there are, oldest first."""
        return sorted(self.folder.glob("*.safetensors"))

    def restored(self, path: Path) -> Self:
        """Return the execution as the checkpoint has it."""
        tensors, values = checkpoints.load(path, self.identity, str(self.device))
        self.method.restore(State(tensors, values["method"]))
        done = [(task, stage) for task, stage in values["done"]]
        result = Result(values["scores"], values["measures"], done)
        return replace(self, result=result, started=datetime.fromisoformat(values["started"]))

    def steps(self) -> Iterator[Step]:
        """Yield the stages still to do; run each before asking for the next. Each leaves a checkpoint."""
        for step in harness.steps(self.method, self.stream, self.cell.seed, self.result, self.device):
            yield replace(step, run=partial(self._run, step))

    def finish(self) -> Record:
        """Write the record, and return it as the ledger has it."""
        path = self.places.results / self.cell.stream / self.cell.method / f"{self.identity}.json"
        write_record(path, self.record())
        return named(read_record(path), self.cell)

    def record(self) -> Record:
        """Return what the ledger keeps of the cell."""
        measures = self.result.measures
        last = {row["measure"]: row["value"] for row in measures if row["stage"] is None and row["layer"] is None}
        spent = (row["value"] for row in measures if row["measure"] == "seconds" and row["stage"] != harness.EVALUATION)
        times = {"started": self.started.isoformat(), "finished": _now().isoformat()}
        data = {"stream_hash": prepared.hash_of(self.places.data / self.cell.stream)}
        return {
            "version": 1,
            "identity": self.identity,
            "cell": self.cell.model_dump(mode="json", exclude={"variant"}),
            "scores": self.result.scores,
            "capacity": {name: last.get(name) for name in ("capacity", "weights", "nonzero", "flops")},
            "train_seconds": math.fsum(spent),
            "provenance": provenance(self.device) | data | times | self.origin,
            "measures": measures,
        }

    def _run(self, step: Step) -> None:
        try:
            step.run()
        except Diverged as failure:
            raise Diverged(f"{step.title}: {failure}") from None
        tensors, values = self.method.state()
        about = {"method": values, "started": self.started.isoformat(), **vars(self.result)}
        path = self.folder / f"{len(self.result.done):04d}.safetensors"
        checkpoints.save(path, tensors, about, self.identity)
        for old in self.checkpoints()[:-CHECKPOINTS_KEPT]:
            old.unlink()


def execute(cell: Cell, places: Places, announce: Callable[[str], None] = lambda title: None) -> Record:
    """Run the cell where it is not finished, with no orchestration; return its record."""
    if (record := finished(cell, places)) is not None:
        return record
    with locked(cell, places):
        run = Execution.resume(cell, places)
        for step in run.steps():
            announce(step.title)
            step.run()
        return run.finish()


def locked(cell: Cell, places: Places) -> FileLock:
    """Return the cell's lock, taken. Raises Busy where another process runs the cell."""
    folder = places.work / identity(cell, places)
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileLock(folder / "lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        raise Busy(f"{cell.title} is being run by another process ({folder} is locked)") from None
    return lock


def refuse(cell: Cell) -> None:
    """Raise SettingsError for a network that the cell's method or its stream's examples cannot do with."""
    METHODS[cell.method].refuse(cell.network)
    if cell.network.convolutions and cell.stream not in IMAGES:
        raise SettingsError(f"network.convolutions: the examples of {cell.stream} are no images; leave it empty")


def untrained(cell: Cell, shape: Sequence[int], classes: int, tasks: int) -> Method:
    """Return the cell's method before its first stage, for a stream of these sizes; shape: of one example."""
    refuse(cell)
    kind = METHODS[cell.method]
    problem = Problem(tuple(shape), classes, tasks, cell.network, cell.training, cell.seed)
    params = read(kind.accepts, cell.method_params, "method_params")
    return kind.build(params, problem, generator_for(cell.seed, -1, "build"))


def open_stream(cell: Cell, places: Places) -> Stream:
    """Return the cell's stream; on validation data it has no test data at all."""
    params = read(STREAMS[cell.stream].Params, cell.stream_params, "stream_params")
    stream = prepared.open_stream(places.data, cell.stream, params, cell.seed)
    return stream if cell.evaluation == "test" else on_validation(stream)


def on_validation(stream: Stream) -> Stream:
    """Return the stream with its validation splits in the place of the test splits, for choosing numbers."""
    return replace(stream, tests=Lazy(len(stream), lambda task: stream.tasks[task].validation))


def _known(name: str, registry: Any, kind: str) -> str:
    if name not in registry:
        raise SettingsError(f"{kind}: {name!r} is unknown; there are {', '.join(registry)}")
    return name


def _now() -> datetime:
    return datetime.now(UTC)
