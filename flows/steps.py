"""The library's functions as Prefect tasks: visible, never cached, retried where trying again heals."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import prefect
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State

from den.ledger import Places
from den.runs import Cell, open_stream
from den.suites import Plan
from den.worker import Step, Worker
from flows import announcing, datasets, settling, tracking, verdicts
from flows.verdicts import Verdict


def heals(task: Any, run: Any, state: State[Any]) -> bool:
    """Tell whether a preparation may succeed when it is tried again: a source of data may be down for a while."""
    return isinstance(state.result(raise_on_failure=False), datasets.PreparationError | OSError)


HEALING: dict[str, Any] = {"retries": 2, "retry_delay_seconds": [5, 30], "retry_condition_fn": heals}


@prefect.task(task_run_name="fetch", cache_policy=NO_CACHE, **HEALING)
def fetch(streams: Sequence[str], plan: Plan, places: Places, force: bool) -> None:
    """Have streams prepared, made anew where `force` is set."""
    datasets.prepare(streams, plan, places, force)


@prefect.task(task_run_name="prepare", cache_policy=NO_CACHE, **HEALING)
def prepare(cells: Sequence[Cell], plan: Plan, places: Places) -> None:
    """Have the streams of the cells ready and their versions pinned.

    Raises SettingsError where more is asked of a stream than was prepared.
    """
    settling.note()
    datasets.prepare(sorted({cell.stream for cell in cells}), plan, places)
    for cell in {(cell.stream, cell.seed): cell for cell in cells}.values():
        open_stream(cell, places)


@prefect.task(task_run_name="{step.title}", cache_policy=NO_CACHE)
def stage(worker: Worker, step: Step) -> dict[str, Any]:
    """Let the cell's worker take one stage of its method; returns seconds and measures."""
    settling.note()
    return worker.run(step)


@prefect.task(task_run_name="judge", cache_policy=NO_CACHE)
def judge(suite: str, records: Sequence[dict[str, Any]], failures: Mapping[str, str]) -> Verdict:
    """Return the verdict on a benchmark against the accepted results."""
    settling.note()
    return verdicts.verdict(suite, records, failures)


@prefect.task(task_run_name="report", cache_policy=NO_CACHE)
def report(suite: str, records: Sequence[dict[str, Any]], verdict: Verdict) -> Path:
    """Draw tables, figures and the page of finished cells; returns their folder."""
    from flows import reporting  # and with it matplotlib, which no stage waits for

    settling.note()
    return reporting.write(suite, records, verdict)


@prefect.task(task_run_name="track", cache_policy=NO_CACHE)
def track(suite: str, records: Sequence[dict[str, Any]], report: Path, verdict: Verdict) -> bool:
    """Mirror finished cells in MLflow, the report beside them; returns False, with a warning, where that failed."""
    settling.note()
    return tracking.track(suite, records, report, verdict.word)


@prefect.task(task_run_name="announce", cache_policy=NO_CACHE)
def announce(
    suite: str, records: Sequence[dict[str, Any]], failures: Mapping[str, str], report: Path | None, verdict: Verdict
) -> None:
    """Leave table, figures, links and an event in Prefect."""
    settling.note()
    announcing.announce(suite, records, failures, report, verdict)
