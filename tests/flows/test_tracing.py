"""Every number can be traced to its data, code and settings, and measured again."""

import re
import shutil
import sqlite3
from dataclasses import replace
from pathlib import Path

import documents
import pytest
from projects import den
from small import cell
from synthetic import LATER_SCORE, result, with_more, with_scores

from den.config import SettingsError
from den.execution import execute
from den.ledger import Ledger, Measurement, Places
from den.ledger.settings import flat
from flows.commands import lookup, rerun, why
from flows.commands.lookup import Located
from reports import accepted_results


@pytest.fixture
def measurement(places: Places, here: Path) -> Measurement:
    """Return a measurement in a ledger, in a folder where nothing is accepted."""
    return execute(cell("den"), places)


def test_a_measurement_is_found_by_the_beginning_of_its_id(measurement: Measurement, places: Places) -> None:
    assert lookup.locate(measurement.id[:5], places) == Located(measurement, "ledger")


def test_what_is_not_there_or_not_enough_is_refused(measurement: Measurement, places: Places) -> None:
    execute(cell("finetune"), places)
    with pytest.raises(SettingsError, match="no measurement has this id"):
        lookup.locate("nonesuch", places)
    with pytest.raises(SettingsError, match="2 ids begin with it"):
        lookup.locate("", places)


def test_why_shows_data_code_versions_machine_and_settings(measurement: Measurement, places: Places) -> None:
    text, origin = why.describe(Located(measurement, "ledger"), places), measurement.origin
    for expected in (
        "blobs · den · seed 0",
        measurement.id,
        measurement.key,
        measurement.data,
        origin.torch,
        str(origin.machine.processor),
        str(origin.machine.capability),
        str(origin.fingerprint)[:12],
    ):
        assert expected in text
    assert "None" not in text
    assert "not compared" not in text
    table = dict(line.split(maxsplit=1) for line in text.partition("settings\n")[2].splitlines())
    assert table.keys() == dict(flat(measurement.settings)).keys()
    assert table["method_params.drift_threshold"] == "0.5"
    assert table["training.steps"] == "null"


def test_why_needs_neither_data_nor_a_gpu(here: Path) -> None:
    on_gpu = result("mnist_variation", "den", 1, machine={"system": "Linux", "gpu": "NVIDIA H200", "cuda": "13.0"})
    text = why.describe(Located(on_gpu.measurement, "ledger"), Places())
    assert "NVIDIA H200, CUDA 13.0\n" in text
    assert "None" not in text
    (line,) = [line for line in text.splitlines() if line.startswith("not compared")]
    assert "mnist_variation is not prepared here" in line


def test_by_default_why_takes_the_newest_measurement(measurement: Measurement, places: Places) -> None:
    assert lookup.newest(places) == Located(measurement, "ledger")
    newer = execute(cell("finetune"), places)
    assert lookup.newest(places) == Located(newer, "ledger")


def test_without_a_measurement_the_newest_is_refused(places: Places, here: Path) -> None:
    with pytest.raises(SettingsError, match="`den run` measures"):
        lookup.newest(places)


def test_the_documents_name_only_measurements_that_are_accepted() -> None:
    for page in documents.PAGES:
        for id in re.findall(r"\bden (?:why|rerun) ([0-9a-f]{4,})", page.read_text(encoding="utf-8")):
            assert accepted_results.find(id), f"{page}: den why {id}"


def test_measuring_again_gives_the_same_to_the_last_bit(measurement: Measurement, places: Places) -> None:
    titles: list[str] = []
    again = rerun.remeasure(measurement, places, titles.append)
    assert again.same
    assert again.largest == 0
    assert again.compared > 50
    assert "task 2 · selective retraining" in titles
    assert len(Ledger.of(places).entries()) == 1


def test_a_score_or_measure_that_is_not_the_same_is_noticed() -> None:
    one = result("blobs", "den", 1)
    assert rerun.compare_measurements(one.measurement, one.measurement).same
    half = with_scores(one, lambda value: value / 2).measurement
    number = sum(value is not None for row in half.scores["auroc"] for value in row)
    assert rerun.compare_measurements(one.measurement, half).different == number
    columns = one.measurement.measures
    fewer = {name: getattr(columns, name)[1:] for name in type(columns).model_fields}
    other = one.measurement.model_copy(update={"measures": columns.model_copy(update=fewer)})
    assert rerun.compare_measurements(one.measurement, other).different > 0


def test_a_score_or_measure_that_came_later_is_compared_once_both_have_it() -> None:
    one = result("blobs", "den", 1)
    more = with_more(one)
    compared = rerun.compare_measurements(one.measurement, more.measurement)
    assert compared.same
    assert compared == rerun.compare_measurements(one.measurement, one.measurement)
    half = with_scores(more, lambda value: value / 2, LATER_SCORE).measurement
    assert rerun.compare_measurements(one.measurement, half).same
    assert rerun.compare_measurements(more.measurement, half).largest > 0.2


@pytest.fixture(scope="module")
def with_a_result(project: Path) -> Path:
    """Return the project with one measured cell, and one accepted suite of four."""
    for folder in (project / "reports/accepted").iterdir():
        if folder.name != "cifar100-quick":
            shutil.rmtree(folder)
    ran = den(project, "run", "--suite", "smoke", "--method", "finetune")
    assert ran.returncode == 0, ran.stderr
    return project


def ledger_of(project: Path) -> Ledger:
    places = Places()
    return Ledger(project / places.ledger, project / ".den/of-a-test.sqlite")


@pytest.mark.slow
def test_the_flow_records_which_run_of_it_measured_and_dvc_which_data(with_a_result: Path) -> None:
    (entry,) = ledger_of(with_a_result).entries()
    origin = ledger_of(with_a_result).load(entry.id).origin
    assert origin.flow_run is not None
    assert origin.flow_run.count("-") == 4
    assert str(origin.data_version).endswith(".dir")
    assert origin.run == ledger_of(with_a_result).runs()[0].id
    answer = den(with_a_result, "why", entry.id[:6])
    assert origin.flow_run in answer.stdout
    again = den(with_a_result, "rerun", entry.id[:6])
    assert again.returncode == 0, again.stderr + again.stdout
    assert "the same, to the last bit" in again.stdout
    assert len(ledger_of(with_a_result).entries()) == 1


@pytest.mark.slow
def test_a_run_without_a_limit_of_cells_logs_no_warning(with_a_result: Path) -> None:
    with sqlite3.connect(with_a_result / ".prefect/prefect.db") as connection:
        messages = connection.execute("select message from log where level >= 30").fetchall()
        assert not messages
        assert connection.execute("select count(*) from log").fetchone()[0] > 5


@pytest.mark.slow
def test_a_number_that_does_not_come_again_is_an_error(with_a_result: Path) -> None:
    (entry,) = ledger_of(with_a_result).entries()
    measurement = ledger_of(with_a_result).load(entry.id)
    other = with_scores(replace(result("blobs", "finetune", 0), measurement=measurement), lambda value: value / 2)
    other_id = ledger_of(with_a_result).add(other.measurement)
    differs = den(with_a_result, "rerun", other_id)
    assert differs.returncode == 1, differs.stderr
    assert "numbers differ, scores by up to" in differs.stdout


@pytest.mark.slow
def test_mlflow_has_the_whole_ledger_and_twice_changes_nothing(with_a_result: Path) -> None:
    counts = []
    for _ in range(2):
        answer = den(with_a_result, "sync")
        assert answer.returncode == 0, answer.stderr
        with sqlite3.connect(with_a_result / ".mlflow/mlflow.db") as connection:
            counts.append(connection.execute("select count(*) from runs").fetchone())
    assert counts[0] == counts[1]
