"""The figures: one file and one line here each; `draw(tables)` takes the tables of one stream."""

from collections.abc import Callable

from matplotlib.figure import Figure

from reports.figures import auroc_over_capacity, auroc_over_tasks, score_over_time, units_over_tasks
from reports.tables import Tables

FIGURES: dict[str, Callable[[Tables], Figure]] = {
    "auroc_over_tasks": auroc_over_tasks.draw,
    "auroc_over_capacity": auroc_over_capacity.draw,
    "score_over_time": score_over_time.draw,
    "units_over_tasks": units_over_tasks.draw,
}
