"""Every number can be traced to its data, code and settings, and had again."""

import json
import sqlite3
from pathlib import Path

import pytest
from conftest import den
from small import cell

from den import runs
from den.config import SettingsError
from den.ledger import Places, Record, read_record, write_record
from flows import tracing


@pytest.fixture
def record(places: Places) -> Record:
    return runs.execute(cell("den"), places)


def test_a_record_is_found_by_file_and_by_the_beginning_of_its_name(record: Record, places: Places) -> None:
    path = runs.record_path(cell("den"), places)
    assert tracing.find(str(path), places) == tracing.find(record["identity"][:5], places) == read_record(path)


def test_what_is_not_there_or_not_enough_is_refused(record: Record, places: Places) -> None:
    runs.execute(cell("finetune"), places)
    with pytest.raises(SettingsError, match="there is no such record"):
        tracing.find("nonesuch", places)
    with pytest.raises(SettingsError, match="2 records begin with it"):
        tracing.find("", places)


def test_why_tells_data_code_versions_machine_and_settings(record: Record, places: Places) -> None:
    told, origin = tracing.why(record, places), record["provenance"]
    for expected in (
        "blobs · den · seed 0",
        record["identity"],
        origin["stream_hash"],
        origin["torch"],
        origin["host"],
    ):
        assert expected in told
    assert "'drift_threshold': 0.5" in told
    assert "since then  nothing" in told


def test_a_rerun_finds_the_same_to_the_last_bit(record: Record, places: Places) -> None:
    titles: list[str] = []
    again = tracing.rerun(record, places, titles.append)
    assert again.same
    assert again.largest == 0
    assert again.compared > 50
    assert "task 2 · selective retraining" in titles


def test_a_score_or_measure_that_is_not_the_same_is_seen(record: Record) -> None:
    other = json.loads(json.dumps(record))
    other["scores"]["auroc"][2][0] += 0.25
    found = tracing.compared(record, other)
    assert (found.different, found.largest) == (1, pytest.approx(0.25))
    other["measures"].pop(0)
    assert tracing.compared(record, other).different > 1


def test_what_has_changed_since_is_named(record: Record, places: Places) -> None:
    old = record["provenance"] | {"stream_hash": "0" * 64, "torch": "1.0", "lock_hash": "other", "commit": "none"}
    told = "; ".join(tracing.differences(record | {"provenance": old, "identity": "0" * 16}, places))
    for expected in ("the prepared data is", "torch is", "requirements.txt has changed", "identity covers has changed"):
        assert expected in told


@pytest.fixture(scope="module")
def with_a_result(project: Path) -> Path:
    """Return the project with one finished cell."""
    ran = den(project, "run", "--suite", "smoke", "--method", "finetune")
    assert ran.returncode == 0, ran.stderr
    return project


def test_the_flow_says_which_run_of_it_made_a_result_and_dvc_which_data(with_a_result: Path) -> None:
    project = with_a_result
    (path,) = (project / "results/blobs/finetune").glob("*.json")
    origin = json.loads(path.read_text())["provenance"]
    assert origin["flow_run"].count("-") == 4
    assert origin["data_version"].endswith(".dir")
    told = den(project, "why", path.stem[:6])
    assert origin["flow_run"] in told.stdout
    again = den(project, "rerun", path.stem[:6])
    assert again.returncode == 0, again.stderr + again.stdout
    assert "the same, to the last bit" in again.stdout
    record = json.loads(path.read_text())
    record["scores"]["accuracy"][0][0] += 0.5
    write_record(path, record)
    differs = den(project, "rerun", path.stem)
    assert differs.returncode == 1
    assert "1 of " in differs.stdout


def test_the_whole_ledger_is_told_to_mlflow_and_twice_changes_nothing(with_a_result: Path) -> None:
    project = with_a_result
    for _ in range(2):
        told = den(project, "sync")
        assert told.returncode == 0, told.stderr
    counted = den(project, "results", "--suite", "smoke", "--format", "csv").stdout
    assert counted.count("finetune") > 0
    with sqlite3.connect(project / ".mlflow/mlflow.db") as connection:
        (count,) = connection.execute("select count(*) from tags where key = 'identity'").fetchone()
    assert count == len(list((project / "results").rglob("*.json")))
