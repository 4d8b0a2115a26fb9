"""The steps that a benchmark takes once per run, as Prefect tasks. Only preparation is retried."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from prefect.client.schemas.objects import State
from prefect.runtime import deployment, flow_run

from den.cells import Cell, open_stream
from den.ledger import Begun, CellResult, Ledger, Places
from den.ledger.run import Trigger
from den.suites import Plan
from flows.data import stream_files
from flows.executors.stages import recorded_task
from flows.judging import verdicts
from flows.judging.verdicts import Verdict
from flows.pipeline import announcements
from flows.pipeline.outcome import Outcome
from flows.runtime.run_records import Circumstances
from flows.tracking import tracker
from reports import accepted_results


def heals(task: Any, run: Any, state: State[Any]) -> bool:
    """Return whether another attempt at a preparation may succeed: a source of data may be down for a while."""
    return isinstance(state.result(raise_on_failure=False), stream_files.PreparationError | OSError)


HEALING: dict[str, Any] = {"retries": 2, "retry_delay_seconds": [5, 30], "retry_condition_fn": heals}


@recorded_task("fetch", **HEALING)
def fetch(streams: Sequence[str], plan: Plan, places: Places, force: bool) -> None:
    """Prepare streams; force: even those that are prepared."""
    stream_files.prepare(streams, plan, places, force)


@recorded_task("prepare", **HEALING)
def prepare(cells: Sequence[Cell], plan: Plan, places: Places) -> None:
    """Prepare the streams of the cells, and pin their versions.

    Raises SettingsError if a cell needs more tasks or seeds than are prepared.
    """
    stream_files.prepare(sorted({cell.stream for cell in cells}), plan, places)
    for cell in {(cell.stream, cell.seed): cell for cell in cells}.values():
        open_stream(cell, places)


@recorded_task("judge")
def judge(begun: Begun, results: Sequence[CellResult], failures: Mapping[str, str], places: Places) -> Verdict:
    """Return the verdict on a run: against the accepted results, and against earlier measurements of its cells."""
    accepted = accepted_results.on_streams({result.measurement.stream for result in results})
    return verdicts.judge(begun, results, failures, Ledger.of(places), accepted)


@recorded_task("report")
def report(outcome: Outcome) -> Path:
    """Write tables, figures and the page of a run; return their folder."""
    from flows.pipeline import reporting  # it imports matplotlib, which no stage waits for

    return reporting.write(outcome)


@recorded_task("track")
def track(outcome: Outcome, report: Path | None) -> bool:
    """Mirror a run in MLflow with its report; return False, with a warning, if that fails."""
    return tracker.track(outcome.run, outcome.results, report)


@recorded_task("announce")
def announce(outcome: Outcome, report: Path | None) -> None:
    """Leave tables, figures, links and an event in Prefect."""
    announcements.announce(outcome, report)


def circumstances(slots: int | None) -> Circumstances:
    """Return trigger, deployment and id of the current flow run."""
    scheduled = "auto-scheduled" in (flow_run.tags or [])
    trigger: Trigger = "schedule" if scheduled else "ci" if os.environ.get("CI") else "hand"
    return Circumstances(trigger, deployment.name, flow_run.id, slots)
