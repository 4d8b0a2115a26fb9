"""The figures: one file and one line here each.

`draw(tables)` takes the tables of one stream, and returns None where they have nothing to show.
"""

from collections.abc import Callable

from matplotlib.figure import Figure

from reports.figures import (
    auroc_over_capacity,
    auroc_over_tasks,
    differences,
    expansion_ablation,
    network_growth,
    score_over_time,
    selected_units,
    selective_retraining,
    training_time,
    units_over_tasks,
)
from reports.tables import Tables

FIGURES: dict[str, Callable[[Tables], Figure | None]] = {
    "auroc_over_tasks": auroc_over_tasks.draw,
    "auroc_over_capacity": auroc_over_capacity.draw,
    "score_over_time": score_over_time.draw,
    "units_over_tasks": units_over_tasks.draw,
    "network_growth": network_growth.draw,
    "selected_units": selected_units.draw,
    "selective_retraining": selective_retraining.draw,
    "expansion_ablation": expansion_ablation.draw,
    "training_time": training_time.draw,
    "differences": differences.draw,
}
