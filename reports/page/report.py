"""The report of a suite: tables and figures as files, and one page with all of them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from den import files, paths
from reports import labels, tables, text_tables
from reports.analysis import answers, comparison, orders
from reports.analysis.answers import Sentence
from reports.analysis.comparison import READING, Comparison
from reports.analysis.findings import findings
from reports.analysis.optimality import certificates
from reports.figures import looks
from reports.page import components, contents, drawings, heat_maps, later_papers, paper
from reports.page.cautions import cautions_of
from reports.page.drawings import Drawing
from reports.page.heat_maps import HeatMaps
from reports.stream_results import StreamResults
from reports.tables import Tables
from reports.text_tables import Table, Topic

SUMMARY = (
    "Forgetting is a task’s best score before the last task minus its score after the last task. Capacity counts "
    "weights relative to the base network. Seconds are the training time of one cell."
)


@dataclass(frozen=True)
class Section:
    """One stream's part of the page: sentences, tables of text, figures, and score matrices as heat maps.

    question: the name of the figure that shows the answer.
    """

    stream: str
    tasks: int
    methods: int
    seeds: list[int]
    score: str
    question: str
    answer: list[Sentence]
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

    @property
    def lead(self) -> Drawing | None:
        """The first figure, if it shows the answer."""
        return next((drawing for drawing in self.drawings[:1] if drawing.figure == self.question), None)

    @property
    def of_summary(self) -> list[Drawing]:
        """The figures that draw the summary."""
        return drawings.on(self.drawings, Topic.OVER_TASKS, Topic.CAPACITY)


def write(
    collected: Tables,
    folder: Path,
    judged: Mapping[str, Table | None] | None = None,
    again: str = "",
    home: str = "",
) -> Path:
    """Write the report of one suite into `folder` and return its page, index.html.

    judged: by stream, the judgements against accepted results; again: the command that writes the same page; home: the
    address of a page that this one belongs to.
    The folder also gets report.md, the three tables and the summary as CSV, and figures/<stream>/<name> as PNG,
    SVG and PDF. Figures are numbered from 1 over all streams.
    """
    if collected.cells.empty:
        raise ValueError("there is nothing to report: no finished cell; run the suite first, with `den run`")
    tables.write(collected, folder)
    files.write(folder / "summary.csv", collected.summary.to_csv(index=False, lineterminator="\n"))
    suite = ", ".join(sorted(collected.cells["suite"].unique()))
    again = again or f"den report --suite {suite}"
    sections: list[Section] = []
    for results in collected.per_stream:
        first = 1 + sum(len(section.drawings) for section in sections)
        sections.append(_section(results, folder, (judged or {}).get(results.stream), first))
    page = folder / "index.html"
    files.write(folder / "report.md", _rendered("report.md", suite, again, home, sections))
    text = contents.anchored(_rendered("page.html", suite, again, home, sections))
    listed = environment().get_template("contents.html").render(contents=contents.of_page(text))
    files.write(page, text.replace(contents.PLACE, listed))
    return page


def _section(whole: StreamResults, folder: Path, judged: Table | None, first: int) -> Section:
    """Return a section. Departures of the released code count as methods and have cells, but tables of their own."""
    stream = paths.part(whole.stream)  # refuses a name that leads out of the folder, before anything is written
    results = whole.without_departures
    compared = comparison.against_rival(results)
    question = answers.question(results)
    return Section(
        stream=stream,
        tasks=whole.tasks,
        methods=len(whole.methods),
        seeds=whole.seeds,
        score=whole.score_label,
        question=question,
        answer=answers.answer(compared),
        cautions=cautions_of(results),
        judged=judged,
        comparison=compared,
        findings=findings(results),
        summary=text_tables.summary(results),
        tables=[
            *later_papers.tables_of(results),
            *paper.tables_of(compared),
            *components.tables_of(compared),
            *orders.tables_of(results),
            *_departures(results),
            *certificates(results),
        ],
        cells=text_tables.cells(whole),
        heat_maps=heat_maps.draw(results),
        drawings=drawings.of_stream(results, folder, first, question),
        label_notes=results.label_notes,
    )


def _departures(results: StreamResults) -> list[Table]:
    """Return the summary of departures of the released code, which are too many and too similar for the main one."""
    departures = [method for method in results.whole.methods if method not in results.methods]
    if not departures:
        return []
    note = "Average over all tasks after the last one, of DEN and the released code with one departure more or less"
    rows = text_tables.summary(results.whole.among(departures))
    return [Table("Departures one by one", note, text_tables.compact(rows.to_dict("records")))]


def _rendered(template: str, suite: str, again: str, home: str, sections: list[Section]) -> str:
    about = {"suite": suite, "again": again, "home": home, "sections": sections}
    return environment().get_template(template).render(**about, reading=READING, commits=_commits(sections))


def _commits(sections: list[Section]) -> str:
    """Return which commits the numbers come from: commit 632edf8, or two commits: 632edf8 and 7c1b2a0."""
    commits = sorted({commit for section in sections for commit in section.cells["commit"]})
    return f"{f'{len(commits)} commits:' if len(commits) > 1 else 'commit'} {labels.listed(commits)}"


def environment() -> Environment:
    """Return the templates, with the filters that write numbers and labels."""
    environment = Environment(
        loader=PackageLoader("reports"),
        autoescape=select_autoescape(["html"]),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "method": labels.method,
        "stream": labels.stream,
        "score": labels.score,
        "markdown": text_tables.markdown,
        "unbroken": _unbroken,
        "breakable": _breakable,
        "of_table": drawings.of_table,
        "others": drawings.others,
        "heading": labels.heading,
    }
    environment.globals |= {
        "color": lambda method: looks.look(method)["color"],
        "subject": labels.PAPER_METHOD,
        "columns": SUMMARY,
        "floor": labels.MAJORITY,
    }
    return environment


def _unbroken(text: str) -> str:
    """Return text that does not break between a number and its standard error, and within an interval or p."""
    text = re.sub(r"(\([+−]\S+) (?=[+−])", "\\1\u00a0", text)
    return re.sub(r" ([±=<]) ", "\u00a0\\1\u00a0", text)


def _breakable(text: str) -> str:
    """Return a number that can break before its standard error, and nowhere else."""
    return text.replace(" ± ", " ±\u00a0").replace("–", "\u2060–\u2060")
