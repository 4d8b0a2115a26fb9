"""The command line: what people do with a benchmark.

Prefect, MLflow, torch and pandas are imported where a command needs them, so that `den --help` is quick.
"""

import sys
from functools import partial
from typing import Any

import click

from flows import completion, garbage
from flows.refusals import Commands

SUITE = partial(click.option, "--suite", shell_complete=completion.suites)
STREAMS = click.option(
    "--stream", "streams", multiple=True, metavar="NAME", help="Only this stream; may be repeated.",
    shell_complete=completion.streams,
)  # fmt: skip
METHODS = click.option(
    "--method", "methods", multiple=True, metavar="NAME", help="Only this method; may be repeated.",
    shell_complete=completion.methods,
)  # fmt: skip
SEEDS = "A count (3: seeds 0, 1, 2) or a list (0,2; seed 1 alone: 1,)."
SET = "Another value for a key of params.yaml; may be repeated."


class Seeds(click.ParamType):
    """A count, such as 3 for the seeds 0, 1 and 2, or the seeds themselves, such as 0,2 or 1, for seed 1 alone."""

    name = "seeds"

    def convert(self, value: Any, parameter: click.Parameter | None, context: click.Context | None) -> tuple[int, ...]:
        """Return the seeds."""
        try:
            numbers = tuple(int(part) for part in value.split(",") if part.strip())
        except ValueError:
            numbers = ()
        if not numbers or min(numbers) < 0 or numbers == (0,) and "," not in value:
            self.fail(f"{value!r} is neither a count (3: seeds 0, 1, 2) nor a list (0,2; one seed alone: 1,)")
        return numbers if "," in value else tuple(range(numbers[0]))


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="den-bench", prog_name="den")
def main() -> None:
    """DEN Bench: Dynamically Expandable Networks and their baselines, run, versioned and tracked."""


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
@click.option("--check", is_flag=True, help="Exit with 3 where anything is worse than the accepted results.")
@click.option("--estimate", is_flag=True, help="Run nothing: say how many cells are to run, and how long that is.")
def run(check: bool, estimate: bool, **asked: Any) -> None:
    """Run a suite: prepare its data, run its cells, judge them against the accepted results, report, track.

    Cells that are finished are not run again, and one that was interrupted goes on from its last finished stage.
    Exits with 1 where cells failed, 2 where the settings are wrong and 130 when interrupted.
    """
    if not estimate:
        from den.worker import make_ready

        make_ready()  # loads torch while this process loads the rest
    garbage.leave_at_exit()
    with garbage.loading():
        from flows import running

    request = running.Request(**asked)
    if estimate:
        click.echo(running.estimated(request))
        return
    sys.exit(running.run(request, check))


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

    Trials that are finished are not run again. The studies lie in results/studies/, their spaces in params.yaml.
    Exits with 1 where a trial broke off, 2 where the settings are wrong and 130 when interrupted.
    """
    if write:
        from flows import choosing

        click.echo("\n".join(choosing.write(streams, methods, trials)))
        return
    from den.worker import make_ready

    make_ready()
    garbage.leave_at_exit()
    with garbage.loading():
        from flows.search import run

    sys.exit(run(streams, methods, trials, slots))


@main.command()
@STREAMS
@click.option("--force", is_flag=True, help="Make the files anew, whatever lies there.")
def prepare(streams: tuple[str, ...], force: bool) -> None:
    """Fetch raw data and prepare the streams of all suites, or those named."""
    from den import suites
    from den.ledger import Places
    from flows import datasets

    plan = suites.load()
    datasets.prepare(streams or datasets.of_suites(plan), plan, Places(), force)


@main.command()
@SUITE(help="Only the cells of this suite; by default those of all suites.")
@click.option("--format", "form", type=click.Choice(["table", "json", "csv"]), default="table", show_default=True)
def results(suite: str | None, form: str) -> None:
    """Print the scores in the ledger, one row each: suite, stream, method, seed, after_task, task, score, value."""
    from flows import reporting

    click.echo(reporting.scores(suite, form), nl=False)


@main.command()
@SUITE(default="quick", show_default=True, help="The suite to report on.")
@click.option("--accepted", is_flag=True, help="From the accepted tables alone: it needs neither records nor data.")
def report(suite: str, accepted: bool) -> None:
    """Write tables, figures and one HTML page of a suite's finished cells to reports/out/."""
    from flows import reporting

    click.echo(reporting.redraw(suite) if accepted else reporting.refresh(suite))


@main.command()
@SUITE(default="quick", show_default=True, help="The suite whose methods are compared.")
@METHODS
@click.option(
    "--against", metavar="NAME", default="", help="Against this method; by default DEN, or else the best.",
    shell_complete=completion.methods,
)  # fmt: skip
@click.option("--accepted", is_flag=True, help="From the accepted tables, not from those of the last run or report.")
@click.option(
    "--format", "form", type=click.Choice(["table", "markdown", "csv", "latex"]), default="table", show_default=True
)
def compare(suite: str, methods: tuple[str, ...], against: str, accepted: bool, form: str) -> None:
    """Compare every method of a suite with one: differences by split, their intervals, and how sure they are."""
    from flows import comparing

    comparing.compare(suite, methods, against, accepted, form)


@main.command()
@click.option(
    "--stream", shell_complete=completion.streams, default="mnist_variation", show_default=True, metavar="NAME"
)
@METHODS
@click.option("--metric", default="auroc", show_default=True, metavar="NAME", help="Or accuracy, capacity, seconds …")
def history(stream: str, methods: tuple[str, ...], metric: str) -> None:
    """Show a metric over all runs in the ledger, and draw it to reports/out/history/, accepted runs marked.

    A row a method with its sparkline; for methods that are named, a row a run.
    """
    from flows import remembering

    remembering.remember(stream, methods, metric)


@main.command()
@SUITE(required=True, help="The suite whose cells are accepted.")
@click.option("--partial", is_flag=True, help="Accept the finished cells although others are not.")
def accept(suite: str, partial: bool) -> None:
    """Write the tables of a suite's finished cells to reports/accepted/, to be committed.

    `den report --accepted` draws the published report from them. Refused where a cell of the suite is not finished.
    """
    from flows import reporting

    click.echo(reporting.accept(suite, partial))


@main.command()
@click.argument("result", shell_complete=completion.results)
def why(result: str) -> None:
    """Print where a number comes from: RESULT is a record's file, or the beginning of its identity."""
    from den.ledger import Places
    from flows import tracing

    click.echo(tracing.why(tracing.find(result, Places()), Places()))


@main.command()
@click.argument("result", shell_complete=completion.results)
def rerun(result: str) -> None:
    """Run the cell of a RESULT anew, and say whether it is the same or what differs. The ledger stays as it is.

    RESULT is a record's file, or the beginning of its identity. Exits with 1 where a score or measure differs.
    """
    from den.ledger import Places
    from flows import tracing

    record, places = tracing.find(result, Places()), Places()
    for change in tracing.differences(record, places):
        click.echo(f"not as it was: {change}", err=True)
    again = tracing.rerun(record, places, lambda title: click.echo(title, err=True))
    if not again.same:
        click.echo(f"{again.different} of {again.compared} numbers differ, scores by up to {again.largest:.2g}")
        sys.exit(1)
    click.echo(f"all {again.compared} scores and measures are the same, to the last bit")


@main.command()
def sync() -> None:
    """Tell MLflow all that the ledger has and it does not know; twice in a row changes nothing.

    Exits with 1 where MLflow cannot be told.
    """
    from flows import reporting, tracking

    told = [tracking.track(suite, records) for suite, records in reporting.ledger().items()]
    sys.exit(0 if all(told) else 1)


@main.command()
@click.option("--port", type=click.IntRange(1, 65535), default=5000, show_default=True)
def ui(port: int) -> None:
    """Browse the runs in MLflow, on this machine only: http://127.0.0.1:PORT."""
    from flows import browsing

    browsing.serve(port)


@main.command()
def doctor() -> None:
    """Say what of the set-up is there, what is missing, and what to do about it.

    Exits with 1 where something that is needed is missing; hints are about what one can do without.
    """
    from flows import doctor

    sys.exit(doctor.examine())


@main.command()
@SUITE(help="This suite, and its running and resumable cells.")
def status(suite: str | None) -> None:
    """Show how many cells of every suite are finished, running, resumable or waiting."""
    from flows import status

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
