"""AUROC of an early, a middle and a late task while later tasks are learned."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from matplotlib.figure import Figure

from reports import labels, published_numbers
from reports.estimates import Matrix, over_seeds
from reports.figures import curves, style
from reports.figures.curves import Curve
from reports.spacing import early
from reports.stream_results import StreamResults

ROW = 1.75
"Inches of a row of panels."


@dataclass(frozen=True)
class Column:
    """What is drawn of one task: measured curves, the paper's, and the values that a further panel enlarges."""

    task: int
    measured: list[Curve]
    published: list[Curve]
    crowd: tuple[float, float] | None


def draw(results: StreamResults) -> Figure:
    """Draw one column per task that is followed, 1, 4 and 7 of ten; bands are standard errors over seeds.

    The paper's curves have a row of their own, and so have measured curves that lie close together.
    """
    columns = [_column(results, task) for task in early(results.tasks)]
    titles = [curves.MEASURED]
    titles += [curves.PAPER] * any(column.published for column in columns)
    titles += [curves.ENLARGED] * any(column.crowd for column in columns)
    with style.house():
        height = style.HEIGHT + ROW * (len(titles) - 1)
        figure, panels = style.panels(len(titles), len(columns), share=False, height=height, width=style.WIDE)
        for place, column in enumerate(columns):
            _draw(dict(zip(titles, panels[place :: len(columns)], strict=True)), column, results)
        panels[0].set_ylabel(labels.heading(results.score_label))
        figure.supxlabel("Tasks learned")
        style.legend(figure)
    return figure


def _draw(panels: dict[str, style.Axes], column: Column, results: StreamResults) -> None:
    for title, axes in panels.items():
        curves.draw(axes, column.published if title == curves.PAPER else column.measured)
        axes.set_title(f"Task {column.task}" if len(panels) == 1 else f"Task {column.task}: {title.lower()}")
        style.tasks(axes, results.tasks, first=column.task)
        style.scores(axes)
    curves.level(axes for title, axes in panels.items() if title != curves.ENLARGED)
    if column.crowd:
        curves.mark(panels[curves.MEASURED], column.crowd)
        curves.enlarge(panels[curves.ENLARGED], column.crowd)
    elif curves.ENLARGED in panels:
        panels[curves.ENLARGED].remove()


def _column(results: StreamResults, task: int) -> Column:
    measured = [_history(seeds, method, task) for method, seeds in results.matrices.items()]
    drift = published_numbers.numbers("drift", results.stream)
    published = curves.of_paper(drift[drift["task"] == task], measured)
    return Column(task, measured, published, curves.crowd(measured))


def _history(seeds: Mapping[int, Matrix], method: str, task: int) -> Curve:
    mean, error = over_seeds([R[task - 1 :, task - 1] for R in seeds.values()])
    return Curve(method, np.arange(task, task + len(mean)), mean, error)
