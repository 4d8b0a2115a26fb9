"""The benchmark as a Prefect flow: prepare the data, run the cells, report, track."""

import time
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import dataclass, replace
from typing import Any

import prefect

from den import suites
from den.ledger import Places
from den.runs import Cell, finished, identity, named
from den.worker import CellFailed
from flows import crew, estimate, machine, pools, steps
from flows.cells import learn
from flows.progress import watcher
from flows.verdicts import UNJUDGED, Verdict

Record = dict[str, Any]
Engine = Callable[[Cell, Places], Record]

ENGINES: dict[str, Engine] = {"here": learn, "pool": pools.learn_elsewhere}
WAITING = 32  # cells that are asked of a pool at a time; its own limits say how many run
STAGGER = 0.3  # seconds; Prefect's SQLite refuses two flow runs begun at one moment, and tries again only seconds later


@dataclass(frozen=True)
class Outcome:
    """What became of a benchmark: the records of finished cells, why the others failed, and what is made of it."""

    records: tuple[Record, ...]
    failures: dict[str, str]
    verdict: Verdict = UNJUDGED


class CellsFailed(RuntimeError):
    """Some cells failed and the others were finished; `outcome` holds both."""

    def __init__(self, outcome: Outcome) -> None:
        self.outcome = outcome
        listed = "\n".join(f"  {cell}: {reason}" for cell, reason in outcome.failures.items())
        super().__init__(f"{len(outcome.failures)} failed:\n{listed}")


@prefect.flow(name="benchmark", flow_run_name="{suite}")
def benchmark(
    suite: str,
    streams: Sequence[str] = (),
    methods: Sequence[str] = (),
    seeds: Sequence[int] | None = None,
    overrides: Sequence[str] = (),
    slots: int | None = None,
    on: str = "here",
) -> Outcome:
    """Run the cells of a suite that have no record yet, report on all of them and show them in MLflow.

    slots: cells at a time, by default what this machine has room for.
    on: where cells run: `here`, on the workers of a `pool`, or on the Dask cluster whose address it is.
    Raises CellsFailed, after everything else is done, where cells failed.
    """
    engine = engine_for(on)
    plan, places = suites.load(overrides=overrides), Places()
    cells = plan.cells(suite, streams, methods, seeds)
    steps.prepare(cells, plan, places)
    outcome = run_cells(cells, places, slots or (machine.slots(cells) if on == "here" else WAITING), engine)
    outcome = replace(outcome, verdict=steps.judge(suite, outcome.records, outcome.failures))
    folder = steps.report(suite, outcome.records, outcome.verdict) if outcome.records else None
    if folder:
        steps.track(suite, outcome.records, folder, outcome.verdict)
    steps.announce(suite, outcome.records, outcome.failures, folder, outcome.verdict)
    if outcome.failures:
        raise CellsFailed(outcome)
    return outcome


def engine_for(on: str) -> Engine:
    """Return what runs a cell where it is wanted. Raises SettingsError for a place that is none."""
    if "://" in on:
        from flows import clusters

        return clusters.engine(on)
    refuse_nowhere(on)
    return ENGINES[on]


def refuse_nowhere(on: str) -> None:
    """Raise SettingsError for a place that is neither known nor an address."""
    if "://" not in on:
        suites.refuse_unknown(on, ENGINES, "on")


def run_cells(cells: Sequence[Cell], places: Places, slots: int, engine: Engine) -> Outcome:
    """Run the cells that have no record, `slots` at a time; one that fails stops no other.

    Cells of equal settings are run once, whatever their names.
    """
    ends: dict[str, Record | str | None] = {cell.title: finished(cell, places) for cell in cells}
    waiting = [cell for cell in cells if ends[cell.title] is None]
    alike = _alike(waiting, places)
    firsts = [group[0] for group in alike]
    done = [cell for cell in cells if cell not in waiting]
    watcher().planned(firsts, done, estimate.announce(firsts, len(firsts) + len(done), slots, places))
    for group, attempt in zip(alike, _attempts(firsts, places, slots, engine), strict=True):
        ends |= {cell.title: _as(cell, attempt.result()) for cell in group}
    failures = {name: end for name, end in ends.items() if isinstance(end, str)}
    return Outcome(tuple(end for end in ends.values() if isinstance(end, dict)), failures)


def _alike(cells: Sequence[Cell], places: Places) -> list[list[Cell]]:
    """Return the cells, those of equal identity together, in the order of the first of them."""
    groups: dict[str, list[Cell]] = {}
    for cell in cells:
        groups.setdefault(identity(cell, places), []).append(cell)
    return list(groups.values())


def _as(cell: Cell, end: Record | str) -> Record | str:
    """Return how a cell of equal settings ended as this one's end."""
    return end if isinstance(end, str) else named(end, cell)


def _attempts(cells: Sequence[Cell], places: Places, slots: int, engine: Engine) -> list[Future[Record | str]]:
    """Return every cell's finished attempt, in order."""
    attempts = []
    with ThreadPoolExecutor(slots, thread_name_prefix="cell") as pool, crew.dismissed(pool):
        for cell in cells:
            attempts.append(pool.submit(copy_context().run, _attempt, cell, places, engine))
            time.sleep(STAGGER)
        if attempts:
            _get_ready()
        wait(attempts)
    return attempts


def _get_ready() -> None:
    """Do, while the cells run, what the first model of a run would else wait for at its end."""
    from flows import models

    models.warm_up()


def _attempt(cell: Cell, places: Places, engine: Engine) -> Record | str:
    """Return the cell's record, or why it failed."""
    try:
        record = engine(cell, places)
    except CellFailed as error:
        end: Record | str = str(error)
    except Exception as error:  # a cell that cannot even begin must not stop the others
        end = f"{type(error).__name__}: {error}"
    else:
        end = record
    watcher().ended(cell, end if isinstance(end, str) else None)
    return end
