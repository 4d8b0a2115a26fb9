"""MLflow mirrors the ledger: once, whole, with true means, and never at the price of a result."""

import json
import multiprocessing
import shutil
import socket
from collections.abc import Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import synthetic
from mlflow import MlflowClient
from mlflow.entities import Run as Shown
from nightly import FIRST, LENGTH, name_of, run_of

from den import measures, metrics
from den.ledger import CellResult, Ledger, Places, Run
from flows.tracking import inventory, metric_points, models, newest_tags, parent_runs, syncing, tracker, views
from reports import accepted_results

METHODS = ("den", "l2")


def night(number: int, seeds: int = 1, methods: Sequence[str] = METHODS, stream: str = "blobs") -> list[CellResult]:
    """Return what a night's run measures: every night the same bits."""
    start = FIRST + timedelta(days=number)
    about = {"started": start.isoformat(), "ended": (start + timedelta(minutes=5)).isoformat(), "run": name_of(number)}
    return [synthetic.result(stream, method, seed, 3, **about) for method in methods for seed in range(1, seeds + 1)]


def track(number: int, results: Sequence[CellResult], report: Path | None = None, **about: Any) -> None:
    assert tracker.track(run_of(number, results, **about), results, report)


def moved(result: CellResult, by: float = 0.01) -> CellResult:
    return synthetic.with_scores(result, lambda value: max(0.0, value - by))


def under_other_settings(result: CellResult) -> CellResult:
    """Return the result of a cell with another key."""
    content = result.measurement.model_dump(mode="json")
    content["settings"]["training"]["epochs"] = 99
    content["key"] = synthetic.key_of(content["settings"], content["data"])
    return replace(result, measurement=type(result.measurement).model_validate_json(json.dumps(content)))


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an empty store; making one takes seconds."""
    folder = tmp_path_factory.mktemp("store")
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        patch.chdir(folder)
        tracker.store()
    return folder / tracker.FOLDER


@pytest.fixture
def client(here: Path, empty: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    monkeypatch.delenv("DEN_LEDGER", raising=False)
    shutil.copytree(empty, tracker.FOLDER)
    return MlflowClient(tracker.address())


def search(client: MlflowClient, condition: str, stream: str = "Blobs") -> list[Shown]:
    experiment = client.get_experiment_by_name(stream)
    return list(client.search_runs([experiment.experiment_id], condition, order_by=["attributes.start_time ASC"]))


def runs(client: MlflowClient, role: str, **tags: str) -> list[Shown]:
    """Return the runs of a role and these tags, the oldest first."""
    return search(client, " and ".join(f"tags.{key} = '{value}'" for key, value in {"role": role, **tags}.items()))


def only(client: MlflowClient, role: str, **tags: str) -> Shown:
    (run,) = runs(client, role, **tags)
    return run


def history(client: MlflowClient, run: Shown, key: str) -> dict[int, float]:
    return {metric.step: metric.value for metric in client.get_metric_history(run.info.run_id, key)}


def seconds(run: Shown) -> tuple[float, float]:
    return run.info.start_time / 1000, run.info.end_time / 1000


# Parents


def test_a_run_is_a_parent_with_its_times_trigger_and_verdict_and_its_cells_below(client: MlflowClient) -> None:
    results = night(0)
    track(0, results)
    parent, cells = only(client, "run"), runs(client, "cell")
    about = {key: parent.data.tags[key] for key in ("run", "suite", "stream", "trigger", "verdict", "measured")}
    assert list(about.values()) == [name_of(0), "smoke", "blobs", "schedule", "unchanged", "2"]
    assert parent.info.run_name == "smoke · 2026-11-28 02:00"
    assert seconds(parent) == (FIRST.timestamp(), (FIRST + LENGTH).timestamp())
    assert {seconds(cell) for cell in cells} == {(FIRST.timestamp(), (FIRST + timedelta(minutes=5)).timestamp())}
    assert {cell.data.tags["measurement"] for cell in cells} == {result.measurement.id for result in results}
    assert {cell.data.tags["mlflow.parentRunId"] for cell in cells} == {parent.info.run_id}
    assert {run.info.status for run in [parent, *cells]} == {"FINISHED"}


def test_a_parent_has_means_over_measured_and_reused_cells_and_names_the_reused(client: MlflowClient) -> None:
    first = night(0, seeds=2)
    track(0, first)
    second = [
        replace(old, how="reused") if old.measurement.seed == 1 else moved(new)
        for old, new in zip(first, night(1, seeds=2), strict=True)
    ]
    track(1, second)
    _, parent = runs(client, "run")
    for method in METHODS:
        values = [metrics.average(r.measurement.matrix("auroc")) for r in second if r.name == method]
        assert parent.data.metrics[f"auroc/{method}"] == np.mean(values)
    assert (parent.data.tags["measured"], parent.data.tags["reused"]) == ("2", "2")
    assert "DEN, seed 1: measured 2026-11-28" in parent.data.tags["mlflow.note.content"]
    below = search(client, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert {cell.data.tags["seed"] for cell in below} == {"2"}
    assert len(runs(client, "cell")) == 6


@pytest.mark.slow
@pytest.mark.parametrize("verdict", parent_runs.ALARMS)
def test_an_alarm_is_a_failed_run(client: MlflowClient, verdict: str) -> None:
    track(0, night(0), verdict=verdict, failures={"blobs · ewc · seed 1": "diverged", "other · ewc · seed 1": "no"})
    parent = only(client, "run")
    assert parent.info.status == "FAILED"
    assert "ewc · seed 1 failed: diverged" in parent.data.tags["mlflow.note.content"]
    assert "other" not in parent.data.tags["mlflow.note.content"]
    track(0, night(0), verdict=verdict)
    assert len(runs(client, "run")) == 1


@pytest.mark.slow
def test_a_run_has_a_parent_per_stream(client: MlflowClient) -> None:
    track(0, [*night(0), *night(0, stream="split_mnist")])
    for stream, label in (("blobs", "Blobs"), ("split_mnist", "Split MNIST")):
        (parent,) = search(client, "tags.role = 'run'", label)
        assert (parent.data.tags["stream"], parent.data.tags["measured"]) == (stream, "2")


@pytest.mark.slow
def test_a_run_in_which_every_cell_failed_is_shown(client: MlflowClient) -> None:
    run = run_of(0, night(0), verdict="failed", failures={r.title: "diverged" for r in night(0)})
    run = Run(run.begun, run.ended.model_copy(update={"answers": ()}))
    assert tracker.track(run, [])
    assert "diverged" in only(client, "run").data.tags["mlflow.note.content"]


@pytest.mark.slow
def test_twice_shows_it_once(client: MlflowClient) -> None:
    for _ in range(2):
        track(0, night(0))
    assert [len(runs(client, role)) for role in ("run", "cell", "history")] == [1, 2, 1]


@pytest.mark.slow
def test_a_run_that_a_retry_completes_is_shown_as_it_ended_last(client: MlflowClient) -> None:
    results = night(0)
    run = run_of(0, results, verdict="failed", failures={results[1].title: "killed"})
    assert tracker.track(run, results[:1])
    later = run.ended.model_copy(update={"ended": run.ended.ended + timedelta(hours=1), "verdict": "unchanged"})
    assert tracker.track(Run(run.begun, later), results)
    parent = only(client, "run")
    assert (parent.info.status, parent.data.tags["verdict"], parent.data.tags["measured"]) == (
        "FINISHED",
        "unchanged",
        "2",
    )
    assert (len(runs(client, "cell")), parent.data.tags["number"]) == (2, "1")


# Cells


def test_a_cell_has_scores_by_task_its_data_and_its_measurement(client: MlflowClient) -> None:
    results = night(0)
    track(0, results)
    cell, measurement = only(client, "cell", method="den"), results[0].measurement
    R = measurement.matrix("auroc")
    assert history(client, cell, "auroc/task 01") == dict(enumerate(R[:, 0], start=1))
    assert history(client, cell, "auroc/task 03") == {3: R[2, 2]}
    assert history(client, cell, "auroc/average") == dict(enumerate(metrics.averages(R), start=1))
    assert history(client, cell, "auroc/forgetting") == {2: R[0, 0] - R[1, 0], 3: metrics.forgetting(R)}
    assert cell.data.metrics["final/capacity"] == measurement.totals["capacity"]
    assert cell.inputs.dataset_inputs[0].dataset.digest == measurement.data[:36]
    assert (cell.data.params["method"], cell.data.params["training.epochs"]) == ("den", "8")
    path = client.download_artifacts(cell.info.run_id, "measurement.json")
    assert type(measurement).model_validate_json(Path(path).read_text()) == measurement


@pytest.mark.slow
@pytest.mark.parametrize("measure", measures.TOTALS)
def test_a_measure_that_is_null_keeps_nothing_else_from_mlflow(client: MlflowClient, measure: str) -> None:
    den, l2 = night(0)
    track(0, [synthetic.without_values(den, measure), l2])
    assert len(runs(client, "cell")) == 2
    assert f"final/{measure}" not in only(client, "cell", method="den").data.metrics
    assert f"final/{measure}" in only(client, "cell", method="l2").data.metrics


@pytest.mark.slow
def test_cells_are_found_by_their_tags(client: MlflowClient) -> None:
    results = night(0)
    track(0, results)
    den = results[0].measurement
    tags = {"suite": "smoke", "stream": "blobs", "seed": "1", "verdict": "unchanged", "run": name_of(0)}
    tags |= {"key": den.key, "digest": den.digest, "data": den.data, "commit": den.origin.commit}
    assert only(client, "cell", **tags).data.tags["method"] == "den"


@pytest.mark.slow
def test_what_is_not_recorded_is_no_tag(client: MlflowClient) -> None:
    track(0, [synthetic.result("blobs", "den", 1, 3, commit=None, fingerprint=None)], verdict="")
    for run in [only(client, "run"), only(client, "cell")]:
        assert not {"commit", "verdict", "fingerprint"} & run.data.tags.keys()


@pytest.mark.slow
def test_a_measurement_under_two_names_is_two_runs_and_under_two_suites_one(client: MlflowClient) -> None:
    results = night(0)
    track(0, results)
    track(1, [replace(result, how="reused") for result in results], suite="mnist-variation")
    track(2, [replace(results[0], name="plus_head", how="reused")], suite="differences")
    cells = {cell.info.run_name: cell.data.tags["suites"] for cell in runs(client, "cell")}
    both = "|mnist-variation|smoke|"
    assert cells == {"DEN · seed 1": both, "L2 · seed 1": both, "DEN with head · seed 1": "|differences|"}
    first = runs(client, "run")[0]
    assert {cell.data.tags["mlflow.parentRunId"] for cell in runs(client, "cell")} == {first.info.run_id}


def test_equal_labels_name_what_differs(client: MlflowClient) -> None:
    den, l2 = night(0)
    names = [replace(l2, name="l2_published"), replace(under_other_settings(l2), name="l2_published_permuted")]
    track(0, [*names, den, under_other_settings(den)])
    track(1, night(1, methods=("ewc",)), overrides=("training.epochs=99",))
    assert {cell.info.run_name for cell in runs(client, "cell")} == {
        "L2 (paper’s AUROC) · seed 1 · l2_published",
        "L2 (paper’s AUROC) · seed 1 · l2_published_permuted",
        "DEN · seed 1 · training.epochs=8",
        "DEN · seed 1 · training.epochs=99",
        "EWC · seed 1 · training.epochs=99",
    }


@pytest.mark.slow
def test_everything_is_described(client: MlflowClient) -> None:
    track(0, night(0))
    stream = client.get_experiment_by_name("Blobs").tags["mlflow.note.content"]
    parent, den = (run.data.tags for run in (only(client, "run"), only(client, "cell", method="den")))
    assert "**Blobs**" in stream
    assert "verdict **unchanged**" in parent["mlflow.note.content"]
    assert "same bits as the last 3 runs" in parent["mlflow.note.content"]
    assert "| DEN" in parent["mlflow.note.content"]
    assert "split units that moved too far" in den["mlflow.note.content"]
    assert f"den rerun {den['measurement']}" in den["mlflow.note.content"]


# Reports, networks, and links to those of the same bits


def report_in(folder: Path) -> Path:
    for stream in ("blobs", "other"):
        (folder / "figures" / stream).mkdir(parents=True)
        (folder / "figures" / stream / f"{stream}.png").touch()
    (folder / "index.html").write_text("page")
    return folder


@pytest.mark.slow
def test_the_report_the_table_and_the_figures_of_the_stream_lie_with_the_parent(
    client: MlflowClient, tmp_path: Path
) -> None:
    track(0, night(0, seeds=2), report_in(tmp_path / "report"))
    parent = only(client, "run")
    assert {file.path for file in client.list_artifacts(parent.info.run_id, "report")} == {
        "report/index.html",
        "report/figures",
    }
    assert [file.path for file in client.list_artifacts(parent.info.run_id, "figures")] == ["figures/blobs.png"]
    numbers = pd.read_csv(client.download_artifacts(parent.info.run_id, "summary.csv")).set_index("method")
    for method in METHODS:
        assert numbers["auroc"][method] == pytest.approx(parent.data.metrics[f"auroc/{method}"])
        assert numbers["capacity"][method] == pytest.approx(parent.data.metrics[f"capacity/{method}"])


def test_the_same_bits_bring_a_link_and_no_second_report_or_measurement(client: MlflowClient, tmp_path: Path) -> None:
    report = report_in(tmp_path / "report")
    for number in range(3):
        track(number, night(number), report)
    first, *others = runs(client, "run")
    original, *repeats = runs(client, "cell", method="den")
    for twin, run in [*((first, other) for other in others), *((original, repeat) for repeat in repeats)]:
        experiment, id = twin.info.experiment_id, twin.info.run_id
        assert run.data.tags["same_as"] == id
        assert (
            f"](#/experiments/{experiment}/runs/{id}?workflowType=machine_learning)"
            in run.data.tags["mlflow.note.content"]
        )
        assert {file.path for file in client.list_artifacts(run.info.run_id)} <= {"summary.csv"}
    assert {run.data.tags["report"] for run in [first, *others]} == {first.info.run_id}
    track(3, [moved(result) for result in night(3)], report)
    assert "same_as" not in runs(client, "run")[3].data.tags
    assert client.list_artifacts(runs(client, "run")[3].info.run_id, "report")


@pytest.mark.slow
@pytest.mark.parametrize("change", ["fingerprint", "digest", "key"])
def test_other_code_scores_or_settings_are_not_the_same_bits(client: MlflowClient, change: str) -> None:
    (result,) = night(0, methods=("den",))
    origin = result.measurement.origin.model_copy(update={"fingerprint": "e" * 64})
    other = {
        "fingerprint": replace(result, measurement=result.measurement.model_copy(update={"origin": origin})),
        "digest": moved(result),
        "key": under_other_settings(result),
    }[change]
    track(0, [result])
    track(1, [other])
    assert not any("same_as" in cell.data.tags for cell in runs(client, "cell"))


# Suites, and the newest measurement of each cell


def means(client: MlflowClient, suite: str) -> dict[str, float]:
    """Return each method's mean, by the filter that the documents name."""
    cells = search(client, f"tags.suites LIKE '%|{suite}|%' and tags.newest = 'yes'")
    values: dict[str, list[float]] = {}
    for cell in cells:
        values.setdefault(cell.data.tags["method"], []).append(cell.data.metrics["auroc/average"])
    return {method: float(np.mean(of_seeds)) for method, of_seeds in values.items()}


def expected(results: Sequence[CellResult]) -> dict[str, float]:
    return {
        method: pytest.approx(
            np.mean([metrics.average(r.measurement.matrix("auroc")) for r in results if r.name == method])
        )
        for method in sorted({result.name for result in results})
    }


def test_the_filter_gives_a_suites_means_over_the_newest_measurements(client: MlflowClient) -> None:
    whole = night(0, seeds=3)
    track(0, whole, suite="mnist-variation")
    quick = [moved(result) for result in night(1)]
    track(1, quick, suite="quick")
    renewed = [*quick, *(result for result in whole if result.measurement.seed > 1)]
    assert means(client, "quick") == expected(quick)
    assert means(client, "mnist-variation") == expected(renewed)
    assert len(runs(client, "cell", newest="yes")) == 6
    assert {cell.data.tags["suites"] for cell in runs(client, "cell", newest="no")} == {"|mnist-variation|"}


@pytest.mark.slow
def test_the_order_in_which_runs_are_shown_decides_nothing(client: MlflowClient) -> None:
    older, newer = night(0), [moved(result) for result in night(1)]
    track(1, newer, suite="quick")
    track(0, older, suite="mnist-variation")
    assert means(client, "quick") == means(client, "mnist-variation") == expected(newer)
    assert {cell.data.tags["run"] for cell in runs(client, "cell", newest="no")} == {name_of(0)}


@pytest.mark.slow
@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_suite_whose_settings_change_counts_its_new_cells_alone(client: MlflowClient, order: Sequence[int]) -> None:
    given = {0: night(0), 1: [under_other_settings(moved(result)) for result in night(1)]}
    for number in order:
        track(number, given[number], suite="quick")
        if number == 0:
            track(2, [replace(r, how="reused") for r in given[0]], suite="mnist-variation")
    assert means(client, "quick") == expected(given[1])
    assert means(client, "mnist-variation") == expected(given[0])


@pytest.mark.slow
def test_a_run_with_overrides_is_no_run_of_the_plain_suite(client: MlflowClient) -> None:
    plain = night(0)
    track(0, plain)
    track(1, [under_other_settings(moved(r)) for r in night(1)], overrides=("training.epochs=99",))
    assert means(client, "smoke") == expected(plain)
    assert len(runs(client, "cell", suite="smoke --set training.epochs=99", newest="yes")) == 2
    assert only(client, "history").data.tags["runs"] == "1"


# The trend


def test_the_history_of_a_suite_has_a_point_per_method_and_run(client: MlflowClient) -> None:
    nights = [[moved(result, 0.01 * number) for result in night(number, seeds=2)] for number in range(3)]
    for number, results in enumerate(nights):
        track(number, results)
    trend = only(client, "history")
    for method in METHODS:
        values = {number: expected(results)[method] for number, results in enumerate(nights, start=1)}
        assert history(client, trend, f"auroc/{method}") == values
    assert [run.data.tags["number"] for run in runs(client, "run")] == ["1", "2", "3"]
    assert trend.info.run_name == "history · smoke"
    assert trend.info.end_time == runs(client, "run")[-1].info.end_time


@pytest.mark.slow
def test_a_method_has_a_point_for_runs_that_measured_all_its_cells(client: MlflowClient) -> None:
    first = night(0, seeds=2)
    track(0, first)
    second = [
        replace(old, how="reused") if (old.name, old.measurement.seed) == ("den", 1) else new
        for old, new in zip(first, night(1, seeds=2), strict=True)
    ]
    track(1, second)
    track(2, night(2), seeds=(1,))
    trend = only(client, "history")
    assert [list(history(client, trend, f"auroc/{method}")) for method in METHODS] == [[1], [1, 2]]
    assert trend.data.tags["runs"] == "3"


@pytest.mark.slow
def test_every_suite_has_a_history_of_its_own(client: MlflowClient) -> None:
    track(0, night(0), suite="quick")
    track(1, night(1), suite="smoke")
    assert [only(client, "history", suite=suite).data.tags["runs"] for suite in ("quick", "smoke")] == ["1", "1"]


# What is cut off, and what cannot be reached


@pytest.mark.slow
@pytest.mark.parametrize(
    ("module", "name"),
    [(metric_points, "of_cell"), (newest_tags, "_write"), (metric_points, "of_results"), (models, "log")],
)
def test_a_run_that_was_cut_off_is_shown_anew(
    client: MlflowClient, monkeypatch: pytest.MonkeyPatch, module: Any, name: str
) -> None:
    track(0, night(0), suite="mnist-variation")
    results = [moved(result) for result in night(1)]
    with monkeypatch.context() as broken:
        broken.setattr(module, name, lambda *given, **more: 1 / 0)
        assert not tracker.track(run_of(1, results), results)
    track(1, results)
    assert {run.info.status for role in ("run", "cell") for run in runs(client, role)} == {"FINISHED"}
    assert (len(runs(client, "cell")), len(runs(client, "run"))) == (4, 2)
    assert means(client, "smoke") == means(client, "mnist-variation") == expected(results)
    assert only(client, "history", suite="smoke").data.tags["runs"] == "1"


def test_a_dead_server_is_a_warning(
    here: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{free.getsockname()[1]}")
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        assert not tracker.track(run_of(0, night(0)), night(0))
        assert not tracker.sync(Places())
    assert "the results are in the ledger" in caplog.text


@pytest.mark.slow
def test_the_store_is_made_whole_by_several_at_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=tracker.store) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    assert MlflowClient(tracker.address()).search_experiments()


# All of the ledger


@pytest.fixture
def ledger(client: MlflowClient) -> Ledger:
    """Return a ledger of three nights, the last of which was killed."""
    ledger = Ledger.of(Places())
    for number in range(3):
        run = run_of(number, results := night(number))
        ledger.begin(run.begun)
        for result in results:
            ledger.add(result.measurement)
        if number < 2:
            ledger.end(run.ended)
    return ledger


def test_a_sync_shows_all_ended_runs_in_order_then_accepted_results(
    client: MlflowClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted = [moved(result) for result in night(-9, methods=("den", "plus_head"))]
    accepted_results.write(accepted, "quick")
    steps = []
    assert tracker.sync(Places(), steps.append)
    assert steps == ["1 of 3: smoke · 2026-11-28 02:00", "2 of 3: smoke · 2026-11-29 02:00", "3 of 3: accepted · quick"]
    assert [f": {run.info.run_name}" for run in runs(client, "run", suite="smoke")] == [step[6:] for step in steps[:2]]
    parent = only(client, "run", trigger="accepted")
    assert parent.data.metrics["auroc/plus_head"] == expected(accepted)["plus_head"]
    below = search(client, f"tags.`mlflow.parentRunId` = '{parent.info.run_id}'")
    assert {cell.info.run_name for cell in below} == {"DEN · seed 1", "DEN with head · seed 1"}
    assert means(client, "quick")["plus_head"] == expected(accepted)["plus_head"]


@pytest.mark.slow
def test_a_sync_with_nothing_to_add_adds_and_reads_nothing(
    client: MlflowClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    accepted_results.write(night(-9), "quick")
    assert tracker.sync(Places())
    last = run_of(2, night(2))
    ledger.end(last.ended)
    assert tracker.track(last, night(2))
    monkeypatch.setattr(syncing, "_show", None)
    monkeypatch.setattr(syncing, "_complete", None)
    monkeypatch.setattr(Ledger, "load", None)
    monkeypatch.setattr(accepted_results, "results", None)
    steps = []
    assert tracker.sync(Places(), steps.append)
    assert not steps


@pytest.mark.slow
def test_a_sync_puts_the_sum_of_a_run_that_was_cut_off_right(
    client: MlflowClient, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as broken:
        broken.setattr(inventory, "toggle", lambda *given: 1 / 0)
        assert not tracker.track(run_of(0, night(0)), night(0))
    steps = []
    assert tracker.sync(Places(), steps.append)
    assert steps == ["1 of 1: smoke · 2026-11-29 02:00"]
    monkeypatch.setattr(syncing, "_complete", None)
    assert tracker.sync(Places(), steps.append)
    assert len(steps) == 1


@pytest.mark.slow
def test_an_interrupted_sync_goes_on(client: MlflowClient, ledger: Ledger) -> None:
    def interrupt(line: str) -> None:
        if line.startswith("2"):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tracker.sync(Places(), interrupt)
    steps = []
    assert tracker.sync(Places(), steps.append)
    assert steps == ["1 of 1: smoke · 2026-11-29 02:00"]
    assert [len(runs(client, role)) for role in ("run", "cell", "history")] == [2, 4, 1]


@pytest.mark.slow
def test_a_sync_leaves_out_what_was_pruned(client: MlflowClient, ledger: Ledger) -> None:
    assert tracker.sync(Places())
    first, second = runs(client, "run")
    for run in search(client, f"tags.run = '{name_of(0)}'"):
        client.delete_run(run.info.run_id)
    client.set_experiment_tag(first.info.experiment_id, syncing.PRUNED, str(second.info.start_time))
    assert tracker.sync(Places())
    assert [run.info.run_id for run in runs(client, "run")] == [second.info.run_id]


@pytest.mark.slow
def test_accepted_results_that_change_are_a_parent_of_their_own(client: MlflowClient, here: Path) -> None:
    for results in (night(-9), [moved(result) for result in night(-8)]):
        accepted_results.write(results, "quick")
        for _ in range(2):
            assert tracker.sync(Places())
    assert [run.info.run_name for run in runs(client, "run")] == ["accepted · quick"] * 2
    assert means(client, "quick") == expected([moved(result) for result in night(-8)])


# Saved views


def test_a_stream_has_its_views(client: MlflowClient) -> None:
    track(0, night(0))
    experiment = client.get_experiment_by_name("Blobs")
    client.set_experiment_tag(experiment.experiment_id, f"{views.TAG}{views.CELLS}", "an older view")
    track(1, night(1))
    tags = client.get_experiment_by_name("Blobs").tags
    for view, role, count in ((views.CELLS, "cell", 2), (views.RUNS, "run", 2)):
        state = json.loads(tags[f"{views.TAG}{view}"])
        direction = "ASC" if state["orderByAsc"] else "DESC"
        order = [f"{state['orderByKey']} {direction}"]
        shown = client.search_runs([experiment.experiment_id], state["searchFilter"], order_by=order)
        assert [run.data.tags["role"] for run in shown] == [role] * count
        for column in state["selectedColumns"]:
            kind, name = column.replace("`", "").split(".", 1)
            assert name in getattr(shown[0].data, kind), column
