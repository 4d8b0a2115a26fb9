"""What is older than asked is pruned, and nothing else: never the ledger, never what a living run uses."""

import os
import sqlite3
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import prefect
import pytest
from filelock import FileLock
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from mlflow import MlflowClient
from prefect.artifacts import create_markdown_artifact
from prefect.client.orchestration import get_client
from prefect.testing.utilities import prefect_test_harness
from sites import until

from den import files
from den.config import SettingsError
from den.execution import LOCKS, lock_of
from den.ledger import Asked, Begun, Ledger, Machine, Places
from flows.commands import old_runs, prune
from flows.runtime.run_records import LOCK
from flows.tracking import tracker

DAY = timedelta(days=1)
KEYS = tuple(f"{number:016x}" for number in range(4))


@pytest.fixture
def places(here: Path, monkeypatch: pytest.MonkeyPatch) -> Places:
    """Return an empty project's places; MLflow and Prefect have nothing here."""
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.setattr(old_runs, "of_prefect", lambda limit, dry_run: "")
    return Places()


def aged(path: Path, age: timedelta) -> None:
    """Set back the time of a file or folder and of all in it."""
    when = (datetime.now(UTC) - age).timestamp()
    for one in (*path.rglob("*"), path):
        os.utime(one, (when, when))


def checkpoint(places: Places, run: str, key: str, age: timedelta) -> Path:
    folder = places.work / run / key
    files.write(folder / "0001.safetensors", bytes(1000))
    aged(folder, age)
    return folder


def begin(ledger: Ledger, id: str, age: timedelta) -> None:
    started = datetime.now(UTC) - age
    about = {"trigger": "hand", "process": "host/1/1", "load": None, "slots": 1, "torch": "2", "commit": None}
    asked = Asked(suite="smoke")
    machine = Machine(system="Linux")
    ledger.begin(Begun(id=id, asked=asked, cells=(), started=started, machine=machine, dirty=None, **about))


def content(folder: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_without_a_rule_nothing_is_pruned(places: Places) -> None:
    with pytest.raises(SettingsError, match="--keep"):
        prune.remove_old(None, None, False, places)


@pytest.mark.parametrize("text", ["90", "d", "-3d", "3 d", "1y", "", "1.5d"])
def test_a_length_of_time_is_hours_days_or_weeks(text: str) -> None:
    assert [prune.duration(sound) for sound in ("36h", "90d", "2w")] == [1.5 * DAY, 90 * DAY, 14 * DAY]
    with pytest.raises(SettingsError, match="90d"):
        prune.duration(text)


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ages=st.lists(st.integers(0, 100), min_size=4, max_size=4), keep=st.integers(1, 99))
def test_checkpoints_older_than_asked_go_and_younger_ones_stay(
    places: Places, tmp_path_factory: pytest.TempPathFactory, ages: list[int], keep: int
) -> None:
    own = Places(work=tmp_path_factory.mktemp("work"), ledger=places.ledger, index=places.index)
    folders = [checkpoint(own, f"run-{age:03}", key, age * DAY) for age, key in zip(ages, KEYS, strict=True)]
    before = content(own.work)
    dry = prune.remove_old(keep * DAY, None, True, own)
    assert content(own.work) == before
    assert prune.remove_old(keep * DAY, None, False, own) == dry
    assert [folder.exists() for folder in folders] == [age < keep for age in ages]
    assert prune.remove_old(keep * DAY, None, False, own) == [prune.NOTHING]


@pytest.mark.slow
def test_what_a_living_process_uses_stays(places: Places) -> None:
    held, working, gone = (checkpoint(places, run, key, 99 * DAY) for run, key in zip("abc", KEYS, strict=False))
    lock = FileLock(places.work / "a" / LOCK)
    with lock, FileLock(lock_of(places, KEYS[1])):
        command = [sys.executable, "-c", PRUNE]
        subprocess.run(command, check=True, timeout=60)
    assert held.exists()
    assert working.exists()
    assert not gone.exists()
    assert prune.remove_old(DAY, None, False, places) == ["checkpoints: 2 runs, 0.0 MB"]


PRUNE = """
from datetime import timedelta
from den.ledger import Places
from flows.commands import old_runs, prune
old_runs.of_prefect = lambda limit, dry_run: ""
prune.remove_old(timedelta(days=1), None, False, Places())
"""


def test_the_newest_runs_of_the_ledger_keep_what_is_theirs(places: Places) -> None:
    ledger = Ledger.of(places)
    for age in (40, 30, 20, 10):
        begin(ledger, f"run-{age}", age * DAY)
    folders = {age: checkpoint(places, f"run-{age}", KEYS[0], (age - 1) * DAY) for age in (40, 30, 20, 10)}
    assert prune.remove_old(None, 4, False, places) == [prune.NOTHING]
    assert prune.remove_old(25 * DAY, 4, False, places) == [prune.NOTHING]  # what either keeps stays
    files.write(places.work / "run-40" / LOCK, "")
    prune.remove_old(None, 2, True, places)
    prune.remove_old(None, 2, False, places)
    assert {path.name for path in places.work.iterdir()} == {"run-20", "run-10", LOCKS}
    assert [age for age, folder in folders.items() if folder.exists()] == [20, 10]


def test_reports_and_logs_go_and_the_ledger_and_the_index_stay(places: Places) -> None:
    begin(Ledger.of(places), "run-900", 900 * DAY)
    for path in ("reports/out/quick/index.html", "reports/out/smoke/index.html", ".den/work/logs/den.log"):
        files.write(Path(path), "x" * 1000)
    for folder in (Path("reports/out/quick"), Path(".den")):
        aged(folder, 200 * DAY)
    ledger = content(places.ledger)
    lines = prune.remove_old(90 * DAY, None, False, places)
    assert lines == ["logs: 1 file, 0.0 MB", "reports: quick; 0.0 MB"]
    assert content(places.ledger) == ledger
    assert places.index.exists()
    assert Path("reports/out/smoke/index.html").exists()


OLD = {"mlflow.source.name": "den"}
RUNS = {  # name: days old, tags; what the test expects to stay is in STAYS
    "old": (99, OLD),
    "old cell": (99, OLD | {"newest": "no", "mlflow.parentRunId": "old"}),
    "new": (1, OLD),
    "accepted run": (99, OLD | {"trigger": "accepted"}),
    "accepted cell": (99, OLD | {"newest": "no", "mlflow.parentRunId": "accepted run"}),
    "above the newest cell": (99, OLD),
    "newest cell": (98, OLD | {"newest": "yes", "mlflow.parentRunId": "above the newest cell", "same_as": "network"}),
    "network": (99, OLD | {"newest": "no", "mlflow.parentRunId": "above the network"}),
    "above the network": (99, OLD),
    "report": (99, OLD),
    "same bits": (1, OLD | {"same_as": "report", "report": "report"}),
    "of another project": (99, {}),
}
STAYS = RUNS.keys() - {"old", "old cell"}


@pytest.mark.slow
def test_of_mlflows_runs_all_go_that_nothing_refers_to(places: Places) -> None:
    with tracker.store():
        client, ids = MlflowClient(tracker.address()), dict[str, str]()
        experiment = client.create_experiment("blobs", f"{tracker.artifacts()}/blobs")
        for name, (days, _) in RUNS.items():
            run = client.create_run(experiment, int((time.time() - days * 86400) * 1000), run_name=name)
            ids[name] = run.info.run_id
            client.log_text(run.info.run_id, "x" * 1000, "summary.md")
        for name, (_, tags) in RUNS.items():
            for key, value in tags.items():
                client.set_tag(ids[name], key, ids.get(value, value))
        models = {name: client.create_logged_model(experiment, "network", ids[name]) for name in ("old", "old cell")}
        client.set_tag(ids["new"], "model", models["old cell"].model_id)
    (line,) = prune.remove_old(90 * DAY, None, True, places)
    assert line == "MLflow: 2 runs, 0.0 MB of artifacts"
    assert prune.remove_old(90 * DAY, None, False, places) == [line]
    assert prune.remove_old(90 * DAY, None, False, places) == [prune.NOTHING]
    with sqlite3.connect(tracker.FOLDER / "mlflow.db") as connection:
        left = {run for (run,) in connection.execute("select run_uuid from runs")}
        assert [id for (id,) in connection.execute("select model_id from logged_models")] == [
            models["old cell"].model_id
        ]
    assert left == {ids[name] for name in STAYS}
    assert {path.parent.parent.name for path in (tracker.FOLDER / "artifacts").rglob("summary.md")} == left


@prefect.flow(name="benchmark")
def benchmark() -> None:
    """Log a line and leave an artifact."""
    prefect.get_run_logger().info("a line")
    create_markdown_artifact("scores", key="run-smoke")


@prefect.flow(name="of another project")
def other() -> None:
    """Do nothing."""


@pytest.fixture
def server() -> Iterator[None]:
    with prefect_test_harness(server_startup_timeout=120):
        yield


@pytest.mark.slow
def test_prefects_ended_runs_of_this_project_go_with_their_artifacts_and_logs(here: Path, server: None) -> None:
    for flow in (benchmark, other, benchmark):
        flow()
    until(lambda: sum(log.message == "a line" for log in logs()) == 2, 60)  # they are sent in batches
    now = datetime.now(UTC)
    assert old_runs.of_prefect(now - DAY, False) == ""
    assert old_runs.of_prefect(now, True) == old_runs.of_prefect(now, False) == "Prefect: 2 flow runs"
    with get_client(sync_client=True) as client:
        (left,) = client.read_flow_runs()
        assert left.flow_id == client.read_flow_by_name(other.name).id
        assert client.read_artifacts() == []
    assert {log.flow_run_id for log in logs()} <= {left.id}


def logs() -> list[Any]:
    with get_client(sync_client=True) as client:
        return client.read_logs()
