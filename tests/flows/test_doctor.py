"""`den doctor`: what is missing is named with what to do, what one can do without is a hint, nothing breaks it."""

import shutil
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner
from projects import IDENTITY, ROOT

from flows.cli import main
from flows.commands import checks, doctor
from flows.commands.checks import Finding, State, hint, missing
from flows.data import raw

NOWHERE = "http://127.0.0.1:9"  # the discard port, at which nothing listens


class Health(BaseHTTPRequestHandler):
    """A server that is healthy, keeps its health from strangers, or is another one, as its path says."""

    def do_GET(self) -> None:  # noqa: N802  the name that it is called by
        self.send_response({"/health": 200, "/locked/health": 401}.get(self.path, 404))
        self.end_headers()

    def log_message(self, format: str, *about: object) -> None:
        """Say nothing."""


@pytest.fixture
def server() -> Iterator[str]:
    """Return the address of a server that answers."""
    with HTTPServer(("127.0.0.1", 0), Health) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("findings", "code"),
    [([Finding("here")], 0), ([Finding("here"), hint("none", advice="try")], 0), ([missing("none", advice="try")], 1)],
)
def test_only_what_is_missing_fails(findings: list[Finding], code: int) -> None:
    assert doctor.print_checks({str(number): lambda one=one: one for number, one in enumerate(findings)}) == code


def test_whatever_is_not_fine_has_a_line_of_what_to_do(capsys: pytest.CaptureFixture[str]) -> None:
    doctor.print_checks({"one": lambda: Finding("here"), "two": lambda: hint("none", advice="do " * 99)})
    _, _, advice = capsys.readouterr().out.partition("hint  two: ")
    assert advice.split() == ["do"] * 99


def test_a_check_that_breaks_has_found_something_missing() -> None:
    def broken() -> Finding:
        raise ModuleNotFoundError("No module named 'torch'")

    found = doctor.run_check(broken)
    assert found.state == State.MISSING
    assert "torch" in found.advice


def test_outside_a_project_every_check_answers_and_says_what_to_do(here: Path) -> None:
    found = {name: doctor.run_check(check) for name, check in checks.CHECKS.items()}
    assert {"lock file", "git", "params.yaml"} <= {name for name, one in found.items() if one.state == State.MISSING}
    assert not [name for name, one in found.items() if one.state != State.FINE and not one.advice]
    assert not [name for name, one in found.items() if "cannot be checked" in one.summary]


def test_a_clone_with_nothing_prepared_has_all_it_needs(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("PREFECT_API_URL", "MLFLOW_TRACKING_URI"):
        monkeypatch.delenv(variable, raising=False)
    for name in ("params.yaml", "requirements.txt", "dvc.yaml"):
        shutil.copy(ROOT / name, here)
    for words in (["init", "--quiet"], ["add", "--all"], [*IDENTITY, "commit", "--quiet", "--message", "project"]):
        subprocess.run(["git", *words], check=True)
    answer = CliRunner().invoke(main, ["doctor"], catch_exceptions=False)
    assert answer.exit_code == 0, answer.output
    assert "hint  streams: `den prepare` prepares them" in answer.output


def test_packages_that_differ_from_the_lock_are_counted_and_named(here: Path) -> None:
    Path("requirements.txt").write_text("click==0.1\nnonesuch==1\nabsent==1 ; python_full_version < '3'\n")
    found = checks.lock()
    assert found.state == State.HINT
    assert found.summary.startswith("2 of 2 differ: click ")
    assert "nonesuch none, not ==1" in found.summary


def test_a_wrong_key_is_what_is_wrong_with_the_params_file(here: Path) -> None:
    Path("params.yaml").write_text((ROOT / "params.yaml").read_text() + "\nnonesuch: 1\n")
    assert "params.yaml.nonesuch: unknown key" in checks.params().advice


def test_a_damaged_stream_is_missing_and_one_not_prepared_is_a_hint(here: Path, blobs_folder: Path) -> None:
    shutil.copytree(blobs_folder, here / "data/streams")
    assert checks.streams().state == State.HINT
    next(Path("data/streams/blobs").glob("*.npy")).write_bytes(b"")
    assert checks.streams().state == State.MISSING
    assert "den prepare --force" in checks.streams().advice


def test_little_room_is_a_hint_and_none_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    usage = shutil.disk_usage(".")
    for free, state in ((0.5e9, State.MISSING), (3e9, State.HINT), (9e9, State.FINE)):
        monkeypatch.setattr(shutil, "disk_usage", lambda path, free=free: usage._replace(free=int(free)))
        assert checks.disk().state == state


def test_a_mirror_without_the_data_is_a_hint(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(raw.MIRROR, str(here))
    assert checks.mirror().state == State.HINT
    (here / raw.FOLDER).mkdir(parents=True)
    assert checks.mirror().state == State.FINE


def test_a_server_answers_or_is_missing(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    states = {
        f"http://{server}": State.FINE,
        f"http://{server}/": State.FINE,
        f"http://{server}/locked": State.FINE,
        f"http://{server}/another": State.MISSING,
        NOWHERE: State.MISSING,
        "http://": State.MISSING,
    }
    for address, state in states.items():
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        assert checks.mlflow().state == state, address


def test_passwords_are_not_shown(server: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for address in (server, server + "/another", "127.0.0.1:9"):
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://somebody:secret@{address}")
        found = checks.mlflow()
        assert "secret" not in found.summary + found.advice
        assert "127.0.0.1" in found.summary
