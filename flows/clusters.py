"""Cells on a Dask cluster that is there already: `den run --on tcp://HOST:8786`. Needs the extra `dask`.

Its workers run in checkouts of their own, started without a nanny, since a cell is a process and a nanny's workers may
have none: `dask worker tcp://HOST:8786 --no-nanny --nthreads 1`, on a GPU with `--resources GPU=1`. The machines share
the scheduler alone: data is prepared there, and the record comes back as the task's result.
"""

from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

import prefect
from prefect.cache_policies import NO_CACHE

from den.config import SettingsError
from den.ledger import Places, Record
from den.runs import Cell, finished
from den.worker import Worker
from flows import lockfile, settling
from flows.cells import received, taken

PATIENCE = "10s"  # for a scheduler to answer
ATTEMPTS = 2  # more, of a cell whose worker was lost


def engine(address: str) -> Callable[[Cell, Places], Record]:
    """Return what has a cell run on the cluster at `address`. Raises SettingsError where none answers."""
    if find_spec("distributed") is None:
        raise SettingsError(f"on: {address} is a Dask cluster; `pip install distributed` makes one usable")
    from distributed import Client

    try:
        client = Client(address, timeout=PATIENCE, set_as_default=False)
    except (OSError, ValueError) as error:  # the second of an address of no kind that it knows
        raise SettingsError(f"on: no Dask scheduler answers at {address}: {error}") from None

    @prefect.task(task_run_name="{cell.title}", cache_policy=NO_CACHE)
    def learn_there(cell: Cell, places: Places) -> Record:
        settling.note()
        needs = {"GPU": 1} if cell.training.device == "cuda" else {}
        asked = client.submit(learned, cell.model_dump(mode="json"), pure=False, retries=ATTEMPTS, resources=needs)
        return taken(cell, places, asked.result())

    return learn_there


def learned(cell: dict[str, Any]) -> Record:
    """Run one cell on this machine, unless its ledger has it, and return its record: what a cluster's worker does."""
    asked, places = received(cell)
    if (record := finished(asked, places)) is not None:
        return record
    with Worker(asked, places, {"data_version": lockfile.pinned(asked.stream)}) as worker:
        return worker.finish()
