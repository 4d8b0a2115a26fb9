"""`den doctor`: every check of the set-up in a table, and a line of what to do for each that is not fine."""

from collections.abc import Callable, Mapping

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.commands.checks import CHECKS, Finding, State, missing
from flows.runtime import addresses

COLOURS = {State.FINE: "green", State.HINT: "yellow", State.MISSING: "red"}


def examine(checks: Mapping[str, Callable[[], Finding]] = CHECKS) -> int:
    """Print what the checks find; returns the exit code, 1 where something needed is missing."""
    found = {name: finding(check) for name, check in checks.items()}
    console = Console(highlight=False)
    console.print(_table(found))
    for name, one in found.items():
        if one.state != State.FINE:
            console.print(f"{_coloured(one.state)}  {name}: {escape(one.advice)}", soft_wrap=True)
    return int(any(one.state == State.MISSING for one in found.values()))


def finding(check: Callable[[], Finding]) -> Finding:
    """Return what a check finds; one that breaks has found something broken."""
    try:
        return check()
    except Exception as error:  # whatever is broken here is what a doctor is asked about
        reason = addresses.without_secrets(" ".join(str(error).split())) or "no reason given"
        return missing(
            f"cannot be looked at ({type(error).__name__})", advice=f"{reason}; mend it, or `make setup` anew"
        )


def _table(found: Mapping[str, Finding]) -> Table:
    table = Table(box=box.SIMPLE_HEAD)
    for column in ("", "what", "found"):
        table.add_column(column, overflow="fold", no_wrap=column != "found")
    for name, one in found.items():
        table.add_row(_coloured(one.state), name, escape(one.found))
    return table


def _coloured(state: State) -> str:
    return f"[{COLOURS[state]}]{state}[/]"
