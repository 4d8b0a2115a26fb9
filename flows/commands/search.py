"""`den search`: the flow in the terminal, and the table of what each study has found."""

import sys
from collections.abc import Sequence

from rich.console import Console

from den import searches, suites
from den.worker import CellFailed
from flows.commands.terminal_tables import grid
from flows.data.own import naming
from flows.pipeline.search import search
from flows.places import here
from flows.runtime import signals
from flows.runtime.progress import Watcher
from flows.runtime.terminal_run import terminal_run
from flows.tuning.studies import StudyResult
from reports import labels

COLUMNS = ("method", "trials", "AUROC", "capacity", "study", "numbers")


def run(
    file: str | None,
    classes: str | None,
    streams: Sequence[str],
    methods: Sequence[str],
    trials: int | None,
    slots: int | None,
) -> int:
    """Run the search in the terminal; return the exit code. Raises SettingsError before anything runs.

    file, classes: of own data, in place of `streams`.
    """
    streams, overrides = naming.of_options(file, classes, streams)
    if not streams:
        raise suites.SettingsError("name the stream to search on: --stream NAME, or --data FILE")
    plan = suites.load(overrides=overrides)
    for stream in streams:
        searches.subjects(plan, stream, methods, trials)
    here()  # refuses a folder that cannot be written, before the server starts
    try:
        with terminal_run(Watcher()):
            ends = [end for stream in streams for end in search(stream, methods, trials, slots, overrides)]
    except KeyboardInterrupt as interrupt:
        signals.report(signals.INTERRUPTED)
        return signals.code_of(interrupt)
    except CellFailed as failure:
        print(f"a trial broke off: {failure}; the same command runs it again", file=sys.stderr)
        return 1
    show(ends)
    return 0


def show(ends: Sequence[StudyResult]) -> None:
    """Print the result of each study, one table per stream."""
    for stream in dict.fromkeys(end.subject.stream for end in ends):
        title = f"{labels.stream(stream)}, validation data of seed {searches.SEED}"
        rows = [_row(end) for end in ends if end.subject.stream == stream]
        Console().print(grid(COLUMNS, rows, title=title, text=COLUMNS[5:]))


def _row(end: StudyResult) -> tuple[str, ...]:
    method, trials = labels.method(end.subject.method), str(end.trials)
    if end.trial is None:
        return method, trials, "", "", end.identity, "no finished trial within the capacity limit"
    best = end.trial.user_attrs
    numbers = ", ".join(f"{key} {value:g}" for key, value in best["numbers"].items())
    return method, trials, labels.score(best["auroc"]), labels.number(best["capacity"], 2), end.identity, numbers
