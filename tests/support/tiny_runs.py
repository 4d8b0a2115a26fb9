"""Runs of a small suite without Prefect."""

from den.cells import Cell
from den.execution import execute
from den.ledger import Asked, Order, Places
from flows.pipeline.benchmark import Worked, run_cells
from flows.runtime import run_records
from flows.runtime.run_records import Circumstances


def run_of(cells: tuple[Cell, ...]) -> str:
    """Measure cells in a run of the suite, the way the flow does; return its id."""

    def learn(cell: Cell, places: Places, order: Order) -> Worked:
        return Worked(execute(cell, places, order), True)

    with run_records.begun(Asked(suite="tiny"), cells, Places(), Circumstances(slots=1)) as begun:
        results, failures = run_cells(cells, begun, Places(), learn, 1)
        return run_records.end(begun, results, failures, "new", (), Places()).id
