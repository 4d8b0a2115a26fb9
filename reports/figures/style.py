"""The house style of every figure: fonts, panels, axes and legends, in the widths of a paper's columns."""

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator, ScalarFormatter

from reports.figures.looks import FAINT, GRID, INK, look
from reports.spacing import MOST, stride

WIDTH, WIDE, HEIGHT = 3.4, 7.0, 2.6
"Inches of a figure: its width is that of one column of a two-column paper, or of both."
FONT = 8
"The size of all text in points: figures are printed in the width they are drawn in."
LETTER, ENTRY, LINE = 0.066, 0.25, 2.4
"Inches of a letter in a legend and of the space between entries; and the length of an entry's line, in letters' sizes."
APART = 0.18
"The distance of the measured point, and of the paper's, from the middle of a row, in rows."
ROW, LEGEND_ROW, BESIDE_ROWS, BESIDE_PANEL = 0.22, 0.17, 1.0, 0.55
"Inches of a row of points, a line of the legend, the space above and below the rows, and that between panels."
FLAT = 4
"An axis is logarithmic if its largest value is at least so many times its smallest."
MARK = 5
"The size of a marker without a line, in points."
DOTS = (0, (1, 2))

HOUSE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": FONT,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "figure.labelsize": FONT,
    "axes.titlesize": FONT,
    "axes.labelsize": FONT,
    "xtick.labelsize": FONT,
    "ytick.labelsize": FONT,
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
    "legend.fontsize": FONT,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.dpi": 300,
    "pdf.fonttype": 42,  # letters as TrueType, which journals ask for
    "svg.fonttype": "none",
    "svg.hashsalt": "den",
}


@contextmanager
def house() -> Iterator[None]:
    """Draw and save in the house style inside this context, and leave matplotlib's settings unchanged outside it."""
    with mpl.rc_context(HOUSE):
        yield


def panels(
    rows: int = 1, columns: int = 1, share: bool = True, height: float = HEIGHT, width: float = WIDTH
) -> tuple[Figure, list[Axes]]:
    """Return a figure and its axes, row by row. share: all have the same y axis."""
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05, wspace=0.04))
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
    length = LINE if any(handle.get_linestyle() != "None" for handle in handles.values()) else 1
    columns = _columns(list(handles), figure.get_figwidth(), ENTRY + length * FONT / 72)
    figure.set_figheight(figure.get_figheight() + LEGEND_ROW * max(0, math.ceil(len(handles) / columns) - 2))
    figure.legend(
        _by_row(list(handles.values()), columns),
        _by_row(list(handles), columns),
        loc="outside upper left",
        ncols=columns,
        handlelength=length,
        columnspacing=1.2,
    )


def _columns(labels: Sequence[str], room: float, entry: float) -> int:
    """Return how many columns of a legend fit into a width, at least one. entry: inches beside an entry's letters."""

    def width(columns: int) -> float:
        return sum(entry + LETTER * max(map(len, labels[column::columns]), default=0) for column in range(columns))

    return max(columns for columns in range(1, len(labels) + 1) if columns == 1 or width(columns) < room)


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


def spread(axes: Axes, values: Sequence[float], axis: Literal["x", "y"]) -> bool:
    """Make an axis logarithmic if the largest value would flatten the others; return whether it did."""
    positive = [value for value in values if value > 0]
    if not positive or max(positive) < FLAT * min(positive):
        return False
    axes.set(**{f"{axis}scale": "log"})
    chosen = axes.yaxis if axis == "y" else axes.xaxis
    chosen.set_major_locator(LogLocator(subs=(1, 2, 5)))
    chosen.set_minor_locator(NullLocator())
    chosen.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
    return True


def tasks(axes: Axes, last: int, first: int = 1, most: int = 10) -> None:
    """Label whole tasks on the x axis, at most `most` of them, with room for markers at both ends."""
    room = max(0.3, (last - first) / 30)
    axes.set_xlim(first - room, last + room)
    every = stride(last - first, most * 2 // 3)  # numbers of two digits need more room
    few = MaxNLocator(integer=True, nbins=most, min_n_ticks=1)
    axes.xaxis.set_major_locator(few if last <= MOST else FixedLocator([*range(every, last + 1, every)]))


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
