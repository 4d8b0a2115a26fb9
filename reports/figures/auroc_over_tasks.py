"""Average AUROC over the number of tasks learned."""

import numpy as np
from matplotlib.figure import Figure

from reports import published_numbers
from reports.figures import curves, style
from reports.figures.curves import Curve
from reports.stream_results import StreamResults

PANEL_HEIGHT = 2.4
"Inches of a figure of several panels."


def draw(results: StreamResults) -> Figure:
    """Draw the average AUROC over the tasks learned so far; bands are standard errors over seeds.

    The paper's curves have a panel of their own, and so have measured curves that lie close together.
    """
    measured = [
        Curve(method, np.arange(1, len(mean) + 1), mean, error)
        for method, (mean, error) in results.learning_curves.items()
    ]
    published = curves.of_paper(published_numbers.numbers("over_tasks", results.stream), measured)
    span = curves.crowd(measured)
    titles = [curves.MEASURED, *[curves.PAPER] * bool(published), *[curves.ENLARGED] * bool(span)]
    with style.house():
        figure, panels = _panels(len(titles))
        for axes, title in zip(panels, titles, strict=True):
            curves.draw(axes, published if title == curves.PAPER else measured)
            axes.set_title(title if len(titles) > 1 else "")
            style.tasks(axes, results.tasks)
            style.scores(axes)
        curves.level(panels[: 2 if published else 1])
        if span:
            curves.mark(panels[0], span)
            curves.enlarge(panels[-1], span)
        panels[0].set_ylabel(f"Average {results.score_label}")
        figure.supxlabel("Tasks learned")
        style.legend(figure)
    return figure


def _panels(count: int) -> tuple[Figure, list[style.Axes]]:
    if count == 1:
        return style.panels()
    return style.panels(columns=count, share=False, height=PANEL_HEIGHT, width=style.WIDE)
