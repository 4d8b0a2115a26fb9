"""Units of each hidden layer while tasks are learned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from den import measures
from reports import labels, layer_labels
from reports.figures import style
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
            axes.set_ylabel("Units" if style.leftmost(axes) else "")
            style.tasks(axes, int(units["after_task"].max()), most=6)
        figure.supxlabel("Tasks learned")
        style.legend(figure)
    return figure


def _layer(axes: Axes, units: pd.DataFrame) -> None:
    by_method = units.groupby("method")["value"]
    fixed = by_method.agg(lambda widths: widths.iloc[0] if widths.nunique() == 1 else None).dropna()
    for width in sorted(fixed.unique()):
        axes.axhline(width, color=style.FAINT, linestyle=(0, (4, 3)), linewidth=1, label="Fixed width")
    for method in labels.ordered(set(units["method"]) - set(fixed.index)):
        growth = units[units["method"] == method].groupby("after_task")["value"].agg(["mean", "sem"])
        style.curve(axes, growth.index.to_numpy(), growth["mean"].to_numpy(), growth["sem"].to_numpy(), method)
    axes.margins(y=0.12)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))
