"""The hyper-parameter search as a Prefect flow: every method the same number of trials, on validation data alone."""

import sys
import time
from collections.abc import Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import replace
from functools import partial
from pathlib import Path
from threading import Lock

import optuna
import prefect
from optuna.trial import FrozenTrial

from den import measures, searches, suites
from den.cells import Cell, current, present_of
from den.ledger import Ledger, Measurement, Places
from den.searches import Subject
from den.worker import Worker
from flows.executors import stages
from flows.pipeline import benchmark, tasks
from flows.places import here
from flows.runtime import checkout, concurrency, run_context
from flows.tuning import studies
from flows.tuning.studies import Found, TooLarge

TRIALS = Path(".den/search")  # measurements of trials: no results, and safe to delete


@prefect.flow(name="search", flow_run_name="{stream}")
def search(
    stream: str, methods: Sequence[str] = (), trials: int | None = None, slots: int | None = None
) -> tuple[Found, ...]:
    """Search the numbers of methods on a stream, one method after another, `slots` trials at a time.

    methods: by default all that have a space in params.yaml. Trials that are finished are not run again.
    """
    checkout.refuse_other_commit()
    plan, places = suites.load(), here()
    subjects = searches.subjects(plan, stream, methods, trials)
    tasks.prepare([subject.cell({}) for subject in subjects], plan, places)
    at_a_time = slots or concurrency.slots([subject.cell({}) for subject in subjects])
    return tuple(study(subject, places, at_a_time) for subject in subjects)


@prefect.flow(name="trial", flow_run_name="{title}")
def learn(title: str, cell: Cell, places: Places, limit: float) -> Measurement:
    """Run one trial, each stage of its method a visible step; one that was interrupted goes on from the last of them.

    Raises TooLarge as soon as the network has outgrown `limit`: the larger it is, the longer every task takes.
    """
    with Worker(cell, places) as worker, run_context.current().at_work(worker):
        for step in worker.steps():
            for row in stages.stage(worker, step)["measures"]:
                if row["measure"] == measures.CAPACITY and row["value"] > limit:
                    raise TooLarge(row["value"], limit, row["task"])
        return worker.measurement


def study(subject: Subject, places: Places, slots: int) -> Found:
    """Run the trials that a study lacks."""
    context = run_context.current()
    with studies.opened(subject, places) as opened:
        asking = Lock()
        with ThreadPoolExecutor(slots, thread_name_prefix="trial") as pool, context.killing_workers(pool):
            trials: list[Future[None]] = []
            for _ in range(subject.search.trials - studies.spent(opened)):
                trials.append(pool.submit(copy_context().run, _trial, opened, subject, places, asking))
                time.sleep(benchmark.STAGGER)
            for trial in wait(trials, return_when=FIRST_EXCEPTION).done:
                trial.result()
    return studies.found(subject, places)


def _trial(opened: optuna.Study, subject: Subject, places: Places, asking: Lock) -> None:
    """Run one trial, a sub-flow of its own, and print how it went."""
    with asking:
        trial = studies.ask(opened, subject)
        number = studies.spent(opened)
    title = f"{subject.method} · trial {number}"
    studies.attempt(opened, subject, trial, partial(_learn, title=title, places=places, limit=subject.limit))
    frozen = opened.trials[trial.number]
    print(f"{title} of {subject.search.trials}: {_how(frozen)}", file=sys.stderr, flush=True)


def _learn(cell: Cell, title: str, places: Places, limit: float) -> Measurement:
    own = replace(places, ledger=TRIALS / "ledger", index=TRIALS / "index.sqlite")
    ledger = Ledger.of(own)
    entry = current(cell, ledger, own, present_of(cell))
    return ledger.load(entry.id) if entry else learn(title, cell, own, limit)


def _how(trial: FrozenTrial) -> str:
    told = trial.user_attrs
    if "reason" in told:
        return f"given up: {told['reason']}"
    return f"AUROC {told['auroc']:.4f}, capacity {told['capacity']:.2f}, {told['seconds']:.0f} s"
