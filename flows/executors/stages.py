"""Tasks of Prefect that a run waits for, and the task that takes a stage of a cell's method."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec, TypeVar
from uuid import UUID

import prefect
from prefect.cache_policies import NO_CACHE
from prefect.runtime import task_run

from den.worker import Step, Worker
from flows.runtime import run_context

P = ParamSpec("P")
R = TypeVar("R")


def recorded_task(name: str, **options: Any) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Make a function a Prefect task that is never cached and whose final state the run waits for.

    name: a template of the task run's name. options: further ones of `prefect.task`, such as retries.
    """

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        @wraps(function)
        def noted(*args: P.args, **kwargs: P.kwargs) -> R:
            if task_run.id:
                run_context.current().task_runs.append(UUID(str(task_run.id)))
            return function(*args, **kwargs)

        return prefect.task(task_run_name=name, cache_policy=NO_CACHE, **options)(noted)

    return decorate


@recorded_task("{step.title}")
def stage(worker: Worker, step: Step) -> dict[str, Any]:
    """Let the cell's worker take one stage of its method; return seconds and measures."""
    return worker.run(step)
