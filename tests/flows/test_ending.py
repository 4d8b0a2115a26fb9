"""A run whose server dies, or that is told to end, ends within ten seconds, keeps what is finished, leaves nothing."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest
from projects import OWN, den
from sites import measurements, places_of, until

from den.ledger import Ledger

LONG = ("training.epochs=200",)
COMMAND = ("run", "--suite", "smoke", "--method", "den", "--set", *LONG)
SECONDS = 10  # the number
INTERRUPTED = "interrupted: finished stages stay, and the same command continues from the last of them"


@pytest.fixture
def clean(project: Path) -> Iterator[Path]:
    """Return the project; end what a test has left."""
    yield project
    for process in left(project):
        process.kill()


def begin(project: Path, *words: str) -> subprocess.Popen[bytes]:
    """Start `den` as the leader of a process group, as a service manager does; what it prints is in `printed`."""
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
    with (project / "printed").open("wb") as file:
        command = [sys.executable, "-m", "flows.cli", *words]
        return subprocess.Popen(command, cwd=project, env=inherited, stdout=file, stderr=file, start_new_session=True)


def printed(project: Path) -> str:
    return (project / "printed").read_text()


def reached(project: Path, running: subprocess.Popen[bytes], moment: str) -> None:
    """Wait until a run has printed a text, or until its server is starting."""

    def there() -> bool:
        assert running.poll() is None, printed(project)
        return bool(servers(project)) if moment == "server" else moment in printed(project)

    until(there, 300)


def left(project: Path) -> list[psutil.Process]:
    """Return the processes that work in the project."""

    def works_here(process: psutil.Process) -> bool:
        with suppress(psutil.Error):
            return process.cwd() == str(project) and process.status() != psutil.STATUS_ZOMBIE
        return False

    return [process for process in psutil.process_iter() if works_here(process)]


def servers(project: Path) -> list[psutil.Process]:
    return [process for process in left(project) if "uvicorn" in process.cmdline()]


def ended(running: subprocess.Popen[bytes], project: Path) -> int:
    """Return the exit code of a run that ends in time and leaves no process, and so no port."""
    start = time.monotonic()
    code = running.wait(60)
    assert time.monotonic() - start < SECONDS, printed(project)
    until(lambda: not left(project), SECONDS)
    assert "Traceback" not in printed(project)
    return code


@pytest.mark.long
@pytest.mark.parametrize("moment", ["server", "task 1"])
def test_a_run_whose_server_is_killed_ends_in_one_line_and_goes_on(clean: Path, moment: str) -> None:
    running = begin(clean, *COMMAND, *(["--new"] if moment == "server" else []))
    reached(clean, running, moment)
    for server in servers(clean):
        server.kill()
    assert ended(running, clean) == (2 if moment == "server" else 1)
    last = printed(clean).splitlines()[-1]
    assert "Prefect's temporary server ended" in last
    assert "by signal 9" in last


def database_of(project: Path) -> Path:
    return project / ".prefect/prefect.db"


@pytest.mark.long
def test_a_run_whose_servers_database_is_damaged_ends_in_one_line_that_says_what_to_do(clean: Path) -> None:
    running = begin(clean, *COMMAND)
    reached(clean, running, "task 1")
    path = database_of(clean)
    for file in (path, path.with_name("prefect.db-wal")):  # the second has what was written last
        file.write_bytes(os.urandom(file.stat().st_size))
    assert ended(running, clean) == 1
    for shown in (printed(clean), den(clean, *COMMAND).stderr, den(clean, "prune", "--keep", "90d").stderr):
        assert f"{path.relative_to(clean)} is damaged" in shown.splitlines()[-1]
        assert "move it away, and the next run makes a new one" in shown.splitlines()[-1]
        assert "Traceback" not in shown
    for file in path.parent.glob("prefect.db*"):
        file.unlink()
    assert den(clean, "run", "--suite", "smoke", "--method", "finetune").returncode == 0


@pytest.mark.long
@pytest.mark.parametrize(
    ("number", "whom", "moment"),
    [
        (signal.SIGTERM, "process", "server"),
        (signal.SIGTERM, "process", "task 1"),
        (signal.SIGTERM, "group", "task 1"),
        (signal.SIGHUP, "process", "task 1"),
        (signal.SIGHUP, "group", "server"),
        (signal.SIGINT, "group", "task 1"),
    ],
)
def test_a_signal_ends_a_run_and_leaves_nothing(clean: Path, number: int, whom: str, moment: str) -> None:
    running = begin(clean, *COMMAND, "--new")
    reached(clean, running, moment)
    if whom == "process":
        running.send_signal(number)
    else:
        os.killpg(running.pid, number)
    assert ended(running, clean) == 128 + number
    assert printed(clean).splitlines()[-1] == INTERRUPTED
    if whom == "process":  # a signal to the group kills a worker before the run hears of it
        assert ": failed: " not in printed(clean)


@pytest.mark.long
def test_what_was_ended_goes_on_to_the_same_bits(clean: Path) -> None:
    for number in (signal.SIGTERM, signal.SIGHUP):
        running = begin(clean, *COMMAND, *(["--new"] if number == signal.SIGTERM else []))
        reached(clean, running, "task 2" if number == signal.SIGTERM else "task 3")
        os.killpg(running.pid, number)
        ended(running, clean)
    on = den(clean, *COMMAND)
    assert on.returncode == 0, on.stderr
    assert "task 1 of 3" not in on.stderr
    straight = den(clean, *COMMAND, "--again")
    assert straight.returncode == 0, straight.stderr
    digests = [measurement.digest for measurement in measurements(clean, method="den")]
    assert len(digests) == 2
    assert len(set(digests)) == 1
    assert Ledger.of(places_of(clean)).runs()[-1].whole
