"""What figures, heat maps and tables show of synthetic results, with its error, and that it can be seen."""

import os
import subprocess
import sys
from dataclasses import replace
from functools import cache
from html import escape
from itertools import combinations, pairwise
from pathlib import Path

import numpy as np
import pytest
from projects import ROOT
from synthetic import ABLATION, LARGE, LATER, METHODS, results

from den import measures, metrics
from reports import accepted_results, labels, layer_labels, tables, text_tables
from reports.accepted_results import ACCEPTED
from reports.analysis import answers, growth
from reports.analysis.comparison import against_rival
from reports.figures import FIGURES, curves, groups, style
from reports.figures.curves import Curve
from reports.page import components, drawings, heat_maps, later_papers, paper, report
from reports.page.cautions import BAGS_OF_WORDS, FEATURES, cautions_of
from reports.page.heat_maps import STRONGEST
from reports.published_numbers import main_score
from reports.spacing import early, shown, stride
from reports.stream_results import StreamResults
from reports.text_tables import HASH_LETTERS

CROWDED = ("auroc_over_tasks", "auroc_over_capacity", "score_over_time", "units_over_tasks", "network_growth")


def grid(seeds: int = 1, methods: tuple[str, ...] = METHODS) -> StreamResults:
    """Return the results of a synthetic run of one stream."""
    return tables.collect(results("mnist_variation", seeds, methods), "quick").of()


def test_growth_is_what_is_kept_and_split_and_the_network_has_got_wider_by() -> None:
    rows = growth.by_task(grid(2))
    assert list(rows.index.unique("method")) == ["den"]
    assert rows.loc[("den", 1, 3), ("kept", "mean")] == 8
    assert (rows.loc[("den", 2), ("added", "mean")] == 7).all()
    assert not growth.by_task(grid(1))["units", "sem"].notna().any()
    assert growth.by_task(grid(1, ("l2", "ewc"))).empty


def test_heat_maps_go_from_the_lowest_score_to_the_highest() -> None:
    maps = heat_maps.draw(grid(2))
    squares = [square for rows in maps.methods.values() for row in rows.values() for square in row if square.score]
    assert {(square.score == maps.low, square.score == maps.high) for square in squares} >= {
        (True, False),
        (False, True),
    }
    assert (min(square.heat for square in squares), max(square.heat for square in squares)) == (0, STRONGEST)
    assert all(square.error for square in squares)
    assert [*maps.methods["joint"]] == [10]
    one_seed = heat_maps.draw(grid(1)).methods["den"][1]
    assert (one_seed[0].error, one_seed[1].score) == ("", "")


def test_with_several_seeds_whatever_is_measured_has_a_standard_error() -> None:
    summary = text_tables.summary(grid(2)).set_index("method").drop(index=labels.MAJORITY)
    shown = summary[["AUROC", "accuracy", "capacity", "seconds"]]
    assert shown.map(lambda text: "±" in text).all(axis=None)
    for table in components.tables_of(against_rival(grid(2, ABLATION))):
        measured = table.rows.drop(columns=["method", "task"], errors="ignore")
        ours = measured[[column for column in measured if not column.startswith("paper")]]
        assert ours.map(lambda text: not text or "±" in text).all(axis=None), table.title


@cache
def large(stream: str, seeds: int = 1) -> StreamResults:
    """Return the results of a synthetic run of a stream with convolutions or many tasks."""
    return large_tables(stream, seeds).of()


def large_tables(stream: str, seeds: int = 1) -> tables.Tables:
    return tables.collect(results(stream, seeds, LATER, LARGE[stream]), stream)


@pytest.mark.parametrize("name", CROWDED)
@pytest.mark.parametrize("stream", ["awa", "cifar100_superclass"])
def test_no_label_stands_on_another_where_tasks_or_layers_are_many(stream: str, name: str) -> None:
    figure = FIGURES[name](large(stream))
    with style.house():
        figure.draw_without_rendering()
    panels = [axes.get_tightbbox() for axes in figure.axes]
    for box in (*panels, *(legend.get_window_extent() for legend in figure.legends)):
        assert figure.bbox.contains(box.x0, box.y0)
        assert figure.bbox.contains(box.x1, box.y1)
    assert not any(left.overlaps(right) for left, right in combinations(panels, 2))
    for axis in (axis for axes in figure.axes for axis in (axes.xaxis, axes.yaxis)):
        labels = [label.get_window_extent() for label in axis.get_ticklabels() if label.get_text()]
        inside = [box for box in labels if figure.bbox.overlaps(box)]
        assert not any(left.overlaps(right) for left, right in pairwise(inside))


def test_the_axis_of_fifty_tasks_reaches_the_last_and_the_papers_points_are_marked() -> None:
    measured, paper = FIGURES["auroc_over_tasks"](large("awa")).axes
    low, high = measured.get_xlim()
    assert low < 1 < 50 < high
    assert [axes.get_title("left") for axes in (measured, paper)] == ["Measured", "The paper"]
    assert measured.get_ylim() == paper.get_ylim()
    curves = [line for line in paper.lines if list(line.get_xdata()) == [1, 10, 20, 30, 40, 50]]
    assert len(curves) == 6
    assert [list(line.get_xdata()) for line in paper.lines if line not in curves] == [[50]]  # joint, measured once
    assert all(line.get_marker() != "None" for line in paper.lines)


def test_curves_that_lie_on_one_line_are_enlarged() -> None:
    def curve(low: float, high: float, error: float = 0.0) -> Curve:
        return Curve("den", np.arange(1, 4), np.array([high, high, low]), np.full(3, error))

    close, far = [curve(0.997 + place / 1e4, 0.999) for place in range(3)], curve(0.96, 0.999)
    assert curves.crowd([*close, far]) == (0.997, 0.999)
    assert curves.crowd(close) is None
    assert curves.crowd([*close[:2], far]) is None
    assert curves.crowd([*(curve(0.997, 0.999, error=0.002) for _ in range(3)), far]) is None


def test_methods_are_split_into_groups_of_six_curves_with_den_in_each() -> None:
    assert groups.of(grid(1, METHODS)) == [labels.ordered(METHODS)]
    many = (*METHODS, "progressive", "l2_published", "ewc_published", "progressive_small", "den_finetune")
    main, further = groups.of(grid(1, many))
    assert main == labels.ordered((*METHODS, "progressive"))  # joint is a point
    assert further == labels.ordered(("den", "l2_published", "ewc_published", "progressive_small", "den_finetune"))


def test_the_axis_of_units_is_logarithmic_if_one_method_flattens_the_others() -> None:
    stream = grid(1, ("den", "single_task"))
    rows = stream.measures
    alone = (rows["method"] == "single_task") & (rows["measure"] == measures.UNITS)
    separate = rows.assign(value=rows["value"].where(~alone, rows["value"] * rows["after_task"]))
    axes = FIGURES["units_over_tasks"](replace(stream, measures=separate)).axes[0]
    assert (axes.get_yscale(), axes.get_ylabel()) == ("log", "Units, logarithmic")
    axes = FIGURES["units_over_tasks"](grid(1, ("den", "l2"))).axes[0]
    assert (axes.get_yscale(), axes.get_ylabel()) == ("linear", "Units")


def test_the_axes_of_network_growth_name_method_and_units() -> None:
    figure = FIGURES["network_growth"](grid(1, ("den", "den_finetune")))
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["DEN\nunits", "DEN-Finetune\nunits"]


@pytest.mark.slow
def test_files_of_a_figure_are_the_same_bytes_in_every_process(tmp_path: Path) -> None:
    code = (
        "import hashlib, tables_and_figures as t\n"
        "print([hashlib.sha256(kind(t.figure())).hexdigest() for kind in t.KINDS])\n"
    )
    (tmp_path / "tables_and_figures.py").write_text(
        "from synthetic import results\nfrom reports import tables\nfrom reports.figures import FIGURES, export\n"
        "KINDS = (export.png, export.svg, export.pdf)\n"
        "def figure():\n"
        "    stream = tables.collect(results('mnist_variation', 1), 'quick').of()\n"
        "    return FIGURES['auroc_over_tasks'](stream)\n"
    )
    path = os.pathsep.join(map(str, (tmp_path, ROOT, ROOT / "tests/support")))
    prints = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONPATH": path, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(prints) == 1


def test_layers_go_by_their_form_where_some_are_convolutions() -> None:
    assert [layer_labels.layer(large("cifar100"), number) for number in (1, 2, 3, 4)] == [
        "convolution 1", "convolution 2", "dense layer 1", "dense layer 2",
    ]  # fmt: skip
    assert layer_labels.title(grid(), 2) == "Hidden layer 2"
    titles = [axes.get_title("left") for axes in FIGURES["units_over_tasks"](large("cifar100")).axes]
    assert titles == ["Convolution 1", "Convolution 2", "Dense layer 1", "Dense layer 2"]


def test_fifty_tasks_make_tables_and_heat_maps_that_can_be_read() -> None:
    awa = large("awa")
    compared = against_rival(awa)
    rows = {table.title: table.rows for table in [*paper.tables_of(compared), *components.tables_of(compared)]}
    grown = rows["Network growth"][rows["Network growth"]["method"] == "den"]
    assert grown["task"].tolist()[:2] == ["2–5", "6–10"]
    assert len(grown) == 10
    kept = awa.measured(measures.KEPT_UNITS, method="den", layer=1)["value"].sum()
    assert sum(map(float, grown["layer 1: kept"])) == kept
    assert grown["layer 1: units"].tolist()[-1] == f"{312 + 9 * 49:.1f}"
    curves = rows["After each task"]
    assert list(curves)[2:] == ["1", *map(str, range(5, 51, 5))]
    published = curves[(curves["method"] == "den") & (curves["source"] == "paper")]
    assert published[["10", "15", "50"]].iloc[0].tolist() == [".915", "", ".891"]
    assert (heat_maps.draw(awa).detail, heat_maps.draw(large("cifar100")).detail) == ("none", "whole")


def test_the_score_of_a_stream_is_that_of_its_published_table() -> None:
    superclass = large("cifar100_superclass", seeds=2)
    assert [main_score(stream) for stream in (*LARGE, "blobs")] == ["auroc", "auroc", "accuracy", "auroc"]
    assert "in average accuracy" in answers.answer(against_rival(superclass))[0].text
    assert list(text_tables.summary(superclass))[1:3] == ["accuracy", "AUROC"]
    assert list(against_rival(superclass).tables[0])[1] == "accuracy"
    assert FIGURES["auroc_over_tasks"](superclass).axes[0].get_ylabel() == "Average accuracy"
    rows = superclass.summary.set_index("method")
    expected = [metrics.forgetting(R) for R in superclass.matrices_of("accuracy")["l2"].values()]
    assert rows.loc["l2", "forgetting"] == pytest.approx(sum(expected) / 2)


def test_what_later_papers_published_stands_beside_the_superclasses() -> None:
    (table,) = later_papers.tables_of(large("cifar100_superclass"))
    rows = table.rows.set_index("method")
    assert rows.loc["den", ["published accuracy", "published capacity"]].tolist() == [".511", "1.91"]
    assert rows.loc["ewc", "published capacity"] == rows.loc["wsn", "accuracy"] == ""
    assert {"rcl", "apd", "packnet", "multitask"} <= {*rows.index}
    assert table.bold == tuple(labels.ordered(LATER)) == tuple(rows.index[: len(LATER)])
    assert "| **DEN** " in text_tables.markdown(table.rows, table.bold)
    assert later_papers.tables_of(large("awa")) == later_papers.tables_of(grid()) == []
    figure = FIGURES["auroc_over_capacity"](large("cifar100_superclass"))
    assert "grey: not run here" in figure.axes[0].get_legend_handles_labels()[1]


@pytest.mark.parametrize(
    ("stream", "phrases"),
    {
        "awa": ("DECAF", "source", "30 images per animal", ".906"),
        "cifar100": ("AlexNet", "convolutions of 20 and 50 channels below dense layers of 800 and 500 units"),
        "cifar100_superclass": ("batches of 100, 20 epochs", "logistic", "authors of DEN", "DEN 3,900"),
    }.items(),
)
def test_cautions_name_what_to_know_before_comparing(stream: str, phrases: tuple[str, ...]) -> None:
    text = " ".join(cautions_of(large(stream)))
    assert all(phrase in text for phrase in phrases)


def test_a_network_that_starts_small_is_not_called_the_base(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    small = accepted_results.read_tables("cifar100-superclass").of().among(["den_plus"])
    assert "Here it has" not in " ".join(cautions_of(small))
    assert "Here it has convolutions of 20 and 50" in " ".join(cautions_of(large("cifar100_superclass")))


def test_features_with_a_known_hash_are_named_and_others_are_looked_up() -> None:
    accepted = tables.read_one(ROOT / ACCEPTED / "awa", "cells")
    assert {data[:HASH_LETTERS] for data in accepted["data"]} <= FEATURES.keys()
    unknown = large("awa")
    bags = replace(unknown, cells=unknown.cells.assign(data=accepted["data"][0]))
    assert f"Features: {BAGS_OF_WORDS}, reduced" in cautions_of(bags)[0]
    assert "manifest" in cautions_of(unknown)[0]
    assert cautions_of(grid()) == []


def test_the_page_has_cautions_and_published_numbers_and_names_its_figures_after_the_score(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(drawings, "FIGURES", {"auroc_over_tasks": FIGURES["auroc_over_tasks"]})
    superclass = large_tables("cifar100_superclass")
    cautions = cautions_of(superclass.of())
    html = report.write(superclass, tmp_path).read_text()
    for text in (html, (tmp_path / "report.md").read_text()):
        assert "Before you compare with published numbers" in text
        assert "Published beside measured" in text
        assert all(escape(caution, quote=False) in text or caution in text for caution in cautions)
    assert (tmp_path / "figures/cifar100_superclass/accuracy_over_tasks.png").exists()
    assert "Average accuracy over the number of tasks learned" in html


def test_few_of_many_tasks_are_shown_and_all_of_few() -> None:
    assert [stride(tasks) for tasks in (1, 10, 11, 20, 21, 50, 51, 100)] == [1, 1, 2, 2, 5, 5, 10, 10]
    assert shown(3) == [1, 2, 3]
    assert shown(21) == [1, 5, 10, 15, 20, 21]
    assert [early(tasks) for tasks in (2, 10, 20, 50)] == [[1], [1, 4, 7], [1, 8, 14], [1, 20, 35]]
