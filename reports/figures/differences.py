"""What each departure of the released code does to average AUROC: added to the paper's algorithm, and mended."""

from matplotlib.figure import Figure

from den import metrics
from reports.analysis.by_split import PAPER_METHOD, RELEASED_METHOD, Departure, by_seed, departures
from reports.figures import style
from reports.summaries import score_name
from reports.tables import Tables


def draw(tables: Tables) -> Figure | None:
    """Draw a row a departure, bars are standard errors of the paired difference; None where none was tried alone."""
    found = departures(by_seed(tables, metrics.average))
    if not found:
        return None
    with style.house():
        figure, (axes,) = style.rows(list(found))
        axes.axvline(0, color=style.FAINT, linewidth=0.8, zorder=1)
        for row, departure in enumerate(found.values()):
            _departure(axes, row, departure)
        axes.set_xlabel(f"Change of average {score_name(tables)}")
        style.explain(axes, "added to the paper’s algorithm", **_marker(PAPER_METHOD))
        style.explain(axes, "mended in the released code", **_marker(RELEASED_METHOD))
        style.scores(axes, axis="x")
        style.legend(figure)
    return figure


def _departure(axes: style.Axes, row: int, departure: Departure) -> None:
    ends = [departure.added.mean, departure.mended.mean]
    axes.plot(ends, [row, row], color=style.GRID, linewidth=2.5, zorder=1)
    for shift, method, change in (
        (-style.APART, PAPER_METHOD, departure.added),
        (style.APART, RELEASED_METHOD, departure.mended),
    ):
        style.point(axes, row + shift, change.mean, change.error, method)


def _marker(method: str) -> dict[str, object]:
    look = style.look(method)
    return {"color": look["color"], "marker": look["marker"], "linestyle": "none", "markersize": style.MARK}
