"""The form of all tables in the terminal. It imports nothing but rich: `den doctor` must work in a broken set-up.

A table that is wider than the terminal first breaks its names and its text between words, then continues its columns in
a further table beside the same names, as R and pandas do. No cell is shortened.
"""

import textwrap
from collections.abc import Collection, Hashable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, JustifyMethod
from rich.table import Table
from rich.text import Text

LONGEST_WORD = 30  # characters; only a word of text that is longer is broken
EDGES = 2  # characters at the ends of a line


@dataclass(frozen=True)
class Column:
    """A column with its cells. broken: its cells may take several lines."""

    name: str
    cells: tuple[str, ...]
    is_number: bool
    broken: bool

    @property
    def least(self) -> int:
        """The smallest width that shortens no cell; a header may take several lines in any column."""
        texts = [*_words(self.name), *(word for cell in self.cells for word in _words(cell, self.broken))]
        return min(max(map(_width, texts), default=0), LONGEST_WORD if self.broken else 10**6)

    @property
    def natural(self) -> int:
        """The width with every cell and the header on one line."""
        return max(map(_width, (self.name, *self.cells)))


@dataclass(frozen=True)
class Grid:
    """A table that fits any terminal. names: the columns that name a row, which every part repeats."""

    names: tuple[Column, ...]
    others: tuple[Column, ...]
    title: str | None
    padding: int

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[Table]:
        """Yield the parts of the table, one below the other."""
        for number, columns in enumerate(self.parts(options.max_width)):
            title, padding = None if number else self.title, (0, self.padding)
            table = Table(title=title, title_justify="left", box=box.SIMPLE_HEAD, padding=padding)
            for column, width in zip(columns, self.widths(columns, options.max_width), strict=True):
                justify: JustifyMethod = "right" if column.is_number else "left"
                table.add_column(column.name, justify=justify, overflow="fold", width=width)
            for row in zip(*(column.cells for column in columns), strict=True):
                table.add_row(*row)
            yield table

    def parts(self, width: int) -> list[list[Column]]:
        """Return the columns of each part: the names, and as many others as fit."""
        parts = [list(self.names)]
        for column in self.others:
            if len(parts[-1]) > len(self.names) and self._taken([*parts[-1], column]) > width:
                parts.append(list(self.names))
            parts[-1].append(column)
        return parts

    def widths(self, columns: Sequence[Column], width: int) -> list[int]:
        """Return the widths of the columns of a part; what is left goes to the first that need it.

        If the part does not fit, its widest column is broken inside of words.
        """
        left, widths = width - self._taken(columns), [column.least for column in columns]
        if left < 0:
            widest = widths.index(max(widths))
            widths[widest] = max(1, widths[widest] + left)
        for place, column in enumerate(columns):
            more = max(0, min(column.natural - column.least, left))
            widths[place] += more
            left -= more
        return widths

    def _taken(self, columns: Sequence[Column]) -> int:
        """Return the least width of a table of these columns."""
        return sum(column.least + 2 * self.padding + 1 for column in columns) - 1 + EDGES


def grid(
    columns: Iterable[Hashable],
    rows: Iterable[Sequence[str]],
    *,
    title: str | None = None,
    numbers: Collection[Hashable] = (),
    text: Collection[Hashable] = (),
    names: int = 1,
    padding: int = 1,
) -> Grid:
    """Return a table for the terminal.

    numbers: columns to align to the right. text: columns whose cells may take several lines. names: how many of the
    first columns name a row; the last of them may take several lines. padding: blanks before and after a cell.
    """
    headers, cells = list(columns), list(zip(*rows, strict=True))
    made = [
        Column(str(header), cells[place] if cells else (), header in numbers, header in text or place == names - 1)
        for place, header in enumerate(headers)
    ]
    return Grid(tuple(made[:names]), tuple(made[names:]), title, padding)


def say(console: Console, sentence: str) -> None:
    """Print a sentence, its lines no longer than the terminal; a path or command stays whole."""
    lines = textwrap.wrap(sentence, console.width, break_long_words=False, break_on_hyphens=False)
    console.print("\n".join(lines), highlight=False, markup=False, soft_wrap=True)


def _words(cell: str, broken: bool = True) -> list[str]:
    return cell.split() if broken else [cell]


def _width(cell: str) -> int:
    """Return the width of a cell without the marks of its colour."""
    return Text.from_markup(cell).cell_len
