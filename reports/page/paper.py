"""The tables of one stream that show the numbers of the paper and of its reproductions beside the measured ones."""

import math
from collections.abc import Collection, Mapping

import pandas as pd

from den import measures
from reports import labels, published_numbers
from reports.analysis.by_seed import changed
from reports.analysis.comparison import Comparison, in_words
from reports.estimates import Matrix, estimate, mean_of, over_seeds
from reports.labels import RELEASED_METHOD
from reports.spacing import early, shown
from reports.stream_results import StreamResults
from reports.text_tables import Table, Topic, change, compact, number, score

REPRODUCTION, LOG = "Mariotti & Portelas 2018", "console log of dongkwan-kim/DEN"
FINAL = "Average AUROC after the last task; the paper is Yoon et al. 2018"
AGAINST = "Average {} of the method minus that of {}, on the same seeds"
CAPACITY = "Capacity counts weights relative to the base network; the paper’s points are capacity: AUROC"
DRIFT = "{} of a task right after learning it and at the end; change: the latter minus the former"
LOGGED = f"Measured beside one run of the released code, {LOG}; AUROC of a task is at the end"

Row = dict[str, str]


def tables_of(comparison: Comparison) -> list[Table]:
    """Return the tables that are not empty."""
    results, rival = comparison.results, labels.method(comparison.rival)
    label, digits = results.score_label, _digits(results.stream)
    curves = over_tasks(results, digits)
    tables = [
        Table("The paper beside it", FINAL, final(results)),
        Table(f"Against {rival}, here and in the paper", AGAINST.format(label, rival), against(comparison)),
        Table("After each task", f"Average {label} over the tasks learned so far", curves, topic=Topic.OVER_TASKS),
        Table("Capacity", CAPACITY, capacity(results, digits), topic=Topic.CAPACITY),
        Table("Drift", DRIFT.format(labels.heading(label)), drift(results, digits), topic=Topic.DRIFT),
        Table("The released code’s log", LOGGED, log(results)),
    ]
    return [table for table in tables if len(table.rows)]


def final(results: StreamResults) -> pd.DataFrame:
    """Return the average AUROC after the last task: the paper's, the measured one and a reproduction's."""
    paper = published_numbers.finals(results.stream)
    reproduced = published_numbers.numbers("final", results.stream, REPRODUCTION).set_index("method")["value"]
    rows = [
        {
            "method": method,
            "paper": labels.score(paper["value"][method], 4),
            "measured": score(measured, 4),
            "difference": labels.signed(measured.mean - paper["value"][method], 4),
            REPRODUCTION: labels.score(reproduced.get(method, math.nan), 4),
            "read from": paper["read_from"][method],
        }
        for method, measured in results.estimates.items()
        if method in paper.index
    ]
    return compact(rows)


def against(comparison: Comparison) -> pd.DataFrame:
    """Return by how much every method exceeds the rival, and by how much it does in the paper, if it has both."""
    paper = published_numbers.finals(comparison.stream)["value"]
    rows = [
        {
            "method": method,
            "measured": in_words(difference, 4),
            "p": labels.probability(difference.adjusted),
            "paper": labels.signed(paper[method] - paper[comparison.rival], 4),
        }
        for method, difference in comparison.main.items()
        if {method, comparison.rival} <= set(paper.index)
    ]
    return compact(rows)


def over_tasks(results: StreamResults, digits: int) -> pd.DataFrame:
    """Return the average score after each task: one measured row and one of the paper per method."""
    published = published_numbers.numbers("over_tasks", results.stream)
    if published.empty:
        return pd.DataFrame()
    rows: list[Row] = []
    for method, curve in results.learning_curves.items():
        measured = [labels.with_error(*pair, digits) for pair in zip(*curve, strict=True)]
        rows.append(_curve(method, "measured", dict(enumerate(measured, start=1)), results.tasks))
        values = published[published["method"] == method].set_index("after_task")["value"]
        if len(values):
            paper = {task: labels.score(value, digits) for task, value in values.items()}
            rows.append(_curve(method, "paper", paper, results.tasks))
    return compact(rows)


def capacity(results: StreamResults, digits: int) -> pd.DataFrame:
    """Return capacity and score, and all of the paper's points."""
    published = published_numbers.numbers("capacity", results.stream)
    if published.empty:
        return pd.DataFrame()
    points = {str(method): ", ".join(_points(rows, digits)) for method, rows in published.groupby("method")}
    rows = [
        {
            "method": method,
            "capacity": number(mean_of(results.capacities, method)),
            "AUROC": score(average, digits),
            "paper": points.get(method, ""),
        }
        for method, average in results.estimates.items()
    ]
    return compact(rows)


def drift(results: StreamResults, digits: int) -> pd.DataFrame:
    """Return what an early, a middle and a late task changed by, here and in the paper: one row per task and method."""
    paper = published_numbers.numbers("drift", results.stream)
    rows = [
        _drift(method, seeds.values(), task, paper[(paper["method"] == method) & (paper["task"] == task)], digits)
        for task in early(results.tasks)
        if task < results.tasks
        for method, seeds in results.matrices.items()
    ]
    return compact([row for row in rows if row["change"]])


def log(results: StreamResults) -> pd.DataFrame:
    """Return what the released code printed beside what `den_official` measured, one row per task."""
    seeds = results.matrices.get(RELEASED_METHOD)
    printed = published_numbers.numbers("official_log", results.stream, LOG)
    if not seeds or printed.empty:
        return pd.DataFrame()
    at_the_end = zip(*over_seeds([R[-1] for R in seeds.values()]), strict=True)
    averages = zip(*results.learning_curves[RELEASED_METHOD], strict=True)
    pairs = zip(at_the_end, averages, strict=True)
    return pd.DataFrame([_logged(results, printed, task, *pair) for task, pair in enumerate(pairs, start=1)])


def _digits(stream: str) -> int:
    """Return the digits that distinguish the scores of methods: four if the paper's scores are near 1."""
    return 4 if (published_numbers.numbers("over_tasks", stream)["value"] > 0.99).any() else 3


def _curve(method: str, source: str, values: Mapping[int, str], tasks: int) -> Row:
    return {"method": method, "source": source} | {str(task): values.get(task, "") for task in shown(tasks)}


def _points(rows: pd.DataFrame, digits: int) -> list[str]:
    return [f"{row.capacity:.2f}: {labels.score(row.value, digits)}" for row in rows.itertuples()]


def _drift(method: str, matrices: Collection[Matrix], task: int, paper: pd.DataFrame, digits: int) -> Row:
    learned, end = (estimate(R[row, task - 1] for R in matrices) for row in (task - 1, -1))
    later = estimate(changed(task)(R) for R in matrices)
    published = list(paper["value"]) or [math.nan]
    return {
        "method": method,
        "task": str(task),
        "learned": score(learned, digits),
        "at the end": score(end, digits),
        "change": change(later, digits),
        "paper: learned": labels.score(published[0]),
        "paper: at the end": labels.score(published[-1]),
        "paper: change": labels.signed(published[-1] - published[0]),
    }


def _logged(
    results: StreamResults,
    printed: pd.DataFrame,
    task: int,
    at_the_end: tuple[float, float],
    average: tuple[float, float],
) -> Row:
    rows = printed[printed["after_task"] == task].fillna({"layer": 0})
    values = {(row.measure, row.layer): row.value for row in rows.itertuples()}
    row = {
        "task": str(task),
        "AUROC": labels.with_error(*at_the_end, 4),
        "log: AUROC": labels.score(values["task auroc", 0], 4),
        "average": labels.with_error(*average, 4),
        "log: average": labels.score(values["average auroc", 0], 4),
    }
    units = results.measured(measures.UNITS, method=RELEASED_METHOD, after_task=task)
    for layer in (1, 2):
        row[f"layer {layer}"] = number(estimate(units[units["layer"] == layer]["value"]), 1)
        row[f"log: layer {layer}"] = labels.number(values["units", layer])
    return row
