"""Average AUROC over the number of tasks learned."""

import numpy as np
from matplotlib.figure import Figure

from reports import published_numbers
from reports.figures import style
from reports.stream_results import StreamResults


def draw(results: StreamResults) -> Figure:
    """Draw the average AUROC over the tasks learned so far; the band is one standard error over seeds."""
    with style.house():
        figure, (axes,) = style.panels()
        for method, (mean, error) in results.learning_curves.items():
            style.curve(axes, np.arange(1, len(mean) + 1), mean, error, method)
            style.tasks(axes, len(mean))
        curves = published_numbers.numbers("over_tasks", results.stream)
        style.paper_curves(axes, curves[curves["method"].isin(results.learning_curves.keys())])
        axes.set(xlabel="Tasks learned", ylabel=f"Average {results.score_label}")
        style.scores(axes)
        style.legend(figure)
    return figure
