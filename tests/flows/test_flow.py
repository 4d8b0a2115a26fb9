"""The smoke suite through the whole pipeline: real Prefect, real MLflow, real DVC, in a project of its own."""

import csv
import io
import os
import sqlite3
import subprocess
from pathlib import Path

import pytest
import yaml
from projects import den

from den.ledger import Ledger

FINE = ("run", "--suite", "smoke", "--method", "finetune", "--method", "den")
MIXED = (*FINE, "--method", "l2", "--set", "methods.l2.training.learning_rate=1.0e+9")


@pytest.fixture(scope="module")
def first(project: Path) -> subprocess.CompletedProcess[str]:
    """Run three methods of the smoke suite, of which one diverges."""
    return den(project, *MIXED)


def query(database: Path, question: str) -> list[tuple]:
    with sqlite3.connect(database) as connection:
        return connection.execute(question).fetchall()


def ledger_of(project: Path, folder: str = ".den/ledger") -> Ledger:
    return Ledger(project / folder, project / ".den/of-a-test.sqlite")


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
    assert "blobs · den · seed 0: measured" in first.stderr


def test_the_ledger_has_a_measurement_for_every_cell(first: subprocess.CompletedProcess[str], project: Path) -> None:
    ledger = ledger_of(project)
    (run,) = ledger.runs()
    assert sorted(entry.method for entry in ledger.entries(run=run.id)) == ["den", "finetune"]
    assert run.begun.trigger in ("hand", "ci")
    assert run.ended is not None
    assert (run.ended.verdict, list(run.ended.failures)) == ("failed", ["blobs · l2 · seed 0"])
    assert sorted(run.measured) == sorted(entry.id for entry in ledger.entries())


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
    (name,) = [name for name in flows if name.startswith("smoke · ")]
    cells = {f"blobs · {method} · seed 0": "COMPLETED" for method in ("finetune", "den")}
    assert flows == {name: "FAILED", "blobs · l2 · seed 0": "FAILED"} | cells


def test_mlflow_has_every_measurement(first: subprocess.CompletedProcess[str], project: Path) -> None:
    values = {value for (value,) in query(project / ".mlflow/mlflow.db", "select value from tags")}
    assert {entry.id for entry in ledger_of(project).entries()} <= values


def test_the_report_is_there(first: subprocess.CompletedProcess[str], project: Path) -> None:
    assert list((project / "reports/out/smoke").glob("*.html"))


@pytest.mark.slow
def test_results_are_the_ledgers_scores(first: subprocess.CompletedProcess[str], project: Path) -> None:
    rows = list(csv.DictReader(io.StringIO(den(project, "results", "--suite", "smoke", "--format", "csv").stdout)))
    assert list(rows[0]) == ["suite", "stream", "method", "seed", "after_task", "task", "score", "value"]
    for measurement in ledger_of(project).measurements():
        own = [row for row in rows if row["method"] == measurement.method]
        assert own
        for row in own:
            value = measurement.scores[row["score"]][int(row["after_task"]) - 1][int(row["task"]) - 1]
            assert float(row["value"]) == value


@pytest.mark.slow
def test_what_is_current_is_reused_with_its_date(first: subprocess.CompletedProcess[str], project: Path) -> None:
    before = [entry.id for entry in ledger_of(project).entries()]
    again = den(project, *FINE)
    assert again.returncode == 0, again.stderr
    assert again.stderr.count(": reused from 20") == 2
    assert "verdict: nothing measured" in again.stdout
    assert [entry.id for entry in ledger_of(project).entries()] == before
    run = ledger_of(project).runs()[-1]
    assert {answer.how for answer in run.answers.values()} == {"reused"}


@pytest.mark.slow
def test_again_measures_every_cell_and_proves_the_same_bits(
    first: subprocess.CompletedProcess[str], project: Path
) -> None:
    again = den(project, *FINE, "--again")
    assert again.returncode == 0, again.stderr
    assert again.stderr.count(": measured") == 2
    assert "same bits" in again.stdout
    digests: dict[str, set[str]] = {}
    for entry in ledger_of(project).entries():
        digests.setdefault(entry.key, set()).add(entry.digest)
    assert [len(own) for own in digests.values()] == [1, 1]


@pytest.mark.slow
def test_reading_needs_only_what_is_accepted(first: subprocess.CompletedProcess[str], project: Path) -> None:
    for words in (
        ("results", "--accepted", "--suite", "quick"),
        ("report", "--accepted", "--suite", "mnist-variation-h200"),
        ("why", "0987b48ed8d80922"),
        ("compare", "--suite", "mnist-variation"),
    ):
        answer = den(project, *words)
        assert answer.returncode == 0, answer.stderr


@pytest.mark.slow
def test_a_run_on_other_data_leaves_the_declared_ones_and_is_labelled(
    first: subprocess.CompletedProcess[str], project: Path
) -> None:
    prepared = {path: path.read_bytes() for path in (project / "data/streams").rglob("*") if path.is_file()}
    lock = (project / "dvc.lock").read_bytes()
    classes = "data.streams.blobs.classes=20"
    answer = den(project, *FINE, "--set", classes)
    assert answer.returncode == 0, answer.stderr
    assert "verdict: new" in answer.stdout
    assert prepared == {path: path.read_bytes() for path in prepared}
    assert (project / "dvc.lock").read_bytes() == lock
    assert classes in ledger_of(project).runs()[-1].begun.asked.overrides
    assert classes in (project / "reports/out/smoke/report.md").read_text()
    majority = next(line for line in answer.stdout.splitlines() if "Majority" in line)
    assert ".950" in majority


@pytest.mark.slow
def test_inside_a_dvc_stage_dvc_is_not_called(project: Path) -> None:
    answer = den(project, "prepare", "--stream", "blobs", DVC_STAGE="benchmark", PATH=os.environ["PATH"])
    assert answer.returncode == 0, answer.stderr
