"""The report: tables and figures as files, and one page that holds them all."""

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from html import escape
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape
from markupsafe import Markup

from den import files, paths
from reports import labels, text_tables
from reports import tables as tidy
from reports.analysis.comparison import Contest, contest
from reports.analysis.findings import SUBJECT, findings, verdict
from reports.analysis.optimality import certificates
from reports.figures import FIGURES, export, style
from reports.page.cautions import notes
from reports.page.components import studies
from reports.page.heat_maps import HeatMaps, heat_maps
from reports.page.later_papers import later
from reports.page.published_beside import beside
from reports.summaries import main_score, plain, score_name, summary
from reports.tables import Tables


@dataclass(frozen=True)
class Drawing:
    """One figure of a section: its file name, caption and SVG element."""

    name: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class Section:
    """What the page says of one stream: sentences, tables of text, figures, and score matrices as heat maps."""

    stream: str
    tasks: int
    methods: int
    seeds: list[int]
    score: str
    verdict: str
    notes: list[str]
    judged: text_tables.Table | None
    contest: Contest
    findings: list[str]
    results: pd.DataFrame
    tables: list[text_tables.Table]
    cells: pd.DataFrame
    heat: HeatMaps
    drawings: list[Drawing]

    @property
    def label(self) -> str:
        """The stream's name as a reader knows it."""
        return labels.stream(self.stream)


def write(
    tables: Tables, folder: Path, judged: Mapping[str, text_tables.Table | None] | None = None, again: str = ""
) -> Path:
    """Write the report of one suite into `folder` and return its page, index.html.

    judged: by stream, how it stands to the accepted results; again: the command that writes the same page.
    Beside it: report.md, the three tables and the summary as CSV, and figures/<stream>/<name>.png and .svg.
    """
    if tables.cells.empty:
        raise ValueError("there is nothing to report: no finished cell; run the suite first, with `den run`")
    tidy.write(tables, folder)
    files.write(folder / "summary.csv", summary(tables).to_csv(index=False, lineterminator="\n"))
    suite = ", ".join(sorted(tables.cells["suite"].unique()))
    known, again = judged or {}, again or f"den report --suite {suite}"
    streams = list(map(paths.part, tables.streams))
    sections = [_section(tables.of(stream=stream), stream, folder, known.get(stream)) for stream in streams]
    page = folder / "index.html"
    files.write(folder / "report.md", _rendered("report.md", suite, again, sections))
    files.write(page, _rendered("page.html", suite, again, sections))
    return page


def _section(tables: Tables, stream: str, folder: Path, judged: text_tables.Table | None) -> Section:
    return Section(
        stream=stream,
        tasks=int(tables.scores["task"].max()),
        methods=tables.cells["method"].nunique(),
        seeds=sorted(int(seed) for seed in tables.cells["seed"].unique()),
        score=score_name(tables),
        verdict=verdict(tables),
        notes=notes(tables),
        judged=judged,
        contest=contest(plain(tables)),
        findings=findings(tables),
        results=text_tables.results(plain(tables)),
        tables=[*later(tables), *beside(tables), *studies(tables), *_departures(tables), *certificates(tables)],
        cells=text_tables.cells(tables),
        heat=heat_maps(tables),
        drawings=[drawn for name in FIGURES if (drawn := _drawing(tables, stream, name, folder))],
    )


def _drawing(tables: Tables, stream: str, name: str, folder: Path) -> Drawing | None:
    figure = FIGURES[name](tables)
    if figure is None:
        return None
    name, caption = name.replace("auroc", main_score(stream)), _caption(name, score_name(tables))
    files.write(folder / "figures" / stream / f"{name}.png", export.png(figure))
    files.write(folder / "figures" / stream / f"{name}.svg", export.svg(figure))
    return Drawing(name, caption, Markup(export.inline(figure, f"{_slug(stream)}-{name}", escape(caption))))


def _caption(name: str, score: str) -> str:
    """Return the first line of the docstring of the figure's module, on the score that the stream is told in."""
    line = (sys.modules[FIGURES[name].__module__].__doc__ or name).splitlines()[0].rstrip(".")
    return labels.heading(line.replace("AUROC", score))


def _departures(tables: Tables) -> list[text_tables.Table]:
    """Return the results of the methods that the summary leaves out, for they are many and nearly alike."""
    rows = text_tables.results(tables)
    others = rows[~rows["method"].isin(plain(tables).cells["method"])]
    note = "Average over all tasks after the last one, of DEN and the released code with one departure more or less"
    listed = text_tables.present(others.to_dict("records"))
    return [text_tables.Table("Departures one by one", note, listed)] if len(listed) else []


def _rendered(template: str, suite: str, again: str, sections: list[Section]) -> str:
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "method": labels.method,
        "markdown": text_tables.markdown,
        "unbroken": _unbroken,
        "breakable": _breakable,
        "slug": _slug,
        "heading": labels.heading,
    }
    environment.globals |= {"color": lambda method: style.look(method)["color"], "subject": SUBJECT}
    return environment.get_template(template).render(suite=suite, again=again, sections=sections)


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text)


def _unbroken(text: str) -> str:
    return text.replace(" ± ", "\u00a0±\u00a0")


def _breakable(text: str) -> str:
    """Return a number that a narrow cell breaks before its standard error and nowhere else."""
    return text.replace(" ± ", " ±\u00a0").replace("–", "\u2060–\u2060")
