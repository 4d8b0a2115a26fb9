"""One cell as a Prefect flow; each stage of its method is a Prefect task."""

from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any

import prefect
from prefect.client.orchestration import get_client
from prefect.concurrency.sync import concurrency
from prefect.exceptions import ObjectNotFound
from prefect.runtime import flow_run

from den import suites
from den.cells import Cell, key_of
from den.config import read
from den.ledger import Ledger, Measurement, Order, Places, sealed
from den.worker import CellFailed, Worker
from flows.data import dvc_lock, stream_files
from flows.executors import stages
from flows.places import here
from flows.runtime import dead_runs, run_context

LIMIT = "den-cells"


@dataclass(frozen=True)
class Worked:
    """The measurement of a cell, and whether this run measured it."""

    measurement: Measurement
    measured: bool


@prefect.flow(name="cell", flow_run_name="{cell.title}")
def learn(cell: Cell, places: Places, order: Order) -> Worked:
    """Measure one cell; each stage is a task. An interrupted cell continues after its last finished stage.

    If another run is measuring the cell, wait for it, and reuse its measurement unless the order says `again`.
    The concurrency limit LIMIT of the server, if any, holds for the cells of all machines together.
    """
    order = order.model_copy(update=circumstances(cell, places))
    context = run_context.current()
    with limited(), Worker(cell, places, order) as worker, context.at_work(worker):
        for step in worker.steps():
            context.watcher.began(cell, step.task, step.stage)
            with dead_runs.untagged():
                stages.stage(worker, step)
        return Worked(worker.measurement, worker.measurement.origin.run == order.run)


def limited() -> AbstractContextManager[None]:
    """Return a context that holds a slot of the server's limit; it holds nothing if the server has no such limit.

    Prefect itself would warn of the missing limit at every cell.
    """
    with get_client(sync_client=True) as client:
        try:
            client.read_global_concurrency_limit_by_name(LIMIT)
        except ObjectNotFound:
            return nullcontext()
    return concurrency(LIMIT, occupy=1)


def circumstances(cell: Cell, places: Places) -> dict[str, Any]:
    """Return provenance that only the flow knows: Prefect's flow-run id and the version of the data."""
    version = dvc_lock.pinned(cell.stream) if places.data == Places().data else None
    return {"flow_run": flow_run.id, "data_version": version}


def received(settings: dict[str, Any], order: dict[str, Any]) -> tuple[Cell, Places, Order]:
    """Return the cell, places and order of a request from another machine; prepare the data of its stream.

    The cell is measured even if this machine's ledger has it; the requesting machine writes the measurement.
    """
    cell, places = read(Cell, settings, "cell"), here()
    stream_files.prepare([cell.stream], suites.load(), places)
    return cell, places, read(Order, order, "order").model_copy(update={"again": True, "write": False})


def sent(measurement: Measurement) -> str:
    """Return a measurement as the sealed line that a worker sends."""
    return sealed.seal(measurement)


def accepted(line: str, cell: Cell, places: Places, order: Order) -> Worked:
    """Write a worker's measurement to the ledger and return it. Raises CellFailed if cell, run or code differ."""
    try:
        measurement = sealed.read_as(Measurement, line)
    except sealed.Damaged as error:
        raise CellFailed(f"a worker sent a damaged measurement: {error}") from None
    for what, theirs, ours in (
        ("cell and data", measurement.key, key_of(cell, places)),
        ("run", measurement.origin.run, order.run),
        ("code", measurement.origin.fingerprint, order.fingerprint),
        ("torch", measurement.origin.torch, order.torch),
    ):
        if theirs != ours:
            raise CellFailed(f"a worker sent a measurement of {what} {theirs}, asked for was {ours}")
    Ledger.of(places).add(measurement)
    return Worked(measurement, measured=True)
