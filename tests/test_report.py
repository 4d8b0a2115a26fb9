"""Figures and pages from synthetic records: whole, alike every time, safe to open offline."""

import re
from html import unescape
from html.parser import HTMLParser
from pathlib import Path

import matplotlib as mpl
import pytest
from records import METHODS, record, records

from reports import drawings, page, printed, style, tables
from reports.figures import FIGURES
from reports.findings import findings, verdict

SIZES = {"one seed": (1, METHODS, 10), "three seeds": (3, METHODS, 10), "two tasks": (1, ("den", "homemade"), 2)}


def grid(seeds: int = 1, methods: tuple[str, ...] = METHODS, tasks: int = 10) -> tables.Tables:
    """Return the tables of a synthetic run of one stream."""
    return tables.collect(records("mnist_variation", seeds, methods, tasks), "quick")


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.parametrize("size", SIZES)
def test_a_figure_is_drawn_alike_every_time_and_leaves_no_style_behind(name: str, size: str) -> None:
    before = dict(mpl.rcParams)
    found = grid(*SIZES[size])
    assert drawings.svg(FIGURES[name](found)) == drawings.svg(FIGURES[name](found))
    assert dict(mpl.rcParams) == before


@pytest.mark.parametrize("name", FIGURES)
def test_nothing_is_drawn_over_the_labels(name: str) -> None:
    figure = FIGURES[name](grid(3))
    drawings.png(figure)
    (legend,) = figure.legends
    box = legend.get_window_extent()
    assert not any(box.overlaps(axes.get_tightbbox()) for axes in figure.axes)
    assert figure.bbox.contains(box.x0, box.y0)
    assert figure.bbox.contains(box.x1, box.y1)


def test_a_method_looks_the_same_everywhere_and_like_no_other() -> None:
    looks = [(style.look(method)["color"], style.look(method)["marker"]) for method in style.LOOKS]
    assert len(set(looks)) == len(looks)
    assert style.look("homemade") == style.look("homemade")


def test_the_verdict_is_honest_about_one_seed() -> None:
    assert re.search(r"DEN \.8\d\d in average AUROC against Single-task \.8\d\d: ahead by", verdict(grid(1)))
    assert verdict(grid(1)).endswith("One seed: no error bars.")
    assert "over 3 seeds, more than two standard errors" in verdict(grid(3))


def test_the_verdict_says_behind_when_it_is() -> None:
    worse = [record("blobs", method, 1) for method in ("den", "single_task")]
    worse[0]["scores"]["auroc"] = [[0.5] * 10] * 10
    assert "behind by" in verdict(tables.collect(worse, "smoke"))


def test_the_verdict_needs_neither_den_nor_single_task() -> None:
    assert "L2" in verdict(grid(1, ("l2", "finetune")))
    assert "no other method" in verdict(grid(1, ("l2",)))


def test_findings_count_how_often_stages_fired() -> None:
    said = findings(grid(1))
    assert "DEN: expansion fired on 9 of 9 tasks (always), split fired on 5 of 9 tasks." in said
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
    both = records("mnist_variation", 2) + records("odd <script>", 1, ("den", "a&b"), 3)
    page.write(tables.collect(both, "odd <suite>"), folder)
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


def test_every_file_of_the_report_is_there_and_none_half_written(folder: Path) -> None:
    found = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}
    assert {"index.html", "report.md", "scores.csv", "cells.csv", "measures.csv", "summary.csv"} <= found
    assert {f"figures/mnist_variation/{name}.{kind}" for name in FIGURES for kind in ("png", "svg")} <= found
    assert not [path for path in found if path.startswith(".")]


def test_the_pages_say_the_same_as_the_tables(folder: Path) -> None:
    found = tables.read(folder).of(stream="mnist_variation")
    for name in ("index.html", "report.md"):
        text = (folder / name).read_text().replace("\u00a0", " ")
        assert all(sentence in text for sentence in [verdict(found), *findings(found)])
        assert all(value in text for value in printed.results(found)["AUROC"])
        assert all(identity in text for identity in found.cells["identity"])
        assert ".8131" in text


def test_a_stream_that_the_paper_lacks_has_no_column_for_it() -> None:
    assert "paper AUROC" in printed.results(grid())
    assert "paper AUROC" not in printed.results(tables.collect(records("blobs", 1, tasks=3), "smoke"))


def test_nothing_finished_is_nothing_to_report(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="den run"):
        page.write(tables.collect([], "quick"), tmp_path)
    assert not list(tmp_path.iterdir())
