"""One look for every figure: a colour and a marker per method, and the width of a paper's column."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal
from zlib import crc32

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, MaxNLocator, ScalarFormatter

from reports import labels
from reports.spacing import MOST, stride

WIDTH, HEIGHT = 3.4, 2.6
"Inches of a figure: its width is that of one column of a two-column paper."
LETTER, ENTRY = 0.06, 0.38
"Inches of a letter in a legend, and of the space around an entry's letters."
APART = 0.18
"The distance of the measured point, and of the paper's, from the middle of a row, in rows."
ROW, LEGEND_ROW, BESIDE_ROWS, BESIDE_PANEL = 0.22, 0.15, 0.95, 0.5
"Inches of a row of points, a line of the legend, the space above and below the rows, and that between panels."
MARK = 5
"The size of a marker without a line, in points."
DASHES, DOTS = (0, (4, 2)), (0, (1, 2))
INK, FAINT, GRID = "#22262b", "#6b7280", "#e4e6ea"

# Hues of Okabe & Ito, which colour-blind readers can distinguish, with a contrast of 3:1 or more against the light and
# the dark page. Methods of similar hue differ in lightness or marker.
LOOKS = {
    "finetune": ("#8c8f94", "X"),
    "l2": ("#b0508a", "v"),
    "l2_published": ("#c878ab", "v"),
    "l2_published_permuted": ("#c878ab", "s"),
    "ewc": ("#1f6fb4", "^"),
    "ewc_published": ("#5898cf", "^"),
    "ewc_published_permuted": ("#5898cf", "s"),
    "progressive": ("#8a6a00", "P"),
    "progressive_small": ("#ab8d3c", "P"),
    "dnn_l1": ("#5b6b7a", "d"),
    "dnn_selective": ("#3f9c9c", "<"),
    "den_constant": ("#8b6fc4", "*"),
    "den_constant_13": ("#7455b8", "p"),
    "den_constant_20": ("#9d86c9", "p"),
    "den_dynamic": ("#7a8f3c", ">"),
    "den_no_stamp": ("#c4605f", "H"),
    "den": ("#d55e00", "o"),
    "den_euclidean": ("#b5762f", "X"),
    "den_plus": ("#b8480a", "P"),
    "den_official": ("#5163bf", "D"),
    "den_finetune": ("#c28600", "h"),
    "single_task": ("#009e73", "s"),
    "joint": ("#1a9cc2", "D"),
}
PUBLISHED_ONLY = (FAINT, "p")
"Colour and marker of all methods of published numbers that do not run here."
SPARE = [(color, marker) for marker in "<>*p" for color in ("#8b6fc4", "#a3922f", "#3f9c9c", "#c4605f", "#7a8f3c")]
"Looks of methods that have none of their own."

HOUSE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 7,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "figure.labelsize": 7,
    "axes.titlesize": 7.5,
    "axes.titlelocation": "left",
    "axes.linewidth": 0.6,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "axes.axisbelow": True,
    "grid.color": GRID,
    "grid.linewidth": 0.6,
    "xtick.color": FAINT,
    "ytick.color": FAINT,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0,
    "lines.linewidth": 1.2,
    "errorbar.capsize": 0,
    "lines.markersize": 3.4,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.dpi": 300,
    "svg.fonttype": "none",
    "svg.hashsalt": "den",
}


@contextmanager
def house() -> Iterator[None]:
    """Draw and save in the house style inside this context, and leave matplotlib's settings unchanged outside it."""
    with mpl.rc_context(HOUSE):
        yield


def look(method: str) -> dict[str, Any]:
    """Return a method's colour, marker and label, always the same for a name; a method not run here is grey."""
    spare = PUBLISHED_ONLY if method in labels.PUBLISHED_ONLY else SPARE[crc32(method.encode()) % len(SPARE)]
    color, marker = LOOKS.get(method, spare)
    above = 3 if method == "den" else 2
    return {
        "color": color,
        "marker": marker,
        "label": labels.method(method),
        "zorder": above,
        "markeredgecolor": "none",
    }


def panels(rows: int = 1, columns: int = 1, share: bool = True, height: float = HEIGHT) -> tuple[Figure, list[Axes]]:
    """Return a figure one column wide and its axes, row by row. share: all have the same y axis."""
    figure = Figure(figsize=(WIDTH, height), layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05, wspace=0.04))
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False, sharey=share).flat)


def shape(count: int) -> tuple[int, int]:
    """Return the rows and columns of so many panels: up to three in a row, or two in each row if there are more."""
    columns = count if count <= 3 else 2
    return math.ceil(count / columns), columns


def first(panes: Sequence[Axes], count: int) -> list[Axes]:
    """Return the first panels, and remove the rest from the figure."""
    for spare in panes[count:]:
        spare.remove()
    return list(panes[:count])


def leftmost(axes: Axes) -> bool:
    """Return whether a panel is in the first column."""
    place = axes.get_subplotspec()
    return place is not None and place.is_first_col()


def legend(figure: Figure) -> None:
    """Put one legend above all panels: each label once, in the order of drawing, as wide as the figure.

    A long legend makes the figure higher, so that the panels keep their size.
    """
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    if not handles:
        return
    columns = _columns(list(handles))
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * max(0, math.ceil(len(handles) / columns) - 2))
    figure.legend(
        _by_row(list(handles.values()), columns),
        _by_row(list(handles), columns),
        loc="outside upper left",
        ncols=columns,
        handlelength=1.6,
        columnspacing=1.2,
    )


def _columns(labels: Sequence[str]) -> int:
    """Return how many columns of a legend fit, four at most."""

    def width(columns: int) -> float:
        return sum(ENTRY + LETTER * max(map(len, labels[column::columns]), default=0) for column in range(columns))

    return max(columns for columns in range(1, 5) if columns == 1 or width(columns) < WIDTH)


def _by_row(entries: Sequence[Any], columns: int) -> list[Any]:
    """Return entries so that a legend, which fills its columns first, shows them row by row."""
    return [entries[place] for column in range(columns) for place in range(column, len(entries), columns)]


class Score(ScalarFormatter):
    """Print a score as tables do, .80 instead of 0.80, with as many digits as the ticks need."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of one tick."""
        return super().__call__(x, pos).replace("0.", ".", 1)


def scores(axes: Axes, axis: Literal["x", "y"] = "y") -> None:
    """Give an axis the ticks and labels of scores."""
    chosen, most = (axes.yaxis, 7) if axis == "y" else (axes.xaxis, 5)
    chosen.set_major_locator(MaxNLocator(nbins=most, steps=[1, 2, 5, 10]))
    chosen.set_major_formatter(Score(useOffset=False))


def tasks(axes: Axes, last: int, first: int = 1, most: int = 10) -> None:
    """Label whole tasks on the x axis, at most `most` of them, with room for markers at both ends."""
    room = max(0.3, (last - first) / 30)
    axes.set_xlim(first - room, last + room)
    every = stride(last - first, most * 2 // 3)  # numbers of two digits need more room
    few = MaxNLocator(integer=True, nbins=most, min_n_ticks=1)
    axes.xaxis.set_major_locator(few if last <= MOST else FixedLocator([*range(every, last + 1, every)]))


def curve(axes: Axes, x: np.ndarray, y: np.ndarray, error: np.ndarray, method: str) -> None:
    """Draw a method's curve over `x`, with a band of one standard error; nan is left out.

    If there are many points, only some have markers.
    """
    finite = ~np.isnan(y)
    axes.plot(x[finite], y[finite], markevery=stride(len(x)), **look(method))
    axes.fill_between(x, y - error, y + error, color=look(method)["color"], alpha=0.18, linewidth=0)


def dashed(axes: Axes, x: Sequence[float], y: Sequence[float], method: str) -> None:
    """Draw the paper's curve of a method: in the method's colour, dashed, without a label.

    If its points are more than one task apart, they have open markers.
    """
    drawn = {"color": look(method)["color"], "linestyle": DASHES, "linewidth": 1, "alpha": 0.8, "zorder": 1.5}
    far = {"marker": look(method)["marker"], "markerfacecolor": "none"} if max(np.diff(x), default=1) > 1 else {}
    axes.plot(x, y, **drawn, **far)


def paper_curves(axes: Axes, rows: pd.DataFrame) -> None:
    """Draw the paper's curves, with an entry in the legend. rows: method, after_task and value of each point."""
    for method, curve in rows.groupby("method"):
        dashed(axes, curve["after_task"], curve["value"], str(method))
    if len(rows):
        explain(axes, "dashed: the paper", linestyle=DASHES, linewidth=1)


def open_point(axes: Axes, x: float, y: float, method: str) -> None:
    """Draw the paper's point of a method: open, in the method's colour, without a label."""
    drawn = {"color": look(method)["color"], "marker": look(method)["marker"], "markersize": MARK, "zorder": 2.5}
    axes.plot(x, y, linestyle="none", markerfacecolor="none", **drawn)


def explain(axes: Axes, label: str, **drawn: Any) -> None:
    """Add a grey entry to the legend that belongs to no single method."""
    axes.plot([], [], **({"color": FAINT, "label": label} | drawn))


def explain_open(axes: Axes, text: str = "open: the paper", marker: str = "o") -> None:
    """Add the source of the open points to the legend."""
    explain(axes, text, linestyle="none", marker=marker, markersize=MARK, markerfacecolor="none")


def rows(labels: Sequence[str], count: int = 1) -> tuple[Figure, list[Axes]]:
    """Return a figure of panels with one row per label, from the top down, as high as they need."""
    lines, columns = shape(count)
    figure, panes = panels(lines, columns, height=BESIDE_ROWS + lines * ROW * len(labels) + BESIDE_PANEL * (lines - 1))
    panes = first(panes, count)
    panes[0].set_ylim(len(labels) - 0.4, -0.6)
    for axes in panes:
        axes.grid(visible=False, axis="y")
        axes.grid(visible=True, axis="x")
        axes.spines["left"].set_visible(False)
        axes.set_yticks(range(len(labels)), labels)
        # A fixed number of ticks: the layout makes room before automatic ticks get their labels.
        axes.xaxis.set_major_locator(MaxNLocator(nbins=8 // columns, steps=[1, 2, 5, 10]))
        axes.margins(x=0.08)
    return figure, panes


def from_zero(axes: Axes) -> None:
    """Begin the x axis at zero, with room for a marker at the right end."""
    axes.set_xlim(0, 1.08 * axes.dataLim.x1)


def point(axes: Axes, row: float, x: float, error: float, method: str) -> None:
    """Draw a measured number in its row, with a bar of one standard error; nan is left out."""
    drawn = look(method) | {"label": "_"}
    axes.errorbar(x, row, xerr=error, fmt="none", ecolor=drawn["color"], elinewidth=1.2)
    axes.plot(x, row, linestyle="none", markersize=MARK, **drawn)


def comparison(
    axes: Axes, methods: Sequence[str], measured: Mapping[str, tuple[float, float]], paper: Mapping[str, float]
) -> None:
    """Draw one row per method: the measured mean and its standard error, and below it the paper's number, open."""
    for row, method in enumerate(methods):
        published = method in paper
        point(axes, row - APART * published, *measured.get(method, (math.nan, math.nan)), method)
        if published:
            open_point(axes, paper[method], row + APART, method)
    if set(methods) & set(paper):
        explain(axes, "filled: measured", linestyle="none", marker="o", markersize=MARK)
        explain_open(axes)
