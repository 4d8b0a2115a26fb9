"""What MLflow is asked for afterwards: the queries of docs/mlflow.md, and the networks of finished cells."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import mlflow
import numpy as np
import pandas as pd
import pytest
import small
from conftest import ROOT
from mlflow import MlflowClient

from den import harness, runs
from den.ledger import Places, Record
from flows import models, tracking

PAGE = ROOT / "docs/mlflow.md"
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
BLOCKS = PYTHON.findall(PAGE.read_text(encoding="utf-8"))
METHODS = ("finetune", "single_task", "joint", "den")


class Told(NamedTuple):
    """A folder whose MLflow knows the records of some cells that were run there."""

    folder: Path
    records: list[Record]


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory, blobs_folder: Path) -> Iterator[Told]:
    folder = tmp_path_factory.mktemp("told")
    (folder / "data").mkdir()
    (folder / "data/streams").symlink_to(blobs_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        records = [runs.execute(small.cell(method), Places()) for method in METHODS]
        assert tracking.track("smoke", records, verdict="changed")
        mlflow.set_tracking_uri(tracking.address())
        yield Told(folder, records)
        mlflow.set_tracking_uri(None)


def cell_runs(**tags: str) -> list:
    chosen = " and ".join(f"tags.{key} = '{value}'" for key, value in {"role": "cell", **tags}.items())
    return mlflow.search_runs(experiment_names=["Blobs"], filter_string=chosen, output_format="list")


def logged() -> list:
    experiment = mlflow.get_experiment_by_name("Blobs").experiment_id
    return mlflow.search_logged_models([experiment], output_format="list")


def learned(record: Record) -> runs.Execution:
    return runs.Execution.resume(runs.Cell.model_validate_json(json.dumps(record["cell"])), Places())


def test_every_query_of_the_page_finds_something(told: Told) -> None:
    names: dict[str, object] = {}
    exec(BLOCKS[0], names)
    for block in BLOCKS[1:]:
        before = set(names)
        exec(block, names)
        found = [names[name] for name in names.keys() - before if isinstance(names[name], pd.DataFrame | np.ndarray)]
        assert found, block
        assert all(len(one) for one in found), block


def test_the_query_of_the_front_page_finds_something(told: Told) -> None:
    (query,) = [block for block in PYTHON.findall((ROOT / "README.md").read_text()) if "mlflow" in block]
    names: dict[str, object] = {}
    exec(query, names)
    assert len(names["grown"]) == 1


def test_the_pages_best_cell_is_the_ledgers(told: Told) -> None:
    names: dict[str, object] = {}
    exec("".join(BLOCKS[:2]), names)
    finals = {record["cell"]["method"]: np.mean(record["scores"]["auroc"][-1]) for record in told.records}
    assert list(names["best"]["tags.method"]) == sorted(finals, key=finals.get, reverse=True)


@pytest.mark.parametrize("method", METHODS)
def test_a_network_from_mlflow_answers_as_the_method_did(told: Told, method: str) -> None:
    (record,) = (record for record in told.records if record["cell"]["method"] == method)
    (run,) = cell_runs(method=method)
    network = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/{models.NAME}")
    execution = learned(record)
    for task, test in enumerate(execution.stream.tests):
        answers = network.predict(test.x.float().numpy(), params={"task_id": task + 1})
        expected = harness.predict(execution.method, test, task)
        assert np.array_equal(answers, expected.sigmoid().numpy())


def test_a_network_has_its_signature_example_and_final_scores(told: Told) -> None:
    (run,) = cell_runs(method="den")
    network = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/{models.NAME}")
    signature = network.metadata.signature
    assert [(one.type, one.shape) for one in signature.inputs] == [(np.dtype("float32"), (-1, 48))]
    assert {one.name: one.default for one in signature.params} == {"task_id": 1}
    assert network.input_example.shape == (2, 48)
    model = mlflow.get_logged_model(network.model_id)
    scores = {metric.key: metric.value for metric in model.metrics}
    assert scores["auroc/average"] == run.data.metrics["auroc/average"]
    assert model.tags["identity"] == run.data.tags["identity"]


@pytest.mark.parametrize("task", [0, 4])
def test_a_task_that_was_not_learned_is_refused(told: Told, task: int) -> None:
    network = mlflow.pyfunc.load_model(logged()[0].model_uri)
    with pytest.raises(ValueError, match=f"task_id is {task}; the network has learned the tasks 1 to 3"):
        network.predict(network.input_example, params={"task_id": task})


def test_a_network_has_no_pickle_and_loads_in_a_fresh_process_elsewhere(told: Told, tmp_path: Path) -> None:
    model = logged()[0]
    folder = Path(model.artifact_location.removeprefix("file://"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {"", ".yaml", ".txt", ".json", ".py", ".safetensors"}
    words = (
        f"import mlflow; network = mlflow.pyfunc.load_model({str(folder)!r}); "
        "print(network.predict(network.input_example, params={'task_id': 2}).tolist())"
    )
    said = subprocess.run([sys.executable, "-c", words], cwd=tmp_path, capture_output=True, text=True, check=True)
    here = mlflow.pyfunc.load_model(model.model_uri)
    assert json.loads(said.stdout) == here.predict(here.input_example, params={"task_id": 2}).tolist()


def test_a_cell_whose_last_checkpoint_is_not_here_has_a_run_and_no_network(
    told: Told, caplog: pytest.LogCaptureFixture
) -> None:
    record = runs.execute(small.cell("l2"), Places())
    count = len(logged())
    learned(record).checkpoints()[-1].unlink()  # the one before it stays, of a task half learned
    assert tracking.track("smoke", [record])
    assert [run.info.status for run in cell_runs(method="l2")] == ["FINISHED"]
    assert len(logged()) == count
    assert not caplog.records


def test_a_network_that_other_code_has_trained_is_left_out(told: Told) -> None:
    record, count = told.records[0], len(logged())
    older = record | {"identity": "0" * 16}
    (Places().work / older["identity"]).mkdir()
    (Places().work / older["identity"] / "0006.safetensors").touch()
    assert tracking.track("earlier", [older])
    assert len(logged()) == count


def test_a_cell_told_anew_has_one_network(told: Told, monkeypatch: pytest.MonkeyPatch) -> None:
    record, count = runs.execute(small.cell("ewc"), Places()), len(logged())
    with monkeypatch.context() as broken:
        broken.setattr(MlflowClient, "log_dict", lambda *given: 1 / 0)
        assert not tracking.track("smoke", [record])
    for _ in range(2):
        assert tracking.track("smoke", [record])
    assert len(logged()) == count + 1
