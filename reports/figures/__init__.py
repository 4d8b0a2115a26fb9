"""The figures: one file and one line here each; they share `style`, `looks`, `curves`, `groups` and `export`.

`draw(results)` takes one stream's results and returns None if they have nothing to show. The page gives it the results
without departures of the released code, which are too many for a curve each; `results.whole` has them.
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
from reports.stream_results import StreamResults

FIGURES: dict[str, Callable[[StreamResults], Figure | None]] = {
    "auroc_over_tasks": auroc_over_tasks.draw,
    "score_over_time": score_over_time.draw,
    "auroc_over_capacity": auroc_over_capacity.draw,
    "units_over_tasks": units_over_tasks.draw,
    "network_growth": network_growth.draw,
    "selected_units": selected_units.draw,
    "selective_retraining": selective_retraining.draw,
    "expansion_ablation": expansion_ablation.draw,
    "training_time": training_time.draw,
    "differences": differences.draw,
}
PER_GROUP = ("auroc_over_tasks", "auroc_over_capacity", "score_over_time", "units_over_tasks", "training_time")
"Figures with a curve or a point per method: if methods are many, each group of them has its own (`groups`)."
