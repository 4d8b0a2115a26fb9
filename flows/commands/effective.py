"""`den run --show`: the settings in effect for each stream and method of a request, and where each comes from."""

from collections.abc import Iterator

from rich.console import Console
from rich.markup import escape

from den.cells import Cell
from den.ledger.settings import flat
from den.suites import Plan
from flows.commands import words
from flows.commands.terminal_tables import grid

COLUMNS = ("setting", "value", "from")
COORDINATES = ("stream", "method", "variant", "seed", "evaluation")


def print_settings(plan: Plan, suite: str, cells: tuple[Cell, ...]) -> None:
    """Print a table per stream and method; its seeds share the settings."""
    console = Console(highlight=False)
    for cell in {(cell.stream, cell.name): cell for cell in cells}.values():
        title = f"{cell.stream} · {cell.name}"
        console.print(grid(COLUMNS, rows(plan, suite, cell), title=title, text=COLUMNS[1:], padding=0))


def rows(plan: Plan, suite: str, cell: Cell) -> Iterator[tuple[str, str, str]]:
    """Yield key, value and source of each setting; the key is that of a measurement."""
    sources = plan.sources(plan.suite(suite), cell.stream, cell.name)
    settings = cell.model_dump(mode="json", exclude=set(COORDINATES))
    for key, value in flat(settings):
        yield key, escape(words.value(value)), sources.get(key, "default")
