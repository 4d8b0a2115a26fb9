"""The tables of one stream that set what others published beside what was measured, as text."""

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from den import measures, metrics
from reports import labels
from reports.analysis.by_split import PAPER_METHOD, RELEASED_METHOD, by_seed, capacities, difference, lost, mean_of
from reports.spacing import early, shown
from reports.summaries import estimate, estimates, finals, matrices, over_seeds, plain, published, score_name
from reports.tables import Tables
from reports.text_tables import Table, change, number, present, score

REPRODUCTION, LOG = "Mariotti & Portelas 2018", "console log of dongkwan-kim/DEN"

Row = dict[str, str]


def beside(tables: Tables) -> list[Table]:
    """Return the tables of one stream that have something to show."""
    known, score = plain(tables), score_name(tables)
    found = [
        Table("The paper beside it", "Average AUROC after the last task; the paper is Yoon et al. 2018", final(known)),
        Table(
            "DEN’s margins",
            f"Average {score} of DEN less that of the other method, on the same splits",
            margins(known),
        ),
        Table("After each task", f"Average {score} over the tasks learned so far", over_tasks(known)),
        Table(
            "Capacity",
            "Capacity counts weights relative to the base network; the paper’s points are capacity: AUROC",
            capacity(known),
        ),
        Table(
            "Drift",
            f"{labels.heading(score)} of a task when it was just learned, at the end, and what it lost",
            drift(known),
        ),
        Table(
            "The released code’s log",
            f"Measured beside one run of the released code, {LOG}; AUROC of a task is at the end",
            log(known),
        ),
    ]
    return [table for table in found if len(table.rows)]


def final(tables: Tables) -> pd.DataFrame:
    """Return the paper's average AUROC after the last task, a reproduction's, and the measured one."""
    theirs = finals(tables.streams[0])
    others = published("final", tables.streams[0], REPRODUCTION).set_index("method")["value"]
    ours = estimates(tables, metrics.average)
    rows = [
        {
            "method": method,
            "paper": labels.score(theirs["value"][method], 4),
            "measured": score(ours[method], 4),
            "difference": labels.signed(ours[method].mean - theirs["value"][method], 4),
            REPRODUCTION: labels.score(others.get(method, math.nan), 4),
            "read from": theirs["read_from"][method],
        }
        for method in ours
        if method in theirs.index
    ]
    return present(rows)


def margins(tables: Tables) -> pd.DataFrame:
    """Return by how much DEN exceeds every other method, paired by split, and the paper's margin."""
    auroc = by_seed(tables, metrics.average)
    theirs = finals(tables.streams[0])["value"]
    others = {method: difference(auroc, PAPER_METHOD, method) for method in auroc if method != PAPER_METHOD}
    rows = [
        {
            "method": method,
            "measured": change(margin, 4),
            "paper": labels.signed(theirs.get(PAPER_METHOD, math.nan) - theirs.get(method, math.nan), 4),
            "seeds": str(margin.seeds),
        }
        for method, margin in others.items()
        if margin.seeds
    ]
    return present(rows)


def over_tasks(tables: Tables) -> pd.DataFrame:
    """Return the average AUROC after each task, measured and the paper's, a row each."""
    curves = published("over_tasks", tables.streams[0])
    digits = _digits(tables)
    rows: list[Row] = []
    for method, seeds in matrices(tables).items() if len(curves) else ():
        mean, error = over_seeds([metrics.averages(R) for R in seeds.values()])
        ours = [labels.with_error(*pair, digits) for pair in zip(mean, error, strict=True)]
        theirs = curves[curves["method"] == method].set_index("after_task")["value"]
        rows.append(_curve(method, "measured", dict(enumerate(ours, start=1)), len(ours)))
        if len(theirs):
            told = {task: labels.score(value, digits) for task, value in theirs.items()}
            rows.append(_curve(method, "paper", told, len(ours)))
    return present(rows)


def capacity(tables: Tables) -> pd.DataFrame:
    """Return capacity and AUROC, and all of the paper's points."""
    digits = _digits(tables)
    theirs = published("capacity", tables.streams[0]).groupby("method")
    points = {str(method): ", ".join(_points(rows, digits)) for method, rows in theirs}
    sizes, auroc = capacities(tables), estimates(tables, metrics.average)
    rows = [
        {
            "method": method,
            "capacity": number(mean_of(sizes, method)),
            "AUROC": score(auroc[method], digits),
            "paper": points.get(method, ""),
        }
        for method in auroc
        if points
    ]
    return present(rows)


def drift(tables: Tables) -> pd.DataFrame:
    """Return what an early, a middle and a late task lost, measured and in the paper; a row per task and method."""
    found = matrices(tables)
    last, digits = int(tables.scores["task"].max()), _digits(tables)
    rows = [
        _drift(tables.streams[0], method, list(seeds.values()), task, digits)
        for task in early(last)
        if task < last
        for method, seeds in found.items()
    ]
    return present([row for row in rows if row["lost"]])


def log(tables: Tables) -> pd.DataFrame:
    """Return what the released code printed beside what `den_official` measured, a row per task."""
    seeds = matrices(tables).get(RELEASED_METHOD, {})
    printed = published("official_log", tables.streams[0], LOG)
    if not seeds or printed.empty:
        return pd.DataFrame()
    at_the_end = over_seeds([R[-1] for R in seeds.values()])
    average = over_seeds([metrics.averages(R) for R in seeds.values()])
    pairs = zip(zip(*at_the_end, strict=True), zip(*average, strict=True), strict=True)
    return pd.DataFrame([_logged(tables, printed, task, *pair) for task, pair in enumerate(pairs, 1)])


def _digits(tables: Tables) -> int:
    """Return the digits of a score that tell one method from another: four where the paper's scores are near 1."""
    return 4 if (published("over_tasks", tables.streams[0])["value"] > 0.99).any() else 3


def _curve(method: str, source: str, values: Mapping[int, str], tasks: int) -> Row:
    return {"method": method, "source": source} | {str(task): values.get(task, "") for task in shown(tasks)}


def _points(rows: pd.DataFrame, digits: int) -> list[str]:
    return [f"{row.capacity:.2f}: {labels.score(row.value, digits)}" for row in rows.itertuples()]


def _drift(stream: str, method: str, seeds: list[NDArray[np.float64]], task: int, digits: int) -> Row:
    learned, end = (estimate(R[row, task - 1] for R in seeds) for row in (task - 1, -1))
    paper = published("drift", stream)
    theirs = list(paper[(paper["method"] == method) & (paper["task"] == task)]["value"]) or [math.nan]
    gone = estimate(lost(task)(R) for R in seeds)
    return {
        "method": method,
        "task": str(task),
        "learned": score(learned, digits),
        "at the end": score(end, digits),
        "lost": score(gone, digits),
        "paper: learned": labels.score(theirs[0]),
        "paper: at the end": labels.score(theirs[-1]),
        "paper: lost": labels.score(theirs[0] - theirs[-1]),
    }


def _logged(
    tables: Tables, printed: pd.DataFrame, task: int, at_the_end: tuple[float, float], average: tuple[float, float]
) -> Row:
    rows = printed[printed["after_task"] == task]
    units = tables.of(method=RELEASED_METHOD, measure=measures.UNITS, after_task=task).measures
    told = {(row.measure, row.layer): row.value for row in rows.fillna({"layer": 0}).itertuples()}
    widths = {
        f"{who}layer {layer}": text
        for layer in (1, 2)
        for who, text in (
            ("", number(estimate(units[units["layer"] == layer]["value"]), 1)),
            ("log: ", labels.number(told["units", layer])),
        )
    }
    return {
        "task": str(task),
        "AUROC": labels.with_error(*at_the_end, 4),
        "log: AUROC": labels.score(told["task auroc", 0], 4),
        "average": labels.with_error(*average, 4),
        "log: average": labels.score(told["average auroc", 0], 4),
    } | widths
