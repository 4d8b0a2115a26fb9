"""`den doctor`: a table of all checks of the set-up, and advice for each that found a problem."""

from collections.abc import Callable, Mapping

from rich.console import Console
from rich.markup import escape

from flows.commands.checks import CHECKS, Finding, State, missing
from flows.commands.terminal_tables import grid, say
from flows.runtime import addresses

COLOURS = {State.FINE: "green", State.HINT: "yellow", State.MISSING: "red"}
COLUMNS = ("", "check", "result")


def print_checks(checks: Mapping[str, Callable[[], Finding]] = CHECKS) -> int:
    """Print what the checks find; return the exit code, 1 if something required is missing."""
    findings = {name: run_check(check) for name, check in checks.items()}
    rows = [(_coloured(finding.state), name, escape(finding.summary)) for name, finding in findings.items()]
    terminal = Console(highlight=False)
    terminal.print(grid(COLUMNS, rows, names=2, text=COLUMNS[2:]))
    for name, finding in findings.items():
        if finding.state != State.FINE:
            say(terminal, f"{finding.state}  {name}: {finding.advice}")
    return int(any(finding.state == State.MISSING for finding in findings.values()))


def run_check(check: Callable[[], Finding]) -> Finding:
    """Return what a check finds; a check that fails with an error reports its subject as missing."""
    try:
        return check()
    except Exception as error:  # a broken installation can raise anything
        reason = addresses.without_secrets(" ".join(str(error).split())) or "no reason given"
        return missing(
            f"cannot be checked ({type(error).__name__})", advice=f"{reason}; mend it, or repeat `make setup`"
        )


def _coloured(state: State) -> str:
    return f"[{COLOURS[state]}]{state}[/]"
