"""Network growth task by task: units of each hidden layer kept of an expansion, and units split."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from reports import names, style
from reports.growth import growth
from reports.summary import plain
from reports.tables import Tables

PARTS = {"kept": (-0.21, 1.0), "split": (0.21, 0.45)}
"Where a part's bar stands beside its task, and how opaque it is."
WIDTH, ROW, BESIDE_ROWS = 0.36, 0.95, 0.7


def draw(tables: Tables) -> Figure | None:
    """Draw a row a method and a panel for each hidden layer, bars on bars are standard errors; None without growth."""
    found = growth(plain(tables))
    if found.empty:
        return None
    methods, layers = names.ordered(found.index.unique("method")), sorted(found.index.unique("layer"))
    with style.house():
        figure, panels = style.panels(len(methods), len(layers), height=BESIDE_ROWS + ROW * len(methods))
        places = [(method, layer) for method in methods for layer in layers]
        for axes, (method, layer) in zip(panels, places, strict=True):
            _panel(axes, found.loc[(method, layer)], str(method))
            axes.set_title(f"Hidden layer {layer}" if method == methods[0] else "")
            axes.set_ylabel(names.method(str(method)) if layer == layers[0] else "")
        figure.supxlabel("Task learned")
        _explain(panels[0])
        style.legend(figure)
    return figure


def _panel(axes: Axes, rows: pd.DataFrame, method: str) -> None:
    tasks, color = rows.index.to_numpy(), style.look(method)["color"]
    axes.bar(tasks, rows["added", "mean"], 0.92, color="none", edgecolor=style.FAINT, linewidth=0.5)
    for part, (shift, alpha) in PARTS.items():
        mean, error = rows[part, "mean"], rows[part, "sem"]
        axes.bar(tasks + shift, mean, WIDTH, color=color, alpha=alpha)
        axes.errorbar(tasks + shift, mean, error, fmt="none", ecolor=style.INK, elinewidth=0.6)
    axes.errorbar(tasks, rows["added", "mean"], rows["added", "sem"], fmt="none", ecolor=style.FAINT, elinewidth=0.6)
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True, min_n_ticks=1))
    axes.yaxis.set_major_locator(MaxNLocator(nbins=4, integer=True))


def _explain(axes: Axes) -> None:
    square = {"linestyle": "none", "marker": "s", "markersize": style.MARK, "markeredgewidth": 0.5}
    for part, (_, alpha) in PARTS.items():
        style.explain(axes, part, alpha=alpha, markeredgecolor="none", **square)
    style.explain(axes, "added, both together", markerfacecolor="none", **square)
