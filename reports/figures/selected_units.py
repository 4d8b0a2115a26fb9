"""Units that a task selects, on average over all tasks but the first."""

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from den import measures
from reports import labels, layer_labels, published_numbers
from reports.analysis import by_seed
from reports.estimates import mean_of
from reports.figures import looks, style
from reports.stream_results import StreamResults


def draw(results: StreamResults) -> Figure | None:
    """Draw one panel per hidden layer; bars are standard errors. None if no method selects units."""
    layers = {layer: values for layer, values in by_seed.selected_units(results).items() if layer > 0}
    if not layers:
        return None
    methods = labels.ordered(method for values in layers.values() for method in values)
    with style.house():
        figure, panels = style.rows([labels.method(method) for method in methods], len(layers))
        for axes, (layer, values) in zip(panels, sorted(layers.items()), strict=True):
            measured = {method: mean_of(values, method).pair for method in methods}
            style.comparison(axes, methods, measured, published_numbers.selected(results.stream, layer))
            _base(axes, results, layer)
            axes.set_title(layer_labels.title(results, layer))
            style.from_zero(axes)
        figure.supxlabel("Units selected")
        style.legend(figure)
    return figure


def _base(axes: Axes, results: StreamResults, layer: int) -> None:
    units = results.measured(measures.UNITS, layer=layer, after_task=1)["value"]
    axes.axvline(units.max(), color=looks.FAINT, linestyle=style.DOTS, linewidth=1, label="all units of task 1")
