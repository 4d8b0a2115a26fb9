"""MLflow's stores under hostile conditions: two writers, damage, deletion, locks, servers; warnings keep promises."""

import os
import re
import shlex
import shutil
import sqlite3
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
import synthetic
from mlflow import MlflowClient
from nightly import FIRST, name_of, run_of
from projects import den
from sites import mlflow_server

from den.ledger import CellResult, Ledger
from flows.tracking import claims, stores

pytestmark = pytest.mark.long

NIGHTS, METHODS = 2, ("den", "l2")
COUNTS = {"run": NIGHTS, "cell": NIGHTS * len(METHODS), "history": 1}
SECRET = "hunter2-Geheim"


def night(number: int) -> list[CellResult]:
    start = FIRST + timedelta(days=number)
    about = {"started": start.isoformat(), "ended": (start + timedelta(minutes=5)).isoformat(), "run": name_of(number)}
    return [synthetic.result("blobs", method, 1, 3, **about) for method in METHODS]


@pytest.fixture
def checkouts(tmp_path: Path) -> tuple[Path, Path]:
    """Return two checkouts whose ledgers hold the same nights."""
    folders = tmp_path / "one", tmp_path / "two"
    ledger = Ledger(folders[0] / ".den/ledger", folders[0] / ".den/index.sqlite")
    for number in range(NIGHTS):
        run = run_of(number, results := night(number))
        ledger.begin(run.begun)
        for result in results:
            ledger.add(result.measurement)
        ledger.end(run.ended)
    shutil.copytree(folders[0], folders[1])
    return folders


def counts(client: MlflowClient) -> dict[str, int]:
    """Return how many finished runs of each role there are; fail on an unfinished one."""
    runs = client.search_runs([client.get_experiment_by_name("Blobs").experiment_id], max_results=1000)
    assert {run.info.status for run in runs} == {"FINISHED"}
    roles = [run.data.tags["role"] for run in runs]
    return {role: roles.count(role) for role in sorted(set(roles), key=list(COUNTS).index)}


def sync_at_once(checkouts: tuple[Path, Path], **environment: str) -> None:
    with ThreadPoolExecutor(2) as pool:
        answers = [pool.submit(den, folder, "sync", **environment) for folder in checkouts]
        for answer in answers:
            assert answer.result().returncode == 0, answer.result().stderr


def fit_to_read(answer: subprocess.CompletedProcess[str], advice: str) -> None:
    """Assert that a sync failed in one line that says what to do."""
    assert answer.returncode == 1, answer.stderr
    (line,) = [line for line in answer.stderr.splitlines() if "MLflow was not updated" in line]
    assert "the results are in the ledger" in line
    assert advice in line, line
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("attempt", range(2))
def test_two_first_syncs_into_one_database_show_everything_once(
    checkouts: tuple[Path, Path], tmp_path: Path, attempt: int
) -> None:
    address = f"sqlite:///{tmp_path}/shared/mlflow.db"
    sync_at_once(checkouts, MLFLOW_TRACKING_URI=address)
    client = MlflowClient(address)
    assert counts(client) == COUNTS
    assert (tmp_path / "shared/artifacts/blobs").is_dir()
    (trend,) = client.search_runs([client.get_experiment_by_name("Blobs").experiment_id], "tags.role = 'history'")
    assert len(client.get_metric_history(trend.info.run_id, "auroc/den")) == NIGHTS


@pytest.mark.parametrize("damage", ["text", "half made", "another version"])
def test_a_damaged_database_is_made_anew_as_the_warning_says(checkouts: tuple[Path, Path], damage: str) -> None:
    folder = checkouts[0]
    assert den(folder, "sync").returncode == 0
    database = folder / ".mlflow/mlflow.db"
    if damage == "text":
        database.write_bytes(b"no database" * 100)
    else:
        with sqlite3.connect(database) as connection:
            connection.execute("DELETE FROM alembic_version")
            if damage == "half made":
                connection.execute("CREATE TABLE _alembic_tmp_runs (run_uuid)")
            else:
                connection.execute("INSERT INTO alembic_version VALUES ('0123456789ab')")
        connection.close()
    advice = f"{database} is damaged, incomplete, or of another version of MLflow: move it away"
    fit_to_read(den(folder, "sync"), advice)
    for words in (("ui",), ("prune", "--keep", "90d")):
        answer = den(folder, *words)
        assert advice in answer.stdout + answer.stderr
        assert "Traceback" not in answer.stderr
    database.rename(database.with_name("moved.db"))
    assert den(folder, "sync").returncode == 0
    assert counts(MlflowClient(f"sqlite:///{database}")) == COUNTS


def test_a_deleted_experiment_comes_back_as_the_warning_says(checkouts: tuple[Path, Path]) -> None:
    folder = checkouts[0]
    client = MlflowClient(f"sqlite:///{folder}/.mlflow/mlflow.db")
    with stores.opened(f"sqlite:///{folder}/.mlflow/mlflow.db"):
        place = (folder / ".mlflow/artifacts/blobs").as_uri()  # by default MLflow takes the folder that tests run in
        client.delete_experiment(client.create_experiment("Blobs", place, tags={"stream": "blobs"}))
    answer = den(folder, "sync")
    fit_to_read(answer, "the experiment 'Blobs' was deleted in MLflow")
    command = re.search(r"`(MLFLOW_TRACKING_URI=.*?)`", answer.stderr)[1]
    variable, _, *words = shlex.split(command)
    known = os.environ | dict([variable.split("=", 1)])
    subprocess.run([sys.executable, "-m", "mlflow", *words], cwd=folder, env=known, check=True, capture_output=True)
    assert den(folder, "sync").returncode == 0
    assert counts(client) == COUNTS


def test_a_locked_database_is_written_when_it_is_free_again(checkouts: tuple[Path, Path]) -> None:
    folder = checkouts[0]
    database = folder / ".mlflow/mlflow.db"
    assert den(folder, "sync").returncode == 0
    ledger = Ledger(folder / ".den/ledger", folder / ".den/index.sqlite")
    run = run_of(NIGHTS, results := night(NIGHTS))
    ledger.begin(run.begun)
    for result in results:
        ledger.add(result.measurement)
    ledger.end(run.ended)
    holder = sqlite3.connect(database, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    try:
        fit_to_read(den(folder, "sync"), f"make sure that {database} is writable and that no other program holds it")
    finally:
        holder.close()
    assert den(folder, "sync").returncode == 0
    assert counts(MlflowClient(f"sqlite:///{database}"))["run"] == NIGHTS + 1


def test_a_server_that_keeps_artifacts_shows_two_syncs_once_and_no_secret(
    checkouts: tuple[Path, Path], tmp_path: Path
) -> None:
    with mlflow_server(tmp_path, f"sqlite:///{tmp_path}/server.db") as place:
        sync_at_once(checkouts, MLFLOW_TRACKING_URI=f"http://me:{SECRET}@{place}")
        client = MlflowClient(f"http://{place}")
        assert counts(client) == COUNTS
        assert client.search_registered_models() == []
        experiment = client.get_experiment_by_name("Blobs")
        assert experiment.artifact_location.startswith("mlflow-artifacts:")
        cell = client.search_runs([experiment.experiment_id], "tags.role = 'cell'", order_by=["start_time ASC"])[0]
        path = client.download_artifacts(cell.info.run_id, "measurement.json", str(tmp_path))
        assert cell.data.tags["measurement"] in [
            one.measurement.id for number in range(NIGHTS) for one in night(number)
        ]
        assert '"blobs"' in Path(path).read_text()
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if SECRET.encode() in path.read_bytes()]
    assert (tmp_path / "kept").is_dir()


def test_a_writer_that_is_gone_keeps_nobody_out(
    checkouts: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"sqlite:///{tmp_path}/mlflow.db"
    with stores.opened(address):
        client = MlflowClient(address)
    for mark in ("another-host/1/1 aaaa", f"{os.uname().nodename}/999999999/1 aaaa"):
        client.create_registered_model(claims.NAME, description=mark)
        monkeypatch.setattr(claims, "STALE", 1.0)
        with claims.claimed(client):
            assert client.get_registered_model(claims.NAME).description != mark
        assert client.search_registered_models() == []


def test_a_writer_that_lives_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    address = f"sqlite:///{tmp_path}/mlflow.db"
    with stores.opened(address):
        monkeypatch.setattr(claims, "RENEWAL", 0.2)
    monkeypatch.setattr(claims, "STALE", 1.5)
    order = []

    def write(name: str) -> None:
        with claims.claimed(MlflowClient(address)):
            order.append(name)
            time.sleep(4)
            order.append(name)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(write, ("first", "second")))
    assert order[0] == order[1] and order[2] == order[3]
