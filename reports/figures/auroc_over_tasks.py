"""Average AUROC over the number of tasks learned."""

import numpy as np
from matplotlib.figure import Figure

from den import metrics
from reports.figures import style
from reports.summaries import matrices, over_seeds, plain, published, score_name
from reports.tables import Tables


def draw(tables: Tables) -> Figure:
    """Draw the average AUROC over the tasks seen so far; the band is one standard error over seeds."""
    found = matrices(plain(tables))
    with style.house():
        figure, (axes,) = style.panels()
        for method, seeds in found.items():
            mean, error = over_seeds([metrics.averages(R) for R in seeds.values()])
            style.curve(axes, np.arange(1, len(mean) + 1), mean, error, method)
            style.tasks(axes, len(mean))
        _paper(axes, tables, set(found))
        axes.set(xlabel="Tasks learned", ylabel=f"Average {score_name(tables)}")
        style.scores(axes)
        style.legend(figure)
    return figure


def _paper(axes: style.Axes, tables: Tables, methods: set[str]) -> None:
    rows = published("over_tasks", tables.streams[0])
    rows = rows[rows["method"].isin(methods)]
    for method, curve in rows.groupby("method"):
        style.dashed(axes, curve["after_task"], curve["value"], str(method))
    if len(rows):
        style.explain_dashed(axes)
