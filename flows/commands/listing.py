"""`den list`: the names of suites, streams, methods and variants, each with a word on what it is."""

import inspect
from collections.abc import Callable, Iterator

from rich.console import Console

from den import suites
from den.methods import METHODS
from den.streams import STREAMS
from den.suites import Plan
from flows.commands import words
from flows.commands.terminal_tables import grid


def print_names(kind: str | None) -> None:
    """Print the names of one kind, or of all. Raises SettingsError for a wrong params.yaml."""
    plan, console = suites.load(), Console(highlight=False)
    for heading, rows in KINDS.items():
        if kind in (None, heading):
            console.print(grid((heading, "about"), rows(plan), text=("about",)), markup=False)


def _suites(plan: Plan) -> Iterator[tuple[str, str]]:
    for name in plan.suites:
        suite = plan.suite(name)
        cells, methods = len(plan.cells(name)), ", ".join(suite.methods)
        yield name, f"{cells} cells on {', '.join(suite.streams)}: {methods}"


def _streams(plan: Plan) -> Iterator[tuple[str, str]]:
    for name in plan.streams:
        if name in STREAMS:
            stands = f" {plan.file.answers[name]} stands for DEN here." if name in plan.file.answers else ""
            yield name, words.summary(inspect.getdoc(STREAMS[name])) + stands
        else:
            yield name, f"own data, of {plan.data.streams[name]['file']}"


def _methods(plan: Plan) -> Iterator[tuple[str, str]]:
    yield from ((name, words.summary(inspect.getdoc(method))) for name, method in METHODS.items())


def _variants(plan: Plan) -> Iterator[tuple[str, str]]:
    for name, variant in plan.file.variants.items():
        values = ", ".join(f"{key} {value}" for key, value in variant.set.items())
        yield name, f"{variant.method} with {values}".replace("[", "").replace("]", "").replace("'", "")


KINDS: dict[str, Callable[[Plan], Iterator[tuple[str, str]]]] = {
    "suites": _suites,
    "streams": _streams,
    "methods": _methods,
    "variants": _variants,
}
