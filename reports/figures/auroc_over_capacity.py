"""Average AUROC after the last task over capacity."""

from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator

from reports import labels, published_numbers
from reports.estimates import mean_of
from reports.figures import looks, style
from reports.stream_results import StreamResults

MARKS = (0.25, 0.5, 1, 1.5, 2, 3, 5, 10, 20, 50, 100)
CLOSE, WIDE = 1.5, 40
"The mark close to its neighbour: it is left out if the ends of the axis are further apart than this factor."


def draw(results: StreamResults) -> Figure:
    """Draw one point per method, with capacity relative to the base network; bars are standard errors over seeds."""
    with style.house():
        figure, (axes,) = style.panels()
        for method, auroc in results.estimates.items():
            capacity, look = mean_of(results.capacities, method), looks.look(method)
            axes.errorbar(capacity.mean, auroc.mean, auroc.error, capacity.error, fmt="none", ecolor=look["color"])
            axes.plot(capacity.mean, auroc.mean, linestyle="none", markersize=style.MARK, **look)
        _published(axes, results)
        _capacities(axes)
        axes.set(
            xlabel="Capacity, relative to the base network", ylabel=f"Average {results.score_label} after all tasks"
        )
        style.scores(axes)
        axes.margins(y=0.1)
        style.legend(figure)
    return figure


def _published(axes: style.Axes, results: StreamResults) -> None:
    rows = published_numbers.points(results.stream)
    rows = rows[rows["method"].isin({*results.estimates, *labels.PUBLISHED_ONLY})]
    for row in rows.itertuples():
        style.open_point(axes, row.capacity, row.value, row.method)
    if len(rows):
        of_paper = set(rows["source"]) == {published_numbers.PAPER}
        style.explain_open(axes, "open: the paper" if of_paper else "open: published")
    if rows["method"].isin(labels.PUBLISHED_ONLY).any():
        style.explain_open(axes, "grey: not run here", looks.PUBLISHED_ONLY[1])


def _capacities(axes: style.Axes) -> None:
    axes.set_xscale("log")
    low, high = axes.get_xlim()
    axes.set_xlim(min(low, 0.85), max(high, 2.2))
    axes.xaxis.set_major_locator(FixedLocator([mark for mark in MARKS if mark != CLOSE or high < WIDE * low]))
    axes.xaxis.set_minor_locator(NullLocator())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}×"))
