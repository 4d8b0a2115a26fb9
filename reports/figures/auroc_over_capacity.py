"""Average AUROC after the last task over capacity."""

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from den import metrics
from reports import labels, paper_numbers
from reports.figures import style
from reports.summaries import PAPER, estimate, estimates, plain, score_name
from reports.tables import Tables

MARKS = (0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100)
CLOSE, WIDE = 1.5, 40
"The mark that stands close to its neighbour on an axis whose ends are so many times apart."


def draw(tables: Tables) -> Figure:
    """Draw a point for each method, capacity relative to the base network; bars are standard errors over seeds."""
    known = plain(tables)
    found = estimates(known, metrics.average)
    with style.house():
        figure, (axes,) = style.panels()
        for method, auroc in found.items():
            capacity = estimate(known.of(method=method).cells["capacity"])
            look = style.look(method)
            axes.errorbar(capacity.mean, auroc.mean, auroc.error, capacity.error, fmt="none", ecolor=look["color"])
            axes.plot(capacity.mean, auroc.mean, linestyle="none", markersize=style.MARK, **look)
        _paper(axes, tables, set(found))
        _capacities(axes)
        axes.set(
            xlabel="Capacity, relative to the base network", ylabel=f"Average {score_name(tables)} after all tasks"
        )
        style.scores(axes)
        axes.margins(y=0.1)
        style.legend(figure)
    return figure


def _paper(axes: style.Axes, tables: Tables, methods: set[str]) -> None:
    rows = paper_numbers.points(tables.streams[0])
    rows = rows[rows["method"].isin({*methods, *labels.OTHERS})]
    for row in rows.itertuples():
        style.opened(axes, row.capacity, row.value, row.method)
    if len(rows):
        style.explain_open(axes, "open: the paper" if set(rows["source"]) == {PAPER} else "open: published")
    if rows["method"].isin(labels.OTHERS).any():
        style.explain_open(axes, "grey: not run here", style.OTHER[1])


def _capacities(axes: style.Axes) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.85), max(high, 2.2))
    axes.xaxis.set_major_locator(FixedLocator([mark for mark in MARKS if mark != CLOSE or high < WIDE * low]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
