"""Trials of a study: their numbers, their run until it ends or is given up, and what the study stores of them."""

import math
from collections.abc import Callable, Iterable, Mapping
from functools import partial
from statistics import fmean
from typing import Any, TypedDict

import numpy as np
import optuna
from optuna.samplers import TPESampler
from optuna.trial import Trial, TrialState

from den import measures, metrics
from den.cells import Cell
from den.config import SettingsError
from den.ledger import Measurement
from den.searches import Range, Space, Subject
from den.training import Diverged
from den.worker import CellFailed, Step
from flows.tuning.studies import EXCESS, key_of, tried

Follow = Callable[[int, Mapping[str, Any]], None]
"""Called with the number of tasks learned and the results of each stage but the last; raises TooLarge or Hopeless to
stop a trial."""
Learn = Callable[[Cell, Follow], Measurement]

DRAWS = 100
ADVICE = "lower training.learning_rate"  # in the message of Diverged, also if it comes from a worker


class TooLarge(RuntimeError):
    """A network exceeds the capacity limit by `excess`; later tasks do not shrink it."""

    def __init__(self, capacity: float, limit: float, task: int) -> None:
        self.excess = capacity - limit
        super().__init__(f"capacity {capacity:.2f} after task {task}, above the limit of {limit:g}")


class Hopeless(RuntimeError):
    """A trial is among the worse half of the trials that have come as far."""

    excess = 0.0

    def __init__(self, auroc: float, task: int) -> None:
        super().__init__(f"AUROC {auroc:.4f} after task {task} is among the worse half")


class TrialValues(TypedDict):
    """The values of a finished trial that a study stores."""

    auroc: float
    forgetting: float
    capacity: float
    seconds: float
    cell: str


def ask(study: optuna.Study, subject: Subject) -> Trial:
    """Return the next trial, with numbers that no other trial has tried; one thread at a time may call it.

    The draw depends on the seed, the number of trials and their scores, not on how often the search was interrupted.
    Raises SettingsError if the space is exhausted.
    """
    earlier = tried(study)
    for draw in range(DRAWS):
        words = np.random.SeedSequence([subject.search.seed, len(earlier), draw]).generate_state(1)
        study.sampler = TPESampler(seed=int(words[0]), multivariate=True)
        trial = study.ask()
        numbers = suggest(trial, subject.space)
        if key_of(numbers) not in earlier:
            trial.set_user_attr("numbers", numbers)
            return trial
        study.tell(trial, state=TrialState.FAIL)
    space = f"search.{subject.stream}.spaces.{subject.method}"
    raise SettingsError(f"{space}: too small for {subject.budget} different trials")


def suggest(trial: Trial, space: Space) -> dict[str, float]:
    """Return the numbers to try, with two significant digits for readability."""
    return {key: _number(trial, key, interval) for key, interval in space.items()}


def take(steps: Iterable[Step], stage: Callable[[Step], Mapping[str, Any]], follow: Follow) -> None:
    """Take each stage of a trial, and follow it if a further one comes: nobody stops a trial that is finished."""
    results: Mapping[str, Any] = {}
    task = 0
    for step in steps:
        if task:
            follow(task, results)
        task, results = step.task, stage(step)


def attempt(study: optuna.Study, subject: Subject, trial: Trial, learn: Learn) -> None:
    """Run one trial and report it to the study; a trial that breaks off because its process died will run again."""
    try:
        measurement = learn(subject.cell(trial.user_attrs["numbers"]), partial(_follow, trial, subject.limit))
    except (TooLarge, Hopeless) as failure:
        _set_excess(trial, failure.excess)
        _give_up(study, trial, failure, TrialState.PRUNED)
    except (CellFailed, Diverged) as failure:
        if ADVICE not in str(failure):
            raise
        _give_up(study, trial, failure, TrialState.FAIL)
    else:
        _report(study, trial, values_of(measurement), subject.limit)


def values_of(measurement: Measurement) -> TrialValues:
    """Return the values of a trial's measurement that the study stores."""
    R = measurement.matrix("auroc")
    return {
        "auroc": metrics.average(R),
        "forgetting": metrics.forgetting(R),
        "capacity": measurement.totals[measures.CAPACITY],
        "seconds": measurement.train_seconds,
        "cell": measurement.key,
    }


def _follow(trial: Trial, limit: float, task: int, results: Mapping[str, Any]) -> None:
    """Report the average AUROC after each task. Raises TooLarge or Hopeless if the trial need not go on.

    task: counts from 1. A larger network only gets slower. joint has no scores along the way, and runs to its end.
    """
    for row in results["measures"]:
        if row["measure"] == measures.CAPACITY and row["value"] > limit:
            raise TooLarge(row["value"], limit, task)
    if results["auroc"] and not math.isnan(auroc := fmean(results["auroc"])):
        trial.report(auroc, task)
        if trial.should_prune():
            raise Hopeless(auroc, task)


def _report(study: optuna.Study, trial: Trial, values: TrialValues, limit: float) -> None:
    if math.isnan(values["auroc"]):
        raise CellFailed(
            f"trial {trial.number + 1} has no validation AUROC: the validation data of a task has only one class"
        )
    for name, value in values.items():
        trial.set_user_attr(name, value)
    _set_excess(trial, max(0.0, values["capacity"] - limit))
    study.tell(trial, values["auroc"])


def _give_up(study: optuna.Study, trial: Trial, failure: Exception, state: TrialState) -> None:
    trial.set_user_attr("reason", str(failure))
    study.tell(trial, state=state)


def _set_excess(trial: Trial, excess: float) -> None:
    trial.set_user_attr(EXCESS, excess)
    trial.set_constraint(EXCESS, excess)


def _number(trial: Trial, key: str, interval: Range) -> float:
    if interval.integer:
        return trial.suggest_int(key, int(interval.low), int(interval.high), log=interval.log)
    return float(f"{trial.suggest_float(key, interval.low, interval.high, log=interval.log):.2g}")
