"""The command line: what people do with a benchmark.

Prefect, MLflow, torch and pandas are imported where a command needs them, so that `den --help` is quick.
"""

import sys
from typing import Any

import click

from flows.commands import completion, ledger
from flows.commands.options import METHODS, SEEDS, SET, STREAMS, SUITE, Seeds
from flows.commands.refusals import Commands
from flows.runtime import garbage_collection


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="den-bench", prog_name="den")
def main() -> None:
    """DEN Bench: Dynamically Expandable Networks and their baselines, run, versioned and tracked."""


main.add_command(ledger.ledger)


@main.command()
@SUITE(default="quick", show_default=True, help="The suite of params.yaml to run.")
@STREAMS
@METHODS
@click.option("--seeds", type=Seeds(), metavar="SEEDS", help=SEEDS)
@click.option("--set", "overrides", multiple=True, metavar="KEY=VALUE", help=SET)
@click.option("--slots", type=click.IntRange(1), help="Cells at a time; by default one for each usable core.")
@click.option(
    "--on", default="here", show_default=True, help="Where cells run: here, pool, or a Dask scheduler's address."
)
@click.option("--again", is_flag=True, help="Measure every cell, even those with a current measurement.")
@click.option("--new", "fresh", is_flag=True, help="Begin another run, even if an interrupted one could be continued.")
@click.option("--check", is_flag=True, help="Measure every cell; exit with 3 if any is worse or unstable.")
@click.option("--estimate", is_flag=True, help="Run nothing: print how many cells are to run, and how long that takes.")
def run(check: bool, estimate: bool, **asked: Any) -> None:
    """Run a suite: prepare its data, measure its cells, judge them, report, track.

    A cell with a current measurement (same settings, data, code, torch and kind of machine) is not measured again.
    An interrupted run of the same request is continued from its last finished stage.
    Exits with 1 if cells failed, 2 if the settings are wrong and 130 when interrupted.
    """
    if not estimate:
        from den.worker import make_ready

        make_ready()  # loads torch while this process loads the rest
    garbage_collection.leave_at_exit()
    with garbage_collection.loading():
        from flows.commands import run

    request = run.Request(**asked)
    if estimate:
        click.echo(run.estimated(request))
        return
    sys.exit(run.run(request, check))


@main.command()
@STREAMS
@METHODS
@click.option("--trials", type=click.IntRange(1), help="Trials of every method; by default as search.trials has it.")
@click.option("--slots", type=click.IntRange(1), help="Trials at a time; by default one for each usable core.")
@click.option("--write", is_flag=True, help="Run nothing: write what finished studies chose into params.yaml.")
def search(
    streams: tuple[str, ...], methods: tuple[str, ...], trials: int | None, slots: int | None, write: bool
) -> None:
    """Search the numbers of methods on the validation data of split 0, every method as many trials.

    Trials that are finished are not run again. The studies lie in reports/studies/, their spaces in params.yaml.
    Exits with 1 where a trial broke off, 2 where the settings are wrong and 130 when interrupted.
    """
    if write:
        from flows.tuning import chosen_numbers

        click.echo("\n".join(chosen_numbers.write(streams, methods, trials)))
        return
    from den.worker import make_ready

    make_ready()
    garbage_collection.leave_at_exit()
    with garbage_collection.loading():
        from flows.commands.search import run

    sys.exit(run(streams, methods, trials, slots))


@main.command()
@STREAMS
@click.option("--force", is_flag=True, help="Make the files anew, whatever lies there.")
def prepare(streams: tuple[str, ...], force: bool) -> None:
    """Fetch raw data and prepare the streams of all suites, or those named."""
    from den import suites
    from flows.data import stream_files
    from flows.places import here

    plan = suites.load()
    stream_files.prepare(streams or stream_files.of_suites(plan), plan, here(), force)


@main.command()
@SUITE(help="Only the cells of this suite; by default those of all suites.")
@click.option("--accepted", is_flag=True, help="From the accepted tables alone: needs neither measurements nor data.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def results(suite: str | None, accepted: bool, form: str) -> None:
    """Print the newest scores, one row each: suite, stream, method, seed, after_task, task, score, value."""
    from flows.pipeline import reporting

    click.echo(reporting.scores(suite, accepted, form), nl=False)


@main.command()
@SUITE(default="quick", show_default=True, help="The suite to report on.")
@click.option("--run", "run_id", metavar="ID", help="Of this run; by default of the newest measurements of the suite.")
@click.option("--accepted", is_flag=True, help="From the accepted tables alone: needs neither measurements nor data.")
def report(suite: str, run_id: str | None, accepted: bool) -> None:
    """Write tables, figures and one HTML page to reports/out/."""
    from flows.pipeline import reporting

    click.echo(reporting.redraw(suite) if accepted else reporting.refresh(suite, run_id))


@main.command()
@SUITE(default="quick", show_default=True, help="The suite whose methods are compared.")
@METHODS
@click.option(
    "--against", metavar="NAME", default="", help="Against this method; by default DEN, or else the best.",
    shell_complete=completion.methods,
)  # fmt: skip
@click.option("--accepted", is_flag=True, help="From the accepted tables alone.")
@click.option(
    "--format", "form", type=click.Choice(["table", "markdown", "csv", "latex"]), default="table", show_default=True
)
def compare(suite: str, methods: tuple[str, ...], against: str, accepted: bool, form: str) -> None:
    """Compare every method of a suite with one: differences by seed, their intervals, and how sure they are.

    Cells that are not measured here are taken from the accepted results.
    """
    from flows.commands import compare

    compare.compare(suite, methods, against, accepted, form)


@main.command()
@SUITE(help="Only runs of this suite; by default of all suites.")
@STREAMS
@METHODS
@click.option("--metric", default="auroc", show_default=True, metavar="NAME", help="Or accuracy, capacity, seconds …")
@click.option("--since", metavar="DATE", help="Only runs that began on this day or later: 2026-11-29.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def history(
    suite: str | None,
    streams: tuple[str, ...],
    methods: tuple[str, ...],
    metric: str,
    since: str | None,
    form: str,
) -> None:
    """Show a metric over all runs: a series per method, settings, seeds and kind of machine, with change points."""
    from flows.commands import history as histories
    from flows.places import here

    histories.show(suite, streams, methods, metric, since, form, here())


@main.command()
@SUITE(required=True, help="The suite whose results are accepted.")
@click.option("--run", "run_id", metavar="ID", help="Accept this run; by default the newest whole run of the suite.")
@click.option("--partial", is_flag=True, help="Accept a run although cells of it are missing.")
def accept(suite: str, run_id: str | None, partial: bool) -> None:
    """Publish the results of one run in reports/accepted/, to be committed.

    Later runs are judged against them, and `den report --accepted` draws the published report from them.
    """
    from flows.commands import accept
    from flows.places import here

    click.echo(accept.accept(suite, run_id, partial, here()))


@main.command()
@click.argument("result", shell_complete=completion.results)
def why(result: str) -> None:
    """Print where a measurement comes from: RESULT is the beginning of its id."""
    from flows.commands import why
    from flows.places import here

    click.echo(why.why(why.find(result, here())))


@main.command()
@click.argument("result", shell_complete=completion.results)
def rerun(result: str) -> None:
    """Measure the cell of a RESULT again, and print whether it is the same or what differs. The ledger stays as it is.

    RESULT is the beginning of a measurement's id. Exits with 1 if a score or measure differs.
    """
    from flows.commands import why
    from flows.judging import differences
    from flows.places import here

    measurement = why.find(result, here()).measurement
    for change in differences.since(measurement):
        click.echo(f"not as it was: {change}", err=True)
    again = why.rerun(measurement, here(), lambda title: click.echo(title, err=True))
    if not again.same:
        click.echo(f"{again.different} of {again.compared} numbers differ, scores by up to {again.largest:.2g}")
        sys.exit(1)
    click.echo(f"all {again.compared} scores and measures are the same, to the last bit")


@main.command()
@click.option("--keep", metavar="AGE", help="Remove what is older: 90d, 12w.")
@click.option("--keep-runs", type=click.IntRange(0), help="Remove all but the newest so many runs.")
@click.option("--dry-run", is_flag=True, help="Remove nothing: print what would be removed.")
def prune(keep: str | None, keep_runs: int | None, dry_run: bool) -> None:
    """Remove old checkpoints, reports, MLflow runs and Prefect runs; never anything of the ledger."""
    from flows.commands import prune
    from flows.places import here

    click.echo("\n".join(prune.prune(prune.duration(keep) if keep else None, keep_runs, dry_run, here())))


@main.command()
def sync() -> None:
    """Mirror in MLflow all runs of the ledger and all accepted suites; a second time changes nothing.

    Exits with 1 if MLflow cannot be reached.
    """
    from flows.places import here
    from flows.tracking import tracker

    sys.exit(0 if tracker.sync(here(), lambda line: click.echo(line, err=True)) else 1)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Browse the runs in MLflow, on this machine only: http://127.0.0.1:PORT."""
    from flows.commands import ui

    ui.serve(port)


@main.command()
def doctor() -> None:
    """Say what of the set-up is there, what is missing, and what to do about it.

    Exits with 1 where something that is needed is missing; hints are about what one can do without.
    """
    from flows.commands import doctor

    sys.exit(doctor.examine())


@main.command()
@SUITE(help="This suite, and its running and resumable cells.")
def status(suite: str | None) -> None:
    """Show how many cells of every suite are finished, running, resumable or waiting."""
    from flows.commands import status

    status.show(suite)


@main.command(name="completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def complete(shell: str) -> None:
    """Print what a SHELL has to source to complete suites, streams, methods and results.

    For bash, in ~/.bashrc: eval "$(den completion bash)"
    """
    click.echo(completion.script(main, shell))


if __name__ == "__main__":
    main()
