"""Units that a task selects, on average over all tasks but the first."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from reports import names, paper, style
from reports.comparisons import mean_of, selected_units
from reports.summary import plain
from reports.tables import Tables


def draw(tables: Tables) -> Figure | None:
    """Draw a panel for each hidden layer, bars are standard errors; None where no method selects."""
    layers = {layer: values for layer, values in selected_units(plain(tables)).items() if layer > 0}
    if not layers:
        return None
    methods = names.ordered(method for values in layers.values() for method in values)
    with style.house():
        figure, panels = style.rows([names.method(method) for method in methods], len(layers))
        for axes, (layer, values) in zip(panels, sorted(layers.items()), strict=True):
            measured = {method: mean_of(values, method).pair for method in methods}
            style.comparison(axes, methods, measured, paper.selected(tables.streams[0], layer))
            _base(axes, tables, layer)
            axes.set_title(f"Hidden layer {layer}")
            style.from_zero(axes)
        figure.supxlabel("Units selected")
        style.legend(figure)
    return figure


def _base(axes: Axes, tables: Tables, layer: int) -> None:
    rows = tables.of(measure="units", layer=layer, after_task=1).measures
    axes.axvline(rows["value"].max(), color=style.FAINT, linestyle=style.DOTS, linewidth=1, label="all units of task 1")
