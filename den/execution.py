"""The execution of a cell: it runs the stages, writes a checkpoint after each, and ends with a measurement."""

import json
import logging
import math
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Self

import torch
from filelock import FileLock

from den import checkpoints, harness, provenance
from den.cells import (
    Cell,
    current,
    data_of,
    fingerprint,
    key_of,
    measured_in,
    open_stream,
    present_of,
    settings_of,
    untrained,
)
from den.harness import Result, Step
from den.ledger import Entry, Ledger, Measurement, Order, Origin, Places
from den.methods.base import Method, State
from den.tasks import Stream
from den.training import Diverged, device_of

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2
SINGLE, LOCKS = "single", "locks"  # folders next to those of the runs


class OutOfMemory(RuntimeError):
    """A stage needs more memory than the machine has; the message names the stage and the settings to reduce."""


class OtherCode(RuntimeError):
    """Code or torch on this machine differ from those of the process that ordered the cell; the message names both."""


@dataclass(frozen=True, eq=False)
class Execution:
    """A cell that is being measured: its method in the present state, and its results so far."""

    cell: Cell
    places: Places
    key: str
    order: Order
    stream: Stream
    method: Method
    result: Result
    device: torch.device
    started: datetime
    load: float | None

    @classmethod
    def resume(cls, cell: Cell, places: Places, order: Order | None = None) -> Self:
        """Return the execution after the last sound checkpoint of the cell in the run, or before its first stage.

        A damaged checkpoint is renamed, with a warning. Raises SettingsError and DataError as `open_stream` does.
        """
        stream, device = open_stream(cell, places), device_of(cell.training)
        method, empty = untrained(cell, stream.shape, stream.classes, len(stream)), Result.empty(len(stream))
        key, order = key_of(cell, places), order or Order()
        run = cls(cell, places, key, order, stream, method, empty, device, _now(), provenance.load())
        for path in reversed(run.checkpoints()):
            try:
                return run.restored(path)
            except checkpoints.Damaged as damage:
                logger.warning("%s; it is renamed, and the cell resumes from the stage before", damage)
                path.rename(path.with_suffix(".damaged"))
        return run

    @property
    def folder(self) -> Path:
        """The folder of the cell's checkpoints."""
        return folder_of(self.places, self.order.run, self.key)

    @cached_property
    def owner(self) -> str:
        """What a checkpoint must belong to: this cell, this code, and this kind of machine for bits."""
        return f"{self.key} {' '.join(present_of(self.cell).values())}"

    def checkpoints(self) -> list[Path]:
        """Return the paths of the checkpoints, the oldest first."""
        return sorted(self.folder.glob("*.safetensors"))

    def restored(self, path: Path) -> Self:
        """Return the execution in the state of a checkpoint. Raises checkpoints.Damaged."""
        tensors, values = checkpoints.load(path, self.owner, str(self.device))
        self.method.restore(State(tensors, values["method"]))
        done = [(task, stage) for task, stage in values["done"]]
        result = Result(values["scores"], values["measures"], done)
        started = datetime.fromisoformat(values["started"])
        return replace(self, result=result, started=started, load=values["load"])

    def steps(self) -> Iterator[Step]:
        """Yield the remaining stages; run each before taking the next. Each writes a checkpoint."""
        for step in harness.steps(self.method, self.stream, self.cell.seed, self.result, self.device):
            yield replace(step, run=partial(self._run, step))

    def measurement(self) -> Measurement:
        """Return the measurement of the finished cell: scores, measures and origin."""
        scores = {name: [list(map(_finite, row)) for row in matrix] for name, matrix in self.result.scores.items()}
        rows = self.result.measures
        columns = {name: [row[name] for row in rows] for name in ("task", "stage", "layer", "measure")}
        values = [_finite(row["value"]) for row in rows]
        ordered = {name: getattr(self.order, name) for name in ("run", "slots", "flow_run", "data_version")}
        times = {"started": self.started, "ended": _now(), "load": self.load}
        origin = provenance.provenance(self.device) | {"fingerprint": fingerprint(self.cell)} | ordered | times
        first = self.stream.tasks[0].train
        content = {
            "key": self.key,
            "settings": settings_of(self.cell),
            "data": data_of(self.cell, self.places),
            "sizes": {"examples": len(first), "example": self.stream.shape, "classes": self.stream.classes},
            "scores": scores,
            "measures": {**columns, "value": values},
            "origin": Origin(**origin).model_dump(mode="json"),
        }
        return Measurement.model_validate_json(json.dumps(content))

    def _run(self, step: Step) -> None:
        try:
            step.run()
        except Diverged as failure:
            raise Diverged(f"{step.title}: {failure}") from None
        except (MemoryError, RuntimeError) as failure:
            if not _lacks_memory(failure):
                raise
            remedy = "make network.widths, network.convolutions, training.batch_size or what the method adds smaller"
            raise OutOfMemory(f"{step.title}: out of memory; {remedy}, or run fewer cells at a time") from None
        tensors, values = self.method.state()
        about = {"method": values, "started": self.started.isoformat(), "load": self.load, **vars(self.result)}
        path = self.folder / f"{len(self.result.done):04d}.safetensors"
        checkpoints.save(path, tensors, about, self.owner)
        for superseded in self.checkpoints()[:-CHECKPOINTS_KEPT]:
            superseded.unlink()


def execute(
    cell: Cell, places: Places, order: Order | None = None, announce: Callable[[str], None] = lambda title: None
) -> Measurement:
    """Return a measurement of the cell: the current one if the order allows its reuse, else a new one.

    Waits if another process measures the cell. announce: called with the title of each stage before it runs.
    Raises OtherCode if the order expects other code or another torch, OutOfMemory, and Diverged.
    """
    order = order or Order()
    refuse_other_code(cell, order)
    with locked(cell, places):
        if (entry := answered(cell, places, order)) is not None:
            return Ledger.of(places).load(entry.id)
        run = Execution.resume(cell, places, order)
        for step in run.steps():
            announce(step.title)
            step.run()
        return finish(run)


def answered(cell: Cell, places: Places, order: Order) -> Entry | None:
    """Return the existing measurement that answers the cell; None if it must be measured.

    That is the run's own measurement or, unless the order says `again`, the newest current one.
    """
    ledger = Ledger.of(places)
    measured = measured_in(cell, ledger, places, order.run) if order.run else None
    return measured or (None if order.again else current(cell, ledger, places, present_of(cell)))


def finish(execution: Execution) -> Measurement:
    """Return the measurement of a finished execution, and add it to the ledger if its order says so."""
    measurement = execution.measurement()
    if execution.order.write:
        Ledger.of(execution.places).add(measurement)
    if execution.order.run is None:  # the next execution of the same cell must not resume from these checkpoints
        shutil.rmtree(execution.folder, ignore_errors=True)
    return measurement


def folder_of(places: Places, run: str | None, key: str) -> Path:
    """Return the folder of a cell's checkpoints in a run; a cell without a run has its own under `single`."""
    return places.work / (run or SINGLE) / key


def locked(cell: Cell, places: Places) -> FileLock:
    """Return the cell's lock; entering it waits while another process measures the cell."""
    return FileLock(lock_of(places, key_of(cell, places)))


def lock_of(places: Places, key: str) -> Path:
    """Return the file that is locked while a cell is measured on this machine; its folder is created."""
    path = places.work / LOCKS / f"{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def refuse_other_code(cell: Cell, order: Order) -> None:
    """Raise OtherCode if code or torch on this machine differ from those that the order expects."""
    for subject, expected, present in (
        ("code", order.fingerprint, fingerprint(cell)),
        ("torch", order.torch, torch.__version__),
    ):
        if expected is not None and expected != present:
            versions = f"{subject} here is {present[:12]}, the order expects {expected[:12]}"
            raise OtherCode(f"{versions}; bring both to the same commit")


def _lacks_memory(failure: Exception) -> bool:
    """Return whether an allocation failed. On the CPU torch raises a plain RuntimeError for that."""
    return isinstance(failure, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(failure)


def _finite(value: float) -> float | None:
    """Return a number for the ledger; None for nan and infinity, which JSON does not have."""
    return value if math.isfinite(value) else None


def _now() -> datetime:
    return datetime.now(UTC)
