"""Waits until Prefect knows how every stage ended.

With its temporary server Prefect reports the states of task runs asynchronously, and those in flight when the process
exits are lost.
"""

import logging
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterId
from prefect.runtime import task_run

PAGE = 200  # the API returns no more at a time

_begun: ContextVar[list[UUID] | None] = ContextVar("begun", default=None)


def note() -> None:
    """Remember the running Prefect task as one to wait for."""
    begun = _begun.get()
    if begun is not None and task_run.id:
        begun.append(UUID(str(task_run.id)))


@contextmanager
def settled(timeout: float = 60.0) -> Iterator[None]:
    """Wait, after the code inside, until its noted runs are final; warn of others after `timeout` seconds."""
    begun: list[UUID] = []
    token = _begun.set(begun)
    try:
        yield
    except KeyboardInterrupt:
        begun.clear()
        raise
    finally:
        _begun.reset(token)
        if begun:
            _wait(begun, timeout)


def _wait(begun: list[UUID], timeout: float) -> None:
    end, left = time.monotonic() + timeout, len(begun)
    with get_client(sync_client=True) as client, suppress(httpx.HTTPError):
        while left and time.monotonic() < end:
            left = len(begun) - _final(client, begun)
            time.sleep(0.1 * bool(left))
    if left:
        logging.getLogger("den").warning("Prefect did not record how %d of %d stages ended", left, len(begun))


def _final(client: SyncPrefectClient, begun: list[UUID]) -> int:
    pages = (begun[start : start + PAGE] for start in range(0, len(begun), PAGE))
    return sum(_final_on(client, page) for page in pages)


def _final_on(client: SyncPrefectClient, page: list[UUID]) -> int:
    runs = client.read_task_runs(task_run_filter=TaskRunFilter(id=TaskRunFilterId(any_=page)), limit=PAGE)
    return sum(run.state is not None and run.state.is_final() for run in runs)
