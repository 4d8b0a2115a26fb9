"""Finds the runs and accepted results that MLflow lacks, and adds them one after the other."""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from mlflow import MlflowClient
from mlflow.entities import Experiment

from den.ledger import CellResult, Ledger, Places, Run
from flows.tracking import inventory, parent_runs, tracker
from flows.tracking.parent_runs import Parent
from flows.tracking.remedies import Trashed
from flows.tracking.tracker import PRUNED, Progress
from reports import accepted_results, labels, tables

PAGE = 1000  # runs per page


@dataclass(frozen=True)
class Item:
    """A run, or the accepted results of a suite: its name, mark and streams, and a function that reads its parents."""

    name: str
    mark: str
    streams: frozenset[str]
    parents: Callable[[], Sequence[Parent]]


def show_run(run: Run, results: Sequence[CellResult], report: Path | None) -> None:
    """Add a run to MLflow, a parent per stream. Raises Trashed, after all others, if an experiment is deleted."""
    tracker.store()
    _raise_first(_show(MlflowClient(tracker.address()), parent_runs.of_run(run, results, report)))


def show_all(places: Places, progress: Progress) -> None:
    """Add all runs of the ledger, the oldest first, then all accepted results.

    Raises Trashed, after all others, if an experiment is deleted.
    """
    tracker.store()
    client = MlflowClient(tracker.address())
    items = [*_runs(Ledger.of(places), _pruned(client)), *_accepted()]
    if _inventory(client).items() >= (totals := _totals(items)).items():
        return
    complete = _complete(client)
    pending = [item for item in items if any((item.mark, stream) not in complete for stream in item.streams)]
    trashed: list[Trashed] = []
    for number, item in enumerate(pending, start=1):
        progress(f"{number} of {len(pending)}: {item.name}")
        trashed += _show(client, item.parents())
    with tracker.store():
        for experiment in _streams(client):
            if (total := totals.get(experiment.tags["stream"])) is not None:
                client.set_experiment_tag(experiment.experiment_id, inventory.TAG, total)
    _raise_first(trashed)


def _show(client: MlflowClient, of_streams: Sequence[Parent]) -> list[Trashed]:
    """Add parents; return the errors of those whose experiment is deleted."""
    from flows.tracking import mirror  # imports torch and pandas, which a sync with nothing to add does not need

    trashed = []
    for parent in of_streams:
        try:
            with tracker.store():
                mirror.show(client, parent)
        except Trashed as error:
            trashed.append(error)
    return trashed


def _raise_first(errors: Sequence[Exception]) -> None:
    if errors:
        raise errors[0]


def _streams(client: MlflowClient) -> list[Experiment]:
    return [experiment for experiment in client.search_experiments() if "stream" in experiment.tags]


def _pruned(client: MlflowClient) -> dict[str, int]:
    """Return for each stream the time, in milliseconds, before which its runs were pruned."""
    tags = [experiment.tags for experiment in _streams(client)]
    return {of_stream["stream"]: int(of_stream[PRUNED]) for of_stream in tags if PRUNED in of_stream}


def _inventory(client: MlflowClient) -> dict[str, str]:
    """Return the checksum of MLflow's complete parents for each stream."""
    return {experiment.tags["stream"]: inventory.of(experiment) for experiment in _streams(client)}


def _totals(items: Sequence[Item]) -> dict[str, str]:
    """Return the checksum of all items for each stream."""
    streams = sorted({stream for item in items for stream in item.streams})
    return {stream: inventory.total(item.mark for item in items if stream in item.streams) for stream in streams}


def _complete(client: MlflowClient) -> set[tuple[str, str]]:
    """Return the mark and stream of each complete parent in MLflow."""
    experiments = [experiment.experiment_id for experiment in _streams(client)]
    condition, token = "tags.role = 'run' and attributes.status != 'RUNNING'", None
    complete: set[tuple[str, str]] = set()
    while experiments:
        page = client.search_runs(experiments, condition, max_results=PAGE, page_token=token)
        complete |= {(run.data.tags.get("mark", ""), run.data.tags.get("stream", "")) for run in page}
        if not (token := page.token):
            break
    return complete


def _runs(ledger: Ledger, pruned: Mapping[str, int]) -> Iterator[Item]:
    for run in ledger.runs():
        start = parent_runs.milliseconds(run.begun.started)
        streams = frozenset(cell.stream for cell in run.begun.cells if start >= pruned.get(cell.stream, 0))
        if run.ended is not None and streams:
            name = labels.run(run.suite, run.begun.started)
            yield Item(name, parent_runs.mark_of(run.id, run.ended.ended), streams, partial(_of_run, run, ledger))


def _of_run(run: Run, ledger: Ledger) -> Sequence[Parent]:
    return parent_runs.of_run(run, ledger.results(run))


def _accepted() -> Iterator[Item]:
    for suite in accepted_results.suites():
        id, cells = _id(suite), tables.read_one(accepted_results.ACCEPTED / suite, "cells")
        yield Item(f"accepted · {suite}", id, frozenset(cells["stream"]), partial(_of_accepted, suite, id))


def _of_accepted(suite: str, id: str) -> Sequence[Parent]:
    return parent_runs.of_accepted(suite, id, accepted_results.results(suite))


def _id(suite: str) -> str:
    """Return an id of a suite's accepted results that changes if they change, without parsing the measurements."""
    folder = accepted_results.ACCEPTED / suite
    content = b"".join((folder / name).read_bytes() for name in ("cells.csv", accepted_results.MEASUREMENTS))
    return f"accepted-{suite}-{hashlib.sha256(content).hexdigest()[:16]}"
