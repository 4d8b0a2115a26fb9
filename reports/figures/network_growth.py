"""Network growth task by task: units of each hidden layer kept of an expansion, and units split."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports import labels, layer_labels
from reports.analysis import growth
from reports.figures import looks, style
from reports.spacing import stride
from reports.stream_results import StreamResults

PARTS = {"kept": (-0.21, 1.0), "split": (0.21, 0.45)}
"How far a part's bar stands from its task, and how opaque it is."
WIDTH, ROW, BESIDE_ROWS, TITLE = 0.36, 1.05, 0.75, 0.2


def draw(results: StreamResults) -> Figure | None:
    """Draw one panel per method and hidden layer; lines on bars are standard errors. None if no network grows.

    A method has one row of panels, or as many as its layers need. If there are many tasks, several share a bar.
    """
    by_task = growth.by_task(results)
    if by_task.empty:
        return None
    methods, layers = labels.ordered(by_task.index.unique("method")), sorted(by_task.index.unique("layer"))
    rows, columns = style.shape(len(layers))
    height = BESIDE_ROWS + ROW * rows * len(methods) + TITLE * (rows * len(methods) - 1) * (rows > 1)
    every = stride(results.tasks)
    with style.house():
        figure, panels = style.panels(rows * len(methods), columns, height=height)
        for place, method in enumerate(methods):
            of_method = panels[place * rows * columns : (place + 1) * rows * columns]
            for axes, layer in zip(style.first(of_method, len(layers)), layers, strict=True):
                _panel(axes, by_task.loc[(method, layer)], method, every)
                axes.set_title(layer_labels.title(results, layer) if rows > 1 or not place else "")
                axes.set_ylabel(f"{labels.method(method)}\nunits" if style.leftmost(axes) else "")
        figure.supxlabel("Task learned" if every == 1 else f"Tasks learned, {every} to a bar")
        _explain(panels[0])
        style.legend(figure)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, method: str, every: int) -> None:
    tasks, color = rows.index.to_numpy() - (every - 1) / 2, looks.look(method)["color"]
    axes.bar(tasks, rows["added", "mean"], 0.92 * every, color="none", edgecolor=looks.FAINT, linewidth=0.5)
    for part, (shift, alpha) in PARTS.items():
        mean, error, places = rows[part, "mean"], rows[part, "sem"], tasks + shift * every
        axes.bar(places, mean, WIDTH * every, color=color, alpha=alpha)
        axes.errorbar(places, mean, error, fmt="none", ecolor=looks.INK, elinewidth=0.6)
    axes.errorbar(tasks, rows["added", "mean"], rows["added", "sem"], fmt="none", ecolor=looks.FAINT, elinewidth=0.6)
    if every > 1:
        axes.set_xlim(0.4, tasks[-1] + every / 2 + 0.1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _explain(axes: Axes) -> None:
    square = {"linestyle": "none", "marker": "s", "markersize": style.MARK, "markeredgewidth": 0.5}
    for part, (_, alpha) in PARTS.items():
        style.explain(axes, part, alpha=alpha, markeredgecolor="none", **square)
    style.explain(axes, "added, both together", markerfacecolor="none", **square)
