"""Units that a task selects, on average over all tasks but the first."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from den import measures
from reports import labels, layer_labels, paper_numbers
from reports.analysis.by_split import mean_of, selected_units
from reports.figures import style
from reports.summaries import plain
from reports.tables import Tables


def draw(tables: Tables) -> Figure | None:
    """Draw a panel for each hidden layer, bars are standard errors; None where no method selects."""
    found = {number: values for number, values in selected_units(plain(tables)).items() if number > 0}
    if not found:
        return None
    methods = labels.ordered(method for values in found.values() for method in values)
    with style.house():
        figure, panels = style.rows([labels.method(method) for method in methods], len(found))
        for axes, (number, values) in zip(panels, sorted(found.items()), strict=True):
            measured = {method: mean_of(values, method).pair for method in methods}
            style.comparison(axes, methods, measured, paper_numbers.selected(tables.streams[0], number))
            _base(axes, tables, number)
            axes.set_title(layer_labels.title(tables, number))
            style.from_zero(axes)
        figure.supxlabel("Units selected")
        style.legend(figure)
    return figure


def _base(axes: Axes, tables: Tables, layer: int) -> None:
    rows = tables.of(measure=measures.UNITS, layer=layer, after_task=1).measures
    axes.axvline(rows["value"].max(), color=style.FAINT, linestyle=style.DOTS, linewidth=1, label="all units of task 1")
