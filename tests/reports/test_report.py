"""Figures and pages from synthetic results: whole, alike every time, safe to open offline."""

import re
from dataclasses import replace
from html import unescape
from html.parser import HTMLParser
from itertools import chain
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest
from synthetic import ABLATION, DIFFERENCES, METHODS, result, results, tables_in, with_more

from den import measures
from den.methods.quirks import QUIRKS
from reports import labels, published_numbers, tables, text_tables
from reports.analysis import answers, inference
from reports.analysis.by_seed import departures, difference, ratio, selected_units, training
from reports.analysis.comparison import READING, against_rival
from reports.analysis.findings import findings
from reports.figures import FIGURES, export, style
from reports.page import components, drawings, paper, report
from reports.page.paper import LOG, REPRODUCTION
from reports.published_numbers import PAPER, PUBLISHED
from reports.stream_results import StreamResults
from reports.text_tables import Table

LATER = {"Yoon et al. 2020", "Liang & Li 2023", "Kang et al. 2022"}
CURVES = (
    "auroc_over_tasks",
    "auroc_over_capacity",
    "score_over_time",
    "units_over_tasks",
    "network_growth",
    "selected_units",
    "training_time",
)
STUDIES = {"selective_retraining": ABLATION, "expansion_ablation": ABLATION, "differences": DIFFERENCES}
CROWD = (
    "l2_published",
    "ewc_published",
    "progressive",
    "progressive_small",
    "den_plus",
    "den_finetune",
    "den_official",
)
SPANS = {
    "auroc": (0.49, 1),
    "accuracy": (0.4, 0.7),
    "capacity": (0.1, 50),
    "error": (0, 0.1),
    "seconds": (10, 1000),
    "selected units": (1, 312),
    "task auroc": (0.5, 1),
    "average auroc": (0.5, 1),
    "units": (128, 400),
    "kept units": (0, 10),
    "split units": (0, 0),
    "zero weights": (0, 1),
}
SIZES = {"one seed": (1, METHODS, 10), "three seeds": (3, METHODS, 10), "two tasks": (1, ("den", "homemade"), 2)}


def grid(seeds: int = 1, methods: tuple[str, ...] = METHODS, tasks: int = 10) -> StreamResults:
    """Return the results of a synthetic run of one stream."""
    return of("mnist_variation", seeds, methods, tasks)


def of(stream: str, seeds: int = 1, methods: tuple[str, ...] = METHODS, tasks: int = 10) -> StreamResults:
    """Return the results of a synthetic run of a stream."""
    return tables.collect(results(stream, seeds, methods, tasks), "quick").of()


def page_tables(stream: StreamResults) -> list[Table]:
    """Return the tables on the paper and on the parts of DEN."""
    compared = against_rival(stream)
    return [*paper.tables_of(compared), *components.tables_of(compared)]


@pytest.mark.parametrize("name", CURVES)
@pytest.mark.parametrize(
    "size", [pytest.param(size, marks=[pytest.mark.slow] * (size != "three seeds")) for size in SIZES]
)
def test_a_figure_is_drawn_alike_every_time_and_leaves_no_style_behind(name: str, size: str) -> None:
    before = dict(mpl.rcParams)
    stream = grid(*SIZES[size])
    assert export.svg(FIGURES[name](stream)) == export.svg(FIGURES[name](stream))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_drawn_over_the_labels_or_cut(name: str) -> None:
    figure = FIGURES[name](grid(2, STUDIES.get(name, (*METHODS, *CROWD))).without_departures)
    with style.house():
        figure.draw_without_rendering()
    legends = [legend.get_window_extent() for legend in figure.legends]
    panels = [axes.get_tightbbox() for axes in figure.axes]
    assert not any(legend.overlaps(panel) for legend in legends for panel in panels)
    for box in (*legends, *panels):
        assert figure.bbox.contains(box.x0, box.y0)
        assert figure.bbox.contains(box.x1, box.y1)


@pytest.mark.parametrize("name", STUDIES)
def test_a_study_is_drawn_only_where_it_was_made(name: str) -> None:
    assert FIGURES[name](grid()) is None


def test_departures_have_a_figure_and_a_table_of_their_own_and_no_curves() -> None:
    stream = grid(1, DIFFERENCES).without_departures
    labels = FIGURES["differences"](stream).axes[0].get_yticklabels()
    assert {label.get_text() for label in labels} == {"one step head", "all inputs"}
    assert "step head" not in export.svg(FIGURES["auroc_over_tasks"](stream)).decode()
    assert not any("step head" in sentence for sentence in findings(stream))
    assert (
        len(next(table for table in components.tables_of(against_rival(stream)) if "departures" in table.title).rows)
        == 2
    )


def test_the_topic_of_a_table_is_a_figure_and_no_two_kinds_of_table_share_one() -> None:
    assert set(text_tables.Topic) <= set(FIGURES)
    topics = [table.topic for table in page_tables(grid(2, ABLATION)) if table.topic]
    assert len(topics) == len(set(topics)) > 5


def test_a_page_of_departures_makes_each_comparison_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(drawings, "FIGURES", {})
    rivals: list[str] = []
    against = inference.against
    monkeypatch.setattr(inference, "against", lambda values, rival: rivals.append(rival) or against(values, rival))
    collected = tables.collect(results("mnist_variation", 2, DIFFERENCES), "differences")
    report.write(collected, tmp_path)
    assert rivals == ["den"] * len(collected.of().scores_measured) + ["den_official"]


@pytest.mark.parametrize(
    ("name", "dirty", "short"),
    [
        ("8c5ce2b" + "0" * 33, False, "8c5ce2b"),
        ("8c5ce2b" + "0" * 33, True, "8c5ce2b-dirty"),
        ("8c5ce2b" + "0" * 33 + "-dirty", False, "8c5ce2b-dirty"),
        ("8c5ce2b" + "0" * 33 + " + 632edf8" + "1" * 33, False, "8c5ce2b + 632edf8"),
        (None, False, "not recorded"),
        ("", True, "not recorded"),
    ],
)
def test_a_commit_has_one_short_form(name: str | None, dirty: bool, short: str) -> None:
    assert labels.commit(name, dirty) == labels.commit(short, False) == short


def test_departures_alone_are_left_in() -> None:
    alone = grid(1, DIFFERENCES[2:])
    assert alone.without_departures is alone
    assert grid().without_departures.methods == labels.ordered(METHODS)


def test_chosen_results_remember_all_results() -> None:
    stream = grid(2, DIFFERENCES)
    chosen = stream.without_departures.among(["den"])
    assert (chosen.methods, list(chosen.averages), chosen.whole) == (["den"], ["den"], stream)
    assert chosen.averages["den"] == stream.averages["den"]


def test_a_departure_changes_what_its_two_cells_differ_in_seed_by_seed() -> None:
    stream = grid(3, DIFFERENCES)
    auroc = stream.averages
    added, mended = departures(auroc)["one step head"]
    each = [auroc["plus_one_step_head"][seed] - auroc["den"][seed] for seed in (1, 2, 3)]
    assert added.mean == pytest.approx(sum(each) / 3)
    assert mended == difference(auroc, "minus_one_step_head", "den_official")
    assert departures(stream.capacities)["all inputs"].added.mean == pytest.approx(-0.36)


def test_every_quirk_is_shown_in_words() -> None:
    for quirk in QUIRKS:
        assert labels.method(f"plus_{quirk}") == f"DEN with {labels.quirk(quirk)}"
        assert labels.method(f"minus_{quirk}") == f"Released code without {labels.quirk(quirk)}"


def test_only_seeds_that_both_have_are_compared() -> None:
    values = {"a": {1: 2.0, 2: 9.0}, "b": {1: 1.0, 3: 5.0}}
    assert difference(values, "a", "b").pair[0] == 1.0
    assert ratio(values, "a", "b").seeds == 1
    assert difference(values, "a", "nobody").seeds == 0


def test_training_time_leaves_out_the_first_task_and_evaluations() -> None:
    stream = grid(1, ("finetune", "dnn_selective"))
    rows = stream.measures
    mine = (
        (rows["measure"] == measures.SECONDS)
        & (rows["method"] == "dnn_selective")
        & (rows["stage"] == measures.SELECTIVE)
    )
    assert training(stream, measures.SECONDS)["dnn_selective"][1] == pytest.approx(rows[mine]["value"].sum())
    assert training(stream, measures.STEPS)["finetune"][1] == 9 * 195


def test_the_paper_stands_beside_what_was_measured() -> None:
    rows = {table.title: table.rows for table in page_tables(grid(2, ABLATION))}
    retraining = rows["Selective retraining"].set_index("method")
    assert retraining["paper: time ratio"]["dnn_selective"] == "0.65"
    assert retraining["time ratio"]["dnn_selective"].startswith("0.7")
    assert rows["Selected units"].set_index("method")["paper: layer 2"]["dnn_l1"] == "112"
    assert rows["DEN in parts"].set_index("method").loc["den_constant_20", "paper: capacity"] == "1.89"
    assert rows["Against DEN, here and in the paper"].set_index("method")["paper"]["den_dynamic"] == "−.0447"
    drift = rows["Drift"].set_index(["method", "task"])
    assert drift.loc[("l2", "7"), "paper: change"] == "−.027"
    assert selected_units(grid(1, ABLATION))[1]["dnn_l1"] == {1: 140.0}


def test_a_log_of_the_released_code_stands_beside_it_on_its_own_stream_alone() -> None:
    official = of("permuted_mnist", 1, ("den", "den_official"))
    (rows,) = [table.rows for table in paper.tables_of(against_rival(official)) if "log" in table.title]
    assert rows["log: layer 1"].tolist()[-1] == "389"
    assert not any("log" in table.title for table in paper.tables_of(against_rival(grid(1, ("den", "den_official")))))


def test_a_stream_that_nobody_published_has_no_column_for_it() -> None:
    columns = {column for table in page_tables(of("blobs", tasks=3)) for column in table.rows}
    assert not any("paper" in column for column in columns)
    assert published_numbers.retraining("blobs") == {"auroc": {}, "seconds": {}}


@pytest.mark.parametrize("path", sorted(PUBLISHED.glob("*.csv")), ids=lambda path: path.stem)
def test_published_numbers_are_in_range_of_known_methods_and_say_where_they_were_read(path: Path) -> None:
    rows = pd.read_csv(path)
    gaps = ["layer", "capacity"] if path.stem == "later" else ["layer"]
    assert not rows.drop(columns=gaps, errors="ignore").isna().any(axis=None)
    assert set(rows["source"]) <= ({PAPER, REPRODUCTION, LOG} if path.stem != "later" else LATER)
    assert set(rows["method"]) <= {*labels.METHODS, *(labels.PUBLISHED_ONLY if path.stem == "later" else ())}
    assert set(rows["stream"]) <= set(labels.STREAMS)
    assert not rows.drop(columns=["value", "read_from"]).duplicated().any()
    for kind, group in rows.groupby("measure" if "measure" in rows else "score"):
        assert group["value"].between(*SPANS[str(kind)]).all()
    for column in {"capacity", "error"} & set(rows):
        assert rows[column].dropna().between(*SPANS[column]).all()


def test_published_curves_are_whole() -> None:
    curves = pd.read_csv(PUBLISHED / "over_tasks.csv").groupby(["stream", "method"])["after_task"].agg(tuple)
    assert set(curves["cifar100"]) == {tuple(range(1, 11))}
    assert set(curves["awa"]) == {(1, 10, 20, 30, 40, 50)}
    drift = pd.read_csv(PUBLISHED / "drift.csv")
    for (task, _), rows in drift.groupby(["task", "method"]):
        assert rows["after_task"].tolist() == list(range(task, 11))
    assert drift.groupby("task")["method"].nunique().to_dict() == {1: 5, 4: 5, 7: 5}
    log = (
        pd.read_csv(PUBLISHED / "official_log.csv").set_index(["measure", "layer", "after_task"])["value"].sort_index()
    )
    for layer in (1, 2):
        grown = log["units", layer].diff().dropna()
        assert grown.tolist() == log["kept units", layer].tolist()


def test_findings_count_how_often_stages_fired() -> None:
    sentences = findings(grid(1))
    assert "DEN: expansion fired on 9 of 9 tasks (always), split fired on 5 of 9 tasks." in sentences
    assert not any("fired" in sentence for sentence in findings(grid(1, ("l2", "ewc"))))


class Outline(HTMLParser):
    """Collects ids and checks that every element that is opened is closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that is opened."""
        self.ids += [value for key, value in attrs if key == "id" and value]
        if tag not in ("meta", "br", "hr", "img", "link"):
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note an element that is empty."""
        self.ids += [value for key, value in attrs if key == "id" and value]

    def handle_endtag(self, tag: str) -> None:
        """Note an element that is closed."""
        assert self.open.pop() == tag


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a report of two streams."""
    folder = tmp_path_factory.mktemp("out")
    other = [result("another_stream", method, 1, 3, commit="f" * 40) for method in ("den", "another")]
    cells = results("mnist_variation", 2) + other
    report.write(tables.collect(cells, "odd & <script>"), folder, again="den report --accepted")
    return folder


def test_the_page_stands_alone_and_is_well_formed(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    assert "<script" not in text
    assert set(re.findall(r"https?://[^\"' ]+", text)) <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"<(img|link|iframe|script)|@import|url\((?!#)", text)
    outline = Outline(text)
    assert not outline.open
    assert len(set(outline.ids)) == len(outline.ids)
    assert {unescape(link) for link in re.findall(r'href="#([^"]+)"', text)} <= {*outline.ids}


def test_the_list_of_contents_names_every_heading_and_every_figure(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    nav = text[text.index("<nav") : text.index("</nav>")]
    listed = [(id, unescape(words)) for id, words in re.findall(r'<a href="#([^"]+)">(.*?)</a>', nav)]
    headings = re.findall(r'<h[23] id="([^"]+)">(.*?)</h[23]>', text)
    assert len(headings) == len(re.findall(r"<h[23]", text))
    assert [entry for entry in listed if not entry[0].startswith("figure-")] == [
        (id, unescape(words)) for id, words in headings
    ]
    figures = [words for id, words in listed if id.startswith("figure-")]
    numbers = [int(words.split()[1]) for words in figures]
    assert sorted(numbers) == list(range(1, 1 + text.count("<figure")))
    assert "Figure 1 Average AUROC over the number of tasks learned" in figures


def test_the_command_that_writes_the_page_stands_on_it_once(folder: Path) -> None:
    assert (folder / "index.html").read_text().count("den report --accepted") == 1


def test_a_table_names_the_figure_that_draws_it(folder: Path) -> None:
    text = (folder / "index.html").read_text()
    growth = text[text.index(">Network growth</h3>") :]
    (number,) = re.findall(r'Drawn in <a href="#figure-(\d+)">', growth[: growth.index("<h3")])
    assert re.search(rf'<figcaption id="figure-{number}"><b>Figure {number}</b> <span>Network growth', text)


def test_every_file_of_the_report_is_there_and_none_half_written(folder: Path) -> None:
    written = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"index.html", "report.md", "scores.csv", "cells.csv", "measures.csv", "summary.csv"} <= written
    assert {f"figures/mnist_variation/{name}.{kind}" for name in CURVES for kind in ("png", "svg", "pdf")} <= written
    assert not [path for path in written if any(name in path for name in STUDIES)]
    assert not [path for path in written if path.startswith(".")]


def test_the_pages_say_the_same_as_the_tables(folder: Path) -> None:
    another, mnist = tables_in(folder).per_stream
    advised = {text_tables.cells(stream)["measurement"].iloc[0] for stream in (another, mnist)}
    for name in ("index.html", "report.md"):
        text = (folder / name).read_text().replace("\u00a0", " ")
        sentences = [*chain(*((answer.opening, *answer.parts) for answer in answers.answer(against_rival(mnist))))]
        assert all(sentence in unescape(text) for sentence in [*sentences, *findings(mnist), READING])
        assert all(value in text for value in text_tables.summary(mnist)["AUROC"])
        assert all(f" {id} " in text or f">{id}<" in text for id in mnist.cells["measurement"].str.slice(0, 8))
        assert ".8131" in text
        assert text.count(READING) == 1
        assert "den report --accepted" in text
        assert set(re.findall(r"den (?:why|rerun) ([0-9a-f]+)", text)) == advised


def test_the_page_names_every_commit_that_its_numbers_come_from(folder: Path) -> None:
    assert "The numbers above come from 2 commits: 8c5ce2b and fffffff." in (folder / "index.html").read_text()


@pytest.mark.parametrize("how", ["measured", "reused", "accepted"])
def test_a_cell_is_shown_with_its_measurement_its_machine_and_how_it_was_answered(how: Any) -> None:
    measured = replace(result("blobs", "l2", 3), how=how)
    (row,) = text_tables.cells(tables.collect([measured], "smoke").of()).to_dict("records")
    assert len(row["measurement"]) == 8
    assert measured.measurement.id.startswith(row["measurement"])
    assert (row["how"], row["machine"], row["commit"]) == (how, measured.measurement.origin.machine.label, "8c5ce2b")
    assert row["data"] == measured.measurement.data[:8]


def test_a_commit_that_is_dirty_or_not_recorded_says_so() -> None:
    odd = [result("blobs", "l2", 1, dirty=True), result("blobs", "l2", 2, commit=None, dirty=None)]
    assert text_tables.cells(tables.collect(odd, "smoke").of())["commit"].tolist() == [
        "8c5ce2b-dirty",
        "not recorded",
    ]


def test_two_measurements_of_a_cell_are_refused_by_their_ids() -> None:
    twins = [result("blobs", "l2", 1), result("blobs", "l2", 1, load=1.0)]
    with pytest.raises(ValueError, match="one setting per method") as refusal:
        against_rival(tables.collect(twins, "smoke").of())
    assert all(twin.measurement.id in str(refusal.value) for twin in twins)


def test_departures_are_listed_below_and_not_in_the_summary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = {name: FIGURES[name] for name in ("differences", "auroc_over_tasks")}
    monkeypatch.setattr(drawings, "FIGURES", shown)
    collected = tables.collect(results("mnist_variation", 1, DIFFERENCES), "differences")
    text = report.write(collected, tmp_path).read_text()
    assert text.index("Released code without one step head") > text.index("Figures")
    assert "6 methods" in text
    figures = tmp_path / "figures/mnist_variation"
    assert "step head" in (figures / "differences.svg").read_text()
    assert "step head" not in (figures / "auroc_over_tasks.svg").read_text()


def test_a_stream_that_the_paper_lacks_has_no_column_for_it() -> None:
    assert "paper AUROC" in text_tables.summary(grid())
    assert "paper AUROC" not in text_tables.summary(of("blobs", tasks=3))


def test_a_score_that_came_later_is_on_the_page_once_anything_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "FIGURES", {})
    old = results("blobs", 1, ("den", "l2"), tasks=3)
    assert "verage precision" not in report.write(tables.collect(old, "smoke"), tmp_path).read_text()
    text = report.write(tables.collect([with_more(old[0]), old[1]], "smoke"), tmp_path).read_text()
    assert '<th scope="col">Average precision</th>' in text
    assert "The same for average precision." in text
    (row,) = re.findall(r"</span>L2</th>(.*?)</tr>", text.partition("</table>")[0])
    assert re.findall(r"<td>(.*?)</td>", row)[2] == "–"


def test_nothing_finished_is_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="den run"):
        report.write(tables.collect([], "quick"), tmp_path)
    assert not list(tmp_path.iterdir())
