"""A metric over the runs of one stream: a line per series, open points for incomplete runs, dotted lines at changes."""

from collections.abc import Iterator, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.dates import ConciseDateFormatter
from matplotlib.figure import Figure

from reports import labels
from reports.analysis import history
from reports.analysis.history import Step
from reports.figures import looks, style
from reports.stream_results import STATISTICS

BARS = "▁▂▃▄▅▆▇█"
WIDEST = 24
"The most bars of a sparkline; if there are more values, a bar is the mean of neighbours."
MARKED = 60
"The most points of a series that have markers and standard errors; a longer series is a plain line."
EXPLAINED = 12
"The most series that the legend distinguishes; of more it names the methods alone."
STROKES = ("-", (0, (4, 2)), (0, (1, 1.5)), (0, (5, 1, 1, 1)))
"Line styles of the series of one method, which share its colour."


def sparkline(values: Sequence[float]) -> str:
    """Return the values as bars, the lowest one eighth high and the highest full; equal values are half as high."""
    parts = np.array_split(np.array(values, dtype=float), min(len(values), WIDEST) or 1)
    heights = np.array([part.mean() for part in parts if len(part)])
    spread = np.ptp(heights) if len(heights) else 0.0
    if not spread:
        return BARS[3] * len(heights)
    return "".join(BARS[level] for level in np.rint((heights - heights.min()) / spread * 7).astype(int))


def draw(groups: Sequence[pd.DataFrame], steps: Sequence[Sequence[Step]]) -> Figure:
    """Draw the series of one stream and metric, and their change points."""
    metric = groups[0]["metric"].iloc[0]
    with style.house():
        figure, (axes,) = style.panels()
        for rows, (title, stroke), changed in zip(groups, _looks(groups), steps, strict=True):
            _line(axes, rows, title, stroke)
            for step in changed:
                color = looks.look(rows["method"].iloc[0])["color"]
                axes.axvline(step.first["started"], color=color, linestyle=style.DOTS, linewidth=0.9, zorder=1)
        if any(steps):
            style.explain(axes, "dotted: a change", linestyle=style.DOTS, linewidth=0.9)
        if not all(rows["measured"].all() for rows in groups):
            style.explain_open(axes, "open: not measured completely")
        if metric in STATISTICS:
            style.scores(axes)
        axes.set_ylabel(history.label(metric))
        axes.xaxis.set_major_formatter(ConciseDateFormatter(axes.xaxis.get_major_locator()))
        style.legend(figure)
    return figure


def _looks(groups: Sequence[pd.DataFrame]) -> Iterator[tuple[str, object]]:
    """Yield the title of each series and its line style."""
    methods = [rows["method"].iloc[0] for rows in groups]
    for place, rows in enumerate(groups):
        method = methods[place]
        number = methods[:place].count(method)
        title = labels.method(method)
        if methods.count(method) > 1 and len(groups) <= EXPLAINED:
            of_method = [group for group, name in zip(groups, methods, strict=True) if name == method]
            title = f"{title}: {_distinction(rows, pd.concat(of_method))}"
        yield title, STROKES[number % len(STROKES)]


def _distinction(rows: pd.DataFrame, of_method: pd.DataFrame) -> str:
    """Return how a series differs from the other series of its method."""
    words = {"settings": rows["settings"].iloc[-1] or "usual settings", "seeds": f"seeds {rows['seeds'].iloc[0]}"}
    words |= {"machine": rows["machine"].iloc[0]}
    return ", ".join(text for column, text in words.items() if of_method[column].nunique() > 1)


def _line(axes: Axes, rows: pd.DataFrame, title: str, stroke: object) -> None:
    look = looks.look(rows["method"].iloc[0]) | {"label": title, "markersize": 4, "linewidth": 0.8}
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
    """Return the start of each run in UTC, in the type that matplotlib draws fastest."""
    return points["started"].dt.tz_localize(None).to_numpy()
