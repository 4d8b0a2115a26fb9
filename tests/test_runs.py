"""Cells: their identity, their resuming, their records and their locks."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import small
import torch
from conftest import ROOT
from small import CONVOLUTIONAL, ON_GPU, TRAINING, cell, images, learn, same_state, stream, with_gpu, without_times

from den import checkpoints, harness, runs, sources
from den.__main__ import main
from den.config import Network, SettingsError, read
from den.ledger import FIELDS, LedgerError, Places, read_record, write_record
from den.methods import METHODS
from den.runs import Busy, Cell, Execution, execute, finished, identity, locked, on_validation, record_path
from den.streams import prepared
from den.training import Diverged

# Straight through, stage by stage, and from every checkpoint


def complete(run: Execution) -> Execution:
    for step in run.steps():
        step.run()
    return run


@pytest.mark.parametrize("method", METHODS)
def test_execution_and_harness_give_the_same_numbers(method: str, places: Places) -> None:
    run = complete(Execution.resume(cell(method), places))
    other, result = learn(method, stream())
    assert same_state(run.method, other)
    assert without_times(run.result) == without_times(result)


def seen_as_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have cells on blobs see them as images."""
    monkeypatch.setattr(runs, "open_stream", lambda cell, places: images(cell.seed))
    monkeypatch.setattr(runs, "IMAGES", {"blobs"})


SHORT = TRAINING.model_copy(update={"epochs": 1})
FLAT = [pytest.param(cell(method), id=method) for method in METHODS]
CONVOLVING = [
    pytest.param(cell(method, network=CONVOLUTIONAL, training=SHORT), id=f"{method}-convolutional")
    for method in ("den", "progressive")
]
REPLAYED = [
    pytest.param(cell(method, training=ON_GPU), id=f"{method}-gpu", marks=with_gpu)
    for method in ("den", "ewc", "progressive")
]


@pytest.mark.parametrize("one", [*FLAT, *CONVOLVING, *REPLAYED])
def test_every_checkpoint_leads_to_the_same_end(one: Cell, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(runs, "CHECKPOINTS_KEPT", 1000)
    if one.network.convolutions:
        seen_as_images(monkeypatch)
    straight = complete(Execution.resume(one, places))
    kept = straight.checkpoints()
    assert len(kept) == len(straight.result.done)
    for path in kept:
        elsewhere = replace(places, work=places.work.parent / path.stem)
        (elsewhere.work / straight.identity).mkdir(parents=True)
        shutil.copy(path, elsewhere.work / straight.identity)
        resumed = complete(Execution.resume(one, elsewhere))
        assert resumed.result.done == straight.result.done
        assert same_state(resumed.method, straight.method)
        assert without_times(resumed.result) == without_times(straight.result)
        assert resumed.started == straight.started


def test_few_checkpoints_are_kept(places: Places) -> None:
    run = complete(Execution.resume(cell("ewc"), places))
    assert [path.name for path in run.checkpoints()] == ["0008.safetensors", "0009.safetensors"]


def test_a_damaged_checkpoint_is_set_aside_for_the_one_before(places: Places) -> None:
    straight = complete(Execution.resume(cell("den"), places))
    *_, newest = straight.checkpoints()
    newest.write_bytes(newest.read_bytes()[:-5])
    resumed = complete(Execution.resume(cell("den"), places))
    assert newest.with_suffix(".damaged").exists()
    assert same_state(resumed.method, straight.method)
    assert without_times(resumed.result) == without_times(straight.result)


@pytest.mark.skipif(sys.platform == "win32", reason="limits on files are POSIX")
def test_a_full_disk_loses_no_finished_stage(places: Places) -> None:
    straight = complete(Execution.resume(cell("den"), replace(places, work=places.work.parent / "roomy")))
    run = Execution.resume(cell("den"), places)
    steps = run.steps()
    for _ in range(3):
        next(steps).run()
    with room(1000), pytest.raises(OSError, match="File too large"):
        next(steps).run()
    resumed = Execution.resume(cell("den"), places)
    assert len(resumed.result.done) == 3
    assert same_state(complete(resumed).method, straight.method)
    assert without_times(resumed.result) == without_times(straight.result)


@contextmanager
def room(size: int) -> Iterator[None]:
    """Let no file of this process become longer than `size` bytes, as on a disk that is full."""
    import resource

    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_failing_stage_is_named_and_leaves_no_record(places: Places) -> None:
    wild = cell("den", training=TRAINING.model_copy(update={"learning_rate": 1e6}))
    with pytest.raises(Diverged, match=r"^task 1 · train: .* at step \d+; lower training.learning_rate"):
        execute(wild, places)
    assert not places.results.exists()
    assert finished(wild, places) is None


# Records


def test_a_record_holds_all_that_is_asked_of_it(places: Places) -> None:
    record = execute(cell("den"), places)
    assert set(record) == {
        *("version", "identity", "cell", "scores", "measures", "capacity", "train_seconds", "provenance")
    }
    assert record["identity"] == identity(cell("den"), places)
    assert read(Cell, record["cell"], "cell") == cell("den")
    assert record["scores"]["auroc"][0][1:] == [None, None]
    assert record["capacity"]["capacity"] > 1
    assert record["train_seconds"] > 0
    assert record["provenance"]["stream_hash"] == prepared.hash_of(places.data / "blobs")
    assert {row["task"] for row in record["measures"]} == {1, 2, 3}


def test_a_finished_cell_is_not_run_again(places: Places) -> None:
    first = execute(cell(), places)
    announced: list[str] = []
    assert execute(cell(), places, announced.append) == first
    assert announced == []
    assert finished(cell(), places) == first


def test_equal_settings_are_one_result_under_any_name(places: Places) -> None:
    first, second = (cell(variant=name) for name in ("one", "other"))
    assert identity(first, places) == identity(cell(), places)
    assert execute(first, places)["cell"]["variant"] == "one"
    announced: list[str] = []
    assert execute(second, places, announced.append)["cell"] == second.model_dump(mode="json")
    assert announced == []
    assert "variant" not in read_record(record_path(cell(), places))["cell"]


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"version": 99}', '{"version": 1}'])
def test_a_damaged_record_is_refused_with_its_file(text: str, places: Places) -> None:
    path = record_path(cell(), places)
    path.parent.mkdir(parents=True)
    path.write_text(text)
    with pytest.raises(LedgerError, match=path.name):
        execute(cell(), places)
    assert path.read_text() == text


def test_a_record_is_written_whole_or_not_at_all(tmp_path: Path) -> None:
    path, whole = tmp_path / "one.json", {"version": 1} | dict.fromkeys(FIELDS)
    write_record(path, whole | {"scores": [float("nan"), 1.0]})
    with pytest.raises(TypeError):
        write_record(path, whole | {"scores": object()})
    assert read_record(path)["scores"] == [None, 1.0]


def test_validation_takes_the_place_of_test_data(places: Places) -> None:
    chosen = on_validation(stream())
    assert all(torch.equal(chosen.tests[i].x, stream().tasks[i].validation.x) for i in range(3))
    scores = [execute(cell(evaluation=which), places)["scores"] for which in ("test", "validation")]
    assert scores[0] != scores[1]


# Identity

CHANGES: dict[str, dict[str, Any]] = {
    "seed": {"seed": 1},
    "method": {"method": "l2"},
    "evaluation": {"evaluation": "validation"},
    "stream_params": {"stream_params": small.SIZES | {"training_examples": 29}},
    "method_params": {"method_params": {"weight_decay": 0.1}},
    **{f"network.{key}": {"network": Network(**{key: value})} for key, value in (("widths", (8, 7)), ("init", "he"))},
    "network.convolutions": {"network": small.NETWORK.model_copy(update={"convolutions": CONVOLUTIONAL.convolutions})},
    "network.heads": {"network": small.NETWORK.model_copy(update={"heads": "one"})},
    **{
        f"training.{key}": {"training": TRAINING.model_copy(update={key: value})}
        for key, value in {
            "optimizer": "sgd",
            "learning_rate": 0.02,
            "schedule": "constant",
            "batch_size": 21,
            "epochs": 7,
        }.items()
    },
    "training.steps": {"training": TRAINING.model_copy(update={"epochs": None, "steps": 36})},
}


@pytest.mark.parametrize("key", CHANGES)
def test_every_setting_changes_the_identity(key: str, places: Places) -> None:
    assert identity(cell(**CHANGES[key]), places) != identity(cell(), places)


def test_settings_written_out_are_settings_left_out(places: Places) -> None:
    whole = cell(method_params={"weight_decay": 0.0}, stream_params=small.SIZES)
    assert identity(whole, places) == identity(cell(), places)


def test_places_do_not_change_the_identity(places: Places, tmp_path: Path) -> None:
    shutil.copytree(places.data, tmp_path / "data")
    elsewhere = Places(tmp_path / "data", tmp_path / "other", tmp_path / "more")
    assert identity(cell(), elsewhere) == identity(cell(), places)


def test_auto_is_the_device_it_finds(places: Places) -> None:
    found = "cuda" if torch.cuda.is_available() else "cpu"
    auto, named = (cell(training=TRAINING.model_copy(update={"device": device})) for device in ("auto", found))
    assert identity(auto, places) == identity(named, places)


def test_the_streams_bytes_change_the_identity(places: Places, tmp_path: Path) -> None:
    other = small.PREPARATION.model_copy(update={"features": 47})
    prepared.prepare("blobs", other, {}, 2, tmp_path / "data")
    assert identity(cell(), replace(places, data=tmp_path / "data")) != identity(cell(), places)


def test_torchs_version_changes_the_identity(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity(cell(), places)
    monkeypatch.setattr(torch, "__version__", "99.0")
    assert identity(cell(), places) != before


def test_code_changes_the_identity_of_those_who_use_it(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    before = {method: identity(cell(method), places) for method in METHODS}
    meaning = sources._meaning
    monkeypatch.setattr(sources, "_meaning", lambda name: meaning(name) + ("!" if name == "den.methods.ewc" else ""))
    changed = {method for method in METHODS if identity(cell(method), places) != before[method]}
    assert changed == {"ewc"}


# Locks


def test_a_cell_is_run_by_one_process_at_a_time(places: Places) -> None:
    code = (
        "import sys; from pathlib import Path; from den.config import read; from den.ledger import Places;"
        "from den.runs import Busy, Cell, execute; import json;"
        "cell = read(Cell, json.loads(sys.argv[1]), 'cell');"
        "\ntry: execute(cell, Places(*map(Path, sys.argv[2:])))"
        "\nexcept Busy as refusal: print(refusal)"
    )
    words = [cell().model_dump_json(), str(places.data), str(places.results), str(places.work)]
    with locked(cell(), places):
        answer = subprocess.run(
            [sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=True
        )
    assert "blobs · finetune · seed 0 is being run by another process" in answer.stdout
    assert not places.results.exists()


def test_a_lock_is_free_again_afterwards(places: Places) -> None:
    with locked(cell(), places), pytest.raises(Busy):
        locked(cell(), places)
    with locked(cell(), places):
        pass


# Cells


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stream": "nonesuch"}, "stream.*nonesuch.*blobs"),
        ({"method": "nonesuch"}, "method.*nonesuch.*finetune"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seeds": 1}, "seeds: unknown key; allowed here: .*seed"),
        ({"method_params": {"decay": 1}}, r"method_params\.decay: unknown key; allowed here: weight_decay"),
        ({"stream_params": {"tasks": 0}}, r"stream_params\.tasks"),
        ({"training": {"epochs": 1, "steps": 1}}, "epochs or steps"),
        ({"training": {"epochs": 1, "learning_rate": "1e-5"}}, r"training\.learning_rate.*1\.0e-5"),
        ({"network": {"widths": []}}, r"network\.widths"),
    ],
)
def test_bad_cells_are_refused_by_key(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(Cell, cell().model_dump(mode="json") | change, "cell")


# python -m den

BLOCKED = ("prefect", "dvc", "mlflow", "matplotlib", "pandas", "torchvision", "sklearn", "flows", "reports")
BLOCKER = f"""
from importlib.machinery import PathFinder

find = PathFinder.find_spec
blocked = {BLOCKED}
PathFinder.find_spec = lambda name, *more: None if name.split(".")[0] in blocked else find(name, *more)
"""


def alone(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    """Run Python where none of the pipeline's packages can be imported."""
    (folder / "sitecustomize.py").write_text(BLOCKER)
    path = os.pathsep.join((str(folder), str(ROOT)))
    known = os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}
    return subprocess.run([sys.executable, *words], cwd=folder, env=known, capture_output=True, text=True, check=False)


def test_a_cell_runs_without_orchestration(places: Places, tmp_path: Path) -> None:
    assert "No module named 'mlflow'" in alone(tmp_path, "-c", "import mlflow").stderr
    (tmp_path / "cell.json").write_text(cell("den").model_dump_json())
    answer = alone(tmp_path, "-m", "den", "cell.json", "--data", str(places.data))
    assert answer.returncode == 0, answer.stderr
    record = read_record(tmp_path / answer.stdout.strip())
    assert answer.stderr.splitlines()[0] == "task 1 · train"
    assert record["scores"] == execute(cell("den"), places)["scores"]


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"seed": 7}, 2, "seeds: 7 asked"),
        ({"method": "nonesuch"}, 2, "nonesuch"),
        ({"training": {"epochs": 2, "learning_rate": 1e6}}, 1, "task 1 · train"),
    ],
)
def test_a_refusal_is_one_line(
    change: dict[str, Any],
    code: int,
    said: str,
    places: Places,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("cell.json").write_text(json.dumps(cell().model_dump(mode="json") | change))
    monkeypatch.setattr(sys, "argv", ["den", "cell.json", "--data", str(places.data)])
    assert main() == code
    assert said in capsys.readouterr().err.splitlines()[-1]


def test_checkpoints_hold_what_the_harness_found(places: Places) -> None:
    run = complete(Execution.resume(cell(), places))
    _, values = checkpoints.load(run.checkpoints()[-1], run.identity)
    assert [tuple(done) for done in values["done"]] == run.result.done
    assert values["done"][-1] == [2, harness.EVALUATION]
