"""What people do with MLflow: the queries of docs/mlflow.md, the links of `den ui`, the networks of finished cells."""

import json
import os
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

import httpx
import mlflow
import numpy as np
import pandas as pd
import pytest
import sites
import small
from mlflow import MlflowClient
from nightly import name_of, run_of
from projects import ROOT

from den import execution, harness
from den.cells import cell_of
from den.config import SettingsError
from den.execution import Execution
from den.ledger import CellResult, Order, Places
from den.streams import tables
from den.tasks import Examples
from flows.commands import ui
from flows.tracking import descriptions, models, tracker

PAGE = ROOT / "docs/mlflow.md"
PYTHON = re.compile(r"```python\n(.*?)```", re.DOTALL)
BLOCKS = PYTHON.findall(PAGE.read_text(encoding="utf-8"))
METHODS = ("finetune", "single_task", "joint", "den")
MAY_BE_EMPTY = {"alarms"}


class Mirrored(NamedTuple):
    """A folder whose MLflow shows a run of some cells that were measured there."""

    folder: Path
    results: list[CellResult]


def measured(method: str, night: int, name: str = "") -> CellResult:
    """Measure a small cell as part of a night's run."""
    order = Order(run=name_of(night), again=True)
    return CellResult(name or method, execution.execute(small.cell(method), Places(), order))


def track(night: int, *results: CellResult) -> None:
    assert tracker.track(run_of(night, results), results)


@pytest.fixture(scope="module")
def mirrored(tmp_path_factory: pytest.TempPathFactory, blobs_folder: Path) -> Iterator[Mirrored]:
    folder = tmp_path_factory.mktemp("mirrored")
    (folder / "params.yaml").touch()
    (folder / "data").mkdir()
    (folder / "data/streams").symlink_to(blobs_folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.delenv("DEN_LEDGER", raising=False)
        patch.chdir(folder)
        results = [measured(method, 0) for method in METHODS]
        track(0, *results)
        mlflow.set_tracking_uri(tracker.address())
        yield Mirrored(folder, results)
        mlflow.set_tracking_uri(None)


def cell_runs(**tags: str) -> list:
    chosen = " and ".join(f"tags.{key} = '{value}'" for key, value in {"role": "cell", **tags}.items())
    return mlflow.search_runs(experiment_names=["Blobs"], filter_string=chosen, output_format="list")


def logged() -> list:
    experiment = mlflow.get_experiment_by_name("Blobs").experiment_id
    return mlflow.search_logged_models([experiment], output_format="list")


def learned(result: CellResult) -> Execution:
    measurement = result.measurement
    return Execution.resume(cell_of(measurement.settings), Places(), Order(run=measurement.origin.run))


# Queries


def test_every_query_of_the_page_finds_something(mirrored: Mirrored) -> None:
    names: dict[str, object] = {}
    exec(BLOCKS[0], names)
    for block in BLOCKS[1:]:
        before = set(names)
        exec(block, names)
        values = {name: names[name] for name in names.keys() - before}
        frames = {name: value for name, value in values.items() if isinstance(value, pd.DataFrame | np.ndarray)}
        assert frames, block
        assert all(len(frame) for name, frame in frames.items() if name not in MAY_BE_EMPTY), block


def test_the_query_of_the_how_to_finds_something(mirrored: Mirrored) -> None:
    (query,) = [block for block in PYTHON.findall((ROOT / "docs/how-to/questions.md").read_text()) if "mlflow" in block]
    names: dict[str, object] = {}
    exec(query, names)
    assert len(names["grown"]) == 1


def test_the_pages_cells_means_and_trend_are_the_ledgers(mirrored: Mirrored) -> None:
    names: dict[str, object] = {}
    exec("".join(BLOCKS[:6]), names)
    finals = {result.name: np.mean(result.measurement.matrix("auroc")[-1]) for result in mirrored.results}
    assert list(names["best"]["tags.method"]) == sorted(finals, key=finals.get, reverse=True)
    assert names["means"]["metrics.auroc/average"].to_dict() == finals
    assert {name.removeprefix("auroc/"): value for name, value in names["trend"].loc[1].items()} == finals
    assert names["scores"]["metrics.auroc/den"][0] == finals["den"]


# Networks


@pytest.mark.parametrize("method", METHODS)
def test_a_network_from_mlflow_answers_as_the_method_did(mirrored: Mirrored, method: str) -> None:
    (result,) = (result for result in mirrored.results if result.name == method)
    (run,) = cell_runs(method=method)
    network = mlflow.pyfunc.load_model(f"runs:/{run.info.run_id}/{models.NAME}")
    original = learned(result)
    for task, test in enumerate(original.stream.tests):
        answers = network.predict(test.x.float().numpy(), params={"task_id": task + 1})
        expected = harness.predict(original.method, test, task)
        assert np.array_equal(answers, expected.sigmoid().numpy())


def test_a_network_of_a_table_sees_features_on_the_scale_it_learned_them(mirrored: Mirrored, tmp_path: Path) -> None:
    original = learned(mirrored.results[0])
    first = original.stream.tests[0]
    scaled = Examples(first.x, first.y, *tables.standard(first.x))
    with models._quietly():
        models._save(replace(original, stream=replace(original.stream, tests=[scaled])), logged()[0], "", tmp_path)
    network = mlflow.pyfunc.load_model(str(tmp_path / models.NAME))
    answers = network.predict(first.x.float().numpy(), params={"task_id": 1})
    assert np.array_equal(answers, harness.predict(original.method, scaled, 0).sigmoid().numpy())
    assert not np.array_equal(answers, harness.predict(original.method, first, 0).sigmoid().numpy())


def test_a_network_has_its_signature_example_and_final_scores(mirrored: Mirrored) -> None:
    (run,) = cell_runs(method="den")
    network = mlflow.pyfunc.load_model(f"models:/{run.data.tags['model']}")
    signature = network.metadata.signature
    assert [(one.type, one.shape) for one in signature.inputs] == [(np.dtype("float32"), (-1, 48))]
    assert {one.name: one.default for one in signature.params} == {"task_id": 1}
    assert network.input_example.shape == (2, 48)
    model = mlflow.get_logged_model(network.model_id)
    scores = {metric.key: metric.value for metric in model.metrics}
    assert scores["auroc/average"] == run.data.metrics["auroc/average"]
    assert model.tags["measurement"] == run.data.tags["measurement"]


@pytest.mark.parametrize("task", [0, 4])
def test_a_task_that_was_not_learned_is_refused(mirrored: Mirrored, task: int) -> None:
    network = mlflow.pyfunc.load_model(logged()[0].model_uri)
    with pytest.raises(ValueError, match=f"task_id is {task}; the network has learned the tasks 1 to 3"):
        network.predict(network.input_example, params={"task_id": task})


@pytest.mark.slow
def test_a_network_has_no_pickle_and_loads_in_a_fresh_process_elsewhere(mirrored: Mirrored, tmp_path: Path) -> None:
    model = logged()[0]
    folder = Path(model.artifact_location.removeprefix("file://"))
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert {path.suffix for path in files} == {"", ".yaml", ".txt", ".json", ".py", ".safetensors"}
    code = (
        f"import mlflow; network = mlflow.pyfunc.load_model({str(folder)!r}); "
        "print(network.predict(network.input_example, params={'task_id': 2}).tolist())"
    )
    printed = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    here = mlflow.pyfunc.load_model(model.model_uri)
    assert json.loads(printed.stdout) == here.predict(here.input_example, params={"task_id": 2}).tolist()


def test_a_cell_whose_last_checkpoint_is_not_here_has_a_run_and_no_network(
    mirrored: Mirrored, caplog: pytest.LogCaptureFixture
) -> None:
    result, count = measured("l2", 1), len(logged())
    learned(result).checkpoints()[-1].unlink()  # the one before it stays, of a task half learned
    track(1, result)
    assert [run.info.status for run in cell_runs(method="l2")] == ["FINISHED"]
    assert len(logged()) == count
    assert not caplog.records


def test_a_network_that_other_code_has_trained_is_left_out_and_its_checkpoints_stay(
    mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch
) -> None:
    result, count = measured("ewc", 2), len(logged())
    folder = execution.folder_of(Places(), name_of(2), result.measurement.key)
    files = sorted(folder.iterdir())
    with monkeypatch.context() as changed:
        changed.setattr(models, "fingerprint", lambda cell: "e" * 64)
        track(2, result)
    assert len(logged()) == count
    assert sorted(folder.iterdir()) == files


def test_the_same_bits_share_a_network_under_every_name_as_long_as_it_is_there(mirrored: Mirrored) -> None:
    (first,) = cell_runs(method="finetune")
    count, client = len(logged()), MlflowClient()
    track(3, measured("finetune", 3), measured("finetune", 3, name="plus_head"))
    assert len(logged()) == count
    assert {run.data.tags["model"] for run in cell_runs(bits=first.data.tags["bits"])} == {first.data.tags["model"]}
    assert len(cell_runs(same_as=first.info.run_id)) == 2
    client.delete_logged_model(first.data.tags["model"])
    track(4, measured("finetune", 4))
    assert len(logged()) == count
    (newest,) = cell_runs(method="finetune", newest="yes")
    assert models.exists(client, newest.data.tags["model"])


def test_a_cell_that_was_cut_off_has_one_network(mirrored: Mirrored, monkeypatch: pytest.MonkeyPatch) -> None:
    result, count = measured("dnn_l1", 5), len(logged())
    with monkeypatch.context() as broken:
        broken.setattr(descriptions, "of_cell", lambda *given: 1 / 0)
        assert not tracker.track(run_of(5, [result]), [result])
    for _ in range(2):
        track(5, result)
    assert len(logged()) == count + 1


# The page


def test_every_stream_has_links_to_its_cells_and_runs(mirrored: Mirrored) -> None:
    experiment = mlflow.get_experiment_by_name("Blobs").experiment_id
    base = f"http://127.0.0.1:5000/#/experiments/{experiment}/runs?viewStateShareKey="
    assert ui.links(5000) == [
        f"Blobs, {view}: {base}{view}&workflowType=machine_learning" for view in ("cells", "runs")
    ]


@pytest.mark.slow
def test_the_server_prints_the_links_and_no_advice_to_open_it_to_others(mirrored: Mirrored) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = f"from flows.commands import ui; ui.serve({port})"
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    with subprocess.Popen([sys.executable, "-c", code], env=environment, start_new_session=True, **pipes) as server:
        try:
            lines = [server.stdout.readline() for _ in range(3)]
            sites.until(lambda: httpx.get(f"http://127.0.0.1:{port}").is_success, 240)
        finally:
            os.killpg(server.pid, 15)
        lines += server.stdout.readlines()
    address = f"MLflow starts at http://127.0.0.1:{port} within seconds; Ctrl-C ends it"
    assert [line.strip() for line in lines[:3]] == [*ui.links(port), address]
    assert not re.search(r"0\.0\.0\.0|Warning|INFO", "".join(lines))


def test_runs_on_a_server_are_not_browsed_here(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://127.0.0.1:1")
    with pytest.raises(SettingsError, match="browse the runs there"):
        ui.serve(5000)
