"""A nightly deployment on a real server: it proves the same bits, then finds worse scores, then unstable bits."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml
from mlflow import MlflowClient
from projects import IDENTITY
from sites import Site, opened, places_of

from den.ledger import Ledger, Run

pytestmark = pytest.mark.long

EVERY_MINUTE = "* * * * *"
NIGHTS = 3
PATIENCE = 600.0  # seconds for a few runs on a busy machine
CHANGED = Path("den/methods/finetune.py")
SOUND, SPOILED = "self.params.weight_decay)", "100.0)"
UNSEEDED = "self.network.add_head(", "generator.seed()\n        self.network.add_head("


@pytest.fixture(scope="module")
def site(project: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    with opened(project, tmp_path_factory.mktemp("elsewhere") / "project") as site:
        if not (project / "reports/accepted/smoke").exists():
            for words in (("run", "--suite", "smoke", "--seeds", "0,1,2,3,4"), ("accept", "--suite", "smoke")):
                done = site.den(*words)
                assert done.returncode == 0, done.stdout + done.stderr
        yield site


@pytest.fixture(scope="module")
def nights(site: Site) -> list[dict[str, Any]]:
    """Return the first flow runs that the schedule began; none is scheduled any more."""
    schedule(site, active=True)
    site.deploy()
    site.start_worker(limit=1, DEN_ROOT=str(site.project))
    runs = site.ended("nightly", NIGHTS, PATIENCE)
    deployment = httpx.get(f"{site.api}/deployments/name/benchmark/nightly", timeout=30).json()["id"]
    httpx.post(f"{site.api}/deployments/{deployment}/pause_deployment", timeout=30).raise_for_status()
    return runs[:NIGHTS]


def schedule(site: Site, active: bool) -> None:
    """Write into the project's prefect.yaml that the nightly runs the suite `smoke` every minute, if it is active."""
    path = site.project / "prefect.yaml"
    content = yaml.safe_load(path.read_text())
    nightly = next(deployment for deployment in content["deployments"] if deployment["name"] == "nightly")
    nightly["parameters"]["suite"] = "smoke"
    nightly["schedules"] = [{"cron": EVERY_MINUTE, "timezone": "UTC", "active": active}]
    path.write_text(yaml.safe_dump(content))


def kept(site: Site, flow_run: dict[str, Any]) -> Run:
    """Return the run that the ledger has of a flow run."""
    return Ledger.of(places_of(site.project)).run(flow_run["id"])


def remarks(run: Run) -> str:
    assert run.ended is not None
    return "\n".join(run.ended.remarks)


def now(site: Site) -> dict[str, Any]:
    """Have the nightly run once more, by hand; return its flow run, ended."""
    before = {run["id"] for run in site.runs("nightly")}
    site.prefect("deployment", "run", "benchmark/nightly", "--watch", "--watch-timeout", f"{PATIENCE:.0f}", check=False)
    (run,) = [run for run in site.runs("nightly") if run["id"] not in before]
    return run


def edit(site: Site, old: str, new: str) -> None:
    """Change the method in the project, commit the change, and deploy that commit, on no schedule any more."""
    path = site.project / CHANGED
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new, 1))
    words = ["git", *IDENTITY, "commit", "--quiet", "--message", "changed", str(CHANGED)]
    subprocess.run(words, cwd=site.project, check=True)
    schedule(site, active=False)
    site.deploy()


def test_three_scheduled_nights_are_three_runs_in_ledger_mlflow_and_history(
    site: Site, nights: list[dict[str, Any]]
) -> None:
    runs = [kept(site, night) for night in nights]
    assert [night["state_type"] for night in nights] == ["COMPLETED"] * NIGHTS, nights
    assert all(night["auto_scheduled"] for night in nights)
    assert [run.begun.trigger for run in runs] == ["schedule"] * NIGHTS
    assert [len(run.measured) for run in runs] == [len(runs[0].begun.cells)] * NIGHTS
    for run in runs[1:]:
        assert "same bits as" in remarks(run)
    ids = {run.id for run in runs}
    client = MlflowClient(f"sqlite:///{site.project}/.mlflow/mlflow.db")
    experiments = [one.experiment_id for one in client.search_experiments()]
    assert ids <= {run.data.tags["run"] for run in client.search_runs(experiments, "tags.role = 'run'")}
    history = site.den("history", "--suite", "smoke", "--format", "json")
    assert history.returncode == 0, history.stderr
    assert ids <= {row["run"] for row in json.loads(history.stdout) if row["measured"]}


def test_nights_of_the_same_bits_leave_their_figures_once(site: Site, nights: list[dict[str, Any]]) -> None:
    of = {night["id"]: [] for night in nights}
    for artifact in site.artifacts():
        of.get(artifact["flow_run_id"], []).append(artifact["key"])
    first, second, third = of.values()
    assert any(key.startswith("figure-") for key in first)
    assert sorted(second) in (["run-smoke"], ["run-smoke", "verdict-smoke-blobs"])  # its words are others: same bits
    assert third == ["run-smoke"]


def test_a_spoiled_constant_is_worse_and_the_file_is_named(site: Site, nights: list[dict[str, Any]]) -> None:
    edit(site, SOUND, SPOILED)
    run = now(site)
    edit(site, SPOILED, SOUND)
    ended = kept(site, run).ended
    assert ended is not None
    assert ended.verdict == "worse"
    assert str(CHANGED) in "\n".join(ended.remarks)
    assert run["state_type"] == "FAILED"
    assert "verdict: worse" in run["state"]["message"]
    assert str(CHANGED) in run["state"]["message"]
    assert "verdict:worse" in run["tags"]


def test_an_unseeded_draw_is_unstable_and_its_stage_is_named(site: Site, nights: list[dict[str, Any]]) -> None:
    edit(site, *UNSEEDED)
    now(site)  # the first run of this code has no other to differ from
    run = now(site)
    ended = kept(site, run).ended
    assert ended is not None
    assert ended.verdict == "unstable"
    unstable = [remark for remark in ended.remarks if remark.startswith("unstable")]
    assert any("finetune" in remark and "train" in remark for remark in unstable), ended.remarks
    assert run["state_type"] == "FAILED"
    assert "verdict:unstable" in run["tags"]
