"""The search for hyper-parameters as a Prefect flow: the same number of trials per method, on validation data alone."""

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

from den import searches, suites
from den.cells import Cell, current, present_of
from den.ledger import Ledger, Measurement, Places
from den.searches import Subject
from den.worker import Worker
from flows.executors import stages
from flows.pipeline import benchmark, tasks
from flows.places import here
from flows.runtime import checkout, concurrency, run_context
from flows.tuning import studies, trials
from flows.tuning.studies import StudyResult

TRIALS = Path(".den/search")  # measurements of trials; safe to delete


@prefect.flow(name="search", flow_run_name="{stream}")
def search(
    stream: str,
    methods: Sequence[str] = (),
    trials: int | None = None,
    slots: int | None = None,
    overrides: Sequence[str] = (),
) -> tuple[StudyResult, ...]:
    """Search hyper-parameters on a stream, one method after another, `slots` trials at a time.

    methods: by default all with a search space in params.yaml. overrides: those that declare own data. Finished trials
    are not run again.
    """
    checkout.refuse_other_commit()
    plan, places = suites.load(overrides=overrides), here()
    subjects = searches.subjects(plan, stream, methods, trials)
    tasks.prepare([subject.cell({}) for subject in subjects], plan, places)
    at_a_time = slots or concurrency.slots([subject.cell({}) for subject in subjects])
    return tuple(study(subject, places, at_a_time) for subject in subjects)


@prefect.flow(name="trial", flow_run_name="{title}")
def learn(title: str, cell: Cell, places: Places, follow: trials.Follow) -> Measurement:
    """Run one trial; each stage of its method is a Prefect task. An interrupted trial continues from its last stage.

    follow: raises TooLarge or Hopeless if the trial need not go on.
    """
    with Worker(cell, places) as worker, run_context.current().at_work(worker):
        trials.take(worker.steps(), partial(stages.stage, worker), follow)
        return worker.measurement


def study(subject: Subject, places: Places, slots: int) -> StudyResult:
    """Run the trials that a study still lacks, after those of the studies below it."""
    if subject.below:
        study(subject.below, places, slots)
    context = run_context.current()
    with studies.opened(subject, places) as opened:
        asking = Lock()
        with ThreadPoolExecutor(slots, thread_name_prefix="trial") as pool, context.killing_workers(pool):
            running: list[Future[None]] = []
            for _ in range(studies.lacking(opened, subject)):
                running.append(pool.submit(copy_context().run, _trial, opened, subject, places, asking))
                time.sleep(benchmark.STAGGER)
            for trial in wait(running, return_when=FIRST_EXCEPTION).done:
                trial.result()
    return studies.result_of(subject, places)


def _trial(opened: optuna.Study, subject: Subject, places: Places, asking: Lock) -> None:
    """Run one trial as a sub-flow, and print its result."""
    with asking:
        trial = trials.ask(opened, subject)
        number = len(studies.tried(opened))
    title = f"{subject.method_and_rung} · trial {number}"
    trials.attempt(opened, subject, trial, partial(_learn, title=title, places=places))
    frozen = opened.trials[trial.number]
    print(f"{title} of {subject.budget}: {_summary(frozen)}", file=sys.stderr, flush=True)


def _learn(cell: Cell, follow: trials.Follow, title: str, places: Places) -> Measurement:
    trial_places = replace(places, ledger=TRIALS / "ledger", index=TRIALS / "index.sqlite")
    ledger = Ledger.of(trial_places)
    entry = current(cell, ledger, trial_places, present_of(cell))
    return ledger.load(entry.id) if entry else learn(title, cell, trial_places, follow)


def _summary(trial: FrozenTrial) -> str:
    result = trial.user_attrs
    if "reason" in result:
        return f"given up: {result['reason']}"
    return f"AUROC {result['auroc']:.4f}, capacity {result['capacity']:.2f}, {result['seconds']:.0f} s"
