"""One look for every figure: a colour and a marker for each method, a paper's column for a size."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from zlib import crc32

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.ticker import MaxNLocator, ScalarFormatter

from reports import names

WIDTH, HEIGHT = 4.4, 3.2
INK, FAINT, GRID = "#22262b", "#6b7280", "#e4e6ea"

# Okabe & Ito's colours, told apart by colour-blind readers, and shades of like lightness for methods not named here.
LOOKS = {
    "finetune": ("#8c8f94", "X"),
    "l2": ("#c46a9d", "v"),
    "ewc": ("#2f7fc1", "^"),
    "progressive": ("#b08900", "P"),
    "den": ("#d55e00", "o"),
    "den_finetune": ("#e69f00", "h"),
    "single_task": ("#009e73", "s"),
    "joint": ("#56b4e9", "D"),
}
SPARE = [(color, marker) for marker in "<>*p" for color in ("#8b6fc4", "#a3922f", "#3f9c9c", "#c4605f", "#7a8f3c")]

HOUSE: Any = {
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "Helvetica", "Arial", "sans-serif"],
    "font.size": 8,
    "text.color": INK,
    "axes.edgecolor": FAINT,
    "axes.labelcolor": INK,
    "axes.titlesize": 8.5,
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
    "lines.linewidth": 1.3,
    "errorbar.capsize": 0,
    "lines.markersize": 4,
    "legend.frameon": False,
    "legend.fontsize": 8,
    "figure.facecolor": "none",
    "axes.facecolor": "none",
    "savefig.dpi": 200,
    "svg.fonttype": "none",
    "svg.hashsalt": "den",
}


@contextmanager
def house() -> Iterator[None]:
    """Draw and save in the house style inside this context, and in nobody's outside it."""
    with mpl.rc_context(HOUSE):
        yield


def look(method: str) -> dict[str, Any]:
    """Return a method's colour and marker, always the same for the same name, and its label."""
    color, marker = LOOKS.get(method, SPARE[crc32(method.encode()) % len(SPARE)])
    above = 3 if method == "den" else 2
    return {
        "color": color,
        "marker": marker,
        "label": names.method(method),
        "zorder": above,
        "markeredgecolor": "none",
    }


def panels(rows: int = 1, columns: int = 1, share: bool = True) -> tuple[Figure, list[Axes]]:
    """Return a figure a column wide and its axes, row by row, with one y axis where they share it."""
    figure = Figure(figsize=(WIDTH, HEIGHT), layout=ConstrainedLayoutEngine(w_pad=0.05, h_pad=0.05, wspace=0.04))
    FigureCanvasAgg(figure)
    return figure, list(figure.subplots(rows, columns, squeeze=False, sharey=share).flat)


def legend(figure: Figure) -> None:
    """Put one legend for all panels above them, each label once, in the order of drawing."""
    handles: dict[str, Any] = {}
    for axes in figure.axes:
        for handle, label in zip(*axes.get_legend_handles_labels(), strict=True):
            handles.setdefault(label, handle)
    figure.legend(
        list(handles.values()), list(handles), loc="outside upper left", ncols=4, handlelength=1.8, columnspacing=1.4
    )


class Score(ScalarFormatter):
    """Print a score as the tables do, .80 and not 0.80, with as many digits as the ticks need."""

    def __call__(self, x: float, pos: int | None = None) -> str:
        """Return the label of one tick."""
        return super().__call__(x, pos).replace("0.", ".", 1)


def scores(axes: Axes) -> None:
    """Make the y axis one of scores."""
    axes.yaxis.set_major_locator(MaxNLocator(nbins=7, steps=[1, 2, 5, 10]))
    axes.yaxis.set_major_formatter(Score(useOffset=False))


def tasks(axes: Axes, last: int, first: int = 1, most: int = 10) -> None:
    """Count whole tasks along the x axis, at `most` that many, with room for the markers at both ends."""
    axes.set_xlim(first - 0.3, last + 0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True, nbins=most, min_n_ticks=1))


def curve(axes: Axes, x: np.ndarray, y: np.ndarray, error: np.ndarray, method: str) -> None:
    """Draw a method's curve over `x`, and a band of one standard error where there is one; nan is left out."""
    known = ~np.isnan(y)
    axes.plot(x[known], y[known], **look(method))
    axes.fill_between(x, y - error, y + error, color=look(method)["color"], alpha=0.18, linewidth=0)
