"""Every method at its default numbers on small tables, beside fine-tuning: python -m benchmarks.reliability.defaults

The methods learn as the estimators of `den` do; `small_tables.py` has the tables. A method that falls behind
fine-tuning by more than noise, breaks off, or grows beyond twice the base network is named at the end, and the exit
code is 1. A variant of DEN takes about six times as long as another method.
Try other numbers with --set den.drift=0.4, or den*.drift=0.4 for all of that name, and choose among them with
--validation and --first-seed 6 alone: test data of the seeds 1 to 5 is for the defaults as they are.
"""

import math
import multiprocessing
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from fnmatch import filter as matching
from itertools import product
from statistics import fmean
from typing import Any

import click
import numpy as np
import torch

from benchmarks.reliability.small_tables import DATA
from benchmarks.reliability.small_tables import labels as labels_of
from den import harness, yaml_files
from den.config import SettingsError, refuse_unknown
from den.estimators import ESTIMATORS
from den.methods import METHODS
from den.methods.den import Den
from den.scores import auroc
from den.tasks import Examples, Stream
from den.training import Diverged, set_up_torch
from den.worker import MEMORY_KEPT, ONE_THREAD
from reports import labels, text_tables
from reports.analysis import inference
from reports.analysis.inference import Difference
from reports.estimates import Values, mean_of

BASE, MOST = "finetune", 2.0
DIGITS = 4  # of scores, which small tables bring near 1
KINDS = [name for name in ESTIMATORS if name != "den_with_quirks"]  # which is den until it is given quirks

Settings = Mapping[str, Mapping[str, Any]]
"The parameters of each estimator that differ from its defaults."


@dataclass(frozen=True)
class Run:
    """One method on one table and seed; validation: scored on validation data in the place of test data."""

    data: str
    method: str
    seed: int
    validation: bool
    settings: Settings


@dataclass(frozen=True)
class Outcome:
    """What a run comes to: its scores averaged over all tasks after the last, final capacity, and seconds.

    failure: why it broke off, with scores and capacity nan; empty where it did not.
    """

    auroc: float
    accuracy: float
    capacity: float
    seconds: float
    failure: str = ""


Outcomes = Mapping[str, Mapping[int, Outcome]]
"An outcome for each method and seed."


@click.command()
@click.option("--methods", multiple=True, type=click.Choice(KINDS), help="Only these, beside fine-tuning; repeatable.")
@click.option("--data", multiple=True, type=click.Choice(list(DATA)), help="Only these data sets; repeatable.")
@click.option("--seeds", default=5, show_default=True, type=click.IntRange(1), help="How many.")
@click.option("--first-seed", default=1, show_default=True, type=click.IntRange(0), help="The first of them.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Such as den.drift=0.4, *.epochs=20.")
@click.option("--validation", is_flag=True, help="Score on validation data, for choosing numbers.")
@click.option("--score", default="auroc", show_default=True, type=click.Choice(["auroc", "accuracy"]), help="To judge.")
@click.option("--jobs", default=1, show_default=True, type=click.IntRange(1), help="Processes, of one thread each.")
def main(
    methods: tuple[str, ...],
    data: tuple[str, ...],
    seeds: int,
    first_seed: int,
    overrides: tuple[str, ...],
    validation: bool,
    score: str,
    jobs: int,
) -> None:
    """Print a table a data set, and what is wrong with the numbers; exit with 1 if anything is."""
    kinds = [kind for kind in KINDS if kind == BASE or kind in (methods or KINDS)]
    wrong = []
    try:
        numbers = settings(overrides)
        with processes(jobs) as pool:
            for name in data or DATA:
                numbered = range(first_seed, first_seed + seeds)
                runs = [Run(name, *pair, validation, numbers) for pair in product(kinds, numbered)]
                outcomes = by_method(runs, pool.map(measured, runs))
                click.echo(f"{name}, {seeds} seeds, {'validation' if validation else 'test'} data\n")
                click.echo(f"{table(outcomes, score)}\n")
                wrong += [f"{name}: {fault}" for fault in faults(outcomes, score)]
    except SettingsError as error:
        raise click.UsageError(str(error)) from None
    click.echo("\n".join(wrong) or "nothing is wrong")
    sys.exit(1 if wrong else 0)


def processes(count: int) -> ProcessPoolExecutor:
    """Return processes of one thread each; their libraries read the environment when they are loaded."""
    os.environ |= ONE_THREAD | MEMORY_KEPT
    return ProcessPoolExecutor(count, multiprocessing.get_context("spawn"), set_up_torch)


def settings(overrides: Sequence[str]) -> Settings:
    """Return the parameters to change: `method.key=value`, or of all methods that a pattern matches: den*.drift=0.4.

    Raises SettingsError for a method, key or value that is none.
    """
    changed: dict[str, dict[str, Any]] = {name: {} for name in KINDS}
    for key, value in map(yaml_files.override, overrides):
        pattern, _, name = key.partition(".")
        for method in matching(KINDS, pattern) or [pattern]:
            refuse_unknown(method, KINDS, f"--set {key}")
            refuse_unknown(name, ESTIMATORS[method]().get_params(), f"--set {key}")
            changed[method][name] = value
    for method, params in changed.items():
        ESTIMATORS[method](**params).check()
    return changed


def measured(run: Run) -> Outcome:
    """Return what a run comes to."""
    stream, start = stream_of(run), time.perf_counter()
    number = {"tasks": len(stream)} if run.method == "den_finetune" else {}
    model = ESTIMATORS[run.method](**{"seed": run.seed, **number, **run.settings[run.method]})
    try:
        for task in stream:
            model.learn(task.train.x, labels_of(task.train))
    except Diverged as failure:
        return Outcome(math.nan, math.nan, math.nan, time.perf_counter() - start, str(failure))
    tests = list(enumerate(stream.tests, start=1))
    areas = fmean(area(model.predict_proba(test.x, task), test) for task, test in tests)
    accuracy = fmean(model.score(test.x, labels_of(test), task) for task, test in tests)
    return Outcome(areas, accuracy, model.capacity_, time.perf_counter() - start)


def area(probabilities: np.ndarray, test: Examples) -> float:
    """Return the AUROC of the probabilities of a task's classes; of a single output, those of its presence."""
    return auroc(torch.from_numpy(probabilities[:, -test.y.shape[1] :]), test.y)


def stream_of(run: Run) -> Stream:
    """Return the tasks of a run."""
    stream = DATA[run.data](run.seed)
    return harness.on_validation(stream) if run.validation else stream


def by_method(runs: Sequence[Run], results: Iterator[Outcome]) -> Outcomes:
    """Return the outcomes of runs by method and seed."""
    outcomes: dict[str, dict[int, Outcome]] = {}
    for run, outcome in zip(runs, results, strict=True):
        outcomes.setdefault(run.method, {})[run.seed] = outcome
    return outcomes


def values(outcomes: Outcomes, quantity: str) -> Values:
    """Return one quantity of every run that did not break off."""
    return {
        method: {seed: getattr(outcome, quantity) for seed, outcome in seeds.items() if not outcome.failure}
        for method, seeds in outcomes.items()
    }


def table(outcomes: Outcomes, score: str) -> str:
    """Return means, standard errors and differences of `score` to fine-tuning as Markdown, with their p after Holm."""
    gaps = inference.against(values(outcomes, score), BASE)
    columns = {name: values(outcomes, name) for name in ("auroc", "accuracy", "capacity", "seconds")}
    rows = [
        {
            "method": method,
            "AUROC": text_tables.score(mean_of(columns["auroc"], method), DIGITS),
            "accuracy": text_tables.score(mean_of(columns["accuracy"], method), DIGITS),
            f"{labels.SCORES[score]} to fine-tuning": difference(gaps[method]) if method in gaps else "",
            "p": labels.probability(gaps[method].adjusted) if method in gaps else "",
            "capacity": text_tables.number(mean_of(columns["capacity"], method)) if is_den(method) else "",
            "seconds": labels.number(mean_of(columns["seconds"], method).mean, 2),
        }
        for method in labels.ordered(outcomes)
    ]
    return text_tables.markdown(text_tables.compact(rows))


def faults(outcomes: Outcomes, score: str) -> Iterator[str]:
    """Yield what is wrong with the numbers on a data set, in words."""
    for method, seeds in outcomes.items():
        label, broken = labels.method(method), [outcome.failure for outcome in seeds.values() if outcome.failure]
        if broken:
            yield f"{label} breaks off on {len(broken)} of {len(seeds)} seeds: {broken[0]}"
        size = max(values(outcomes, "capacity")[method].values(), default=0.0)
        if is_den(method) and size > MOST:
            yield f"{label} grows to {size:.2f} times the base network, more than {MOST:g}"
    for method, gap in inference.against(values(outcomes, score), BASE).items():
        if behind(gap):
            yield f"{labels.method(method)} is behind fine-tuning: {difference(gap)}, p {gap.adjusted:.2g}"


def behind(gap: Difference) -> bool:
    """Return whether a difference is below 0 by more than noise; one that is the same on all seeds has no noise."""
    if math.isnan(gap.over.high):
        return gap.over.size > 1 and gap.over.mean < 0
    return gap.over.high < 0 and gap.adjusted < inference.LEVEL


def difference(gap: Difference) -> str:
    """Return a difference and its interval of 95 % as text."""
    return labels.difference(gap.over.mean, gap.over.low, gap.over.high, DIGITS)


def is_den(method: str) -> bool:
    """Return whether a method grows as DEN does."""
    return issubclass(METHODS[method], Den)


if __name__ == "__main__":
    main()
