"""Cells on an existing Dask cluster: `den run --on tcp://HOST:8786`. Needs the extra `dask`.

Its workers run in checkouts of their own, started without a nanny, since a cell is a process and a nanny's workers may
have none: docs/operations.md has the commands, on loopback for one machine and with TLS for several. The machines share
the scheduler alone: data is prepared there, and the measurement comes back as the task's result.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from den.cells import Cell
from den.config import SettingsError
from den.ledger import Order, Places
from den.worker import Worker
from flows.data import dvc_lock
from flows.executors.cell_flow import Worked, accepted, received, sent
from flows.executors.stages import recorded_task
from flows.runtime import addresses

PATIENCE = "10s"  # for a scheduler to answer
ATTEMPTS = 2  # further ones per cell, if its worker is lost


def executor_at(address: str) -> Callable[[Cell, Places, Order], Worked]:
    """Return an executor for the cluster at `address`. Raises SettingsError if no scheduler answers."""
    if find_spec("distributed") is None:
        raise SettingsError(
            f"on: {addresses.shown(address)} is a Dask cluster; `pip install distributed` makes one usable"
        )
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:  # ValueError: an unknown kind of address
        raise SettingsError(f"on: no Dask scheduler answers at {addresses.shown(address)}: {error}") from None

    @recorded_task("{cell.title}")
    def learn_there(cell: Cell, places: Places, order: Order) -> Worked:
        needs = {"GPU": 1} if cell.training.device == "cuda" else {}
        parameters = cell.model_dump(mode="json"), order.model_dump(mode="json")
        future = client.submit(learned, *parameters, pure=False, retries=ATTEMPTS, resources=needs)
        return accepted(future.result(), cell, places, order)

    return learn_there


def learned(cell: dict[str, Any], order: dict[str, Any]) -> str:
    """Measure one cell on this machine and return the measurement as a sealed line. Workers of the cluster run this."""
    local_cell, places, local_order = received(cell, order)
    local_order = local_order.model_copy(update={"data_version": dvc_lock.pinned(local_cell.stream)})
    with Worker(local_cell, places, local_order) as worker:
        return sent(worker.finish())
