"""The command line: quick to start, and clear about what it refuses."""

import csv
import io
import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from projects import HEAVY, ROOT
from tiny_runs import run_of

from den import suites
from den.cells import Cell
from den.execution import execute
from den.ledger import Ledger, Places
from flows.cli import main
from flows.commands.options import Seeds
from reports import tables


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from flows.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Usage" in found.stdout
    assert not HEAVY & set(found.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", sorted(main.commands))
def test_every_command_has_help(command: str) -> None:
    answer = CliRunner().invoke(main, [command, "--help"])
    assert answer.exit_code == 0
    assert len(answer.output.splitlines()) > 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "nonesuch"], "nonesuch"),
        (["--suite", "smoke", "--set", "training.epoch=3"], "training.epoch"),
        (["--suite", "smoke", "--set", "training.learning_rate=1:30"], "training.learning_rate"),
        (["--suite", "smoke", "--set", "training.epochs"], "key.path=value"),
        (["--suite", "smoke", "--method", "nonesuch"], "nonesuch"),
        (["--suite", "smoke", "--stream", "nonesuch"], "nonesuch"),
        (["--suite", "smoke", "--seeds", "one"], "count"),
        (["--suite", "smoke", "--set", "training.epochs=["], "not YAML"),
        (["--suite", "smoke", "--slots", "0"], "--slots"),
        (["--nonesuch"], "--nonesuch"),
    ],
)
def test_bad_input_is_one_clear_line(words: list[str], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    answer = CliRunner().invoke(main, ["run", *words])
    assert answer.exit_code == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith("den: ")
    assert said in line


@pytest.mark.parametrize(("text", "seeds"), [("3", (0, 1, 2)), ("0,2", (0, 2)), ("1,", (1,))])
def test_seeds_are_a_count_or_a_list(text: str, seeds: tuple[int, ...]) -> None:
    assert Seeds().convert(text, None, None) == seeds


@pytest.mark.parametrize("command", ["run", "results", "report", "prepare", "status"])
def test_commands_outside_a_project_say_so(command: str, here: Path) -> None:
    answer = CliRunner().invoke(main, [command])
    assert answer.exit_code == 2
    assert answer.stderr.startswith("den: params.yaml")
    assert len(answer.stderr.splitlines()) == 1


def test_params_file_is_refused_with_the_key(here: Path) -> None:
    (here / "params.yaml").write_text((ROOT / "params.yaml").read_text() + "\nnonesuch: 1\n")
    answer = CliRunner().invoke(main, ["run", "--suite", "smoke"])
    assert answer.exit_code == 2
    assert "nonesuch" in answer.stderr
    assert [path.name for path in here.iterdir()] == ["params.yaml"]


def test_results_need_no_data(here: Path) -> None:
    (here / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    answer = CliRunner().invoke(main, ["results", "--suite", "smoke", "--format", "csv"], catch_exceptions=False)
    assert (answer.exit_code, len(answer.output.splitlines())) == (0, 1)


# Accepted tables


def test_a_run_without_all_cells_is_accepted_only_in_part(suite: tuple[Cell, ...]) -> None:
    run = run_of(suite[:1])
    for words in ([], ["--run", run]):
        answer = CliRunner().invoke(main, ["accept", "--suite", "tiny", *words])
        assert answer.exit_code == 2
        assert len(answer.stderr.splitlines()) == 1
        assert not Path("reports").exists()
    assert CliRunner().invoke(main, ["accept", "--suite", "tiny", "--partial"]).exit_code == 0
    assert set(tables.read_one(Path("reports/accepted/tiny"), "cells")["method"]) == {"finetune"}


def test_the_accepted_report_needs_neither_measurements_nor_data(suite: tuple[Cell, ...]) -> None:
    run_of(suite)
    answer = CliRunner().invoke(main, ["accept", "--suite", "tiny"], catch_exceptions=False)
    assert answer.output.splitlines()[-1] == "reports/accepted/tiny"
    for gone in (".den", "data", "params.yaml"):
        Path(gone).rename(f"{gone}.gone")
    answer = CliRunner().invoke(main, ["report", "--accepted", "--suite", "tiny"], catch_exceptions=False)
    assert (answer.exit_code, answer.output.strip()) == (0, "reports/out/tiny")
    assert set(json.loads(Path("reports/out/tiny/metrics.json").read_text())["blobs"]) == {"finetune", "l2_strong"}


def test_a_method_of_ones_own_stands_beside_accepted_results(suite: tuple[Cell, ...]) -> None:
    run_of(suite)
    CliRunner().invoke(main, ["accept", "--suite", "tiny"], catch_exceptions=False)
    Path(".den").rename("gone")
    run_of(suites.load().cells("tiny", methods=["ewc"]))
    answer = CliRunner().invoke(main, ["compare", "--suite", "tiny"], catch_exceptions=False)
    assert answer.exit_code == 0
    assert "Measured here: EWC. Accepted (commits " in " ".join(answer.output.split())
    assert all(label in answer.output for label in ("EWC", "Fine-tuning", "L2 strong"))
    answer = CliRunner().invoke(main, ["compare", "--suite", "tiny", "--format", "csv"], catch_exceptions=False)
    rows = list(csv.DictReader(io.StringIO(answer.output)))
    sources = {row["method"]: row["how"] for row in rows}
    assert sources == {"ewc": "measured", "finetune": "accepted", "l2_strong": "accepted"}


def test_the_ledger_is_exported_imported_and_checked(suite: tuple[Cell, ...]) -> None:
    run = run_of(suite)
    command = CliRunner().invoke
    assert command(main, ["ledger", "export", "all.xz"]).output.startswith("4 measurements and run files")
    command(main, ["ledger", "export", "one.xz", "--run", run], catch_exceptions=False)
    Path(".den").rename("gone")
    assert command(main, ["ledger", "import", "one.xz"]).output == "4 added, 0 were there\n"
    assert command(main, ["ledger", "import", "all.xz"]).output == "0 added, 4 were there\n"
    assert command(main, ["ledger", "check"]).output == "2 measurements, 1 runs, 0 damaged files\n"
    command(main, ["accept", "--suite", "tiny"], catch_exceptions=False)
    Path(".den").rename("gone too")
    assert command(main, ["ledger", "import", "reports/accepted/tiny"]).output == "2 added, 0 were there\n"
    (path, *_) = sorted(Path(".den/ledger").rglob("*.measurement.json.gz"))
    path.write_bytes(path.read_bytes()[:-9])
    answer = command(main, ["ledger", "check"])
    assert answer.exit_code == 1
    assert str(path) in answer.stderr


def test_reading_results_needs_no_data(suite: tuple[Cell, ...], caplog: pytest.LogCaptureFixture) -> None:
    run_of(suite)
    words = ["results", "--suite", "tiny", "--format", "csv"]
    prepared = CliRunner().invoke(main, words, catch_exceptions=False).output
    assert len(prepared.splitlines()) > 10
    assert not caplog.records
    Path("data").rename("gone")
    assert CliRunner().invoke(main, words, catch_exceptions=False).output == prepared
    assert "blobs is not prepared here" in caplog.text
    estimate = CliRunner().invoke(main, ["run", "--suite", "tiny", "--estimate"], catch_exceptions=False).output
    assert estimate.startswith("2 of 2 cells to run: about ")


def test_tables_that_were_never_accepted_are_asked_for(here: Path) -> None:
    answer = CliRunner().invoke(main, ["report", "--accepted", "--suite", "tiny"])
    assert answer.exit_code == 2
    assert "`den accept` accepts" in answer.stderr


def test_an_estimate_runs_nothing(suite: tuple[Cell, ...]) -> None:
    execute(suite[0], Places())
    answer = CliRunner().invoke(main, ["run", "--suite", "tiny", "--again", "--estimate"])
    assert answer.output.startswith("2 of 2 cells to run")
    answer = CliRunner().invoke(main, ["run", "--suite", "tiny", "--estimate"], catch_exceptions=False)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.output.startswith("1 of 2 cells to run: at least ")
    assert len(Ledger.of(Places()).entries()) == 1
