"""Order robustness: how much a method's scores depend on the order in which the superclasses of CIFAR-100 come."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd

from den import metrics
from den.streams.cifar100_superclass import PUBLISHED, SUPERCLASSES
from reports import labels
from reports.estimates import Matrix
from reports.stream_results import BOTH, StreamResults
from reports.text_tables import Table, compact

TITLE = "Order of tasks"
NOTE = (
    "Scores after the last task in the published orders of APD (Yoon et al. 2020): mean and standard deviation over "
    "orders. A task’s disparity is its best score over orders minus its worst; average and largest are over tasks"
)


@dataclass(frozen=True)
class Robustness:
    """A method's scores over several orders of the same tasks.

    averages: the score after the last task, averaged over tasks, by order. disparities: (superclasses,), nan for a
    superclass that some order lacks.
    """

    method: str
    averages: Mapping[str, float]
    disparities: Matrix

    @property
    def metrics(self) -> dict[str, float]:
        """Mean and standard deviation over orders, and APD's average and maximum disparity over tasks."""
        averages = [*self.averages.values()]
        return {
            "mean": float(np.mean(averages)),
            "deviation": float(np.std(averages, ddof=1)),
            "average_disparity": float(np.nanmean(self.disparities)),
            "maximum_disparity": float(np.nanmax(self.disparities)),
        }


def robustness(results: StreamResults, score: str) -> list[Robustness]:
    """Return the robustness of each method that has variants of at least two published orders: den_order_a.

    Scores are means over seeds.
    """
    finals: dict[str, dict[str, Matrix]] = {}
    for variant, matrices in results.matrices_of(score).items():
        method, _, order = variant.partition(labels.ORDER)
        if order:
            finals.setdefault(method, {})[order] = np.mean([R[-1] for R in matrices.values()], axis=0)
    return [_robustness(method, by_order) for method, by_order in finals.items() if len(by_order) > 1]


def tables_of(results: StreamResults) -> list[Table]:
    """Return one table, or none if no method has several orders."""
    rows = [row for score in BOTH for row in _rows(results, score)]
    return [Table(TITLE, NOTE, compact(rows))] if rows else []


def _robustness(method: str, finals: Mapping[str, Matrix]) -> Robustness:
    by_superclass = pd.DataFrame(
        {order: pd.Series(final, index=PUBLISHED[f"apd_{order}"][: len(final)]) for order, final in finals.items()}
    ).reindex(range(SUPERCLASSES))
    averages = {order: float(final.mean()) for order, final in finals.items()}
    return Robustness(method, averages, metrics.disparities(by_superclass.to_numpy().T))


def _rows(results: StreamResults, score: str) -> Iterator[dict[str, str]]:
    for method in robustness(results, score):
        values = method.metrics
        yield {
            "method": labels.method(method.method),
            "score": labels.SCORES[score],
            "orders": str(len(method.averages)),
            "mean": f"{labels.score(values['mean'])} ({labels.score(values['deviation'])})",
            "lowest": labels.score(min(method.averages.values())),
            "highest": labels.score(max(method.averages.values())),
            "average disparity": labels.score(values["average_disparity"]),
            "largest disparity": labels.score(values["maximum_disparity"]),
        }
