"""The smoke suite through the whole pipeline: real Prefect, real MLflow, real DVC, in a project of its own."""

import csv
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml
from conftest import den

SMOKE = ("run", "--suite", "smoke", "--method", "finetune", "--method", "den")


@pytest.fixture(scope="module")
def first(project: Path) -> subprocess.CompletedProcess[str]:
    """Run two methods of the smoke suite."""
    return den(project, *SMOKE)


def query(database: Path, question: str) -> list[tuple]:
    with sqlite3.connect(database) as connection:
        return connection.execute(question).fetchall()


def ledger(project: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((project / "results").rglob("*.json"))]


def test_the_run_ends_well_and_shows_its_table(first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 0, first.stderr
    for column in ("method", "AUROC", "accuracy", "forgetting", "capacity", "time"):
        assert column in first.stdout
    assert "blobs · den · seed 0: finished" in first.stderr
    assert "Traceback" not in first.stderr


def test_the_ledger_has_a_record_for_every_cell(first: subprocess.CompletedProcess[str], project: Path) -> None:
    assert [record["cell"]["method"] for record in ledger(project)] == ["den", "finetune"]


def test_dvc_pins_the_data(first: subprocess.CompletedProcess[str], project: Path) -> None:
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    assert lock["stages"]["data@blobs"]["outs"][0]["md5"].endswith(".dir")
    assert (project / "data/streams/blobs/manifest.json").exists()


def test_every_stage_is_a_prefect_task_that_ended(first: subprocess.CompletedProcess[str], project: Path) -> None:
    runs = query(project / ".prefect/prefect.db", "select name, state_type from task_run")
    names = {name for name, _ in runs}
    assert {state for _, state in runs} == {"COMPLETED"}
    assert {"prepare", "report", "track", "task 1 · evaluation", "task 3 · dynamic expansion"} <= names
    flows = dict(query(project / ".prefect/prefect.db", "select name, state_type from flow_run"))
    assert flows == dict.fromkeys(["smoke", "blobs · finetune · seed 0", "blobs · den · seed 0"], "COMPLETED")


def test_mlflow_has_a_run_for_every_record(first: subprocess.CompletedProcess[str], project: Path) -> None:
    told = query(project / ".mlflow/mlflow.db", "select value from tags where key = 'identity'")
    assert {identity for (identity,) in told} == {record["identity"] for record in ledger(project)}


def test_the_report_is_there(first: subprocess.CompletedProcess[str], project: Path) -> None:
    assert list((project / "reports/out/smoke").glob("*.html"))


def test_results_are_the_ledgers_scores(first: subprocess.CompletedProcess[str], project: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(den(project, "results", "--suite", "smoke", "--format", "csv").stdout)))
    assert list(rows[0]) == ["suite", "stream", "method", "seed", "after_task", "task", "score", "value"]
    for record in ledger(project):
        own = [row for row in rows if row["method"] == record["cell"]["method"]]
        for row in own:
            value = record["scores"][row["score"]][int(row["after_task"]) - 1][int(row["task"]) - 1]
            assert float(row["value"]) == value


def test_what_is_finished_is_not_run_again(first: subprocess.CompletedProcess[str], project: Path) -> None:
    before = ledger(project)
    again = den(project, *SMOKE)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already finished") == 2
    assert ledger(project) == before
    assert len(query(project / ".mlflow/mlflow.db", "select value from tags where key = 'identity'")) == 2


def test_a_cell_that_fails_stops_no_other_and_all_failures_are_listed(project: Path) -> None:
    before = ledger(project)
    failed = den(project, *SMOKE, "--set", "training.learning_rate=1.0e+30")
    assert failed.returncode == 1
    for method in ("finetune", "den"):
        assert f"failed: blobs · {method} · seed 0: task 1" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert ledger(project) == before


def test_inside_a_dvc_stage_dvc_is_not_called(project: Path) -> None:
    answer = den(project, "prepare", "--stream", "blobs", DVC_STAGE="benchmark", PATH=os.environ["PATH"])
    assert answer.returncode == 0, answer.stderr


def test_an_interrupted_run_leaves_no_process_and_goes_on(project: Path) -> None:
    command = [sys.executable, "-m", "flows.cli", *SMOKE[:3], "--method", "ewc", "--set", "training.epochs=100000"]
    running = subprocess.Popen(command, cwd=project, stderr=subprocess.PIPE, text=True)
    assert running.stderr is not None
    for line in running.stderr:
        if "task 1" in line:
            break
    time.sleep(0.5)
    running.send_signal(signal.SIGINT)
    rest = running.communicate(timeout=60)[1]
    assert running.returncode == 130
    assert "goes on from the last finished stage" in rest
