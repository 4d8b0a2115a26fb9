"""What a benchmark does once per run, as Prefect tasks: visible, never cached, retried where trying again heals."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import prefect
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run

from den.cells import Cell, open_stream
from den.ledger import Begun, CellResult, Ledger, Places, Run
from den.ledger.run import Trigger
from den.suites import Plan
from flows.data import stream_files
from flows.judging import verdicts
from flows.judging.verdicts import Verdict
from flows.pipeline import announcements
from flows.runtime import task_states
from flows.runtime.run_records import Circumstances
from flows.tracking import tracker
from reports import accepted_results


def heals(task: Any, run: Any, state: State[Any]) -> bool:
    """Tell whether a preparation may succeed when it is tried again: a source of data may be down for a while."""
    return isinstance(state.result(raise_on_failure=False), stream_files.PreparationError | OSError)


HEALING: dict[str, Any] = {"retries": 2, "retry_delay_seconds": [5, 30], "retry_condition_fn": heals}


@prefect.task(task_run_name="fetch", cache_policy=NO_CACHE, **HEALING)
def fetch(streams: Sequence[str], plan: Plan, places: Places, force: bool) -> None:
    """Have streams prepared, made anew where `force` is set."""
    stream_files.prepare(streams, plan, places, force)


@prefect.task(task_run_name="prepare", cache_policy=NO_CACHE, **HEALING)
def prepare(cells: Sequence[Cell], plan: Plan, places: Places) -> None:
    """Have the streams of the cells ready and their versions pinned.

    Raises SettingsError where more is asked of a stream than was prepared.
    """
    task_states.note()
    stream_files.prepare(sorted({cell.stream for cell in cells}), plan, places)
    for cell in {(cell.stream, cell.seed): cell for cell in cells}.values():
        open_stream(cell, places)


@prefect.task(task_run_name="judge", cache_policy=NO_CACHE)
def judge(begun: Begun, results: Sequence[CellResult], failures: Mapping[str, str], places: Places) -> Verdict:
    """Return the verdict on a run: against the accepted results, and against earlier measurements of its cells."""
    task_states.note()
    accepted = accepted_results.on_streams({result.measurement.stream for result in results})
    return verdicts.judge(begun, results, failures, Ledger.of(places), accepted)


@prefect.task(task_run_name="report", cache_policy=NO_CACHE)
def report(run: Run, results: Sequence[CellResult], verdict: Verdict) -> Path:
    """Draw tables, figures and the page of a run; return their folder."""
    from flows.pipeline import reporting  # and with it matplotlib, which no stage waits for

    task_states.note()
    return reporting.write(run.suite, results, verdict)


@prefect.task(task_run_name="track", cache_policy=NO_CACHE)
def track(run: Run, results: Sequence[CellResult], report: Path | None) -> bool:
    """Mirror a run in MLflow, its report beside it; return False, with a warning, if that fails."""
    task_states.note()
    return tracker.track(run, results, report)


@prefect.task(task_run_name="announce", cache_policy=NO_CACHE)
def announce(run: Run, results: Sequence[CellResult], report: Path | None, verdict: Verdict) -> None:
    """Leave table, figures, links and an event in Prefect."""
    task_states.note()
    announcements.announce(run, results, report, verdict)


def circumstances(slots: int | None) -> Circumstances:
    """Return how the present flow run comes about."""
    scheduled = "auto-scheduled" in (flow_run.tags or [])
    trigger: Trigger = "schedule" if scheduled else "ci" if os.environ.get("CI") else "hand"
    return Circumstances(trigger, deployment.name, flow_run.id, slots)
