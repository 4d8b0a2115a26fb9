"""A metric over the runs of one stream, drawn: a line per series, hollow points that are not whole, changes dotted."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

from reports import labels
from reports.analysis import history
from reports.analysis.history import Step
from reports.figures import style
from reports.summaries import STATISTICS

BARS = "▁▂▃▄▅▆▇█"
WIDEST = 24
"Bars of a sparkline; of more values each bar is the mean of some that follow each other."
MARKED = 60
"Points of a series that are drawn with markers and standard errors; more of them are a line."
EXPLAINED = 12
"Series that a legend tells apart; of more of them it names the methods."
STROKES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)))
"Lines of a method's series: all have its colour."


def sparkline(values: Sequence[float]) -> str:
    """Return the values as bars, the lowest one eighth high and the highest whole; all alike are half."""
    parts = np.array_split(np.array(values, dtype=float), min(len(values), WIDEST) or 1)
    heights = np.array([part.mean() for part in parts if len(part)])
    spread = np.ptp(heights) if len(heights) else 0.0
    if not spread:
        return BARS[3] * len(heights)
    return "".join(BARS[level] for level in np.rint((heights - heights.min()) / spread * 7).astype(int))


def draw(groups: Sequence[pd.DataFrame], steps: Sequence[Sequence[Step]]) -> Figure:
    """Draw the series of one stream and metric, and where they changed."""
    metric = groups[0]["metric"].iloc[0]
    with style.house():
        figure, (axes,) = style.panels()
        for rows, (title, stroke), changed in zip(groups, _looks(groups), steps, strict=True):
            _line(axes, rows, title, stroke)
            for step in changed:
                color = style.look(rows["method"].iloc[0])["color"]
                axes.axvline(step.first["started"], color=color, linestyle=style.DOTS, linewidth=0.9, zorder=1)
        if any(steps):
            style.explain(axes, "dotted: a change", linestyle=style.DOTS, linewidth=0.9)
        if not all(rows["measured"].all() for rows in groups):
            style.explain_open(axes, "open: not measured whole")
        if metric in STATISTICS:
            style.scores(axes)
        axes.set_ylabel(history.label(metric))
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
        style.legend(figure)
    return figure


def _looks(groups: Sequence[pd.DataFrame]) -> Iterator[tuple[str, object]]:
    """Yield the title of each series, and the stroke of its line."""
    methods = [rows["method"].iloc[0] for rows in groups]
    for place, rows in enumerate(groups):
        method = methods[place]
        number = methods[:place].count(method)
        title = labels.method(method)
        if methods.count(method) > 1 and len(groups) <= EXPLAINED:
            alike = [other for other, name in zip(groups, methods, strict=True) if name == method]
            title = f"{title}: {_distinction(rows, pd.concat(alike))}"
        yield title, STROKES[number % len(STROKES)]


def _distinction(rows: pd.DataFrame, others: pd.DataFrame) -> str:
    """Return in what a series differs from others of its method."""
    words = {"settings": rows["settings"].iloc[-1] or "usual settings", "seeds": f"seeds {rows['seeds'].iloc[0]}"}
    words |= {"machine": rows["machine"].iloc[0]}
    return ", ".join(text for column, text in words.items() if others[column].nunique() > 1)


def _line(axes: Axes, rows: pd.DataFrame, title: str, stroke: object) -> None:
    look = style.look(rows["method"].iloc[0]) | {"label": title, "markersize": 4, "linewidth": 0.8}
    solid, hollow = rows[rows["measured"]], rows[~rows["measured"]]
    if len(solid) > MARKED:
        look["marker"] = "none"
    elif len(solid):
        bars = {"color": look["color"], "elinewidth": 0.8, "alpha": 0.6, "zorder": look["zorder"]}
        axes.errorbar(_moments(solid), solid["value"], solid["error"], fmt="none", label="_", **bars)
    axes.plot(_moments(solid), solid["value"].to_numpy(), linestyle=stroke, **look)
    opened = {"label": "_", "linestyle": "none", "markerfacecolor": "white", "markeredgecolor": look["color"]}
    axes.plot(_moments(hollow), hollow["value"].to_numpy(), **look | opened)


def _moments(points: pd.DataFrame) -> np.ndarray:
    """Return when the runs began, in UTC, in the form that is drawn fastest."""
    return points["started"].dt.tz_localize(None).to_numpy()
