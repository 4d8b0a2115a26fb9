"""Records become tidy tables, tables become CSV and come back, and the summary says what the matrices say."""

import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from synthetic import METHODS, record, records

from den import metrics
from reports import names, tables
from reports.summary import estimate, fired, matrices, published, summary


@pytest.fixture(scope="module")
def grid() -> tables.Tables:
    """Return the tables of six methods and three seeds."""
    return tables.collect(records("mnist_variation", seeds=3), "quick")


def test_columns_are_those_of_the_contract(grid: tables.Tables) -> None:
    assert list(grid.scores) == ["suite", "stream", "method", "seed", "after_task", "task", "score", "value"]
    assert list(grid.cells) == (
        [
            "suite",
            "stream",
            "method",
            "seed",
            "identity",
            "capacity",
            "parameters",
            "nonzero",
            "flops",
            "train_seconds",
            "commit",
            "stream_hash",
        ]
    )
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


def test_tables_come_back_from_csv_bit_for_bit(grid: tables.Tables, tmp_path: Path) -> None:
    tables.write(grid, tmp_path)
    back = tables.read(tmp_path)
    for name in tables.COLUMNS:
        pd.testing.assert_frame_equal(getattr(back, name), getattr(grid, name), check_exact=True)


@pytest.mark.parametrize("identity", ["0123456789012345", "12e4567890123456", "nan0000000000000"])
def test_an_identity_that_looks_like_a_number_stays_text(identity: str, tmp_path: Path) -> None:
    tables.write(tables.collect([record("blobs", "den", 1, tasks=2) | {"identity": identity}], "smoke"), tmp_path)
    assert tables.read(tmp_path).cells["identity"].tolist() == [identity]


def test_a_variant_is_a_method_of_its_own() -> None:
    plain = record("blobs", "den", 1, tasks=2)
    found = tables.collect([plain, plain | {"cell": plain["cell"] | {"variant": "den_same"}}], "smoke")
    for frame in (found.scores, found.cells, found.measures):
        assert set(frame["method"]) == {"den", "den_same"}
        assert (frame["method"] == "den").sum() == len(frame) / 2
    rows = summary(found).set_index("method")
    assert rows.loc["den", "auroc"] == rows.loc["den_same", "auroc"]


def test_no_records_make_empty_tables_that_come_back(tmp_path: Path) -> None:
    tables.write(tables.collect([], "quick"), tmp_path)
    assert tables.read(tmp_path).cells.empty


def test_the_order_of_records_does_not_matter(grid: tables.Tables) -> None:
    turned = tables.collect(reversed(records("mnist_variation", seeds=3)), "quick")
    for name in tables.COLUMNS:
        pd.testing.assert_frame_equal(getattr(turned, name), getattr(grid, name))


def test_a_table_with_other_columns_is_refused(grid: tables.Tables, tmp_path: Path) -> None:
    tables.write(grid, tmp_path)
    (tmp_path / "cells.csv").write_text("method,seed\nden,1\n")
    with pytest.raises(ValueError, match=r"cells\.csv has columns method, seed"):
        tables.read(tmp_path)
    (tmp_path / "cells.csv").unlink()
    with pytest.raises(FileNotFoundError, match="den report"):
        tables.read(tmp_path)


def test_uncommitted_changes_show_in_the_commit() -> None:
    changed = record("blobs", "den", 1, tasks=2)
    changed["provenance"] = changed["provenance"] | {"dirty": True}
    assert tables.collect([changed], "smoke").cells["commit"][0].endswith("-dirty")


def test_matrices_are_those_of_the_records(grid: tables.Tables) -> None:
    for method in METHODS:
        expected = np.array(record("mnist_variation", method, 2)["scores"]["auroc"], dtype=float)
        np.testing.assert_array_equal(matrices(grid, "auroc")[method][2], expected)


def test_summary_is_the_mean_and_standard_error_over_seeds(grid: tables.Tables) -> None:
    row = summary(grid).set_index("method").loc["l2"]
    finals = [metrics.average(R) for R in matrices(grid, "auroc")["l2"].values()]
    assert row["auroc"] == pytest.approx(np.mean(finals))
    assert row["auroc_error"] == pytest.approx(np.std(finals, ddof=1) / math.sqrt(3))
    assert row["seeds"] == 3
    assert row["published"] == 0.7440


def test_one_seed_has_no_standard_error_and_joint_no_forgetting() -> None:
    rows = summary(tables.collect(records("mnist_variation", seeds=1), "quick")).set_index("method")
    assert rows[["auroc_error", "accuracy_error", "forgetting_error"]].isna().all(axis=None)
    assert math.isnan(rows["forgetting"]["joint"])
    assert list(rows.index) == names.ordered(METHODS)


def test_streams_are_kept_apart() -> None:
    both = tables.collect(records("blobs", 1, tasks=3) + records("permuted_mnist", 1, tasks=10), "all")
    assert set(summary(both)["stream"]) == {"blobs", "permuted_mnist"}
    assert both.of(stream="blobs").scores["task"].max() == 3
    assert summary(both.of(stream="blobs"))["published"].isna().all()


def test_two_cells_of_one_method_and_seed_are_refused() -> None:
    twins = [record("blobs", "den", 1, tasks=2), record("blobs", "den", 1, tasks=2) | {"identity": "f" * 16}]
    with pytest.raises(ValueError, match=r"several cells of blobs, den, seed 1.*ffff"):
        summary(tables.collect(twins, "smoke"))


def test_fired_counts_tasks_over_seeds(grid: tables.Tables) -> None:
    rows = fired(grid).set_index("what")
    assert rows.loc["expansion", ["fired", "tasks"]].tolist() == [27, 27]
    assert rows.loc["split", ["fired", "tasks"]].tolist() == [15, 27]


def test_an_estimate_leaves_out_what_is_not_known() -> None:
    assert estimate([0.5, math.nan, 0.7]).seeds == 2
    assert math.isnan(estimate([]).mean)


@pytest.mark.parametrize("name", ["final", "over_tasks", "capacity"])
@pytest.mark.parametrize("stream", ["mnist_variation", "permuted_mnist"])
def test_published_numbers_are_whole_and_say_where_they_were_read(name: str, stream: str) -> None:
    rows = published(name, stream)
    assert len(rows)
    assert not rows.isna().any(axis=None)
    assert rows["read_from"].str.startswith("Figure").all()
    assert rows["value"].between(0.5, 1).all()
    assert set(rows["method"]) <= set(names.METHODS)


@pytest.mark.parametrize("name", ["over_tasks", "capacity"])
def test_published_numbers_agree_with_each_other(name: str) -> None:
    final = published("final", "mnist_variation").set_index("method")["value"]
    rows = published(name, "mnist_variation").groupby("method")["value"].agg(list)
    for method in rows.index:
        assert min(abs(value - final[method]) for value in rows[method]) < 0.006


def test_numbers_are_printed_as_the_paper_does() -> None:
    assert names.score(0.798) == ".798"
    assert names.score(1.0) == "1.000"
    assert names.score(-0.0001) == ".000"
    assert names.with_error(0.8, 0.004) == ".800 ± .004"
    assert names.with_error(0.8, math.nan) == ".800"
    assert names.signed(-0.01) == "−.010"
    assert names.signed(0.01) == "+.010"
    assert names.signed(math.nan) == names.score(math.nan) == names.number(math.nan) == ""
