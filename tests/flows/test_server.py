"""A real server, every deployment of prefect.yaml, workers, and runs that a schedule or a pool brought about."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import yaml
from projects import IDENTITY, ROOT
from sites import Site, measurements, opened, places_of

from den.ledger import Ledger

pytestmark = pytest.mark.slow

EVERY_MINUTE = "* * * * *"
FAKED = """

def device_of(training: Training) -> torch.device:
    import os
    from pathlib import Path

    if training.device == "cuda":
        if "CUDA_VISIBLE_DEVICES" not in os.environ:
            raise SettingsError("training.device: there is no GPU here")
        with Path("devices").open("a") as file:
            print(os.environ["CUDA_VISIBLE_DEVICES"], file=file)
    return torch.device("cpu")
"""
"Stands in for den.training.device_of: a machine has the GPUs that it is told of, and they are its processor."


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with (project / "den/training.py").open("a") as file:
        file.write(FAKED)
    with opened(project, tmp_path_factory.mktemp("elsewhere") / "project") as site:
        smoke_every_minute(project)
        site.deploy()
        site.start_worker()
        yield site


def smoke_every_minute(project: Path) -> None:
    """Let the nightly deployments run the smoke suite, the first of them once a minute; others keep what they have."""
    path = project / "prefect.yaml"
    content = yaml.safe_load(path.read_text())
    deployments = {one["name"]: one for one in content["deployments"]}
    for name in ("nightly", "nightly-gpu"):
        deployments[name]["parameters"] |= {"suite": "smoke", "methods": ["finetune"]}
    deployments["nightly"]["schedules"] = [{"cron": EVERY_MINUTE, "timezone": "UTC", "active": True}]
    path.write_text(yaml.safe_dump(content))


def test_every_deployment_is_there(site: Site) -> None:
    names = {one["name"] for one in yaml.safe_load((site.project / "prefect.yaml").read_text())["deployments"]}
    deployments = httpx.post(f"{site.api}/deployments/filter", json={}, timeout=30).json()
    assert {one["name"] for one in deployments} == names
    assert {"nightly", "nightly-gpu", "paper", "once", "cell", "search", "data"} <= names


@pytest.mark.parametrize(("name", "count"), [("zombies", 1), ("tell-me", 2)])
def test_the_automations_of_the_documentation_can_be_made(site: Site, name: str, count: int) -> None:
    before = len(automations(site))
    site.prefect("automation", "create", "--from-file", str(ROOT / f"docs/{name}.yaml"))
    assert len(automations(site)) == before + count


def automations(site: Site) -> list[object]:
    return httpx.post(f"{site.api}/automations/filter", json={}, timeout=30).json()


def test_a_scheduled_run_comes_by_itself_and_leaves_what_a_browser_can_open(site: Site) -> None:
    run = site.ended("nightly")[0]
    assert run["state_type"] == "COMPLETED", run
    assert run["auto_scheduled"]
    assert re.fullmatch(r"smoke · \d{4}-\d\d-\d\d \d\d:\d\d", run["name"])
    assert any(tag.startswith("verdict:") for tag in run["tags"])
    kept = Ledger.of(places_of(site.elsewhere)).run(run["id"])
    assert (kept.begun.trigger, kept.whole) == ("schedule", True)
    artifacts = site.artifacts()
    assert {"results-smoke-blobs", "run-smoke"} <= {artifact["key"] for artifact in artifacts}
    assert not re.search("file:|sqlite:", str([artifact["data"] for artifact in artifacts]))


def test_cells_on_a_pool_are_the_cells_of_this_machine_to_the_last_bit(site: Site) -> None:
    done = site.den("run", "--suite", "smoke", "--method", "l2", "--method", "ewc", "--on", "pool")
    assert done.returncode == 0, done.stderr
    assert len([run for run in site.runs("cell") if run["state_type"] == "COMPLETED"]) == 2
    for method in ("l2", "ewc"):
        (measurement,) = measurements(site.project, method=method)
        assert measurements(site.elsewhere, method=method) == []
        again = site.den("rerun", measurement.id)
        assert again.returncode == 0, again.stdout + again.stderr


def test_the_servers_limit_holds_for_cells(site: Site) -> None:
    site.prefect("gcl", "create", "den-cells", "--limit", "1")
    done = site.den("run", "--suite", "smoke", "--method", "joint", "--method", "single_task", "--slots", "2")
    assert done.returncode == 0, done.stderr
    methods = ("joint", "single_task")
    origins = [one.origin for method in methods for one in measurements(site.project, method=method)]
    first, second = sorted(origins, key=lambda origin: origin.started)
    assert first.ended <= second.started
    site.prefect("gcl", "delete", "den-cells")


def test_on_a_pool_of_gpus_every_cell_runs_on_the_gpu_of_a_worker(site: Site) -> None:
    for device in ("0", "1"):
        site.start_worker("den-gpu", limit=1, CUDA_VISIBLE_DEVICES=device)
    site.prefect("deployment", "run", "benchmark/nightly-gpu")
    (nightly,) = site.ended("nightly-gpu")
    assert nightly["state_type"] == "COMPLETED", nightly
    assert nightly["work_pool_name"] == "den-gpu"
    assert set(devices(site.elsewhere)) in ({"0"}, {"1"})
    assert "nightly-gpu" in str(Ledger.of(places_of(site.elsewhere)).run(nightly["id"]).begun.deployment)
    on_gpu = ("--on", "pool", "--again", "--set", "training.device=cuda")
    done = site.den("run", "--suite", "smoke", "--method", "l2", "--seeds", "4", *on_gpu)
    assert done.returncode == 0, done.stderr
    assert {run["work_pool_name"] for run in site.runs("cell-gpu")} == {"den-gpu"}
    assert len(site.runs("cell-gpu")) == 4
    assert set(devices(site.elsewhere)) == {"0", "1"}


def devices(project: Path) -> list[str]:
    """Return the devices that cells were given."""
    return (project / "devices").read_text().split()


def test_a_run_refuses_a_checkout_at_another_commit_than_its_deployments(site: Site) -> None:
    (deployed,) = {one["version"] for one in httpx.post(f"{site.api}/deployments/filter", json={}, timeout=30).json()}
    assert deployed == commit_of(site.project)
    assert {one.origin.commit for one in measurements(site.project)} <= {deployed}
    git(site.elsewhere, *IDENTITY, "commit", "--quiet", "--allow-empty", "--message", "later")
    site.prefect("deployment", "run", "prepare/data", "--param", 'streams=["blobs"]')
    (refused,) = site.ended("data")
    git(site.elsewhere, "reset", "--quiet", "--soft", "HEAD~1")
    assert refused["state_type"] == "FAILED", refused
    later = git(site.elsewhere, "rev-parse", "ORIG_HEAD")
    assert f"made for commit {deployed[:12]}" in refused["state"]["message"]
    assert f"is at commit {later[:12]}" in refused["state"]["message"]


def commit_of(project: Path) -> str:
    return git(project, "rev-parse", "HEAD")


def git(folder: Path, *words: str) -> str:
    return subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True).stdout.strip()
