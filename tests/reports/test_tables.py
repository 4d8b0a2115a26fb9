"""Results become tidy tables, tables become CSV and come back, and the summary agrees with the matrices."""

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import LATER_SCORE, METHODS, result, results, tables_in, with_more, without_values

from den import measures, metrics
from reports import accepted_results, labels, tables, text_tables
from reports.analysis.comparison import against_rival
from reports.analysis.findings import fired
from reports.estimates import estimate
from reports.published_numbers import numbers


@pytest.fixture(scope="module")
def grid() -> tables.Tables:
    """Return the tables of six methods and three seeds."""
    return tables.collect(results("mnist_variation", seeds=3), "quick")


def test_columns_are_those_of_the_contract(grid: tables.Tables) -> None:
    assert list(grid.scores) == ["suite", "stream", "method", "seed", "after_task", "task", "score", "value"]
    assert list(grid.cells) == [
        "suite",
        "stream",
        "method",
        "seed",
        "measurement",
        "key",
        "capacity",
        "parameters",
        "nonzero",
        "flops",
        "train_seconds",
        "commit",
        "data",
        "machine",
        "how",
    ]
    assert list(grid.measures) == [
        "suite",
        "stream",
        "method",
        "seed",
        "after_task",
        "stage",
        "layer",
        "measure",
        "value",
    ]


def test_tables_come_back_bit_for_bit(grid: tables.Tables, tmp_path: Path) -> None:
    tables.write(grid, tmp_path)
    back = tables_in(tmp_path)
    for name in tables.COLUMNS:
        pd.testing.assert_frame_equal(getattr(back, name), getattr(grid, name), check_exact=True)
    assert {path.name for path in tmp_path.iterdir()} == {f"{name}.csv" for name in tables.COLUMNS}


def test_tables_are_written_in_the_same_bytes_each_time(grid: tables.Tables, tmp_path: Path) -> None:
    for name in ("once", "again"):
        tables.write(grid, tmp_path / name)
    for path in (tmp_path / "once").iterdir():
        assert path.read_bytes() == (tmp_path / "again" / path.name).read_bytes()


@pytest.mark.parametrize("id", ["0123456789012345", "12e4567890123456", "nan0000000000000"])
def test_an_id_that_looks_like_a_number_stays_text(id: str, grid: tables.Tables, tmp_path: Path) -> None:
    tables.write(replace(grid, cells=grid.cells.assign(measurement=id)), tmp_path)
    assert set(tables_in(tmp_path).cells["measurement"]) == {id}


def test_a_variant_is_a_method_of_its_own() -> None:
    cell = result("blobs", "den", 1, tasks=2)
    pair = tables.collect([cell, replace(cell, name="den_same")], "smoke")
    for frame in (pair.scores, pair.cells, pair.measures):
        assert set(frame["method"]) == {"den", "den_same"}
        assert (frame["method"] == "den").sum() == len(frame) / 2
    rows = pair.summary.set_index("method")
    assert rows.loc["den", "auroc"] == rows.loc["den_same", "auroc"]


def test_no_results_make_empty_tables_that_come_back(tmp_path: Path) -> None:
    tables.write(tables.collect([], "quick"), tmp_path)
    assert tables_in(tmp_path).cells.empty


def test_the_order_of_results_does_not_matter(grid: tables.Tables) -> None:
    turned = tables.collect(reversed(results("mnist_variation", seeds=3)), "quick")
    for name in tables.COLUMNS:
        pd.testing.assert_frame_equal(getattr(turned, name), getattr(grid, name))


def test_a_table_with_other_columns_is_refused(grid: tables.Tables, tmp_path: Path) -> None:
    tables.write(grid, tmp_path)
    (tmp_path / "cells.csv").write_text("method,seed\nden,1\n")
    with pytest.raises(ValueError, match=r"cells\.csv is damaged: it has columns method, seed"):
        tables_in(tmp_path)
    (tmp_path / "cells.csv").unlink()
    with pytest.raises(FileNotFoundError, match="den report"):
        tables_in(tmp_path)


@pytest.mark.parametrize(
    ("commit", "dirty", "shown"), [("c" * 40, False, "c" * 40), ("c" * 40, True, f"{'c' * 40}-dirty"), (None, None, "")]
)
def test_uncommitted_changes_show_in_the_commit(
    commit: str | None, dirty: bool | None, shown: str, tmp_path: Path
) -> None:
    collected = tables.collect([result("blobs", "den", 1, tasks=2, commit=commit, dirty=dirty)], "smoke")
    tables.write(collected, tmp_path)
    assert collected.cells["commit"].fillna("").tolist() == [shown]
    pd.testing.assert_frame_equal(tables_in(tmp_path).cells, collected.cells)


def test_matrices_are_those_of_the_measurements(grid: tables.Tables) -> None:
    for method in METHODS:
        expected = result("mnist_variation", method, 2).measurement.matrix("auroc")
        np.testing.assert_array_equal(grid.of().matrices_of("auroc")[method][2], expected)


def test_summary_is_the_mean_and_standard_error_over_seeds(grid: tables.Tables) -> None:
    row = grid.summary.set_index("method").loc["l2"]
    finals = [metrics.average(R) for R in grid.of().matrices_of("auroc")["l2"].values()]
    assert row["auroc"] == pytest.approx(np.mean(finals))
    assert row["auroc_error"] == pytest.approx(np.std(finals, ddof=1) / math.sqrt(3))
    assert row["seeds"] == 3
    assert row["published"] == 0.7440


def test_one_seed_has_no_standard_error_and_joint_no_forgetting() -> None:
    rows = tables.collect(results("mnist_variation", seeds=1), "quick").summary.set_index("method")
    assert rows[["auroc_error", "accuracy_error", "forgetting_error"]].isna().all(axis=None)
    assert math.isnan(rows["forgetting"]["joint"])
    assert list(rows.index) == labels.ordered(METHODS)


def test_a_score_that_came_later_is_missing_where_it_was_not_measured_and_never_zero() -> None:
    old, new = results("blobs", 2, ("l2",), tasks=3), results("blobs", 2, ("den",), tasks=3)
    mixed = tables.collect([*old, new[0], with_more(new[1])], "smoke")
    rows = mixed.summary.set_index("method")
    assert math.isnan(rows[LATER_SCORE]["l2"])
    assert rows[LATER_SCORE]["den"] == metrics.average(new[1].measurement.matrix("auroc"))
    assert math.isnan(rows[f"{LATER_SCORE}_error"]["den"])
    shown = text_tables.summary(mixed.of()).set_index("method")[labels.SCORES[LATER_SCORE]]
    assert shown.to_dict() == {"l2": "", "den": labels.score(rows[LATER_SCORE]["den"]), labels.MAJORITY: ".100"}
    written = accepted_results.metrics(mixed)["blobs"]
    assert LATER_SCORE in written["den"]
    assert LATER_SCORE not in written["l2"]


def test_a_score_that_nothing_has_is_left_out() -> None:
    old = results("blobs", 2, tasks=3)
    for cells, scores in ((old, 2), ([*map(with_more, old)], 3)):
        blobs = tables.collect(cells, "smoke").of()
        comparison = against_rival(blobs)
        assert (labels.SCORES[LATER_SCORE] in text_tables.summary(blobs)) == (scores == len(labels.SCORES))
        assert len(comparison.tables) == scores
        assert (LATER_SCORE in comparison.numbers) == (scores == len(labels.SCORES))


@pytest.mark.parametrize("rival", METHODS)
def test_a_comparison_in_a_score_that_the_rival_or_others_lack_gives_no_difference(rival: str) -> None:
    cells = [with_more(cell) if cell.name == "den" else cell for cell in results("blobs", 3, tasks=3)]
    comparison = against_rival(tables.collect(cells, "smoke").of(), rival)
    rows = comparison.numbers.set_index("method")
    assert rows[f"{LATER_SCORE}_difference"].isna().all()
    assert set(rows.index[rows[LATER_SCORE].notna()]) == {"den"}
    text = comparison.tables[-1].set_index("method").drop(index=labels.MAJORITY)
    assert text.drop(index="den")[[labels.SCORES[LATER_SCORE], "difference", "p"]].eq("").all(axis=None)


def test_streams_are_kept_apart() -> None:
    collected = tables.collect(results("blobs", 1, tasks=3) + results("permuted_mnist", 1, tasks=10), "all")
    assert set(collected.summary["stream"]) == {"blobs", "permuted_mnist"}
    blobs, permuted = collected.per_stream
    assert (blobs.stream, blobs.tasks, permuted.stream, permuted.tasks) == ("blobs", 3, "permuted_mnist", 10)
    assert blobs.summary["published"].isna().all()
    with pytest.raises(ValueError, match="name one of the streams in these tables: blobs, permuted_mnist"):
        collected.of()
    assert collected.of("blobs") is blobs


def test_two_cells_of_one_method_and_seed_are_refused() -> None:
    twins = [result("blobs", "den", 1, tasks=2), result("blobs", "den", 1, tasks=2, commit="f" * 40)]
    with pytest.raises(ValueError, match=f"several cells of blobs, den, seed 1.*{twins[1].measurement.id}"):
        _ = tables.collect(twins, "smoke").summary


def test_fired_counts_tasks_over_seeds(grid: tables.Tables) -> None:
    rows = fired(grid.of()).set_index("stage")
    assert rows.loc["expansion", ["fired", "tasks"]].tolist() == [27, 27]
    assert rows.loc["split", ["fired", "tasks"]].tolist() == [15, 27]


@pytest.mark.parametrize("measure", measures.MEASURES)
def test_a_measure_that_is_null_is_left_empty_and_keeps_nothing_else_out(measure: str, tmp_path: Path) -> None:
    cells = [without_values(result("blobs", "den", 1, 3), measure), result("blobs", "l2", 1, 3)]
    collected = tables.collect(cells, "smoke")
    tables.write(collected, tmp_path)
    assert tables_in(tmp_path).cells.equals(collected.cells)
    blobs = collected.of()
    shown = text_tables.cells(blobs).set_index("method")
    columns = {measures.WEIGHTS: "weights", measures.NONZERO: "non-zero", measures.FLOPS: "FLOPs"}
    assert {name for name, column in columns.items() if not shown.loc["den", column]} == {measure} & columns.keys()
    assert set(text_tables.summary(blobs)["method"]) == {"den", "l2", labels.MAJORITY}


def test_an_estimate_leaves_out_what_is_not_known() -> None:
    assert estimate([0.5, math.nan, 0.7]).seeds == 2
    assert math.isnan(estimate([]).mean)


@pytest.mark.parametrize("name", ["final", "over_tasks", "capacity"])
@pytest.mark.parametrize("stream", ["mnist_variation", "permuted_mnist"])
def test_published_numbers_are_whole_and_say_where_they_were_read(name: str, stream: str) -> None:
    rows = numbers(name, stream)
    assert len(rows)
    assert not rows.isna().any(axis=None)
    assert rows["read_from"].str.startswith("Figure").all()
    assert rows["value"].between(0.5, 1).all()
    assert set(rows["method"]) <= set(labels.METHODS)


@pytest.mark.parametrize("name", ["over_tasks", "capacity"])
def test_published_numbers_agree_with_each_other(name: str) -> None:
    final = numbers("final", "mnist_variation").set_index("method")["value"]
    rows = numbers(name, "mnist_variation").groupby("method")["value"].agg(list)
    for method in rows.index:
        assert min(abs(value - final[method]) for value in rows[method]) < 0.006


def test_numbers_are_printed_as_the_paper_does() -> None:
    assert labels.score(0.798) == ".798"
    assert labels.score(1.0) == "1.000"
    assert labels.score(-0.0001) == ".000"
    assert labels.with_error(0.8, 0.004) == ".800 ± .004"
    assert labels.with_error(0.8, math.nan) == ".800"
    assert labels.signed(-0.01) == "−.010"
    assert labels.signed(0.01) == "+.010"
    assert labels.signed(math.nan) == labels.score(math.nan) == labels.number(math.nan) == ""
