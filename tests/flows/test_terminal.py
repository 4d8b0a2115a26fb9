"""What a terminal shows: tables that fit it, whole names, and characters that it has."""

import io
import os
import re
import subprocess
import sys

import pytest
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as some
from projects import ROOT
from rich.console import Console
from synthetic import result, results
from tiny_runs import run_of

from den import suites
from den.cells import Cell
from den.methods import METHODS
from den.searches import Subject
from den.streams import STREAMS
from flows.cli import GROUPS, main
from flows.commands import characters, console, doctor, search
from flows.commands.checks import Finding
from flows.commands.terminal_tables import grid
from flows.tuning.studies import StudyResult
from reports import tables

NAMES = some.text("abcdefg_-. ", min_size=1, max_size=25).map(lambda name: f"n{name.strip()}")


def printed(width: int, *shown: object) -> str:
    """Return what a console of a width prints."""
    file = io.StringIO()
    Console(file=file, width=width).print(*shown)
    return file.getvalue()


def fits(text: str, width: int = 80) -> None:
    assert "…" not in text
    assert not [line for line in text.splitlines() if len(line) > width]


@settings(max_examples=20, deadline=None)
@given(some.data(), some.integers(1, 9), some.integers(0, 4), some.sampled_from([60, 80, 120]))
def test_a_table_fits_and_has_every_word_of_every_cell(
    data: some.DataObject, count: int, rows: int, width: int
) -> None:
    cells = data.draw(some.lists(some.lists(NAMES, min_size=count, max_size=count), min_size=rows, max_size=rows))
    columns = [f"column {number}" for number in range(count)]
    text = printed(width, grid(columns, cells, numbers=columns[1::2], text=columns[2::2]))
    fits(text, width)
    for word in [word for row in cells for cell in row for word in cell.split()]:
        assert word in text


def test_a_wide_table_goes_on_below_with_the_names_of_its_rows() -> None:
    columns = ["method", *(f"number {place}" for place in range(9))]
    text = printed(80, grid(columns, [["DEN-Constant", *["0.123 ± 0.456"] * 9]], numbers=columns[1:]))
    assert text.count("DEN-Constant") == 3
    assert text.count("0.123 ± 0.456") == 9


@pytest.mark.slow
def test_every_command_that_prints_a_table_fits_eighty_columns(
    suite: tuple[Cell, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    run_of(suite)
    assert CliRunner().invoke(main, ["accept", "--suite", "tiny"], catch_exceptions=False).exit_code == 0
    monkeypatch.setenv("COLUMNS", "80")
    for words in (
        "results", "compare --suite tiny", "compare --suite tiny --accepted", "history", "history --method finetune",
        "status", "status --suite tiny", "list",
    ):  # fmt: skip
        answer = CliRunner().invoke(main, words.split(), catch_exceptions=False)
        assert answer.exit_code == 0, words
        assert len(answer.stdout.splitlines()) > 4, words
        fits(answer.stdout)


def test_what_ends_a_run_and_a_search_fits_eighty_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.chdir(ROOT)
    console.show(tables.collect([result("blobs", name, 1) for name in ("den", "den_constant")], "tiny"))
    console.show_table("title", tables.collect(results("blobs", 2), "tiny").summary.map(str), note="word " * 99)
    subject = Subject(suites.load(), None, "blobs", "den")
    search.show([StudyResult(subject, "0123456789abcdef", 30, 0, None)])
    doctor.print_checks({"data versions": lambda: Finding(", ".join(STREAMS), advice=", ".join(METHODS))})
    out = capsys.readouterr().out
    assert len(out.splitlines()) > 20
    fits(out)


def test_the_help_has_every_command_once_in_a_group_with_its_whole_summary() -> None:
    assert sorted(name for names in GROUPS.values() for name in names) == sorted(main.commands)
    text = CliRunner().invoke(main, ["--help"], terminal_width=80).output
    assert "..." not in text.replace("[ARGS]...", "")
    fits(text)
    for name, command in main.commands.items():
        summary = " ".join((command.help or "").split("\n\n")[0].split())
        assert re.search(rf"^  {name} ", text, re.MULTILINE)
        assert summary in " ".join(text.split())


# Terminals without Unicode


@pytest.mark.slow
@pytest.mark.parametrize(
    "words", ["list", "compare --accepted --suite mnist-variation", "results --accepted", "why 050374", "--help"]
)
def test_a_terminal_without_unicode_gets_similar_characters(words: str) -> None:
    environment = os.environ | {"PYTHONIOENCODING": "ascii", "LC_ALL": "C", "TERM": "dumb", "PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-m", "flows.cli", *words.split()]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.isascii()
    assert b"Error" not in done.stderr


def test_characters_of_tables_and_messages_have_similar_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    characters.make_printable()
    print("−.021 ± .003 · DEN’s → ▄", flush=True)
    assert written.getvalue() == b"-.021 +- .003 - DEN's -> ?\n"


def test_help_is_plain() -> None:
    for name in main.commands:
        assert CliRunner().invoke(main, [name, "--help"]).output.isascii(), name
