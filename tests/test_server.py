"""A real server, every deployment of prefect.yaml, a worker, and runs that a schedule or a pool brought about."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from conftest import ROOT

pytestmark = pytest.mark.slow

EVERY_MINUTE = "* * * * *"


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

    def start(self, *words: str, **more: str) -> None:
        """Start a program of Prefect's in the background."""
        with (self.project / f"{words[0]}.log").open("ab") as log:
            program = subprocess.Popen(
                [sys.executable, "-m", "prefect", *words],
                cwd=self.project, env=self.environment(**more), stdout=log, stderr=log,
            )  # fmt: skip
        self.processes.append(program)

    def prefect(self, *words: str, **more: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "prefect", "--no-prompt", *words],
            cwd=self.project, env=self.environment(**more), capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def runs(self, name: str) -> list[dict[str, Any]]:
        """Return the flow runs of a deployment."""
        asked = {"deployments": {"name": {"any_": [name]}}, "limit": 100}
        return httpx.post(f"{self.api}/flow_runs/filter", json=asked, timeout=30).json()

    def ended(self, name: str, patience: float = 240.0) -> list[dict[str, Any]]:
        """Return a deployment's runs once one of them has ended."""
        end = time.monotonic() + patience
        while time.monotonic() < end:
            final = [run for run in self.runs(name) if run["state_type"] in ("COMPLETED", "FAILED", "CRASHED")]
            if final:
                return final
            time.sleep(1)
        raise AssertionError(f"no run of {name} ended: {self.runs(name)}")


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "project"
    shutil.copytree(project, elsewhere)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        site = Site(project, elsewhere, free.getsockname()[1])
    site.start("server", "start", "--host", "127.0.0.1", "--port", str(site.port))
    end = time.monotonic() + 120
    while time.monotonic() < end:
        with suppress(httpx.HTTPError):
            if httpx.get(f"{site.api}/health", timeout=2).json() is True:
                break
        time.sleep(0.5)
    smoke_every_minute(project)
    for pool in ("den-cpu", "den-gpu"):
        site.prefect("work-pool", "create", pool, "--type", "process", "--overwrite")
    site.prefect("deploy", "--all")
    site.start(
        "worker", "start", "--pool", "den-cpu", "--limit", "3",
        DEN_ROOT=str(elsewhere), PREFECT_WORKER_QUERY_SECONDS="2",
    )  # fmt: skip
    yield site
    for process in reversed(site.processes):
        process.terminate()
        with suppress(subprocess.TimeoutExpired):
            process.wait(5)
        process.send_signal(signal.SIGKILL)


def smoke_every_minute(project: Path) -> None:
    """Let the nightly deployment run the smoke suite, once a minute; the others keep what they have."""
    path = project / "prefect.yaml"
    content = yaml.safe_load(path.read_text())
    nightly = next(one for one in content["deployments"] if one["name"] == "nightly")
    nightly["parameters"] = {"suite": "smoke", "methods": ["finetune"]}
    nightly["schedules"] = [{"cron": EVERY_MINUTE, "timezone": "UTC", "active": True}]
    path.write_text(yaml.safe_dump(content))


def records(project: Path, method: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (project / "results/blobs" / method).glob("*.json")]


def test_every_deployment_is_there(site: Site) -> None:
    names = {one["name"] for one in yaml.safe_load((site.project / "prefect.yaml").read_text())["deployments"]}
    found = httpx.post(f"{site.api}/deployments/filter", json={}, timeout=30).json()
    assert {one["name"] for one in found} == names
    assert {"nightly", "paper", "once", "cell", "search", "data"} <= names


@pytest.mark.parametrize("name", ["zombies", "tell-me"])
def test_the_automations_of_the_documentation_can_be_made(site: Site, name: str) -> None:
    site.prefect("automation", "create", "--from-file", str(ROOT / f"docs/{name}.yaml"))


def test_a_scheduled_run_comes_by_itself_and_leaves_its_artifacts(site: Site) -> None:
    run = site.ended("nightly")[0]
    assert run["state_type"] == "COMPLETED", run
    assert run["auto_scheduled"]
    (record,) = records(site.elsewhere, "finetune")
    assert record["provenance"]["flow_run"].count("-") == 4
    artifacts = httpx.post(f"{site.api}/artifacts/filter", json={}, timeout=30).json()
    assert {"results-smoke-blobs", "report-smoke", "mlflow-smoke"} <= {one["key"] for one in artifacts}


def test_cells_on_a_pool_are_the_cells_of_this_machine_to_the_last_bit(site: Site, tmp_path: Path) -> None:
    words = ("run", "--suite", "smoke", "--method", "l2", "--method", "ewc")
    done = subprocess.run(
        [sys.executable, "-m", "flows.cli", *words, "--on", "pool"],
        cwd=site.project, env=site.environment(), capture_output=True, text=True, timeout=400, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert len([run for run in site.runs("cell") if run["state_type"] == "COMPLETED"]) == 2
    for method in ("l2", "ewc"):
        (record,) = records(site.project, method)
        assert records(site.elsewhere, method) == [record]
        again = subprocess.run(
            [sys.executable, "-m", "flows.cli", "rerun", record["identity"]],
            cwd=site.project, capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert again.returncode == 0, again.stdout + again.stderr
