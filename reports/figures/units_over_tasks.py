"""Units of each hidden layer while tasks are learned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from den import measures
from reports import labels, layer_labels
from reports.figures import curves, looks, style
from reports.figures.curves import Curve
from reports.stream_results import StreamResults

HIGHER = 1.5
"Inches that another row of panels takes."


def draw(results: StreamResults) -> Figure | None:
    """Draw one panel per hidden layer. Networks of fixed width share a grey line; bands are standard errors.

    Return None if no units were counted.
    """
    units = results.measured(measures.UNITS)
    units = units[units["stage"].isna()]
    layers = sorted(units["layer"].dropna().unique())
    if not layers:
        return None
    with style.house():
        rows, columns = style.shape(len(layers))
        figure, panels = style.panels(rows, columns, share=False, height=style.HEIGHT + HIGHER * (rows - 1))
        for axes, layer in zip(style.first(panels, len(layers)), layers, strict=True):
            _layer(axes, units[units["layer"] == layer])
            axes.set_title(layer_labels.title(results, layer))
            unit = "Units, logarithmic" if axes.get_yscale() == "log" else "Units"
            axes.set_ylabel(unit if style.leftmost(axes) else "")
            style.tasks(axes, int(units["after_task"].max()), most=6)
        figure.supxlabel("Tasks learned")
        style.legend(figure)
    return figure


def _layer(axes: Axes, units: pd.DataFrame) -> None:
    by_method = units.groupby("method")["value"]
    fixed = by_method.agg(lambda widths: widths.iloc[0] if widths.nunique() == 1 else None).dropna()
    for width in sorted(fixed.unique()):
        axes.axhline(width, color=looks.FAINT, linestyle=style.DOTS, linewidth=1, label="Fixed width")
    growing = [_curve(units, method) for method in labels.ordered(set(units["method"]) - set(fixed.index))]
    curves.draw(axes, growing)
    axes.margins(y=0.12)
    if not style.spread(axes, [value for curve in growing for value in curve.mean], "y"):
        axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))


def _curve(units: pd.DataFrame, method: str) -> Curve:
    growth = units[units["method"] == method].groupby("after_task")["value"].agg(["mean", "sem"])
    return Curve(method, *(column.to_numpy() for column in (growth.index, growth["mean"], growth["sem"])))
