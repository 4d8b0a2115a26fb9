"""Waits until Prefect knows how every stage ended.

With its temporary server Prefect reports the states of task runs asynchronously, and those in flight when the process
exits are lost.
"""

import logging
import time
from collections.abc import Sequence
from contextlib import suppress
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import TaskRunFilter, TaskRunFilterId

PAGE = 200  # the API returns no more at a time


def wait_until_final(task_runs: Sequence[UUID], timeout: float = 60.0) -> None:
    """Wait until Prefect has recorded how these task runs ended; log a warning if some lack it after `timeout` seconds.

    The flow must have ended.
    """
    if not task_runs:
        return
    deadline, missing = time.monotonic() + timeout, len(task_runs)
    with get_client(sync_client=True) as client, suppress(httpx.HTTPError):
        while missing and time.monotonic() < deadline:
            missing = len(task_runs) - _final(client, task_runs)
            time.sleep(0.1 * bool(missing))
    if missing:
        logging.getLogger("den").warning("Prefect did not record how %d of %d stages ended", missing, len(task_runs))


def _final(client: SyncPrefectClient, task_runs: Sequence[UUID]) -> int:
    pages = (task_runs[start : start + PAGE] for start in range(0, len(task_runs), PAGE))
    return sum(_final_on(client, page) for page in pages)


def _final_on(client: SyncPrefectClient, page: Sequence[UUID]) -> int:
    runs = client.read_task_runs(task_run_filter=TaskRunFilter(id=TaskRunFilterId(any_=list(page))), limit=PAGE)
    return sum(run.state is not None and run.state.is_final() for run in runs)
