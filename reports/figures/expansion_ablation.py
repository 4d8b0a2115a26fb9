"""DEN with parts of it left out: average AUROC after the last task, and capacity."""

from matplotlib.figure import Figure

from den import metrics
from reports import names, paper, style
from reports.comparisons import by_seed, capacities, mean_of
from reports.summary import plain, score_name
from reports.tables import Tables


def draw(tables: Tables) -> Figure | None:
    """Draw a row a method and a panel for AUROC and for capacity, bars are standard errors; None without variants."""
    known = plain(tables)
    auroc = by_seed(known, metrics.average)
    if not any(method.startswith(paper.PARTIAL) for method in auroc):
        return None
    theirs = paper.ablation(tables.streams[0])
    with style.house():
        figure, (scores, sizes) = style.rows([names.method(method) for method in auroc], 2)
        for axes, values, told in ((scores, auroc, "value"), (sizes, capacities(known), "capacity")):
            measured = {method: mean_of(values, method).pair for method in auroc}
            style.comparison(axes, list(auroc), measured, theirs[told])
        scores.set_xlabel(f"Average {score_name(tables)}")
        style.scores(scores, axis="x")
        sizes.set_xlabel("Capacity")
        style.legend(figure)
    return figure
