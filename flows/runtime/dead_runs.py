"""Marks the Prefect runs of dead processes as crashed: a killed flow cannot report its end, so the next flow does.

A tag names the host and process of each run. The temporary server of a killed run is terminated as well. Runs of
workers are marked by an automation of the server instead (docs/operations.md).
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from uuid import UUID

import prefect
import psutil
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.filters import (
    FlowRunFilter,
    FlowRunFilterId,
    FlowRunFilterState,
    FlowRunFilterStateType,
    TaskRunFilter,
    TaskRunFilterState,
    TaskRunFilterStateType,
)
from prefect.client.schemas.objects import FlowRun, State, StateType
from prefect.context import TagsContext
from prefect.states import Crashed

from flows.runtime.processes import is_dead, own_name
from flows.runtime.task_states import PAGE

VARIABLE = "DEN_RUN"  # inherited by the processes that a run starts
UNFINISHED = [StateType.PENDING, StateType.RUNNING]
CRASHED: State[Any] = Crashed(message="its process has died")


@contextmanager
def named() -> Iterator[None]:
    """Tag flow runs with this process, and mark the processes that they start, while the context lasts."""
    name = own_name()
    end_servers()
    os.environ[VARIABLE] = name
    try:
        with prefect.tags(f"process:{name}"):
            yield
    finally:
        del os.environ[VARIABLE]


def untagged() -> TagsContext:
    """Run tasks without the tag of `named`: Prefect checks one concurrency limit per tag of a task, one request each.

    The tag of their flow run suffices.
    """
    return TagsContext(current_tags=set())


def mark() -> None:
    """Mark the flow runs of dead processes of this machine as crashed, with their task runs."""
    with get_client(sync_client=True) as client:
        dead = [run.id for run in _unfinished(client) if any(is_dead(tag.removeprefix("process:")) for tag in run.tags)]
        for run in dead:
            _crash_tasks(client, run)
            client.set_flow_run_state(run, CRASHED, force=True)
    if dead:
        logging.getLogger("den").warning("marked %d runs as crashed: their processes have died", len(dead))


def end_servers() -> None:
    """Terminate the temporary servers that killed runs left behind."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            if process.uids().real == os.getuid() and is_dead(process.environ().get(VARIABLE, "")):
                process.terminate()


def _unfinished(client: SyncPrefectClient) -> list[FlowRun]:
    states = FlowRunFilter(state=FlowRunFilterState(type=FlowRunFilterStateType(any_=UNFINISHED)))
    runs: list[FlowRun] = []
    while page := client.read_flow_runs(flow_run_filter=states, limit=PAGE, offset=len(runs)):
        runs += page
    return runs


def _crash_tasks(client: SyncPrefectClient, run: UUID) -> None:
    states = TaskRunFilterState(type=TaskRunFilterStateType(any_=UNFINISHED))
    tasks = client.read_task_runs(
        flow_run_filter=FlowRunFilter(id=FlowRunFilterId(any_=[run])),
        task_run_filter=TaskRunFilter(state=states),
        limit=PAGE,
    )
    for task in tasks:
        client.set_task_run_state(task.id, CRASHED, force=True)
