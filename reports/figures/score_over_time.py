"""AUROC of an early, a middle and a late task while later tasks are learned."""

from collections.abc import Iterable

import numpy as np
from matplotlib.figure import Figure

from reports import labels, published_numbers
from reports.estimates import Matrix, over_seeds
from reports.figures import style
from reports.spacing import early
from reports.stream_results import StreamResults


def draw(results: StreamResults) -> Figure:
    """Draw one panel per task that is followed, 1, 4 and 7 of ten; the band is one standard error over seeds."""
    paper = published_numbers.numbers("drift", results.stream)
    paper = paper[paper["method"].isin(results.matrices.keys())]
    tasks = early(results.tasks)
    with style.house():
        figure, panels = style.panels(columns=len(tasks))
        for axes, task in zip(panels, tasks, strict=True):
            for method, seeds in results.matrices.items():
                _history(axes, method, seeds.values(), task)
            style.paper_curves(axes, paper[paper["task"] == task])
            axes.set_title(f"Task {task}")
            style.tasks(axes, results.tasks, first=task, most=6)
            style.scores(axes)
        panels[0].set_ylabel(labels.heading(results.score_label))
        figure.supxlabel("Tasks learned")
        style.legend(figure)
    return figure


def _history(axes: style.Axes, method: str, matrices: Iterable[Matrix], task: int) -> None:
    mean, error = over_seeds([R[task - 1 :, task - 1] for R in matrices])
    style.curve(axes, np.arange(task, task + len(mean)), mean, error, method)
