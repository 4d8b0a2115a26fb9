"""The form of all tables in the terminal. It imports nothing but rich: `den doctor` must work in a broken set-up."""

from collections.abc import Collection, Hashable, Iterable, Sequence

from rich import box
from rich.table import Table


def grid(
    columns: Iterable[Hashable],
    rows: Iterable[Sequence[str]],
    *,
    title: str | None = None,
    numbers: Collection[Hashable] = (),
    unwrapped: Collection[Hashable] = (),
    fold: bool = False,
    padding: int | tuple[int, int] = (0, 1),
) -> Table:
    """Return a table for the terminal.

    numbers: columns to align to the right. unwrapped: columns on one line. fold: break long words instead of
    shortening them.
    """
    table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=padding)
    for column in columns:
        table.add_column(
            str(column),
            justify="right" if column in numbers else "left",
            overflow="fold" if fold else "ellipsis",
            no_wrap=column in unwrapped,
        )
    for row in rows:
        table.add_row(*row)
    return table
