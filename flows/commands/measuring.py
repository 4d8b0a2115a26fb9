"""The commands run, search and prepare, with their options."""

import sys
from typing import Any

import click

from flows.commands.options import CLASSES, DATA, FORMAT, METHODS, SEEDS, SET, STREAMS, SUITE, Seeds
from flows.runtime import garbage_collection


@click.command()
@SUITE(default="quick", show_default=True, help="The suite of params.yaml to run.")
@DATA
@CLASSES
@STREAMS
@METHODS
@click.option("--seeds", type=Seeds(), metavar="SEEDS", help=SEEDS)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=SET)
@click.option("--slots", type=click.IntRange(1), help="Cells that run at a time; by default one per usable core.")
@click.option(
    "--on", default="here", show_default=True, help="Where cells run: here, pool, or a Dask scheduler's address."
)
@click.option("--again", is_flag=True, help="Measure every cell, even if it has a current measurement.")
@click.option("--new", "fresh", is_flag=True, help="Begin a new run, even if an interrupted one could be continued.")
@click.option("--check", is_flag=True, help="Measure every cell; exit with 3 if any is worse or unstable.")
@click.option(
    "--estimate", is_flag=True, help="Run nothing; print how many cells would run and how long they would take."
)
@click.option("--show", is_flag=True, help="Run nothing; print the settings in effect, and where each comes from.")
@click.option(
    "--without-chosen",
    is_flag=True,
    help="Leave out the numbers that were chosen for methods; as --set chosen=none.",
)
@FORMAT(help="With --show: how the settings are printed.")
def run(
    check: bool,
    estimate: bool,
    show: bool,
    form: str,
    without_chosen: bool,
    file: str | None,
    classes: str | None,
    **choices: Any,
) -> None:
    """Run a suite: prepare its data, measure its cells, judge and report the results, and track them in MLflow.

    --data FILE makes a stream of a file, and runs DEN and three baselines on it. The columns `label` and `task` hold
    classes and tasks, all others are features.

    A cell with a current measurement (same settings, data, code, torch and kind of machine) is not measured again.
    An interrupted run of the same request continues from its last finished stage.
    Exits with 1 if cells failed, with 2 if the settings are wrong, and with 130 if it is interrupted.
    """
    from den.config import SettingsError
    from flows.places import of_project

    if form != "table" and not show:
        raise SettingsError(f"--format {form} is a form of settings; give --show with it")
    of_project()  # Prefect leaves a folder wherever it is imported
    if not (estimate or show):
        from den.worker import make_ready

        make_ready()  # another process loads torch while this one loads the rest
    garbage_collection.leave_at_exit()
    with garbage_collection.loading():
        from flows.commands import run

    choices["overrides"] += ("chosen=none",) * without_chosen
    request = run.request_of(file, classes, choices)
    if show:
        run.show(request, form)
        return
    if estimate:
        print(run.estimated(request))
        return
    sys.exit(run.run(request, check))


@click.command()
@DATA
@CLASSES
@STREAMS
@METHODS
@click.option("--trials", type=click.IntRange(1), help="Trials per method; by default search.trials of params.yaml.")
@click.option("--slots", type=click.IntRange(1), help="Trials that run at a time; by default one per usable core.")
@click.option("--write", is_flag=True, help="Run nothing; write the best numbers of finished studies into params.yaml.")
def search(
    file: str | None,
    classes: str | None,
    streams: tuple[str, ...],
    methods: tuple[str, ...],
    trials: int | None,
    slots: int | None,
    write: bool,
) -> None:
    """Search the hyper-parameters of methods on the validation data of seed 0, with equally many trials per method.

    Finished trials do not run again. reports/studies/ holds the studies; params.yaml defines the search spaces.
    Exits with 1 if a trial broke off, with 2 if the settings are wrong, and with 130 if it is interrupted.
    """
    if write:
        from flows.data.own import naming
        from flows.tuning import chosen_numbers

        naming.refuse_undeclared(file)
        print("\n".join(chosen_numbers.write(streams, methods, trials)))
        return
    from den.worker import make_ready
    from flows.places import of_project

    of_project()

    make_ready()
    garbage_collection.leave_at_exit()
    with garbage_collection.loading():
        from flows.commands.search import run

    sys.exit(run(file, classes, streams, methods, trials, slots))


@click.command()
@STREAMS
@click.option("--force", is_flag=True, help="Prepare again, even if the files are there and current.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value of the block data.")
def prepare(streams: tuple[str, ...], force: bool, overrides: tuple[str, ...]) -> None:
    """Fetch raw data and prepare the named streams, by default those of all suites."""
    from flows.commands.prepare import prepare_streams

    prepare_streams(streams, force, overrides)
