"""The execution of a cell: stage after stage, a checkpoint behind each, a measurement at the end."""

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
from den.cells import Cell, current, data_of, fingerprint, key_of, open_stream, own, present_of, settings_of, untrained
from den.harness import Result, Step
from den.ledger import Entry, Ledger, Measurement, Order, Origin, Places
from den.methods.base import Method, State
from den.tasks import Stream
from den.training import Diverged, device_of

logger = logging.getLogger(__name__)

CHECKPOINTS_KEPT = 2
SINGLE, LOCKS = "single", "locks"  # folders beside those of runs


class OutOfMemory(RuntimeError):
    """A stage asks for more memory than there is; the message names the stage and what to make smaller."""


class OtherCode(RuntimeError):
    """The code or torch here is not that of whoever asked for a cell; the message names both."""


@dataclass(frozen=True, eq=False)
class Execution:
    """A cell being measured: the method as far as it has learned, a checkpoint behind every stage."""

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
        """Return the cell as the run's last checkpoint of it left it, or before its first stage."""
        stream, device = open_stream(cell, places), device_of(cell.training)
        method, empty = untrained(cell, stream.shape, stream.classes, len(stream)), Result.empty(len(stream))
        key, order = key_of(cell, places), order or Order()
        run = cls(cell, places, key, order, stream, method, empty, device, _now(), provenance.load())
        for path in reversed(run.checkpoints()):
            try:
                return run.restored(path)
            except checkpoints.Damaged as damage:
                logger.warning("%s; set aside, going on from the stage before it", damage)
                path.rename(path.with_suffix(".damaged"))
        return run

    @property
    def folder(self) -> Path:
        return folder_of(self.places, self.order.run, self.key)

    @cached_property
    def owner(self) -> str:
        """What a checkpoint must have been made by and for: this cell, code and kind of machine for bits."""
        return f"{self.key} {' '.join(present_of(self.cell).values())}"

    def checkpoints(self) -> list[Path]:
        """Return the checkpoints there are, oldest first."""
        return sorted(self.folder.glob("*.safetensors"))

    def restored(self, path: Path) -> Self:
        """Return the execution as the checkpoint has it."""
        tensors, values = checkpoints.load(path, self.owner, str(self.device))
        self.method.restore(State(tensors, values["method"]))
        done = [(task, stage) for task, stage in values["done"]]
        result = Result(values["scores"], values["measures"], done)
        started = datetime.fromisoformat(values["started"])
        return replace(self, result=result, started=started, load=values["load"])

    def steps(self) -> Iterator[Step]:
        """Yield the stages still to do; run each before asking for the next. Each leaves a checkpoint."""
        for step in harness.steps(self.method, self.stream, self.cell.seed, self.result, self.device):
            yield replace(step, run=partial(self._run, step))

    def measurement(self) -> Measurement:
        """Return what the finished cell gave, and where it comes from."""
        scores = {name: [list(map(_known, row)) for row in matrix] for name, matrix in self.result.scores.items()}
        rows = self.result.measures
        columns = {name: [row[name] for row in rows] for name in ("task", "stage", "layer", "measure")}
        values = [_known(row["value"]) for row in rows]
        asked = {name: getattr(self.order, name) for name in ("run", "slots", "flow_run", "data_version")}
        times = {"started": self.started, "ended": _now(), "load": self.load}
        origin = provenance.provenance(self.device) | {"fingerprint": fingerprint(self.cell)} | asked | times
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
            mend = "make network.widths, network.convolutions, training.batch_size or what the method adds smaller"
            raise OutOfMemory(f"{step.title}: memory is at an end; {mend}, or run fewer cells at a time") from None
        tensors, values = self.method.state()
        about = {"method": values, "started": self.started.isoformat(), "load": self.load, **vars(self.result)}
        path = self.folder / f"{len(self.result.done):04d}.safetensors"
        checkpoints.save(path, tensors, about, self.owner)
        for old in self.checkpoints()[:-CHECKPOINTS_KEPT]:
            old.unlink()


def execute(
    cell: Cell, places: Places, order: Order | None = None, announce: Callable[[str], None] = lambda title: None
) -> Measurement:
    """Measure the cell, with no orchestration, unless the order lets a current measurement answer; return which does.

    A cell that another process measures is waited for. Raises OtherCode if the asker has other code or torch.
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
    """Return the measurement that answers a cell already: the run's own, or, unless `again`, any current one."""
    ledger = Ledger.of(places)
    measured = own(cell, ledger, places, order.run) if order.run else None
    return measured or (None if order.again else current(cell, ledger, places, present_of(cell)))


def finish(execution: Execution) -> Measurement:
    """Return the measurement of a finished execution, added to the ledger if its order says so."""
    measured = execution.measurement()
    if execution.order.write:
        Ledger.of(execution.places).add(measured)
    if execution.order.run is None:  # what the next execution of the same cell must not go on from
        shutil.rmtree(execution.folder, ignore_errors=True)
    return measured


def folder_of(places: Places, run: str | None, key: str) -> Path:
    """Return where the checkpoints of a run's cell lie; those of a cell alone lie under `single`."""
    return places.work / (run or SINGLE) / key


def locked(cell: Cell, places: Places) -> FileLock:
    """Return the cell's lock; entering it waits for the process that measures the cell now."""
    return FileLock(lock_of(places, key_of(cell, places)))


def lock_of(places: Places, key: str) -> Path:
    """Return the file that is locked while a cell is measured on this machine."""
    path = places.work / LOCKS / f"{key}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    return path


def refuse_other_code(cell: Cell, order: Order) -> None:
    """Raise OtherCode if the code or torch here is not that of the asker."""
    for what, asked, here in (
        ("code", order.fingerprint, fingerprint(cell)),
        ("torch", order.torch, torch.__version__),
    ):
        if asked is not None and asked != here:
            raise OtherCode(f"{what} here is {here[:12]}, the asker has {asked[:12]}; bring both to the same commit")


def _lacks_memory(failure: Exception) -> bool:
    """Return whether an allocation failed: on the processor torch raises a RuntimeError of no class of its own."""
    return isinstance(failure, MemoryError | torch.OutOfMemoryError) or "can't allocate memory" in str(failure)


def _known(value: float) -> float | None:
    """Return a number as the ledger has it: one that is none is None."""
    return value if math.isfinite(value) else None


def _now() -> datetime:
    return datetime.now(UTC)
