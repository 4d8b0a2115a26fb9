"""The smoke suite through the whole pipeline: real Prefect, real MLflow, real DVC, in a project of its own."""

import csv
import io
import json
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
import yaml
from conftest import den

FINE = ("run", "--suite", "smoke", "--method", "finetune", "--method", "den")
MIXED = (*FINE, "--method", "l2", "--set", "methods.l2.training.learning_rate=1.0e+30")


@pytest.fixture(scope="module")
def first(project: Path) -> subprocess.CompletedProcess[str]:
    """Run three methods of the smoke suite, of which one diverges."""
    return den(project, *MIXED)


def query(database: Path, question: str) -> list[tuple]:
    with sqlite3.connect(database) as connection:
        return connection.execute(question).fetchall()


def ledger(project: Path) -> list[dict]:
    return [json.loads(path.read_text()) for path in sorted((project / "results").rglob("*.json"))]


def test_a_cell_that_fails_stops_no_other_and_is_listed(first: subprocess.CompletedProcess[str]) -> None:
    assert first.returncode == 1, first.stderr
    (failed,) = [line for line in first.stderr.splitlines() if line.startswith("failed: ")]
    assert failed.startswith("failed: blobs · l2 · seed 0: task 1 · train: the loss is ")
    assert "at step " in failed
    assert "Traceback" not in first.stderr


def test_the_run_shows_its_table(first: subprocess.CompletedProcess[str]) -> None:
    for column in ("method", "AUROC", "accuracy", "forgetting", "capacity", "time"):
        assert column in first.stdout
    assert "DEN: expansion fired on " in first.stdout
    assert "blobs · den · seed 0: finished" in first.stderr


def test_the_ledger_has_a_record_for_every_cell(first: subprocess.CompletedProcess[str], project: Path) -> None:
    assert [record["cell"]["method"] for record in ledger(project)] == ["den", "finetune"]


def test_dvc_pins_the_data(first: subprocess.CompletedProcess[str], project: Path) -> None:
    lock = yaml.safe_load((project / "dvc.lock").read_text())
    assert lock["stages"]["data@blobs"]["outs"][0]["md5"].endswith(".dir")
    assert (project / "data/streams/blobs/manifest.json").exists()


def test_every_stage_is_a_prefect_task_that_ended(first: subprocess.CompletedProcess[str], project: Path) -> None:
    runs = query(project / ".prefect/prefect.db", "select name, state_type from task_run")
    assert {"prepare", "report", "track", "task 1 · evaluation", "task 3 · selective retraining"} <= dict(runs).keys()
    stages = [run for run in runs if not run[0].startswith("cell-")]  # as Prefect names the sub-flows among the tasks
    assert [stage for stage in stages if stage[1] != "COMPLETED"] == [("task 1 · train", "FAILED")]
    flows = dict(query(project / ".prefect/prefect.db", "select name, state_type from flow_run"))
    cells = {f"blobs · {method} · seed 0": "COMPLETED" for method in ("finetune", "den")}
    assert flows == {"smoke": "FAILED", "blobs · l2 · seed 0": "FAILED"} | cells


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
    again = den(project, *FINE)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count("already finished") == 2
    assert ledger(project) == before
    assert len(query(project / ".mlflow/mlflow.db", "select value from tags where key = 'identity'")) == 2


def test_inside_a_dvc_stage_dvc_is_not_called(project: Path) -> None:
    answer = den(project, "prepare", "--stream", "blobs", DVC_STAGE="benchmark", PATH=os.environ["PATH"])
    assert answer.returncode == 0, answer.stderr
