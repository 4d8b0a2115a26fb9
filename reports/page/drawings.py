"""The figures of one stream: as files, and numbered on the page, those of further methods last."""

import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from html import escape
from pathlib import Path

from markupsafe import Markup
from matplotlib.figure import Figure

from den import files
from reports import labels
from reports.figures import FIGURES, PER_GROUP, export, groups, style
from reports.stream_results import StreamResults
from reports.text_tables import Table, Topic


@dataclass(frozen=True)
class Drawing:
    """One figure of a page.

    figure: its name among FIGURES; file: the path of its files without an ending, from the page's folder; wide: it is
    as wide as two columns; further: it shows methods beyond those of the main figure.
    """

    number: int
    figure: str
    caption: str
    file: str
    svg: Markup
    wide: bool
    further: bool


def of_stream(results: StreamResults, folder: Path, first: int, leading: str) -> list[Drawing]:
    """Write the figures of a stream into `folder`, and return them numbered from `first`.

    leading: the name of the figure that comes first, if the stream has it.
    """
    drawn = sorted(_drawn(results), key=lambda drawn: (drawn[1] > 0, drawn[0] != leading))
    return [_drawing(number, *about, results, folder) for number, about in enumerate(drawn, start=first)]


def of_table(drawings: list[Drawing], table: Table) -> list[Drawing]:
    """Return the figures that draw a table; none if no figure does."""
    return on(drawings, table.topic) if table.topic else []


def on(drawings: list[Drawing], *topics: Topic) -> list[Drawing]:
    """Return the figures on these topics."""
    return [drawing for drawing in drawings if drawing.figure in topics]


def others(drawings: list[Drawing], drawing: Drawing) -> list[Drawing]:
    """Return the figures that show other methods in the same way."""
    return [other for other in drawings if other.figure == drawing.figure and other != drawing]


def _drawn(results: StreamResults) -> Iterator[tuple[str, int, Figure]]:
    """Yield the name, the place of the group of methods, and the figure."""
    parts = groups.of(results)
    grouped = [results.among(methods) for methods in parts] if len(parts) > 1 else [results]
    for name, draw in FIGURES.items():
        for place, part in enumerate(grouped if name in PER_GROUP else [results]):
            figure = draw(part)
            if figure is not None:
                yield name, place, figure


def _drawing(number: int, name: str, place: int, figure: Figure, results: StreamResults, folder: Path) -> Drawing:
    file = name.replace("auroc", results.main_score) + (f"_{place + 1}" if place else "")
    path, caption = f"figures/{results.stream}/{file}", _caption(name, results)
    rendered = {"png": export.png(figure), "svg": export.svg(figure), "pdf": export.pdf(figure)}
    for kind, drawing in rendered.items():
        files.write(folder / f"{path}.{kind}", drawing)
    id = re.sub(r"\W+", "-", f"{results.stream}-{file}")
    svg = Markup(export.inline(rendered["svg"], id, escape(caption)))
    return Drawing(number, name, caption, path, svg, figure.get_figwidth() > style.WIDTH, place > 0)


def _caption(name: str, results: StreamResults) -> str:
    """Return the first line of the docstring of the figure's module, with the main score, and its floor if accuracy."""
    line = (sys.modules[FIGURES[name].__module__].__doc__ or name).splitlines()[0].rstrip(".")
    caption = labels.heading(line.replace("AUROC", results.score_label))
    if results.main_score != "accuracy" or "AUROC" not in line or not results.floor:
        return caption
    return f"{caption}; the majority answer has {labels.score(results.floor['accuracy'])}"
