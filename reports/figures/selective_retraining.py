"""What selective retraining costs and scores: the time of tasks 2 to the last, relative to fine-tuning, and AUROC."""

from matplotlib.figure import Figure

from den import measures, metrics
from reports import labels, paper_numbers
from reports.analysis.by_split import by_seed, mean_of, ratio, training
from reports.figures import style
from reports.summaries import score_name
from reports.tables import Tables

METHODS = ("finetune", "dnn_l1", "dnn_selective")
SUBJECT = "dnn_selective"


def draw(tables: Tables) -> Figure | None:
    """Draw a panel for time and one for AUROC, bars are standard errors; None without both methods compared."""
    seconds, auroc = training(tables, measures.SECONDS), by_seed(tables, metrics.average)
    if not {paper_numbers.WHOLE, SUBJECT} <= set(seconds):
        return None
    methods = [method for method in METHODS if method in seconds]
    theirs = paper_numbers.retraining(tables.streams[0])
    with style.house():
        figure, (times, scores) = style.rows([labels.method(method) for method in methods], 2)
        times_measured = {method: ratio(seconds, method, paper_numbers.WHOLE).pair for method in methods}
        style.comparison(times, methods, times_measured, theirs["seconds"])
        style.comparison(scores, methods, {method: mean_of(auroc, method).pair for method in methods}, theirs["auroc"])
        times.set(xlabel="Time, relative to fine-tuning")
        style.from_zero(times)
        scores.set(xlabel=f"Average {score_name(tables)}")
        style.scores(scores, axis="x")
        style.legend(figure)
    return figure
