"""Network growth task by task: units of each hidden layer kept of an expansion, and units split."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports import labels, layer_labels
from reports.analysis.growth import growth
from reports.figures import style
from reports.spacing import stride
from reports.summaries import plain
from reports.tables import Tables

PARTS = {"kept": (-0.21, 1.0), "split": (0.21, 0.45)}
"Where a part's bar stands beside its task, and how opaque it is."
WIDTH, ROW, BESIDE_ROWS, TITLE = 0.36, 0.95, 0.7, 0.2


def draw(tables: Tables) -> Figure | None:
    """Draw a panel for each method and hidden layer, bars on bars are standard errors; None without growth.

    A method has a row, or as many as its layers need; where tasks are many, several share a bar.
    """
    found = growth(plain(tables))
    if found.empty:
        return None
    methods, numbers = labels.ordered(found.index.unique("method")), sorted(found.index.unique("layer"))
    rows, columns = style.shape(len(numbers))
    height = BESIDE_ROWS + ROW * rows * len(methods) + TITLE * (rows * len(methods) - 1) * (rows > 1)
    every = stride(int(tables.scores["task"].max()))
    with style.house():
        figure, panels = style.panels(rows * len(methods), columns, height=height)
        for at, method in enumerate(methods):
            own = style.first(panels[at * rows * columns : (at + 1) * rows * columns], len(numbers))
            for axes, number in zip(own, numbers, strict=True):
                _panel(axes, found.loc[(method, number)], method, every)
                axes.set_title(layer_labels.title(tables, number) if rows > 1 or not at else "")
                axes.set_ylabel(labels.method(method) if style.leftmost(axes) else "")
        figure.supxlabel("Task learned" if every == 1 else f"Tasks learned, {every} to a bar")
        _explain(panels[0])
        style.legend(figure)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, method: str, every: int) -> None:
    tasks, color = rows.index.to_numpy() - (every - 1) / 2, style.look(method)["color"]
    axes.bar(tasks, rows["added", "mean"], 0.92 * every, color="none", edgecolor=style.FAINT, linewidth=0.5)
    for part, (shift, alpha) in PARTS.items():
        mean, error, beside = rows[part, "mean"], rows[part, "sem"], tasks + shift * every
        axes.bar(beside, mean, WIDTH * every, color=color, alpha=alpha)
        axes.errorbar(beside, mean, error, fmt="none", ecolor=style.INK, elinewidth=0.6)
    axes.errorbar(tasks, rows["added", "mean"], rows["added", "sem"], fmt="none", ecolor=style.FAINT, elinewidth=0.6)
    if every > 1:
        axes.set_xlim(0.4, tasks[-1] + every / 2 + 0.1)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _explain(axes: Axes) -> None:
    square = {"linestyle": "none", "marker": "s", "markersize": style.MARK, "markeredgewidth": 0.5}
    for part, (_, alpha) in PARTS.items():
        style.explain(axes, part, alpha=alpha, markeredgecolor="none", **square)
    style.explain(axes, "added, both together", markerfacecolor="none", **square)
