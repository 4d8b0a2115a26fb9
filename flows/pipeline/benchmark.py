"""The benchmark as a Prefect flow: prepare data, measure or reuse every cell, judge, report, track."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from importlib import import_module
from typing import Any

import prefect
from prefect.states import Completed

from den import suites
from den.cells import Cell, current, key_of, measured_in, present_of
from den.config import SettingsError, refuse_unknown
from den.ledger import Asked, Begun, CellResult, Ledger, Order, Places
from den.suites import Plan
from den.worker import CellFailed
from flows.data import stream_files
from flows.executors import work_pool
from flows.executors.cell_flow import Worked, learn
from flows.pipeline import announcements, stored_floors, tasks
from flows.pipeline.outcome import Outcome, RunFailed
from flows.places import here
from flows.runtime import addresses, checkout, concurrency, estimates, run_context, run_records

Executor = Callable[[Cell, Places, Order], Worked]

EXECUTORS: dict[str, Executor] = {"here": learn, "pool": work_pool.learn_elsewhere}
WAITING = 32  # cells requested from a pool at a time; its limits decide how many run
DRAWING = ("matplotlib.backends.backend_svg", "matplotlib.backends.backend_pdf", "fontTools.subset")
STAGGER = 0.3  # seconds; Prefect's SQLite refuses two flow runs that begin at once, and retries only seconds later


@prefect.flow(name="benchmark", flow_run_name=announcements.name_of_flow_run)
def benchmark(
    suite: str,
    streams: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    overrides: Sequence[str] = (),
    slots: int | None = None,
    on: str = "here",
    again: bool = False,
    fresh: bool = False,
) -> Any:
    """Measure every cell of a suite or reuse its current measurement; judge, report and track the run.

    slots: cells at a time, by default what this machine has room for.
    on: where cells run: `here`, on the workers of a `pool`, or on the Dask cluster at an address.
    again: measure every cell. fresh: begin another run even if an unended one could be continued.
    Returns the Outcome. Raises RunFailed, after everything else is done, if cells failed or the verdict is worse or
    unstable; SettingsError, before anything, if a deployment was made for another commit.
    """
    checkout.refuse_other_commit()
    executor = executor_for(on)
    plan = suites.load(overrides=overrides)
    places = stream_files.places_of(plan, here())
    refuse_other_data_elsewhere(plan, on)
    cells = plan.cells(suite, streams, methods, seeds)
    tasks.prepare(cells, plan, places)
    slots = slots or (concurrency.slots(cells) if on == "here" else None)
    request = Asked(
        suite=suite,
        streams=tuple(streams),
        methods=tuple(methods),
        seeds=None if seeds is None else tuple(seeds),
        overrides=tuple(overrides),
        on=on,
        again=again,
    )
    with run_records.begun(request, cells, places, tasks.circumstances(slots), fresh) as begun:
        results, failures = run_cells(cells, begun, places, executor, slots)
        watcher = run_context.current().watcher
        watcher.goes_on("judging the results against accepted ones and earlier runs")
        verdict = tasks.judge(begun, results, failures, places)
        run = run_records.end(begun, results, failures, verdict.word, verdict.remarks, places)
    outcome = Outcome(run, results, failures, verdict, stored_floors.of_results(results, places, plan.other_data))
    watcher.goes_on("drawing the report")
    folder = tasks.report(outcome) if results else None
    watcher.goes_on("showing the run in MLflow")
    if results and tasks.track(outcome, folder):
        run_records.discard_checkpoints(run, places)
    watcher.goes_on("showing the run in Prefect")
    tasks.announce(outcome, folder)
    if verdict.alarming:
        raise RunFailed(outcome)
    return Completed(message=f"verdict: {verdict.word}", data=outcome)  # the caller of the flow gets `data`


def executor_for(on: str) -> Executor:
    """Return the executor for `on`. Raises SettingsError if it is neither a known place nor an address."""
    if "://" in on:
        from flows.executors import dask_cluster

        return dask_cluster.executor_at(on)
    refuse_nowhere(on)
    return EXECUTORS[on]


def refuse_nowhere(on: str) -> None:
    """Raise SettingsError if `on` is neither a known place nor an address."""
    if "://" not in on:
        refuse_unknown(on, EXECUTORS, "on")


def refuse_other_data_elsewhere(plan: Plan, on: str) -> None:
    """Raise SettingsError if other machines, which prepare what params.yaml says, would measure on other data."""
    if plan.other_data and on != "here":
        raise SettingsError("data.*: other machines prepare the data of params.yaml; set them there, or use --on here")


def run_cells(
    cells: Sequence[Cell], begun: Begun, places: Places, executor: Executor, slots: int | None
) -> tuple[tuple[CellResult, ...], dict[str, str]]:
    """Measure or reuse the cells of a run; return results and, by title, why other cells failed.

    slots: cells at a time on this machine; None if other machines run them.
    A failed cell stops no other. Cells with equal keys are measured once, whatever their names.
    """
    answers = answered(cells, begun, places, elsewhere=slots is None)
    groups = _alike([cell for cell in cells if cell.title not in answers], places)
    firsts = [group[0] for group in groups]
    announcement = estimates.announce(firsts, len(cells), slots or WAITING, begun.asked.suite, places)
    run_context.current().watcher.planned(firsts, list(answers.values()), f"run {begun.id}: {announcement}", places)
    failures: dict[str, str] = {}
    attempts = _attempts(firsts, begun, places, slots, executor)
    for group, attempt in zip(groups, attempts, strict=True):
        end = attempt.result()
        for cell in group:
            if isinstance(end, str):
                failures[cell.title] = end
            else:
                answers[cell.title] = CellResult(cell.name, end.measurement, "measured" if end.measured else "reused")
    return tuple(answers[cell.title] for cell in cells if cell.title in answers), failures


def answered(cells: Sequence[Cell], begun: Begun, places: Places, elsewhere: bool) -> dict[str, CellResult]:
    """Return the results of cells that need not run, by title: measured earlier by this run, or current.

    elsewhere: cells run on other machines, so a measurement from any kind of machine is current.
    """
    ledger = Ledger.of(places)
    results = {}
    for cell in cells:
        measured = measured_in(cell, ledger, places, begun.id)
        again = measured or begun.asked.again
        entry = measured if again else current(cell, ledger, places, present_of(cell, elsewhere))
        if entry is not None:
            results[cell.title] = CellResult(cell.name, ledger.load(entry.id), "measured" if measured else "reused")
    return results


def _alike(cells: Sequence[Cell], places: Places) -> list[list[Cell]]:
    """Return the cells grouped by key, in the order of each group's first cell."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(key_of(cell, places), []).append(cell)
    return list(groups.values())


def _attempts(
    cells: Sequence[Cell], begun: Begun, places: Places, slots: int | None, executor: Executor
) -> list[Future[Worked | str]]:
    """Return the finished attempt of each cell, in order."""
    attempts, context = [], run_context.current()
    with ThreadPoolExecutor(slots or WAITING, thread_name_prefix="cell") as pool, context.killing_workers(pool):
        for cell in cells:
            order = run_records.order_for(begun, cell, slots)
            attempts.append(pool.submit(copy_context().run, _attempt, cell, places, order, executor))
            time.sleep(STAGGER)
        if attempts:
            _get_ready()
        wait(attempts)
    return attempts


def _get_ready() -> None:
    """While cells run, load what the end of a run needs: fonts of figures, MLflow's tables, the list of packages."""
    from flows.tracking import models, stores, tracker

    stores.warm_up(tracker.address())
    models.warm_up()
    for module in DRAWING:
        import_module(module)


def _attempt(cell: Cell, places: Places, order: Order, executor: Executor) -> Worked | str:
    """Return the cell's measurement, or why it failed."""
    try:
        worked = executor(cell, places, order)
    except CellFailed as error:
        end: Worked | str = addresses.without_secrets(str(error))
    except Exception as error:  # a cell that cannot begin must not stop the others
        end = addresses.without_secrets(f"{type(error).__name__}: {error}")
    else:
        end = worked
    context = run_context.current()
    if context.interrupted:  # the cell did not fail: its worker was killed
        return end
    if isinstance(end, str):
        context.watcher.ended(cell, end)
    else:
        context.watcher.ended(cell, reused=None if end.measured else end.measurement)
    return end
