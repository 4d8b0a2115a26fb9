"""The command line: the options of every command, each of which calls one function of `flows.commands`.

Each command imports Prefect, MLflow, torch and pandas only if it needs them, so that `den --help` is quick.
"""

import sys
from pathlib import Path
from typing import Any

import click

from flows.commands import completion
from flows.commands.ledger import ledger_commands
from flows.commands.options import CLASSES, DATA, FORMAT, METHODS, SEEDS, SET, STREAMS, SUITE, Seeds
from flows.commands.refusals import Commands
from flows.runtime import garbage_collection

GROUPS = {  # of commands, in the order of the help
    "Run": ("run", "prepare", "search", "status"),
    "Look": ("results", "report", "site", "history", "why", "list", "ui"),
    "Compare": ("compare", "rerun"),
    "Keep": ("accept", "ledger", "sync", "prune"),
    "Set up": ("doctor", "completion"),
}


@click.group(cls=Commands, groups=GROUPS, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="den-bench", prog_name="den")
def main() -> None:
    """DEN Bench: run, version and track Dynamically Expandable Networks and their baselines."""


main.add_command(ledger_commands)


@main.command()
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


@main.command()
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


@main.command()
@STREAMS
@click.option("--force", is_flag=True, help="Prepare again, even if the files are there and current.")
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help="Override a value of the block data.")
def prepare(streams: tuple[str, ...], force: bool, overrides: tuple[str, ...]) -> None:
    """Fetch raw data and prepare the named streams, by default those of all suites."""
    from flows.commands.prepare import prepare_streams

    prepare_streams(streams, force, overrides)


@main.command()
@SUITE(help="Only the cells of this suite; by default those of all suites.")
@click.option("--accepted", is_flag=True, help="Read only the accepted tables; needs neither measurements nor data.")
@FORMAT()
def results(suite: str | None, accepted: bool, form: str) -> None:
    """Print the newest scores, one per row: suite, stream, method, seed, after_task, task, score, value."""
    from flows.commands.results import print_scores

    print_scores(suite, accepted, form)


@main.command()
@SUITE(default="quick", show_default=True, help="The suite to report on.")
@click.option(
    "--run", "run_id", metavar="ID", help="Report on this run; by default on the newest measurement of each cell."
)
@click.option("--accepted", is_flag=True, help="Read only the accepted tables; needs neither measurements nor data.")
def report(suite: str, run_id: str | None, accepted: bool) -> None:
    """Write tables, figures and one HTML page to reports/out/."""
    from flows.commands.report import write_report

    write_report(suite, run_id, accepted)


@main.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="FOLDER",
    default="reports/out/site",
    show_default=True,
    help="The folder to write to; a new or empty one, or that of an earlier site.",
)
def site(out: Path) -> None:
    """Write one static site of all accepted suites: a board, every suite's page, and the history of results.

    It needs neither a server nor a network: open its index.html.
    """
    from flows.commands.site import write_site

    write_site(out)


@main.command()
@SUITE(default="quick", show_default=True, help="The suite whose methods to compare.")
@METHODS
@click.option(
    "--against", metavar="NAME", default="", help="The method to compare with; by default DEN, or else the best.",
    shell_complete=completion.methods,
)  # fmt: skip
@click.option("--accepted", is_flag=True, help="Read only the accepted tables.")
@click.option(
    "--format", "form", type=click.Choice(["table", "markdown", "csv", "latex"]), default="table", show_default=True
)
def compare(suite: str, methods: tuple[str, ...], against: str, accepted: bool, form: str) -> None:
    """Compare the methods of a suite with one of them: paired differences over seeds, intervals and p-values.

    The accepted results stand in for cells that are not measured here.
    """
    from flows.commands.compare import print_comparisons

    print_comparisons(suite, methods, against, accepted, form)


@main.command()
@SUITE(help="Only runs of this suite; by default runs of all suites.")
@STREAMS
@METHODS
@click.option(
    "--metric",
    default="auroc",
    show_default=True,
    metavar="NAME",
    help="The metric: auroc, accuracy, capacity, seconds, ...",
)
@click.option("--since", metavar="DATE", help="Only runs that began on this day or later, such as 2026-11-29.")
@FORMAT()
def history(
    suite: str | None,
    streams: tuple[str, ...],
    methods: tuple[str, ...],
    metric: str,
    since: str | None,
    form: str,
) -> None:
    """Show a metric over all runs, with change points; one series per method, settings, seeds and kind of machine."""
    from flows.commands.history import print_history
    from flows.places import of_project

    print_history(suite, streams, methods, metric, since, form, of_project())


@main.command()
@SUITE(required=True, help="The suite whose results to accept.")
@click.option("--run", "run_id", metavar="ID", help="Accept this run; by default the newest complete run of the suite.")
@click.option("--partial", is_flag=True, help="Accept the run even if cells are missing.")
def accept(suite: str, run_id: str | None, partial: bool) -> None:
    """Publish the results of one run in reports/accepted/, for you to commit.

    Later runs are judged against these results. `den report --accepted` draws the published report from them.
    """
    from flows.commands.accept import accept_run
    from flows.places import of_project

    print(accept_run(suite, run_id, partial, of_project()))


@main.command()
@click.argument("result", required=False, shell_complete=completion.results)
def why(result: str | None) -> None:
    """Print the origin of a measurement: run, machine, versions, code, data and settings.

    RESULT is the beginning of the measurement's id, by default of the newest in the ledger. Needs neither data nor the
    machine of the measurement.
    """
    from flows.commands.why import print_origin

    print_origin(result)


@main.command()
@click.argument("result", shell_complete=completion.results)
def rerun(result: str) -> None:
    """Measure the cell of a measurement again and compare the numbers; the ledger stays unchanged.

    RESULT is the beginning of the measurement's id. Exits with 1 if a score or measure differs.
    """
    from flows.commands.rerun import measure_again

    sys.exit(measure_again(result))


@main.command()
@click.option("--keep", metavar="AGE", help="Remove everything older than this: 90d, 12w.")
@click.option(
    "--keep-runs", type=click.IntRange(0), help="Keep this many of the newest runs, and remove everything older."
)
@click.option("--dry-run", is_flag=True, help="Remove nothing; print what would be removed.")
def prune(keep: str | None, keep_runs: int | None, dry_run: bool) -> None:
    """Remove old checkpoints, logs, reports, MLflow runs and Prefect runs, but nothing from the ledger."""
    from flows.commands.prune import print_removed

    print_removed(keep, keep_runs, dry_run)


@main.command()
def sync() -> None:
    """Show all runs of the ledger and all accepted suites in MLflow; repeating the command changes nothing.

    Exits with 1 if MLflow cannot be updated.
    """
    from flows.commands.sync import sync_mlflow

    sys.exit(sync_mlflow())


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Browse the runs in MLflow, on this machine only: http://127.0.0.1:PORT."""
    from flows.commands.ui import serve

    serve(port)


@main.command()
def doctor() -> None:
    """Check the set-up and print how to mend it.

    A hint concerns something optional. Exits with 1 if something required is missing.
    """
    from flows.commands.doctor import print_checks

    sys.exit(print_checks())


@main.command()
@SUITE(help="Only this suite; also list its running and resumable cells.")
def status(suite: str | None) -> None:
    """Show how many cells of each suite are finished, running, resumable or waiting."""
    from flows.commands.status import print_status

    print_status(suite)


@main.command(name="list")
@click.argument("kind", required=False, type=click.Choice(["suites", "streams", "methods", "variants"]))
def list_names(kind: str | None) -> None:
    """List the names of suites, streams, methods and variants."""
    from flows.commands.listing import print_names

    print_names(kind)


@main.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def complete(shell: str) -> None:
    """Print the script that a SHELL sources to complete suites, streams, methods and results.

    For bash, in ~/.bashrc: eval "$(den completion bash)"
    """
    print(completion.script(main, shell))


if __name__ == "__main__":
    main()
