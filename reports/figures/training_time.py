"""Time that learning all tasks took, without evaluations."""

from matplotlib.figure import Figure

from reports import labels
from reports.figures import style
from reports.summaries import estimate, plain
from reports.tables import Tables


def draw(tables: Tables) -> Figure:
    """Draw a row a method, bars are standard errors over seeds."""
    known = plain(tables)
    methods = labels.ordered(known.cells["method"])
    with style.house():
        figure, (axes,) = style.rows([labels.method(method) for method in methods])
        for row, method in enumerate(methods):
            seconds = estimate(known.of(method=method).cells["train_seconds"])
            style.point(axes, row, *seconds.pair, method)
        style.from_zero(axes)
        axes.set_xlabel("Seconds of training")
    return figure
