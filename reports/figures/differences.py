"""What each departure of the released code does to average AUROC: added to the paper's algorithm, and mended."""

from matplotlib.figure import Figure

from reports.analysis.by_seed import Departure, departures
from reports.figures import looks, style
from reports.labels import PAPER_METHOD, RELEASED_METHOD
from reports.stream_results import StreamResults


def draw(results: StreamResults) -> Figure | None:
    """Draw one row per departure, with standard errors of the paired difference; None if there is no departure."""
    effects = departures(results.whole.averages)
    if not effects:
        return None
    with style.house():
        figure, (axes,) = style.rows(list(effects))
        axes.axvline(0, color=looks.FAINT, linewidth=0.8, zorder=1)
        for row, departure in enumerate(effects.values()):
            _departure(axes, row, departure)
        axes.set_xlabel(f"Change of average {results.score_label}")
        style.explain(axes, "added to the paper’s algorithm", **_marker(PAPER_METHOD))
        style.explain(axes, "mended in the released code", **_marker(RELEASED_METHOD))
        style.scores(axes, axis="x")
        style.legend(figure)
    return figure


def _departure(axes: style.Axes, row: int, departure: Departure) -> None:
    ends = [departure.added.mean, departure.mended.mean]
    axes.plot(ends, [row, row], color=looks.GRID, linewidth=2.5, zorder=1)
    for shift, method, change in (
        (-style.APART, PAPER_METHOD, departure.added),
        (style.APART, RELEASED_METHOD, departure.mended),
    ):
        style.point(axes, row + shift, change.mean, change.error, method)


def _marker(method: str) -> dict[str, object]:
    look = looks.look(method)
    return {"color": look["color"], "marker": look["marker"], "linestyle": "none", "markersize": style.MARK}
