"""`den compare`: every method against one of them, printed as one likes it."""

from collections.abc import Sequence

import pandas as pd

from den.config import SettingsError
from flows import terminal
from reports import names, printed, shelf
from reports.contest import Contest, contest
from reports.tables import Tables

MATHS = str.maketrans({"±": r"$\pm$", "−": "$-$", "Δ": r"$\Delta$", "’": "'"})


def compare(suite: str, methods: Sequence[str], rival: str, accepted: bool, form: str) -> None:
    """Print how a suite's methods did against a rival, stream by stream. Raises SettingsError."""
    tables = shelf.accepted(suite) if accepted else shelf.latest(suite)
    contests = [_contest(tables.of(stream=stream), methods, rival) for stream in tables.streams]
    if form == "csv":
        rows = [one.numbers.assign(stream=one.stream, rival=one.rival) for one in contests]
        print(pd.concat(rows).to_csv(index=False, lineterminator="\n"), end="")
        return
    for one in contests:
        _show(one, form)


def _contest(tables: Tables, methods: Sequence[str], rival: str) -> Contest:
    """Return the contest of the methods asked for. Raises SettingsError for one that is not there."""
    known = names.ordered(tables.cells["method"])
    if unknown := [method for method in [*methods, rival] if method and method not in known]:
        there = f"there are {', '.join(known)}"
        raise SettingsError(f"{', '.join(unknown)}: no finished cell on {tables.streams[0]}; {there}")
    asked = [method for method in known if not methods or method in (*methods, rival or "den")]
    return contest(tables.among(asked), rival)


def _show(one: Contest, form: str) -> None:
    title = f"{names.stream(one.stream)}: {one.title}"
    if form == "table":
        terminal.show_table(title, *one.tables, note=one.note)
        return
    if form == "markdown":
        print(f"### {title}\n\n{one.note}")
    for table in one.tables:
        print(_latex(table, one.note) if form == "latex" else f"\n{printed.markdown(table)}")


def _latex(table: pd.DataFrame, note: str) -> str:
    labelled = table.assign(method=table["method"].map(names.method))
    about = {"caption": note.replace("%", r"\%"), "column_format": "l" + "r" * (len(table.columns) - 1)}
    return labelled.to_latex(index=False, escape=True, **about).translate(MATHS)
