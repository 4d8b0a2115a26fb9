"""A project with a real Prefect server of its own, and what runs against it: for tests of several machines."""

import os
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any

import httpx
import psutil

from den.ledger import Ledger, Measurement, Places

ENDED = ("COMPLETED", "FAILED", "CRASHED")


@dataclass
class Site:
    """A project with a Prefect server of its own, and another checkout of it where the worker is."""

    project: Path
    elsewhere: Path
    port: int
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    @property
    def api(self) -> str:
        return f"http://127.0.0.1:{self.port}/api"

    def environment(self, **more: str) -> dict[str, str]:
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "DVC_"))}
        return inherited | {"PREFECT_API_URL": self.api, "PREFECT_HOME": str(self.project / ".prefect")} | more

    def start(self, *words: str, **more: str) -> subprocess.Popen[bytes]:
        """Start a program of Prefect's in the background."""
        return self._begin(["prefect", *words], self.project / f"{words[0]}.log", more)

    def begin(self, *words: str, **more: str) -> subprocess.Popen[bytes]:
        """Start `den` in the background; what it says is in `den.log`."""
        return self._begin(["flows.cli", *words], self.project / "den.log", more)

    def start_server(self) -> subprocess.Popen[bytes]:
        """Start the server and wait until it answers."""
        server = self.start("server", "start", "--host", "127.0.0.1", "--port", str(self.port))
        until(self.answers, 300)
        return server

    def start_worker(self, pool: str = "den-cpu", limit: int = 3, **more: str) -> subprocess.Popen[bytes]:
        """Start a worker of a pool, in the other checkout unless DEN_ROOT is another."""
        settings = {"DEN_ROOT": str(self.elsewhere), "PREFECT_WORKER_QUERY_SECONDS": "2"} | more
        return self.start("worker", "start", "--pool", pool, "--limit", str(limit), **settings)

    def deploy(self) -> None:
        """Make the work pools and every deployment."""
        for pool in ("den-cpu", "den-gpu"):
            self.prefect("work-pool", "create", pool, "--type", "process", "--overwrite")
        self.prefect("deploy", "--all")

    def answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.get(f"{self.api}/health", timeout=2).json() is True
        return False

    def prefect(self, *words: str, check: bool = True) -> str:
        """Run a command of Prefect's; return what it prints. check: fail unless it ends well."""
        done = self._run(["prefect", "--no-prompt", *words])
        assert done.returncode == 0 or not check, done.stdout + done.stderr
        return done.stdout

    def den(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run `den` in the project, against the server."""
        return self._run(["flows.cli", *words])

    def runs(self, deployment: str) -> list[dict[str, Any]]:
        """Return the flow runs of a deployment."""
        asked = {"deployments": {"name": {"any_": [deployment]}}, "limit": 100}
        return httpx.post(f"{self.api}/flow_runs/filter", json=asked, timeout=30).json()

    def ended(self, deployment: str, count: int = 1, patience: float = 240.0) -> list[dict[str, Any]]:
        """Return a deployment's runs that have ended, the oldest first, once there are so many."""

        def runs() -> list[dict[str, Any]]:
            ended = [run for run in self.runs(deployment) if run["state_type"] in ENDED]
            return sorted(ended, key=lambda run: run["start_time"]) if len(ended) >= count else []

        return until(runs, patience)

    def artifacts(self) -> list[dict[str, Any]]:
        """Return the artifacts that the server has, the newest 200."""
        return httpx.post(f"{self.api}/artifacts/filter", json={"sort": "CREATED_DESC"}, timeout=30).json()

    def _run(self, words: list[str]) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", *words],
            cwd=self.project, env=self.environment(), capture_output=True, text=True, timeout=900, check=False,
        )  # fmt: skip

    def _begin(self, words: list[str], log: Path, more: dict[str, str]) -> subprocess.Popen[bytes]:
        with log.open("ab") as file:
            command = [sys.executable, "-m", *words]
            begun = subprocess.Popen(command, cwd=self.project, env=self.environment(**more), stdout=file, stderr=file)
        self.processes.append(begun)
        return begun


def places_of(project: Path) -> Places:
    """Return where a project in another folder keeps things."""
    own = Places()
    return Places(**{field.name: project / getattr(own, field.name) for field in fields(Places)})


def measurements(project: Path, **where: Any) -> list[Measurement]:
    """Return the measurements in a project's ledger, the oldest first; where: values of an entry's fields."""
    return list(Ledger.of(places_of(project)).measurements(**where))


@contextmanager
def opened(project: Path, elsewhere: Path) -> Iterator[Site]:
    """Yield a site whose server answers, the project copied to `elsewhere`; end all it started afterwards."""
    shutil.copytree(project, elsewhere)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        site = Site(project, elsewhere, free.getsockname()[1])
    try:
        site.start_server()
        yield site
    finally:
        for process in reversed(site.processes):
            process.terminate()
            with suppress(subprocess.TimeoutExpired):
                process.wait(5)
            strike(process)


@contextmanager
def mlflow_server(folder: Path, database: str) -> Iterator[str]:
    """Run an MLflow server that keeps all artifacts itself, in `folder`; yield host and port."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        place = free.getsockname()
    command = [sys.executable, "-m", "mlflow", "server", "--host", place[0], "--port", str(place[1]), "--workers", "1"]
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW_")}
    own |= {"MLFLOW_BACKEND_STORE_URI": database, "MLFLOW_ARTIFACTS_DESTINATION": str(folder / "kept")}
    own |= {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    with (folder / "server.log").open("wb") as log:
        server = subprocess.Popen(command, cwd=folder, env=own, stdout=log, stderr=log)

    def answers() -> bool:
        with suppress(OSError):
            socket.create_connection(place, 1).close()
            return True
        return False

    try:
        until(answers, 300)
        yield f"{place[0]}:{place[1]}"
    finally:
        strike(server)


def strike(process: subprocess.Popen[bytes]) -> None:
    """End a program and all that it started, at once and without a word: what a power cut does to a machine."""
    with suppress(psutil.NoSuchProcess):
        own = psutil.Process(process.pid)
        for one in (own, *own.children(recursive=True)):
            with suppress(psutil.NoSuchProcess):
                one.kill()
    process.wait()


def until(found: Callable[[], Any], patience: float) -> Any:
    """Return what is found once it is something; a server may be slow to answer. Raises AssertionError in the end."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        with suppress(httpx.TransportError):
            if result := found():
                return result
        time.sleep(0.5)
    raise AssertionError(f"not within {patience} s")
