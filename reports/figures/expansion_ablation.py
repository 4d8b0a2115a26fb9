"""DEN with parts of it left out: average AUROC after the last task, and capacity."""

from matplotlib.figure import Figure

from den import metrics
from reports import labels, paper_numbers
from reports.analysis.by_split import by_seed, capacities, mean_of
from reports.figures import style
from reports.summaries import plain, score_name
from reports.tables import Tables


def draw(tables: Tables) -> Figure | None:
    """Draw a row a method and a panel for AUROC and for capacity, bars are standard errors; None without variants."""
    known = plain(tables)
    auroc = by_seed(known, metrics.average)
    if not any(method.startswith(paper_numbers.PARTIAL) for method in auroc):
        return None
    theirs = paper_numbers.ablation(tables.streams[0])
    with style.house():
        figure, (scores, sizes) = style.rows([labels.method(method) for method in auroc], 2)
        for axes, values, told in ((scores, auroc, "value"), (sizes, capacities(known), "capacity")):
            measured = {method: mean_of(values, method).pair for method in auroc}
            style.comparison(axes, list(auroc), measured, theirs[told])
        scores.set_xlabel(f"Average {score_name(tables)}")
        style.scores(scores, axis="x")
        sizes.set_xlabel("Capacity")
        style.legend(figure)
    return figure
