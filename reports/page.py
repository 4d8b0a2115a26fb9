"""The report: tables and figures as files, and one page that holds them all."""

import math
import re
import sys
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from den import files
from reports import drawings, names, printed, style
from reports import tables as tidy
from reports.beside import beside
from reports.figures import FIGURES
from reports.findings import SUBJECT, findings, verdict
from reports.studies import studies
from reports.summary import matrices, plain, summary
from reports.tables import Tables


@dataclass(frozen=True)
class Drawing:
    """One figure of a section: its file name, caption and SVG element."""

    name: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class Section:
    """What the page says of one stream: frames of text, and score matrices as their measured rows by task."""

    stream: str
    tasks: int
    seeds: list[int]
    verdict: str
    findings: list[str]
    results: pd.DataFrame
    tables: list[printed.Table]
    cells: pd.DataFrame
    matrices: dict[str, dict[int, np.ndarray]]
    drawings: list[Drawing]

    @property
    def label(self) -> str:
        """The stream's name as a reader knows it."""
        return names.stream(self.stream)


def write(tables: Tables, folder: Path) -> Path:
    """Write the report of one suite into `folder` and return its page, index.html.

    Beside it: report.md, the three tables and the summary as CSV, and figures/<stream>/<name>.png and .svg.
    """
    if tables.cells.empty:
        raise ValueError("there is nothing to report: no finished cell; run the suite first, with `den run`")
    tidy.write(tables, folder)
    files.write(folder / "summary.csv", summary(tables).to_csv(index=False, lineterminator="\n"))
    suite = ", ".join(sorted(tables.cells["suite"].unique()))
    sections = [_section(tables.of(stream=stream), stream, folder) for stream in tables.streams]
    page = folder / "index.html"
    files.write(folder / "report.md", _rendered("report.md", suite, sections))
    files.write(page, _rendered("page.html", suite, sections))
    return page


def _section(tables: Tables, stream: str, folder: Path) -> Section:
    return Section(
        stream=stream,
        tasks=int(tables.scores["task"].max()),
        seeds=sorted(int(seed) for seed in tables.cells["seed"].unique()),
        verdict=verdict(tables),
        findings=findings(tables),
        results=printed.results(tables),
        tables=[*beside(tables), *studies(tables)],
        cells=printed.cells(tables),
        matrices=_matrices(tables),
        drawings=[drawn for name in FIGURES if (drawn := _drawing(tables, stream, name, folder))],
    )


def _drawing(tables: Tables, stream: str, name: str, folder: Path) -> Drawing | None:
    figure = FIGURES[name](tables)
    if figure is None:
        return None
    caption = _caption(name)
    files.write(folder / "figures" / stream / f"{name}.png", drawings.png(figure))
    files.write(folder / "figures" / stream / f"{name}.svg", drawings.svg(figure))
    return Drawing(name, caption, Markup(drawings.inline(figure, f"{_slug(stream)}-{name}", escape(caption))))


def _caption(name: str) -> str:
    """Return the first line of the docstring of the figure's module."""
    return (sys.modules[FIGURES[name].__module__].__doc__ or name).splitlines()[0].rstrip(".")


def _matrices(tables: Tables) -> dict[str, dict[int, np.ndarray]]:
    means = {
        method: np.mean(list(seeds.values()), axis=0) for method, seeds in matrices(plain(tables), "auroc").items()
    }
    return {method: _measured(R) for method, R in means.items()}


def _measured(R: np.ndarray) -> dict[int, np.ndarray]:
    return {after_task: row for after_task, row in enumerate(R, start=1) if not np.isnan(row).all()}


def _rendered(template: str, suite: str, sections: list[Section]) -> str:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "method": names.method,
        "score": names.score,
        "markdown": printed.markdown,
        "heat": _heat,
        "unbroken": _unbroken,
        "breakable": _breakable,
        "slug": _slug,
    }
    environment.globals |= {"color": lambda method: style.look(method)["color"], "subject": SUBJECT}
    return environment.get_template(template).render(suite=suite, sections=sections)


def _heat(score: float) -> float:
    """Return the share of colour of a score's cell, in percent: none up to chance, 60 at the most."""
    return 0 if math.isnan(score) else round(max(score - 0.5, 0) * 120, 1)


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text)


def _unbroken(text: str) -> str:
    return text.replace(" ± ", "\u00a0±\u00a0")


def _breakable(text: str) -> str:
    """Return a number that a narrow cell breaks before its standard error and nowhere else."""
    return text.replace(" ± ", " ±\u00a0")
