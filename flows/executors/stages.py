"""A stage of a cell's method as a Prefect task: visible, never cached, and never retried by Prefect."""

from typing import Any

import prefect
from prefect.cache_policies import NO_CACHE

from den.worker import Step, Worker
from flows.runtime import task_states


@prefect.task(task_run_name="{step.title}", cache_policy=NO_CACHE)
def stage(worker: Worker, step: Step) -> dict[str, Any]:
    """Let the cell's worker take one stage of its method; returns seconds and measures."""
    task_states.note()
    return worker.run(step)
