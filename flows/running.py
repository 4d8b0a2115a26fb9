"""What `den run` does: the flow, watched, and the table at its end."""

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from prefect.client.orchestration import get_client

from den import suites
from den.ledger import Places
from den.runs import finished
from flows import estimate, reporting, terminal, tracking
from flows.benchmark import CellsFailed, Outcome, benchmark, cores
from flows.progress import watched
from flows.settling import settled
from reports import tables

INTERRUPTED = "interrupted: what is finished stays, and the same command goes on from the last finished stage"


def run(
    suite: str,
    streams: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int] | None,
    overrides: Sequence[str],
    slots: int | None,
) -> int:
    """Run a suite in the terminal; returns the exit code. Raises SettingsError before anything runs."""
    asked = (suite, tuple(streams), tuple(methods), seeds)
    suites.load(overrides=overrides).cells(*asked)
    try:
        with started(), quiet(), watched(), settled():
            outcome = benchmark(*asked, tuple(overrides), slots)
    except CellsFailed as error:
        outcome = error.outcome
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    return _show(suite, outcome)


def estimated(
    suite: str,
    streams: Sequence[str],
    methods: Sequence[str],
    seeds: Sequence[int] | None,
    overrides: Sequence[str],
    slots: int | None,
) -> str:
    """Return how many cells of a suite are to run and how long that is. Raises DataError for streams not prepared."""
    cells, places = suites.load(overrides=overrides).cells(suite, streams, methods, seeds), Places()
    waiting = [cell for cell in cells if finished(cell, places) is None]
    return estimate.announce(waiting, len(cells), slots or cores(), places)


def _show(suite: str, outcome: Outcome) -> int:
    if outcome.records:
        terminal.show(tables.collect(outcome.records, suite))
        print(f"\nreport: {reporting.OUT / suite}")
    for cell, reason in outcome.failures.items():
        print(f"failed: {cell}: {reason}", file=sys.stderr)
    return 1 if outcome.failures else 0


@contextmanager
def started() -> Iterator[None]:
    """Start, side by side, what takes seconds to start: Prefect's server and MLflow's store."""
    with ThreadPoolExecutor(1) as aside:
        aside.submit(tracking.store)  # where it fails, tracking will say so
        shelter()
        yield


def shelter() -> None:
    """Start Prefect's own server, where none is configured, deaf to Ctrl-C, which a terminal sends to all.

    It must live on to hear how the flow ended; the flow ends it.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a new process inherits it
    try:
        get_client(sync_client=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


@contextmanager
def quiet() -> Iterator[None]:
    """Keep what Prefect says of its runs off the terminal: it stays with the run, and failures are shown by us."""
    loggers = [logging.getLogger(f"prefect.{kind}_runs") for kind in ("flow", "task")]
    for logger in loggers:
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.propagate = True
