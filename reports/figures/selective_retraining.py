"""What selective retraining costs and scores: the time of tasks 2 to the last, relative to fine-tuning, and AUROC."""

from matplotlib.figure import Figure

from den import measures
from reports import labels, published_numbers
from reports.analysis.by_seed import ratio, training
from reports.figures import style
from reports.published_numbers import SELECTS, WHOLE
from reports.stream_results import StreamResults

METHODS = ("finetune", "dnn_l1", SELECTS)


def draw(results: StreamResults) -> Figure | None:
    """Draw panels of time and AUROC; bars are standard errors. None unless both methods of the comparison were run."""
    seconds = training(results, measures.SECONDS)
    if not {WHOLE, SELECTS} <= set(seconds):
        return None
    methods = [method for method in METHODS if method in seconds]
    paper = published_numbers.retraining(results.stream)
    with style.house():
        figure, (times, scores) = style.rows([labels.method(method) for method in methods], 2)
        ratios = {method: ratio(seconds, method, WHOLE).pair for method in methods}
        style.comparison(times, methods, ratios, paper["seconds"])
        auroc = {method: mean.pair for method, mean in results.estimates.items()}
        style.comparison(scores, methods, auroc, paper["auroc"])
        times.set(xlabel="Time, relative\nto fine-tuning")
        style.from_zero(times)
        scores.set(xlabel=f"Average {results.score_label}")
        style.scores(scores, axis="x")
        style.legend(figure)
    return figure
