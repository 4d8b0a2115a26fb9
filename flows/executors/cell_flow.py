"""One cell as a Prefect flow, each stage of its method a visible step."""

from dataclasses import dataclass
from typing import Any

import prefect
from prefect.concurrency.sync import concurrency
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
    """What answers a cell, and whether it was measured for this run."""

    measurement: Measurement
    measured: bool


@prefect.flow(name="cell", flow_run_name="{cell.title}")
def learn(cell: Cell, places: Places, order: Order) -> Worked:
    """Measure one cell, each stage of its method a visible step; it goes on from the last stage that was finished.

    If another run measures the cell now, it is waited for, and reused unless the order is to measure again.
    If the server has a concurrency limit LIMIT, it holds for the cells of all machines together.
    """
    order = order.model_copy(update=circumstances(cell))
    context = run_context.current()
    with concurrency(LIMIT, occupy=1, strict=False), Worker(cell, places, order) as worker, context.at_work(worker):
        for step in worker.steps():
            context.watcher.began(cell, step.task, step.stage)
            with dead_runs.untagged():
                stages.stage(worker, step)
        return Worked(worker.measurement, worker.measurement.origin.run == order.run)


def circumstances(cell: Cell) -> dict[str, Any]:
    """Return what only the flow knows of where a measurement comes from."""
    return {"flow_run": flow_run.id, "data_version": dvc_lock.pinned(cell.stream)}


def received(settings: dict[str, Any], order: dict[str, Any]) -> tuple[Cell, Places, Order]:
    """Return the cell that another machine asks for, its data prepared here, where things lie, and the order.

    It is measured here, whatever this machine's ledger has, and written by whoever asks.
    """
    cell, places = read(Cell, settings, "cell"), here()
    stream_files.prepare([cell.stream], suites.load(), places)
    return cell, places, read(Order, order, "order").model_copy(update={"again": True, "write": False})


def sent(measurement: Measurement) -> str:
    """Return a measurement as a worker sends it: a sealed line."""
    return sealed.seal(measurement)


def accepted(line: str, cell: Cell, places: Places, order: Order) -> Worked:
    """Return what a worker measured, written into this ledger. Raises CellFailed if it is of another cell or run."""
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
