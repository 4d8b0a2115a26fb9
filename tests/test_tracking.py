"""MLflow mirrors the ledger: once, whole, and never at the price of a result."""

import json
import multiprocessing
import shutil
import socket
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from mlflow import MlflowClient
from mlflow.entities import Run
from synthetic import records

from den import metrics
from flows import points, tracking

MOMENTS = {"started": "2026-01-02T03:04:05+00:00", "finished": "2026-01-02T03:05:05+00:00"}


@pytest.fixture
def found() -> list[dict]:
    """Return the records of two methods, as the ledger has them."""
    grid = records("blobs", seeds=1, methods=("den", "l2"), tasks=3)
    return [record | {"provenance": record["provenance"] | MOMENTS} for record in grid]


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty store; making one takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        tracking.store()
    return folder / tracking.FOLDER


@pytest.fixture
def client(here: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    shutil.copytree(empty, tracking.FOLDER)
    return MlflowClient(tracking.address())


def runs(client: MlflowClient, role: str) -> list:
    experiment = client.get_experiment_by_name("Blobs")
    return client.search_runs([experiment.experiment_id], f"tags.role = '{role}'")


def history(client: MlflowClient, run: Run, key: str) -> dict[int, float]:
    return {metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, key)}


def test_a_child_run_for_every_cell_and_one_parent(client: MlflowClient, found: list[dict]) -> None:
    assert tracking.track("smoke", found)
    (parent,) = runs(client, "benchmark")
    cells = runs(client, "cell")
    assert {run.data.tags["identity"] for run in cells} == {record["identity"] for record in found}
    assert {run.data.tags["mlflow.parentRunId"] for run in cells} == {parent.info.run_id}
    assert {run.info.status for run in [parent, *cells]} == {"FINISHED"}


def test_telling_it_twice_changes_nothing(client: MlflowClient, found: list[dict]) -> None:
    for _ in range(2):
        assert tracking.track("smoke", found)
    assert len(runs(client, "cell")) == 2
    assert len(runs(client, "benchmark")) == 1


def test_one_result_under_two_names_is_two_runs(client: MlflowClient, found: list[dict]) -> None:
    other = found[0] | {"cell": found[0]["cell"] | {"variant": "other"}}
    assert tracking.track("smoke", [found[0] | {"cell": found[0]["cell"] | {"variant": ""}}])
    for _ in range(2):
        assert tracking.track("smoke", [*found, other])
    assert sorted(run.info.run_name for run in runs(client, "cell")) == [
        "DEN · seed 1",
        "L2 · seed 1",
        "Other · seed 1",
    ]
    parent = next(run for run in runs(client, "benchmark") if len(run.data.metrics) > 2)
    assert parent.data.metrics["auroc/other"] == parent.data.metrics["auroc/den"]


def test_a_run_left_half_told_is_told_anew(
    client: MlflowClient, found: list[dict], monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(points, "of_cell", lambda *given: 1 / 0)
        assert not tracking.track("smoke", found)
    assert tracking.track("smoke", found)
    assert {run.info.status for run in runs(client, "cell")} == {"FINISHED"}
    assert (len(runs(client, "cell")), len(runs(client, "benchmark"))) == (2, 1)


def test_a_cell_has_scores_by_task_its_data_and_its_record(client: MlflowClient, found: list[dict]) -> None:
    tracking.track("smoke", found)
    run = next(run for run in runs(client, "cell") if run.data.tags["method"] == "den")
    record = next(record for record in found if record["cell"]["method"] == "den")
    R = np.array(record["scores"]["auroc"], dtype=float)
    assert history(client, run, "auroc/task 01") == dict(enumerate(R[:, 0], start=1))
    assert history(client, run, "auroc/task 03") == {3: R[2, 2]}
    assert history(client, run, "auroc/average") == dict(enumerate(metrics.averages(R), start=1))
    assert history(client, run, "auroc/forgetting") == {2: R[0, 0] - R[1, 0], 3: metrics.forgetting(R)}
    assert run.inputs.dataset_inputs[0].dataset.digest == record["provenance"]["stream_hash"]
    assert run.data.params["method"] == "den"
    folder = client.download_artifacts(run.info.run_id, "record.json")
    assert json.loads(Path(folder).read_text()) == record


def test_the_report_lies_with_the_parent(client: MlflowClient, found: list[dict], tmp_path: Path) -> None:
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / "index.html").write_text("page")
    tracking.track("smoke", found, tmp_path / "report")
    (parent,) = runs(client, "benchmark")
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "report")] == ["report/index.html"]


def test_the_table_and_the_figures_of_the_stream_lie_with_the_parent(
    client: MlflowClient, found: list[dict], tmp_path: Path
) -> None:
    for stream in ("blobs", "other"):
        (tmp_path / "report/figures" / stream).mkdir(parents=True)
        (tmp_path / "report/figures" / stream / f"{stream}.png").touch()
    tracking.track("smoke", found, tmp_path / "report")
    (parent,) = runs(client, "benchmark")
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "figures")] == ["figures/blobs.png"]
    numbers = pd.read_csv(client.download_artifacts(parent.info.run_id, "summary.csv")).set_index("method")["auroc"]
    assert {f"auroc/{method}": value for method, value in numbers.items()} == pytest.approx(
        {key: value for key, value in parent.data.metrics.items() if key.startswith("auroc/")}
    )
    table = Path(client.download_artifacts(parent.info.run_id, "summary.md")).read_text()
    assert table in parent.data.tags["mlflow.note.content"]


def test_cells_of_several_settings_under_one_name_are_shown_without_a_table(
    client: MlflowClient, found: list[dict]
) -> None:
    assert tracking.track("earlier", [found[0], found[0] | {"identity": "other"}])
    (parent,) = runs(client, "benchmark")
    assert len(runs(client, "cell")) == 2
    assert not client.list_artifacts(parent.info.run_id)


def test_everything_is_described(client: MlflowClient, found: list[dict]) -> None:
    tracking.track("smoke", found, verdict="changed")
    (parent,) = runs(client, "benchmark")
    (den,) = (run for run in runs(client, "cell") if run.data.tags["method"] == "den")
    stream = client.get_experiment_by_name("Blobs").tags["mlflow.note.content"]
    assert "**Blobs**, 3 tasks" in stream
    assert "verdict **changed**" in parent.data.tags["mlflow.note.content"]
    assert "split what would forget" in den.data.tags["mlflow.note.content"]
    assert f"den rerun {den.data.tags['identity']}" in den.data.tags["mlflow.note.content"]


def test_runs_are_found_by_their_tags(client: MlflowClient, found: list[dict]) -> None:
    tracking.track("smoke", found, verdict="changed")
    (identity,) = (record["identity"] for record in found if record["cell"]["method"] == "l2")
    tags = {"suite": "smoke", "stream": "blobs", "verdict": "changed", "commit": found[0]["provenance"]["commit"]}
    ours = " and ".join(f"tags.{key} = '{value}'" for key, value in tags.items())
    everywhere = [experiment.experiment_id for experiment in client.search_experiments()]
    assert len(client.search_runs(everywhere, ours)) == 3
    (cell,) = client.search_runs(everywhere, f"{ours} and tags.method = 'l2' and tags.seed = '1'")
    assert cell.data.tags["identity"] == identity


def test_what_is_not_known_is_no_tag(client: MlflowClient, found: list[dict]) -> None:
    strangers = [record | {"provenance": record["provenance"] | {"commit": None}} for record in found]
    assert tracking.track("smoke", strangers)
    for run in [*runs(client, "benchmark"), *runs(client, "cell")]:
        assert not {"commit", "verdict"} & run.data.tags.keys()


def test_a_dead_server_is_a_warning(
    here: Path, found: list[dict], monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        assert not tracking.track("smoke", found)
    assert "the results are in the ledger" in caplog.text


def test_the_store_is_made_whole_by_several_at_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=tracking.store) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert MlflowClient(tracking.address()).search_experiments()
