"""Which runs and accepted results MLflow lacks, and showing them one after the other."""

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

PAGE = 1000  # runs that MLflow returns at once


@dataclass(frozen=True)
class Item:
    """A run, or a suite's accepted results: its name, its mark on every stream, and what reads its parents."""

    name: str
    mark: str
    streams: frozenset[str]
    parents: Callable[[], Sequence[Parent]]


def show_run(run: Run, results: Sequence[CellResult], report: Path | None) -> None:
    """Show a run in MLflow, one parent per stream. Raises Trashed for a deleted experiment, after all others."""
    tracker.store()
    _raise_first(_show(MlflowClient(tracker.address()), parent_runs.of_run(run, results, report)))


def show_all(places: Places, progress: Progress) -> None:
    """Show what the ledger has, the oldest first, then accepted results.

    Raises Trashed for a deleted experiment, after all others.
    """
    tracker.store()
    client = MlflowClient(tracker.address())
    items = [*_runs(Ledger.of(places), _pruned(client)), *_accepted()]
    if _inventory(client).items() >= (totals := _totals(items)).items():
        return
    shown = _shown(client)
    pending = [item for item in items if any((item.mark, stream) not in shown for stream in item.streams)]
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
    """Show parents; return what kept back those whose experiment is deleted."""
    from flows.tracking import (
        mirror,  # loads what draws and reads networks, which a sync with nothing to add can do without
    )

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
    tags = [experiment.tags for experiment in _streams(client)]
    return {of_stream["stream"]: int(of_stream[PRUNED]) for of_stream in tags if PRUNED in of_stream}


def _inventory(client: MlflowClient) -> dict[str, str]:
    """Return per stream the sum of what MLflow has."""
    return {experiment.tags["stream"]: inventory.of(experiment) for experiment in _streams(client)}


def _totals(items: Sequence[Item]) -> dict[str, str]:
    """Return per stream the sum of all items."""
    streams = sorted({stream for item in items for stream in item.streams})
    return {stream: inventory.total(item.mark for item in items if stream in item.streams) for stream in streams}


def _shown(client: MlflowClient) -> set[tuple[str, str]]:
    """Return mark and stream of every parent that MLflow has as a whole."""
    experiments = [experiment.experiment_id for experiment in _streams(client)]
    condition, token = "tags.role = 'run' and attributes.status != 'RUNNING'", None
    shown: set[tuple[str, str]] = set()
    while experiments:
        page = client.search_runs(experiments, condition, max_results=PAGE, page_token=token)
        shown |= {(run.data.tags.get("mark", ""), run.data.tags.get("stream", "")) for run in page}
        if not (token := page.token):
            break
    return shown


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
    """Return an id of a suite's accepted results, which changes if they do; without reading the measurements."""
    folder = accepted_results.ACCEPTED / suite
    content = b"".join((folder / name).read_bytes() for name in ("cells.csv", accepted_results.MEASUREMENTS))
    return f"accepted-{suite}-{hashlib.sha256(content).hexdigest()[:16]}"
