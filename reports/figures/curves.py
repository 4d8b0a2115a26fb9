"""Curves of methods over the tasks learned, as panels: the measured ones, the paper's, and an enlarged part."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from matplotlib.axes import Axes

from reports.figures import looks
from reports.spacing import stride

MEASURED, PAPER, ENLARGED = "Measured", "The paper", "Measured, enlarged"
CROWDED, SHARE = 3, 5
"Curves are crowded if so many lie within one such part of the axis, at its upper end."
BAND = 4
"Crowded curves are enlarged if they lie further apart than so many standard errors."


@dataclass(frozen=True)
class Curve:
    """A method's curve: tasks learned, mean and standard error; nan was not measured. paper: it is the paper's."""

    method: str
    tasks: np.ndarray
    mean: np.ndarray
    error: np.ndarray
    paper: bool = False


def of_paper(rows: pd.DataFrame, measured: Iterable[Curve]) -> list[Curve]:
    """Return the paper's curves of the measured methods, at the tasks after which they are measured.

    rows: method, after_task and value of each point.
    """
    curves = []
    for curve in measured:
        tasks = curve.tasks[np.isfinite(curve.mean)]
        points = rows[(rows["method"] == curve.method) & rows["after_task"].isin(tasks)]
        if len(points):
            values = points["value"].to_numpy()
            curves.append(
                Curve(curve.method, points["after_task"].to_numpy(), values, np.full(len(points), np.nan), True)
            )
    return curves


def draw(axes: Axes, curves: Sequence[Curve]) -> None:
    """Draw curves with a band of one standard error; the paper's have open markers.

    If there are many points, only some have markers.
    """
    for curve in curves:
        look, finite = looks.look(curve.method), np.isfinite(curve.mean)
        opened = {"markerfacecolor": "white", "markeredgecolor": look["color"], "label": "_"} if curve.paper else {}
        marked = {"markevery": stride(len(curve.tasks)), "linestyle": looks.stroke(curve.method)}
        axes.plot(curve.tasks[finite], curve.mean[finite], **look | marked | opened)
        band = curve.mean - curve.error, curve.mean + curve.error
        axes.fill_between(curve.tasks, *band, color=look["color"], alpha=0.18, linewidth=0)


def crowd(curves: Iterable[Curve]) -> tuple[float, float] | None:
    """Return the lowest and highest value of curves that lie close together at the upper end.

    None if few do, or if their standard errors are as wide as they lie apart: a larger picture shows no more then.
    """
    spans = [(float(np.nanmin(curve.mean)), float(np.nanmax(curve.mean)), curve) for curve in curves]
    lowest, highest = min(low for low, *_ in spans), max(high for _, high, _ in spans)
    upper = [span for span in spans if span[0] >= highest - (highest - lowest) / SHARE]
    if not CROWDED <= len(upper) < len(spans):
        return None
    low, high = min(low for low, *_ in upper), max(high for _, high, _ in upper)
    errors = np.nan_to_num(np.concatenate([curve.error for *_, curve in upper]))
    return (low, high) if high - low > BAND * float(np.median(errors)) else None


def enlarge(axes: Axes, span: tuple[float, float]) -> None:
    """Show only the values of a span, with some room."""
    low, high = span
    axes.set_ylim(low - 0.08 * (high - low), high + 0.08 * (high - low))


def mark(axes: Axes, span: tuple[float, float]) -> None:
    """Tint the values that another panel enlarges."""
    axes.axhspan(*span, color=looks.GRID, zorder=0, linewidth=0)


def level(panels: Iterable[Axes]) -> None:
    """Give panels the same y axis, which holds all that they show."""
    panels = list(panels)
    low, high = zip(*(axes.get_ylim() for axes in panels), strict=True)
    for axes in panels:
        axes.set_ylim(min(low), max(high))
