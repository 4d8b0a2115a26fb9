"""The command line: quick to start, and clear about what it refuses."""

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from conftest import ROOT

from flows.cli import Seeds, main

HEAVY = {"torch", "prefect", "mlflow", "pandas", "matplotlib", "dvc", "numpy", "pydantic"}


def test_help_imports_nothing_heavy() -> None:
    code = "import sys; from flows.cli import main; main(['--help'], standalone_mode=False); print(*sys.modules)"
    found = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "Usage" in found.stdout
    assert not HEAVY & set(found.stdout.splitlines()[-1].split())


@pytest.mark.parametrize("command", ["run", "prepare", "results", "report", "ui"])
def test_every_command_has_help(command: str) -> None:
    answer = CliRunner().invoke(main, [command, "--help"])
    assert answer.exit_code == 0
    assert len(answer.output.splitlines()) > 4


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--suite", "nonesuch"], "nonesuch"),
        (["--suite", "smoke", "--set", "training.epoch=3"], "training.epoch"),
        (["--suite", "smoke", "--set", "training.learning_rate=1e-5"], "1.0e-5"),
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


@pytest.mark.parametrize("command", ["run", "results", "report", "prepare"])
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


def test_results_of_a_stream_not_prepared_say_how_to_prepare_it(here: Path) -> None:
    (here / "params.yaml").write_text((ROOT / "params.yaml").read_text())
    answer = CliRunner().invoke(main, ["results", "--suite", "smoke"])
    assert answer.exit_code == 2
    assert "den prepare" in answer.stderr
