"""DEN with parts of it left out: average AUROC after the last task, and capacity."""

from matplotlib.figure import Figure

from reports import labels, published_numbers
from reports.estimates import mean_of
from reports.figures import style
from reports.stream_results import StreamResults


def draw(results: StreamResults) -> Figure | None:
    """Draw panels of AUROC and capacity, one row per method; bars are standard errors. None if no variant was run."""
    methods = list(results.averages)
    if not any(method.startswith(published_numbers.PARTIAL) for method in methods):
        return None
    paper = published_numbers.ablation(results.stream)
    with style.house():
        figure, (scores, sizes) = style.rows([labels.method(method) for method in methods], 2)
        auroc = {method: mean.pair for method, mean in results.estimates.items()}
        style.comparison(scores, methods, auroc, paper["value"])
        capacities = {method: mean_of(results.capacities, method).pair for method in methods}
        style.comparison(sizes, methods, capacities, paper["capacity"])
        scores.set_xlabel(f"Average {results.score_label}")
        style.scores(scores, axis="x")
        sizes.set_xlabel("Capacity")
        style.legend(figure)
    return figure
