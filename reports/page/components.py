"""The tables of one stream on the parts of DEN: what it selects, what each part contributes, what departures change."""

import math
from collections.abc import Mapping

import pandas as pd

from den import measures, metrics
from reports import labels, layer_labels, published_numbers
from reports.analysis import growth
from reports.analysis.by_seed import Departure, departures, ratio, selected_units, selective_share, training
from reports.analysis.comparison import UNKNOWN, Comparison, in_words
from reports.analysis.inference import Difference
from reports.estimates import Values, estimate, mean_of
from reports.published_numbers import PARTIAL, WHOLE
from reports.stream_results import StreamResults
from reports.text_tables import Table, Topic, change, compact, number, of_scores, score

GROWTH = (
    "Units by task learned, or by several tasks together: those kept of what the expansion offered "
    "(units_per_expansion and channels_per_expansion in a cell’s settings), those split, those added by both together, "
    "and all units after it"
)
UNSELECTIVE = ("finetune", "dnn_l1")


def tables_of(comparison: Comparison) -> list[Table]:
    """Return the tables that are not empty."""
    results = comparison.results
    tables = [
        Table(
            "Learned and kept",
            "Scores of tasks right after learning them, and backward transfer: by how much later tasks changed them, "
            "negative if they are forgotten",
            kept(results),
        ),
        Table(
            "Selective retraining",
            "Training on all tasks but the first. Its time is relative to fine-tuning on the same seeds; compare it "
            "only if the steps agree. Steps exclude the search for what to select. Share: one selective retraining "
            "relative to the training of the first task",
            selective_retraining(results),
            topic=Topic.SELECTION,
        ),
        Table(
            "Selected units",
            "Units that a task selects, a mean over all tasks but the first",
            selected(results),
            topic=Topic.SELECTED_UNITS,
        ),
        *(
            Table(f"Network growth{layers}", GROWTH, rows, topic=Topic.GROWTH)
            for layers, rows in growth.as_text(results).items()
        ),
        Table("Time", "Seconds of each stage, summed over all tasks", times(results), topic=Topic.TIME),
        Table(
            "DEN in parts",
            f"Average {results.score_label} after the last task, and capacity",
            ablation(results),
            topic=Topic.PARTS,
        ),
        Table(
            "The released code’s departures",
            "What each departure changes if it is added to the paper’s algorithm (minus DEN), and if it is mended in "
            "the released code (minus that code); p as in the comparison with each",
            differences(comparison),
            topic=Topic.DEPARTURES,
        ),
    ]
    return [table for table in tables if len(table.rows)]


def kept(results: StreamResults) -> pd.DataFrame:
    """Return the scores of tasks when they are learned, and what later learning changed."""
    learned = of_scores(results, metrics.plasticity, "when learned")
    later = of_scores(results, metrics.backward_transfer, "backward transfer", change)
    rows = pd.DataFrame({"method": results.methods} | learned | later)
    return rows[(rows.drop(columns="method") != "").any(axis=1)]


def selective_retraining(results: StreamResults) -> pd.DataFrame:
    """Return seconds, steps and score of methods that select, and of those that train the whole network."""
    share = selective_share(results)
    if not share:
        return pd.DataFrame()
    seconds, steps = training(results, measures.SECONDS), training(results, measures.STEPS)
    paper, label = published_numbers.retraining(results.stream), results.score_label
    rows = [
        {
            "method": method,
            "seconds": number(mean_of(seconds, method), 1),
            "steps": number(mean_of(steps, method), 0),
            "time ratio": number(ratio(seconds, method, WHOLE)),
            "paper: time ratio": labels.number(paper["seconds"].get(method, math.nan), 2),
            "share": number(mean_of(share, method)),
            label: score(mean_of(results.averages, method)),
            f"paper: {label}": labels.score(paper["auroc"].get(method, math.nan)),
        }
        for method in labels.ordered({*share, *(method for method in UNSELECTIVE if method in seconds)})
    ]
    return compact(rows)


def selected(results: StreamResults) -> pd.DataFrame:
    """Return the number of units that a task selects, by layer, and the paper's."""
    layers = selected_units(results)
    methods = labels.ordered(method for values in layers.values() for method in values)
    return compact([{"method": method} | _selected(results, layers, method) for method in methods])


def times(results: StreamResults) -> pd.DataFrame:
    """Return the seconds of each stage of a method, over all tasks, training first and evaluation last."""
    rows = results.measured(measures.SECONDS)
    seconds = rows.groupby(["method", "stage", "seed"])["value"].sum()
    stages = sorted(rows["stage"].unique(), key=_order)
    return compact(
        [
            {"method": method} | {stage: number(estimate(seconds.get((method, stage), [])), 1) for stage in stages}
            for method in labels.ordered(rows["method"])
        ]
    )


def ablation(results: StreamResults) -> pd.DataFrame:
    """Return score and capacity of DEN without some of its parts, and the paper's; empty if no variant was measured."""
    if not any(method.startswith(PARTIAL) for method in results.averages):
        return pd.DataFrame()
    paper, label = published_numbers.ablation(results.stream), results.score_label
    rows = [
        {
            "method": method,
            label: score(average),
            f"paper: {label}": labels.score(paper["value"].get(method, math.nan), 4),
            "capacity": number(mean_of(results.capacities, method)),
            "paper: capacity": labels.number(paper["capacity"].get(method, math.nan), 2),
        }
        for method, average in results.estimates.items()
    ]
    return compact(rows)


def differences(comparison: Comparison) -> pd.DataFrame:
    """Return what each departure changes in score, forgetting and capacity, paired by seed; empty if there is none."""
    results, whole = comparison.results, comparison.results.whole
    averages, capacities = departures(whole.averages), departures(whole.capacities)
    if not averages:
        return pd.DataFrame()
    forgetting = departures(whole.values_of(metrics.forgetting))
    added, mended = comparison.to_paper_method, comparison.to_released_code
    rows = [
        {"departure": quirk}
        | _tested(f"{results.score_label}, added", added.get(labels.added(quirk), UNKNOWN))
        | _tested(f"{results.score_label}, mended", mended.get(labels.mended(quirk), UNKNOWN))
        | _sides(f"{results.score_label} forgetting", forgetting[quirk], 4)
        | _sides("capacity", capacities[quirk], 2)
        | {"seeds": str(max(average.added.seeds, average.mended.seeds))}
        for quirk, average in averages.items()
    ]
    return compact(rows)


def _order(stage: str) -> tuple[bool, bool, str]:
    """Return the sort key of a stage: training first, evaluation last."""
    return stage == measures.EVALUATION, stage != measures.TRAIN, stage


def _selected(results: StreamResults, layers: Mapping[int, Values], method: str) -> dict[str, str]:
    row = {}
    for layer, values in layers.items():
        name, paper = layer_labels.column(results, layer), published_numbers.selected(results.stream, layer)
        row[name] = number(mean_of(values, method), 1)
        row[f"paper: {name}"] = labels.number(paper.get(method, math.nan))
    return row


def _tested(name: str, difference: Difference) -> dict[str, str]:
    return {name: in_words(difference, 4), f"p, {name.split(', ')[-1]}": labels.probability(difference.adjusted)}


def _sides(name: str, departure: Departure, digits: int) -> dict[str, str]:
    return {f"{name}, {side}": change(value, digits) for side, value in departure._asdict().items()}
