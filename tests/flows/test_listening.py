"""What the documents have people start listens on this machine alone; over networks Dask speaks TLS."""

import os
import re
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import ip_address
from pathlib import Path

import psutil
import pytest
from documents import PAGES, code
from projects import OWN, ROOT
from sites import strike, until

pytestmark = pytest.mark.long

PROGRAMS = (
    "prefect server start",
    "prefect worker start",
    "dask scheduler",
    "dask worker",
    "den ui",
    "mlflow",
    "http.server",
)
SERVES = re.compile(rf"\b({'|'.join(map(re.escape, PROGRAMS))})\b")
PORTS = ("4200", "8786", "5000")  # of the documents; a test takes free ones
MARK = "DEN_TEST_LISTENING"


def documented() -> list[str]:
    """Return every command of the pages that serves."""
    lines = [line for page in PAGES for kind in ("", "console") for line in "\n".join(code(page, kind)).splitlines()]
    words = [line.removeprefix("$ ").partition("#")[0].strip() for line in lines]
    return list(dict.fromkeys(line for line in words if SERVES.search(line)))


def free_port() -> str:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return str(free.getsockname()[1])


class Machine:
    """Programs started in a project, and the sockets that they and their children were seen to listen on."""

    def __init__(self, project: Path, mark: str) -> None:
        self.project, self.mark = project, mark
        self.ports = {port: free_port() for port in PORTS}
        self.started: list[subprocess.Popen[bytes]] = []
        self.listening: set[tuple[str, str, int]] = set()
        own = {name: value for name, value in os.environ.items() if not name.startswith(OWN)}
        path = os.pathsep.join([str(Path(sys.executable).parent), own.get("PATH", os.defpath)])
        self.environment = own | {MARK: mark, "PATH": path, "PREFECT_HOME": str(project / ".prefect")}

    def start(self, command: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a documented command on free ports."""
        for port, other in self.ports.items():
            command = command.replace(port, other)
        if command.startswith("dask scheduler"):
            command += f" --port {self.ports['8786']}"
        if command.startswith("den "):
            command = f"{shlex.quote(sys.executable)} -m flows.cli{command.removeprefix('den')}"
        if command.endswith(" ui"):
            command += f" --port {self.ports['5000']}"
        with (self.project / "of-a-test.log").open("ab") as log:
            words, known = ["sh", "-c", f"exec env {command}"], self.environment | more
            started = subprocess.Popen(words, cwd=self.project, env=known, stdout=log, stderr=log)
        self.started.append(started)
        return started

    def look(self) -> None:
        """Note what listens now."""
        for process in psutil.process_iter():
            with suppress(psutil.Error):
                if process.environ().get(MARK) == self.mark:
                    name = " ".join(process.cmdline()[-8:])
                    inet = process.net_connections("tcp")
                    self.listening |= {(name, *one.laddr) for one in inet if one.status == psutil.CONN_LISTEN}

    def wait(self, ready: Callable[[], bool], patience: float) -> None:
        """Look until something is so."""

        def looked() -> bool:
            self.look()
            return ready()

        until(looked, patience)

    def serves(self, port: str) -> bool:
        """Return whether something listens on the port that stands for one of the documents."""
        return any(at == int(self.ports[port]) for _, _, at in self.listening)


@pytest.fixture
def machine(project: Path, tmp_path: Path) -> Iterator[Machine]:
    machine = Machine(project, str(tmp_path))
    try:
        yield machine
    finally:
        for process in reversed(machine.started):
            strike(process)


def outside(machine: Machine) -> list[tuple[str, str, int]]:
    return [one for one in sorted(machine.listening) if not ip_address(one[1]).is_loopback]


def test_every_documented_command_that_serves_listens_on_loopback_alone(machine: Machine) -> None:
    commands = [line for line in documented() if "192.0.2." not in line]
    server, scheduler = (next(line for line in commands if name in line) for name in ("server start", "dask scheduler"))
    machine.start(server)
    machine.wait(lambda: machine.serves("4200"), 300)
    api = {"PREFECT_API_URL": f"http://127.0.0.1:{machine.ports['4200']}/api", "DEN_ROOT": str(machine.project)}
    for pool in ("den-cpu", "den-gpu"):
        assert machine.start(f"prefect work-pool create {pool} --type process", **api).wait(300) == 0
    machine.start(scheduler)
    machine.wait(lambda: machine.serves("8786"), 300)
    assert machine.start("den prepare --stream blobs").wait(300) == 0
    for command in commands:
        if command not in (server, scheduler):
            machine.start(command, **(api if "prefect" in command else {}))
    machine.wait(lambda: machine.serves("5000"), 300)
    for place in ("", f" --on tcp://127.0.0.1:{machine.ports['8786']}"):
        run = machine.start(f"den run --suite smoke --method finetune --again{place}")
        machine.wait(lambda run=run: run.poll() is not None, 600)
        assert run.returncode == 0, (machine.project / "of-a-test.log").read_text()
    assert len({port for _, _, port in machine.listening}) >= 8, machine.listening  # and two of the runs' own servers
    assert not outside(machine)


def test_dask_over_a_network_speaks_tls_as_documented(machine: Machine) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("there is no openssl")
    page = "\n".join(code(ROOT / "docs/operations.md", "console"))
    (certificate,) = re.findall(r"^\$ (openssl .*)$", page, re.MULTILINE)
    variables = re.findall(r"^\$ (export DASK_.*|for side (?:.*\\\n)?.*done)$", page, re.MULTILINE)
    whole = "; ".join([certificate, *variables, "env"])
    made = subprocess.run(["bash", "-c", whole], cwd=machine.project, capture_output=True, text=True, check=True)
    tls = dict(line.split("=", 1) for line in made.stdout.splitlines() if line.startswith("DASK_"))
    assert len(tls) == 8, tls
    scheduler, worker = (re.sub(r"192\.0\.2\.\d", "127.0.0.1", line) for line in documented() if "192.0.2." in line)
    machine.start(scheduler, **tls)
    machine.wait(lambda: machine.serves("8786"), 300)
    machine.start(worker, **tls)
    where = f"127.0.0.1:{machine.ports['8786']}"
    assert machine.start("den prepare --stream blobs").wait(300) == 0
    run = machine.start(f"den run --suite smoke --method finetune --again --on tls://{where}", **tls)
    machine.wait(lambda: run.poll() is not None, 600)
    assert run.returncode == 0, (machine.project / "of-a-test.log").read_text()
    assert not outside(machine)
    stranger = machine.start(f"den run --suite smoke --method finetune --again --on tcp://{where}")
    assert stranger.wait(300) in (1, 2)
