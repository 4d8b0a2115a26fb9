"""The command line: the options of most commands, each of which calls one function of `flows.commands`.

Each command imports Prefect, MLflow, torch and pandas only if it needs them, so that `den --help` is quick.
"""

import sys
from pathlib import Path

import click

from flows.commands import completion
from flows.commands.ledger import ledger_commands
from flows.commands.measuring import prepare, run, search
from flows.commands.options import FORMAT, METHODS, STREAMS, SUITE
from flows.commands.refusals import Commands

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


for command in (run, search, prepare, ledger_commands):
    main.add_command(command)


@main.command()
@SUITE(help="Only the cells of this suite; by default those of all suites.")
@click.option("--accepted", is_flag=True, help="Read only the accepted results; needs no ledger and no data.")
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
@click.option("--accepted", is_flag=True, help="Read only the accepted results; needs no ledger and no data.")
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
    "--against", metavar="NAME", default="", help="The method to compare with; by default DEN, DEN+, or the best.",
    shell_complete=completion.methods,
)  # fmt: skip
@click.option("--accepted", is_flag=True, help="Read only the accepted results.")
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
@click.option("--add", is_flag=True, help="Keep the accepted results of cells that the run lacks.")
def accept(suite: str, run_id: str | None, partial: bool, add: bool) -> None:
    """Publish the results of one run in reports/accepted/, for you to commit.

    Later runs are judged against these results. `den report --accepted` draws the published report from them.
    """
    from flows.commands.accept import accept_run
    from flows.places import of_project

    print(accept_run(suite, run_id, partial, add, of_project()))


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
