"""`den run`: the flow in the terminal, and the tables at its end."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from typing import Any

import click
from click.core import ParameterSource
from rich.console import Console

from den import suites
from den.cells import Cell, current, is_prepared, present_of
from den.config import SettingsError
from den.ledger import Ledger
from den.suites import Plan
from flows.commands import console, effective
from flows.commands.terminal_tables import say
from flows.data import stream_files
from flows.data.own import naming
from flows.pipeline.benchmark import benchmark, refuse_nowhere, refuse_other_data_elsewhere
from flows.pipeline.outcome import Outcome, RunFailed
from flows.places import REPORTS, here
from flows.runtime import concurrency, estimates, garbage_collection, progress, signals
from flows.runtime.terminal_run import terminal_run
from flows.tracking import tracker
from reports import labels

ALARM = 3  # the exit code of a checked run whose verdict is worse or unstable
LATER = ("flows.tracking.mirror", "flows.pipeline.reporting", "scipy.stats")  # needed after the cells


@dataclass(frozen=True)
class Request:
    """The arguments of `den run`: a suite, and what differs from it."""

    suite: str
    streams: Sequence[str]
    methods: Sequence[str]
    seeds: Sequence[int] | None
    overrides: Sequence[str]
    slots: int | None
    on: str
    again: bool = False
    fresh: bool = False

    def load(self) -> Plan:
        """Read the plan of the request. Raises SettingsError."""
        return suites.load(overrides=self.overrides)

    def cells(self, plan: Plan) -> tuple[Cell, ...]:
        """Return the requested cells. plan: of `load`. Raises SettingsError."""
        return plan.cells(self.suite, self.streams, self.methods, self.seeds)


def request_of(file: str | None, classes: str | None, choices: Mapping[str, Any]) -> Request:
    """Return the request of the command line. file: of own data, whose stream and suite have its name.

    Raises SettingsError for options that exclude each other, and for a file whose name is none for a stream.
    """
    streams, overrides = naming.of_options(file, classes, choices["streams"])
    if file is None:
        return Request(**choices)
    if click.get_current_context().get_parameter_source("suite") != ParameterSource.DEFAULT:
        raise SettingsError("--data names its suite by itself; leave out --suite")
    own = {"suite": streams[0], "streams": (), "overrides": (*overrides, *choices["overrides"])}
    return Request(**{**choices, **own})


def run(request: Request, check: bool = False) -> int:
    """Run a suite in the terminal; return the exit code. Raises SettingsError before anything runs.

    check: measure every cell; return ALARM if no cell failed and the verdict is worse or unstable.
    """
    request = replace(request, again=request.again or check)
    plan = request.load()
    cells, places = request.cells(plan), stream_files.places_of(plan, here())
    refuse_nowhere(request.on)
    refuse_other_data_elsewhere(plan, request.on)
    stream_files.prepare_own_of(cells, plan, places)  # refuses a file, too
    try:
        with terminal_run(progress.for_terminal(), meanwhile=(tracker.store, load_later)):
            outcome = benchmark(**vars(request))
    except RunFailed as error:
        outcome = error.outcome
    except KeyboardInterrupt as interrupt:
        signals.report(signals.INTERRUPTED)
        return signals.code_of(interrupt)
    _show(outcome)
    return 1 if outcome.failures else ALARM if check and outcome.verdict.alarming else 0


def estimated(request: Request) -> str:
    """Return how many cells of a suite will run and for how long; cells of an unprepared stream will."""
    plan = request.load()
    cells, places = request.cells(plan), stream_files.places_of(plan, here())
    ledger, elsewhere = Ledger.of(places), request.on != "here"
    waiting = [
        cell
        for cell in cells
        if request.again
        or not is_prepared(cell, places)
        or current(cell, ledger, places, present_of(cell, elsewhere)) is None
    ]
    slots = request.slots or (1 if elsewhere else concurrency.slots(cells))
    return estimates.announce(waiting, len(cells), slots, request.suite, places)


def show(request: Request, form: str) -> None:
    """Print the settings of the requested cells as a table, JSON or CSV. Raises SettingsError."""
    plan = request.load()
    effective.print_settings(plan, request.suite, request.cells(plan), form)


def _show(outcome: Outcome) -> None:
    terminal = Console()
    if outcome.results:
        console.show(outcome.tables)
        for stream, judged in outcome.judged.items():
            if judged:
                title = f"{labels.stream(stream)}: {outcome.verdict.of(stream)}, {judged.title.lower()}"
                console.show_table(title, *([judged.rows] if len(judged.rows) else []), note=judged.note)
        for remark in outcome.verdict.remarks:
            say(terminal, remark)
        print(f"verdict: {outcome.verdict.word}\n\nreport: {REPORTS / outcome.run.suite}")
    for cell, reason in outcome.failures.items():
        print(f"failed: {cell}: {reason}", file=sys.stderr)


def load_later() -> None:
    """Import what the end of a run needs."""
    with garbage_collection.loading():
        for module in LATER:
            import_module(module)
