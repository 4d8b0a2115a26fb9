"""Order robustness: disparities are of superclasses, not of places, and a page and metrics.json have them."""

import numpy as np
import pytest
import synthetic

from den.streams.cifar100_superclass import PUBLISHED
from reports import accepted_results
from reports.analysis import orders
from reports.stream_results import StreamResults
from reports.tables import Tables, collect

STREAM = "cifar100_superclass"
WORST = 7
"The superclass whose score depends on the order."


def tables(lost: dict[str, float], tasks: int = 20) -> Tables:
    """Return results of DEN in some orders: .8 for all superclasses, and less by `lost` for WORST."""
    results = []
    for order, less in lost.items():
        result = synthetic.result(STREAM, f"den_order_{order}", 1, tasks)
        final = [0.8 - less * (superclass == WORST) for superclass in PUBLISHED[f"apd_{order}"][:tasks]]
        rows = tuple(tuple(final[: row + 1]) + (None,) * (tasks - row - 1) for row in range(tasks))
        scores = {"auroc": rows, "accuracy": rows}
        measurement = result.measurement.model_copy(update={"scores": scores})
        results.append(type(result)(result.name, measurement))
    return collect(results, "orders")


def of(collected: Tables) -> StreamResults:
    return collected.of(STREAM)


def test_a_disparity_belongs_to_a_superclass_wherever_an_order_has_it() -> None:
    (den,) = orders.robustness(of(tables({"a": 0.0, "b": 0.1, "e": 0.3})), "auroc")
    assert (den.method, list(den.averages)) == ("den", ["a", "b", "e"])
    assert den.disparities == pytest.approx(np.where(np.arange(20) == WORST, 0.3, 0.0))
    assert den.metrics["average_disparity"] == pytest.approx(0.3 / 20)
    assert den.metrics["maximum_disparity"] == pytest.approx(0.3)
    assert den.metrics["mean"] == pytest.approx(0.8 - 0.4 / 3 / 20)
    assert den.metrics["deviation"] == pytest.approx(np.std([0.0, 0.1 / 20, 0.3 / 20], ddof=1))


def test_only_superclasses_of_all_orders_count() -> None:
    (den,) = orders.robustness(of(tables({"a": 0.0, "b": 0.1}, tasks=6)), "auroc")
    shared = set(PUBLISHED["apd_a"][:6]) & set(PUBLISHED["apd_b"][:6])
    assert set(np.flatnonzero(~np.isnan(den.disparities))) == shared


def test_one_order_has_no_disparity() -> None:
    assert orders.robustness(of(tables({"a": 0.0})), "auroc") == []
    assert orders.tables_of(of(tables({"a": 0.0}))) == []


def test_the_table_and_the_metrics_name_both_disparities() -> None:
    collected = tables({"a": 0.0, "c": 0.2})
    (table,) = orders.tables_of(of(collected))
    row = table.rows.iloc[0]
    assert (row["method"], row["orders"], row["average disparity"], row["largest disparity"]) == (
        "DEN",
        "2",
        ".010",
        ".200",
    )
    metrics = accepted_results.metrics(collected)[STREAM]
    assert metrics["den over orders"]["maximum_disparity"] == pytest.approx(0.2)
    assert set(metrics) == {"den_order_a", "den_order_c", "den over orders"}
