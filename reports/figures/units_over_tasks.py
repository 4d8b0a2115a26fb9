"""Units of each hidden layer while tasks are learned."""

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from den import measures
from reports import labels, layer_labels
from reports.figures import style
from reports.summaries import plain
from reports.tables import Tables

HIGHER = 1.5
"Inches that another row of panels takes."


def draw(tables: Tables) -> Figure | None:
    """Draw a panel for each hidden layer; networks that never change share a grey line, bands are standard errors.

    None where no units were counted.
    """
    units = plain(tables).of(measure=measures.UNITS).measures
    units = units[units["stage"].isna()]
    numbers = sorted(units["layer"].dropna().unique())
    if not numbers:
        return None
    with style.house():
        rows, columns = style.shape(len(numbers))
        figure, panels = style.panels(rows, columns, share=False, height=style.HEIGHT + HIGHER * (rows - 1))
        for axes, number in zip(style.first(panels, len(numbers)), numbers, strict=True):
            _layer(axes, units[units["layer"] == number])
            axes.set_title(layer_labels.title(tables, number))
            axes.set_ylabel("Units" if style.leftmost(axes) else "")
            style.tasks(axes, int(units["after_task"].max()), most=6)
        figure.supxlabel("Tasks learned")
        style.legend(figure)
    return figure


def _layer(axes: Axes, units: pd.DataFrame) -> None:
    widths = (
        units.groupby("method")["value"].agg(lambda value: value.iloc[0] if value.nunique() == 1 else None).dropna()
    )
    for width in sorted(widths.unique()):
        axes.axhline(width, color=style.FAINT, linestyle=(0, (4, 3)), linewidth=1, label="Fixed width")
    for method in labels.ordered(set(units["method"]) - set(widths.index)):
        growth = units[units["method"] == method].groupby("after_task")["value"].agg(["mean", "sem"])
        style.curve(axes, growth.index.to_numpy(), growth["mean"].to_numpy(), growth["sem"].to_numpy(), method)
    axes.margins(y=0.12)
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, integer=True, steps=[1, 2, 5, 10]))
