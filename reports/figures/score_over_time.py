"""AUROC of an early, a middle and a late task while later tasks are learned."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from reports import labels
from reports.figures import style
from reports.spacing import early
from reports.summaries import matrices, over_seeds, plain, published, score_name
from reports.tables import Tables


def draw(tables: Tables) -> Figure:
    """Draw a panel for each task that is followed, 1, 4 and 7 of ten; the band is one standard error over seeds."""
    found = matrices(plain(tables))
    paper = published("drift", tables.streams[0])
    paper = paper[paper["method"].isin(list(found))]
    last = int(tables.scores["task"].max())
    chosen = early(last)
    with style.house():
        figure, panels = style.panels(columns=len(chosen))
        for axes, task in zip(panels, chosen, strict=True):
            for method, seeds in found.items():
                _history(axes, method, list(seeds.values()), task)
            _paper(axes, paper[paper["task"] == task])
            axes.set_title(f"Task {task}")
            style.tasks(axes, last, first=task, most=6)
            style.scores(axes)
        panels[0].set_ylabel(labels.heading(score_name(tables)))
        figure.supxlabel("Tasks learned")
        style.legend(figure)
    return figure


def _history(axes: style.Axes, method: str, seeds: list[NDArray[np.float64]], task: int) -> None:
    mean, error = over_seeds([R[task - 1 :, task - 1] for R in seeds])
    style.curve(axes, np.arange(task, task + len(mean)), mean, error, method)


def _paper(axes: style.Axes, rows: pd.DataFrame) -> None:
    for method, curve in rows.groupby("method"):
        style.dashed(axes, curve["after_task"], curve["value"], str(method))
    if len(rows):
        style.explain_dashed(axes)
