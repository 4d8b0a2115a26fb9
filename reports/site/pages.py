"""The pages of the site: the board, the history, and one page per suite."""

import hashlib
from base64 import b64encode
from collections.abc import Iterator
from importlib.resources import files as resources
from pathlib import Path

from den import files
from den.config import SettingsError
from reports import accepted_results
from reports.page import report
from reports.site import board, history
from reports.site.board import Row
from reports.tables import Tables

BOARD, HISTORY, SUITES = "index.html", "history.html", "suites"
HOME = "../../index.html"
"The board, from the page of a suite."


def write(folder: Path) -> Iterator[Path]:
    """Write the site of all accepted suites into `folder`; yield each page when it is written, the board last.

    Raises SettingsError if the folder holds something else, or if nothing is accepted.
    """
    _refuse_others(folder)
    names = accepted_results.suites()
    if not names:
        raise SettingsError(f"{accepted_results.ACCEPTED} holds no suite; `den accept --suite NAME` accepts one")
    rows: list[Row] = []
    for suite in names:
        collected = accepted_results.read_tables(suite)
        rows += [row for results in collected.per_stream for row in board.rows_of(suite, results, names)]
        yield write_suite(collected, suite, folder / SUITES / suite)
    yield write_history(names, folder)
    yield write_board(rows, folder)


def write_suite(collected: Tables, suite: str, folder: Path) -> Path:
    """Write the page of a suite, with its tables and figures; return it."""
    return report.write(collected, folder, again=f"den report --accepted --suite {suite}", home=HOME)


def write_history(names: list[str], folder: Path) -> Path:
    """Write the page of the history of these suites; return it."""
    measured = [row for suite in names for row in history.measured(suite)]
    accepted = [row for suite in names for row in history.accepted(suite)]
    accepted.sort(key=lambda row: row.day, reverse=True)
    page = folder / HISTORY
    files.write(page, _rendered("history.html", measured=measured, accepted=accepted))
    return page


def write_board(rows: list[Row], folder: Path) -> Path:
    """Write the board; return it. Its script is the only one that the page lets run."""
    script = (resources("reports") / "templates" / "board.js").read_text(encoding="utf-8")
    digest = b64encode(hashlib.sha256(script.encode()).digest()).decode()
    page = folder / BOARD
    files.write(page, _rendered("board.html", rows=rows, script=script, digest=digest))
    return page


def _rendered(template: str, **values: object) -> str:
    return report.environment().get_template(template).render(suites=SUITES, **values)


def _refuse_others(folder: Path) -> None:
    if folder.exists() and not folder.is_dir():
        raise SettingsError(f"{folder} is a file; name a folder for the site")
    if folder.is_dir() and any(folder.iterdir()) and not (folder / SUITES).is_dir():
        raise SettingsError(f"{folder} holds other files; name a new or empty folder for the site")
