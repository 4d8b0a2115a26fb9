"""Time that learning all tasks took, without evaluations."""

from matplotlib.figure import Figure

from reports import labels
from reports.estimates import mean_of
from reports.figures import style
from reports.stream_results import StreamResults


def draw(results: StreamResults) -> Figure:
    """Draw one row per method; bars are standard errors over seeds."""
    with style.house():
        figure, (axes,) = style.rows([labels.method(method) for method in results.methods])
        seconds = {method: mean_of(results.seconds, method) for method in results.methods}
        for row, (method, estimate) in enumerate(seconds.items()):
            style.point(axes, row, *estimate.pair, method)
        if style.spread(axes, [estimate.mean for estimate in seconds.values()], "x"):
            axes.set_xlabel("Seconds of training, logarithmic")
        else:
            style.from_zero(axes)
            axes.set_xlabel("Seconds of training")
    return figure
