"""What `den run` does: the flow, watched, and the table at its end."""

import logging
import signal
import sys
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from importlib import import_module

import httpx
from prefect.client.orchestration import get_client
from prefect.settings import (
    PREFECT_API_URL,
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY,
    PREFECT_LOGGING_TO_API_BATCH_INTERVAL,
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL,
    PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED,
    temporary_settings,
)

from den import suites
from den.cells import Cell, current, present_of
from den.config import SettingsError
from den.ledger import Ledger
from flows import estimate, garbage, machine, terminal, tracking, zombies
from flows.benchmark import Outcome, RunFailed, benchmark, refuse_nowhere
from flows.places import REPORTS, here
from flows.progress import watched
from flows.settling import settled
from reports import names, tables

ALARM = 3  # the exit code of a checked run whose verdict is worse or unstable
SPARING = {  # how its own server, and who talks to it, leave the processors to the cells
    PREFECT_FLOWS_HEARTBEAT_FREQUENCY: None,
    PREFECT_LOGGING_TO_API_BATCH_INTERVAL: 15,  # seconds; nobody reads along, and the last batch goes out at the end
    PREFECT_SERVER_SERVICES_EVENT_PERSISTER_ENABLED: False,
    PREFECT_SERVER_SERVICES_TRIGGERS_ENABLED: False,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_BATCH_SIZE: 1000,
    PREFECT_SERVER_SERVICES_TASK_RUN_RECORDER_FLUSH_INTERVAL: 1,  # whole seconds; with less it never rests
}
LATER = ("flows.mirror", "flows.reporting", "scipy.stats")  # needed after the cells
INTERRUPTED = "interrupted: what is finished stays, and the same command goes on from the last finished stage"


@dataclass(frozen=True)
class Request:
    """What is asked for on the command line: a suite, and what differs from it."""

    suite: str
    streams: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int] | None
    overrides: Sequence[str]
    slots: int | None
    on: str
    again: bool = False
    fresh: bool = False

    def cells(self) -> tuple[Cell, ...]:
        """Return the cells that are meant. Raises SettingsError."""
        return suites.load(overrides=self.overrides).cells(self.suite, self.streams, self.methods, self.seeds)


def run(request: Request, check: bool = False) -> int:
    """Run a suite in the terminal; return the exit code. Raises SettingsError before anything runs.

    check: measure every cell, and return ALARM if none failed and the verdict is worse or unstable.
    """
    request = replace(request, again=request.again or check)
    request.cells()
    refuse_nowhere(request.on)
    here()  # refuses a place where nothing can be kept, before a server is waited for
    try:
        with zombies.named(), sheltered(), started(), quiet(), watched(), settled():
            outcome = benchmark(**vars(request))
    except RunFailed as error:
        outcome = error.outcome
    except KeyboardInterrupt:
        print(INTERRUPTED, file=sys.stderr)
        return 130
    _show(request.suite, outcome)
    return 1 if outcome.failures else ALARM if check and outcome.verdict.alarming else 0


def estimated(request: Request) -> str:
    """Return how many cells of a suite are to run and how long that is. Raises DataError for streams not prepared."""
    cells, places = request.cells(), here()
    ledger, elsewhere = Ledger.of(places), request.on != "here"
    waiting = [
        cell for cell in cells if request.again or current(cell, ledger, places, present_of(cell, elsewhere)) is None
    ]
    slots = request.slots or (1 if elsewhere else machine.slots(cells))
    return estimate.announce(waiting, len(cells), slots, request.suite, places)


def _show(suite: str, outcome: Outcome) -> None:
    if outcome.results:
        collected = tables.collect(outcome.results, suite)
        terminal.show(collected)
        for stream in collected.streams:
            if judged := outcome.verdict.table(stream):
                title = f"{names.stream(stream)}: {outcome.verdict.of(stream)}, {judged.title.lower()}"
                terminal.show_table(title, *([judged.rows] if len(judged.rows) else []), note=judged.note)
        for remark in outcome.verdict.remarks:
            print(remark)
        print(f"verdict: {outcome.verdict.word}\n\nreport: {REPORTS / suite}")
    for cell, reason in outcome.failures.items():
        print(f"failed: {cell}: {reason}", file=sys.stderr)


@contextmanager
def started() -> Iterator[None]:
    """Start, side by side, what takes seconds to start: Prefect's server, MLflow's store, what the end needs."""
    with ThreadPoolExecutor(1) as aside:
        aside.submit(tracking.store)  # where it fails, tracking will say so
        aside.submit(load, LATER)
        start_server()
        yield


def load(names: Sequence[str]) -> None:
    """Import modules, so that who needs them later need not wait."""
    with garbage.loading():
        for name in names:
            import_module(name)


@contextmanager
def sheltered() -> Iterator[None]:
    """Let what is inside run on Prefect's own server, where none is configured, as sparingly as can be.

    It keeps no events, since nobody can hang an automation on a server that ends with its run, writes the states of
    stages once a second instead of one by one, and hears what runs log every fifteen seconds instead of two: together
    more than half of its work. Heartbeats would be such events, and their thread takes up to a second to end.
    """
    with temporary_settings({} if PREFECT_API_URL.value() else SPARING):
        yield


def start_server() -> None:
    """Start Prefect's own server, where none is configured, deaf to Ctrl-C, which a terminal sends to all.

    It must live on to hear how the flow ended; the flow ends it. It hears first which runs ended without a word.
    Raises SettingsError where a server is configured and does not answer.
    """
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # a new process inherits it
    try:
        get_client(sync_client=True)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)
    try:
        zombies.mark()
    except httpx.TransportError as error:
        where = PREFECT_API_URL.value() or "its own address"
        raise SettingsError(
            f"no Prefect server answers at {where} ({error}): start it, or unset PREFECT_API_URL to do without"
        ) from None


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
