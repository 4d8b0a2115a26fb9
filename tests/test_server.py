"""A real server, every deployment of prefect.yaml, a worker, and runs that a schedule or a pool brought about."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from conftest import ROOT
from sites import Site, opened

pytestmark = pytest.mark.slow

EVERY_MINUTE = "* * * * *"


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(project, tmp_path_factory.mktemp("elsewhere") / "project") as site:
        smoke_every_minute(project)
        site.deploy()
        site.start_worker()
        yield site


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


def test_cells_on_a_pool_are_the_cells_of_this_machine_to_the_last_bit(site: Site) -> None:
    done = site.den("run", "--suite", "smoke", "--method", "l2", "--method", "ewc", "--on", "pool")
    assert done.returncode == 0, done.stderr
    assert len([run for run in site.runs("cell") if run["state_type"] == "COMPLETED"]) == 2
    for method in ("l2", "ewc"):
        (record,) = records(site.project, method)
        assert records(site.elsewhere, method) == [record]
        again = site.den("rerun", record["identity"])
        assert again.returncode == 0, again.stdout + again.stderr


def test_the_servers_limit_holds_for_cells(site: Site) -> None:
    site.prefect("gcl", "create", "den-cells", "--limit", "1")
    done = site.den("run", "--suite", "smoke", "--method", "joint", "--method", "single_task", "--slots", "2")
    assert done.returncode == 0, done.stderr
    (one,), (other,) = records(site.project, "joint"), records(site.project, "single_task")
    first, second = sorted((record["provenance"] for record in (one, other)), key=lambda found: found["started"])
    assert first["finished"] <= second["started"]
