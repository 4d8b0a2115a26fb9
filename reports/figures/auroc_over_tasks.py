"""Average AUROC over the number of tasks learned."""

import numpy as np
from matplotlib.figure import Figure

from den import metrics
from reports import style
from reports.summary import matrices, over_seeds
from reports.tables import Tables


def draw(tables: Tables) -> Figure:
    """Draw the average AUROC over the tasks seen so far; the band is one standard error over seeds."""
    with style.house():
        figure, (axes,) = style.panels()
        for method, seeds in matrices(tables, "auroc").items():
            mean, error = over_seeds([metrics.averages(R) for R in seeds.values()])
            style.curve(axes, np.arange(1, len(mean) + 1), mean, error, method)
            style.tasks(axes, len(mean))
        axes.set(xlabel="Tasks learned", ylabel="Average AUROC")
        style.scores(axes)
        style.legend(figure)
    return figure
