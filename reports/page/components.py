"""The tables of one stream that take DEN apart: what it selects, what its parts give, what departures do."""

import math
from collections.abc import Mapping

import pandas as pd

from den import measures, metrics
from reports import labels, layer_labels, paper_numbers
from reports.analysis import growth
from reports.analysis.by_split import (
    Departure,
    Values,
    by_seed,
    capacities,
    departures,
    mean_of,
    ratio,
    selected_units,
    selective_share,
    training,
)
from reports.summaries import estimate, plain, score_name
from reports.tables import Tables
from reports.text_tables import Table, change, number, present, score

GROWTH = (
    "Units by task learned, or by several together: kept of what the expansion offered (units_per_expansion in a "
    "cell’s settings), split, added by both together, and all there are then"
)
UNSELECTIVE = ("finetune", "dnn_l1")


def studies(tables: Tables) -> list[Table]:
    """Return the tables of one stream that have something to show."""
    known = plain(tables)
    found = [
        Table(
            "Selective retraining",
            "Training on all tasks but the first, its time relative to fine-tuning on the same splits, to be compared "
            "where the steps agree; steps leave out the search for what to select. Share: one selective retraining "
            "relative to the first task’s training",
            selective_retraining(known),
        ),
        Table("Selected units", "Units that a task selects, on average over all tasks but the first", selected(known)),
        *(Table(f"Network growth{some}", GROWTH, rows) for some, rows in growth.printed(known).items()),
        Table("Time", "Seconds that the stages of all tasks took together", times(known)),
        Table("DEN in parts", f"Average {score_name(tables)} after the last task, and capacity", ablation(known)),
        Table(
            "The released code’s departures",
            "What each changes when it is added to the paper’s algorithm, and when it is mended in the released code; "
            "differences are paired by split",
            differences(tables),
        ),
    ]
    return [table for table in found if len(table.rows)]


def selective_retraining(tables: Tables) -> pd.DataFrame:
    """Return seconds, steps and score of methods that select beside those that train the whole network."""
    seconds, steps = training(tables, measures.SECONDS), training(tables, measures.STEPS)
    share = selective_share(tables)
    auroc, theirs = by_seed(tables, metrics.average), paper_numbers.retraining(tables.streams[0])
    methods = labels.ordered({*share, *(method for method in UNSELECTIVE if method in seconds)}) if share else []
    rows = [
        {
            "method": method,
            "seconds": number(mean_of(seconds, method), 1),
            "steps": number(mean_of(steps, method), 0),
            "time ratio": number(ratio(seconds, method, paper_numbers.WHOLE)),
            "paper: time ratio": labels.number(theirs["seconds"].get(method, math.nan), 2),
            "share": number(mean_of(share, method)),
            score_name(tables): score(mean_of(auroc, method)),
            f"paper: {score_name(tables)}": labels.score(theirs["auroc"].get(method, math.nan)),
        }
        for method in methods
    ]
    return present(rows)


def selected(tables: Tables) -> pd.DataFrame:
    """Return the units that a task selects, layer by layer, and the paper's."""
    found = selected_units(tables)
    methods = labels.ordered(method for values in found.values() for method in values)
    return present([{"method": method} | _selected(tables, found, method) for method in methods])


def times(tables: Tables) -> pd.DataFrame:
    """Return the seconds of each stage of a method, over all tasks, training first and evaluation last."""
    seconds = tables.of(measure=measures.SECONDS).measures
    found = seconds.groupby(["method", "stage", "seed"])["value"].sum()
    stages = sorted(seconds["stage"].unique(), key=_order)
    rows = [
        {"method": method} | {stage: number(estimate(found.get((method, stage), [])), 1) for stage in stages}
        for method in labels.ordered(seconds["method"])
    ]
    return present(rows)


def ablation(tables: Tables) -> pd.DataFrame:
    """Return score and capacity of DEN without parts of it, and the paper's; empty where no variant was measured."""
    auroc, sizes = by_seed(tables, metrics.average), capacities(tables)
    theirs = paper_numbers.ablation(tables.streams[0])
    rows = [
        {
            "method": method,
            score_name(tables): score(mean_of(auroc, method)),
            f"paper: {score_name(tables)}": labels.score(theirs["value"].get(method, math.nan), 4),
            "capacity": number(mean_of(sizes, method)),
            "paper: capacity": labels.number(theirs["capacity"].get(method, math.nan), 2),
        }
        for method in auroc
        if any(other.startswith(paper_numbers.PARTIAL) for other in auroc)
    ]
    return present(rows)


def differences(tables: Tables) -> pd.DataFrame:
    """Return what each departure changes in score, forgetting and capacity, paired by split."""
    auroc, forgotten = (departures(by_seed(tables, metric)) for metric in (metrics.average, metrics.forgetting))
    sizes = departures(capacities(tables))
    rows = [
        {"departure": quirk, **_sides(score_name(tables), departure, 4), **_sides("forgetting", forgotten[quirk], 4)}
        | _sides("capacity", sizes[quirk], 2)
        | {"seeds": str(max(departure.added.seeds, departure.mended.seeds))}
        for quirk, departure in auroc.items()
    ]
    return present(rows)


def _order(stage: str) -> tuple[bool, bool, str]:
    """Return the sort key of a stage: training first, evaluation last."""
    return stage == measures.EVALUATION, stage != measures.TRAIN, stage


def _selected(tables: Tables, selected: Mapping[int, Values], method: str) -> dict[str, str]:
    found = {}
    for layer, values in selected.items():
        name, theirs = layer_labels.column(tables, layer), paper_numbers.selected(tables.streams[0], layer)
        found[name] = number(mean_of(values, method), 1)
        found[f"paper: {name}"] = labels.number(theirs.get(method, math.nan))
    return found


def _sides(name: str, departure: Departure, digits: int) -> dict[str, str]:
    return {f"{name}, {side}": change(value, digits) for side, value in departure._asdict().items()}
