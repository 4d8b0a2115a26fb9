"""What a person can get wrong: every command says in one line what to do, and exits with 2."""

import shutil
import socket
from pathlib import Path

import pytest
from click.testing import CliRunner
from projects import ROOT

from flows.cli import main


@pytest.fixture
def project(here: Path, blobs_folder: Path) -> Path:
    """Return a project with blobs prepared and nothing run."""
    shutil.copy(ROOT / "params.yaml", here)
    shutil.copytree(blobs_folder, here / "data/streams")
    return here


@pytest.mark.parametrize(
    "words",
    ["run", "search --stream blobs", "prepare", "status", "results", "report", "compare", "history", "accept --suite x",
     "why 12", "why", "rerun 12", "prune --keep 1d", "sync", "ui", "ledger check", "ledger export all.xz"],
)  # fmt: skip
def test_outside_of_a_project_every_command_says_so_and_leaves_nothing(words: str, here: Path) -> None:
    assert "params.yaml is missing: no project is here" in refusal(words)
    assert not list(here.iterdir())


def refusal(words: str) -> str:
    """Return the one line that a command ends in."""
    answer = CliRunner().invoke(main, words.split(), catch_exceptions=False, prog_name="den")
    assert answer.exit_code == 2, answer.output
    (line,) = answer.stderr.splitlines()
    assert line.startswith("den: ")
    return line


@pytest.mark.parametrize(
    ("words", "advice"),
    [
        ("run --suite nonesuch", "there are quick"),
        ("run --suite smoke --on nonesuch", "there are here, pool"),
        ("run --suite smoke --seeds 99 --estimate", "raise data.seeds"),
        ("status --suite nonesuch", "there are quick"),
        ("results --suite nonesuch", "there are quick"),
        ("results --format nonesuch", "'table', 'json', 'csv'"),
        ("report --suite nonesuch", "there are quick"),
        ("report --suite smoke", "`den run --suite smoke`"),
        ("report --suite smoke --accepted", "`den accept` accepts"),
        ("accept --suite smoke", "`den run --suite smoke --seeds 0,1,2,3,4`"),
        ("accept --suite smoke --partial", "`den run --suite smoke --seeds 0,1,2,3,4`"),
        ("accept", "`den accept --help`"),
        ("prepare --stream nonesuch", "there are mnist_variation"),
        ("run --method den_constnat_13", "did you mean den_constant_13"),
        ("run --method nonesuch", "`den list` lists all "),
        ("run --stream mnist_variatoin --method den", "did you mean mnist_variation"),
        ("run --suite smok", "did you mean smoke?"),
        ("run --set training.epoch=3", "did you mean epochs?"),
        ("run --set trainin.epochs=3", "did you mean training?"),
        ("report --accepted --suite nope", "has no accepted results"),
        ("compare --accepted --suite nope", "has no accepted results"),
        ("search", "--stream NAME"),
        ("search --classes 2", "give --data FILE with it"),
        ("search --data mine.csv --stream blobs", "leave out --stream"),
        ("search --data mine.csv --write", "add mine: {file: mine.csv} to data.streams"),
        ("run --data mine.csv --suite smoke", "leave out --suite"),
        ("search --stream blobs", "set trials and spaces there"),
        ("search --stream mnist_variation --method nonesuch", "there are finetune"),
        ("why nonesuch", "no measurement has this id"),
        ("why **", "no measurement has this id"),
        ("why /", "no measurement has this id"),
        ("rerun nonesuch", "no measurement has this id"),
        ("report --suite smoke --run nonesuch", "has no run nonesuch"),
        ("accept --suite smoke --run nonesuch", "nonesuch"),
        ("history --suite nonesuch", "nonesuch"),
        ("history --stream ../somewhere", "../somewhere"),
        ("ledger import params.yaml", "`den ledger export FILE`"),
        ("ledger export all.xz --run nonesuch", "has no run nonesuch"),
        ("prune --keep soon", "90d"),
        ("compare --suite nonesuch", "there are quick"),
        ("run --suite smoke --method den --method den", "name each once"),
        ("ui --port 0", "`den ui --help`"),
        ("completion tcsh", "'bash', 'zsh', 'fish'"),
        ("nonesuch", "`den --help`"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_says_what_to_do(words: str, advice: str, project: Path) -> None:
    assert advice in refusal(words)


@pytest.mark.parametrize(
    "words", ["run", "results", "report", "prepare", "status", "accept --suite smoke", "search --write"]
)
@pytest.mark.parametrize(
    ("text", "advice"),
    [
        (b"suites: [", "not YAML: "),
        (b"\xff\xfe\xad", "not YAML"),
        (b"[]", "expected a mapping"),
        (None, "run the command in the project's folder"),
    ],
)
def test_a_params_file_that_is_none_is_refused_by_every_command(
    text: bytes | None, advice: str, words: str, here: Path
) -> None:
    if text is not None:
        Path("params.yaml").write_bytes(text)
    assert advice in refusal(words)


def test_each_of_several_wrong_keys_has_a_line_of_its_own(project: Path) -> None:
    text = Path("params.yaml").read_text()
    Path("params.yaml").write_text(text.replace("optimizer: adam, ", "optimiser: adam, shedule: linear, "))
    lines = CliRunner().invoke(main, ["run"]).stderr.splitlines()
    assert [line.split(":")[1].strip() for line in lines] == ["training.optimiser", "training.shedule"]
    assert all(line.startswith("den: ") and "allowed here: batch_size" in line for line in lines)


def test_a_folder_in_the_place_of_a_file_is_named(here: Path) -> None:
    Path("params.yaml").mkdir()
    assert "params.yaml: Is a directory; a folder is in the place of a file" in refusal("status")


def test_accepted_results_that_are_not_whole_are_named(here: Path) -> None:
    Path("reports/accepted/tiny").mkdir(parents=True)
    assert "write it with `den accept`" in refusal("report --accepted --suite tiny")


def test_a_port_in_use_is_refused_before_mlflow_begins(here: Path) -> None:
    shutil.copy(ROOT / "params.yaml", here)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        assert "choose another with --port" in refusal(f"ui --port {taken.getsockname()[1]}")
    assert [path.name for path in here.iterdir()] == ["params.yaml"]


def test_a_fault_of_ours_keeps_its_traceback(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fault(**asked: object) -> None:
        raise ValueError("ours")

    monkeypatch.setattr(main.commands["status"], "callback", fault)
    with pytest.raises(ValueError, match="ours"):
        CliRunner().invoke(main, ["status"], catch_exceptions=False)


@pytest.mark.parametrize("command", ["run", "results", "report", "compare", "status", "accept", "history"])
def test_a_suite_that_is_not_there_is_not_to_be_run(command: str, project: Path) -> None:
    assert "den run" not in refusal(f"{command} --suite nope")
