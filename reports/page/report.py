"""The report of a suite: tables and figures as files, and one page with all of them."""

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
from reports import labels, tables, text_tables
from reports.analysis import answers, comparison
from reports.analysis.answers import Sentence
from reports.analysis.comparison import READING, SUBJECT, Comparison
from reports.analysis.findings import findings
from reports.analysis.optimality import certificates
from reports.figures import FIGURES, export, style
from reports.page import components, heat_maps, later_papers, paper
from reports.page.cautions import cautions_of
from reports.page.heat_maps import HeatMaps
from reports.stream_results import StreamResults
from reports.tables import Tables
from reports.text_tables import Table

SUMMARY = (
    "Forgetting is a task’s best score before the last task minus its score after the last task. Capacity counts "
    "weights relative to the base network. Seconds are the training time of one cell."
)


@dataclass(frozen=True)
class Drawing:
    """One figure of a section: its file name, caption and SVG element."""

    name: str
    caption: str
    svg: Markup


@dataclass(frozen=True)
class Section:
    """One stream's part of the page: sentences, tables of text, figures, and score matrices as heat maps.

    lead: the figure of the answer, which is not among the drawings.
    """

    stream: str
    tasks: int
    methods: int
    seeds: list[int]
    score: str
    answer: list[Sentence]
    lead: Drawing | None
    cautions: list[str]
    judged: Table | None
    comparison: Comparison
    findings: list[str]
    summary: pd.DataFrame
    tables: list[Table]
    cells: pd.DataFrame
    heat_maps: HeatMaps
    drawings: list[Drawing]
    label_notes: str

    @property
    def label(self) -> str:
        """The stream's label."""
        return labels.stream(self.stream)


def write(collected: Tables, folder: Path, judged: Mapping[str, Table | None] | None = None, again: str = "") -> Path:
    """Write the report of one suite into `folder` and return its page, index.html.

    judged: by stream, the judgements against accepted results; again: the command that writes the same page.
    The folder also gets report.md, the three tables and the summary as CSV, and figures/<stream>/<name>.png and .svg.
    """
    if collected.cells.empty:
        raise ValueError("there is nothing to report: no finished cell; run the suite first, with `den run`")
    tables.write(collected, folder)
    files.write(folder / "summary.csv", collected.summary.to_csv(index=False, lineterminator="\n"))
    suite = ", ".join(sorted(collected.cells["suite"].unique()))
    again = again or f"den report --suite {suite}"
    sections = [_section(results, folder, (judged or {}).get(results.stream)) for results in collected.per_stream]
    page = folder / "index.html"
    files.write(folder / "report.md", _rendered("report.md", suite, again, sections))
    files.write(page, _rendered("page.html", suite, again, sections))
    return page


def _section(whole: StreamResults, folder: Path, judged: Table | None) -> Section:
    """Return a section. Departures of the released code count as methods and have cells, but tables of their own."""
    results = whole.without_departures
    compared = comparison.against_rival(results)
    leading = answers.question(results)
    drawings = {name: drawing for name in FIGURES if (drawing := _drawing(results, name, folder))}
    return Section(
        stream=paths.part(whole.stream),
        tasks=whole.tasks,
        methods=len(whole.methods),
        seeds=whole.seeds,
        score=whole.score_label,
        answer=answers.answer(compared),
        lead=drawings.pop(leading, None),
        cautions=cautions_of(results),
        judged=judged,
        comparison=compared,
        findings=findings(results),
        summary=text_tables.summary(results),
        tables=[
            *later_papers.tables_of(results),
            *paper.tables_of(compared),
            *components.tables_of(results),
            *_departures(results),
            *certificates(results),
        ],
        cells=text_tables.cells(whole),
        heat_maps=heat_maps.draw(results),
        drawings=list(drawings.values()),
        label_notes=results.label_notes,
    )


def _drawing(results: StreamResults, name: str, folder: Path) -> Drawing | None:
    figure = FIGURES[name](results)
    if figure is None:
        return None
    stream, caption = results.stream, _caption(name, results)
    name = name.replace("auroc", results.main_score)
    files.write(folder / "figures" / stream / f"{name}.png", export.png(figure))
    files.write(folder / "figures" / stream / f"{name}.svg", export.svg(figure))
    return Drawing(name, caption, Markup(export.inline(figure, f"{_slug(stream)}-{name}", escape(caption))))


def _caption(name: str, results: StreamResults) -> str:
    """Return the first line of the docstring of the figure's module, with the main score, and its floor if accuracy."""
    line = (sys.modules[FIGURES[name].__module__].__doc__ or name).splitlines()[0].rstrip(".")
    caption = labels.heading(line.replace("AUROC", results.score_label))
    if results.main_score != "accuracy" or "AUROC" not in line or not results.floor:
        return caption
    return f"{caption}; the majority answer has {labels.score(results.floor['accuracy'])}"


def _departures(results: StreamResults) -> list[Table]:
    """Return the summary of departures of the released code, which are too many and too similar for the main one."""
    departures = [method for method in results.whole.methods if method not in results.methods]
    if not departures:
        return []
    note = "Average over all tasks after the last one, of DEN and the released code with one departure more or less"
    rows = text_tables.summary(results.whole.among(departures))
    return [Table("Departures one by one", note, text_tables.compact(rows.to_dict("records")))]


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
    environment.globals |= {
        "color": lambda method: style.look(method)["color"],
        "subject": SUBJECT,
        "columns": SUMMARY,
        "floor": labels.MAJORITY,
    }
    return environment.get_template(template).render(
        suite=suite, again=again, sections=sections, reading=READING, commits=_commits(sections)
    )


def _commits(sections: list[Section]) -> str:
    """Return which commits the numbers come from: commit 632edf8, or two commits: 632edf8 and 7c1b2a0."""
    commits = sorted({commit for section in sections for commit in section.cells["commit"]})
    return f"{f'{len(commits)} commits:' if len(commits) > 1 else 'commit'} {labels.listed(commits)}"


def _slug(text: str) -> str:
    return re.sub(r"\W+", "-", text)


def _unbroken(text: str) -> str:
    """Return text that does not break between a number and its standard error, and within an interval or p."""
    text = re.sub(r"(\([+−]\S+) (?=[+−])", "\\1\u00a0", text)
    return re.sub(r" ([±=<]) ", "\u00a0\\1\u00a0", text)


def _breakable(text: str) -> str:
    """Return a number that can break before its standard error, and nowhere else."""
    return text.replace(" ± ", " ±\u00a0").replace("–", "\u2060–\u2060")
