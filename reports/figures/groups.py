"""Which methods share a figure: at most six curves, the standard methods first, DEN in every figure."""

import math

import numpy as np

from reports import labels
from reports.stream_results import StreamResults

MOST = 6
"The most curves of a figure."
STANDARD = ("finetune", "l2", "ewc", "progressive", "single_task")
"The paper's baselines, which stand beside DEN in the first figure."


def of(results: StreamResults) -> list[list[str]]:
    """Return the methods of each figure, the main figure first; one group of all methods if they are few.

    A method that is measured after the last task alone has a point and no curve. All points are in the main figure.
    """
    lengths = _lengths(results)
    curves = [method for method in results.methods if lengths.get(method, 0) > 1]
    points = [method for method in results.methods if method not in curves]
    subject = [method for method in curves if method == labels.PAPER_METHOD]
    others = [method for method in curves if method not in subject]
    if len(others) < MOST:  # there is room for DEN, even if it has no results yet
        return [results.methods]
    kinds = [[method for method in others if (method in STANDARD) == standard] for standard in (True, False)]
    parts = [part for kind in kinds if kind for part in np.array_split(kind, math.ceil(len(kind) / (MOST - 1)))]
    return [labels.ordered([*subject, *map(str, part), *(() if place else points)]) for place, part in enumerate(parts)]


def _lengths(results: StreamResults) -> dict[str, int]:
    """Return after how many tasks each method was measured."""
    return {method: int(np.isfinite(mean).sum()) for method, (mean, _) in results.learning_curves.items()}
