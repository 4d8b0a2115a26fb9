"""Executions: the same numbers straight through and from every checkpoint; measurements; locks."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from projects import ROOT
from small import (
    CONVOLUTIONAL,
    ON_GPU,
    TRAINING,
    cell,
    images,
    learn,
    most,
    rarely,
    same_state,
    stream,
    with_gpu,
    without_times,
)

from den import cells, checkpoints, execution, harness, measures, provenance
from den.__main__ import main
from den.cells import Cell, cell_of, data_of, fingerprint, key_of
from den.execution import Execution, OtherCode, execute, locked
from den.ledger import Ledger, Order, Places
from den.methods import METHODS
from den.training import Diverged

# Straight through, stage by stage, and from every checkpoint


def complete(run: Execution) -> Execution:
    for step in run.steps():
        step.run()
    return run


@pytest.mark.parametrize("method", most)
def test_execution_and_harness_give_the_same_numbers(method: str, places: Places) -> None:
    run = complete(Execution.resume(cell(method), places))
    other, result = learn(method, stream())
    assert same_state(run.method, other)
    assert without_times(run.result) == without_times(result)


def seen_as_images(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have cells on blobs see them as images."""
    monkeypatch.setattr(execution, "open_stream", lambda cell, places: images(cell.seed))
    monkeypatch.setattr(cells, "IMAGES", {"blobs"})


SHORT = TRAINING.model_copy(update={"epochs": 1})
FLAT = [pytest.param(cell(method), id=method, marks=rarely(method)) for method in METHODS]
CONVOLVING = [
    pytest.param(cell(method, network=CONVOLUTIONAL, training=SHORT), id=f"{method}-convolutional")
    for method in ("den", "progressive")
]
REPLAYED = [
    pytest.param(cell(method, training=ON_GPU), id=f"{method}-gpu", marks=with_gpu)
    for method in ("den", "ewc", "progressive")
]


@pytest.mark.slow
@pytest.mark.parametrize("one", [*FLAT, *CONVOLVING, *REPLAYED])
def test_every_checkpoint_leads_to_the_same_end(one: Cell, places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(execution, "CHECKPOINTS_KEPT", 1000)
    if one.network.convolutions:
        seen_as_images(monkeypatch)
    straight = complete(Execution.resume(one, places))
    kept = straight.checkpoints()
    assert len(kept) == len(straight.result.done)
    for path in kept:
        elsewhere = replace(places, work=places.work.parent / path.stem)
        folder = execution.folder_of(elsewhere, None, straight.key)
        folder.mkdir(parents=True)
        shutil.copy(path, folder)
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


def test_a_failing_stage_is_named_and_leaves_no_measurement(places: Places) -> None:
    wild = cell("den", training=TRAINING.model_copy(update={"learning_rate": 1e6}))
    with pytest.raises(Diverged, match=r"^task 1 · train: .* at step \d+; lower training.learning_rate"):
        execute(wild, places)
    assert Ledger.of(places).entries() == []


def test_checkpoints_of_other_code_are_set_aside(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    next(Execution.resume(cell("ewc"), places).steps()).run()
    monkeypatch.setattr(cells, "fingerprint", lambda cell: "0" * 64)
    assert Execution.resume(cell("ewc"), places).result.done == []


def test_checkpoints_of_another_kind_of_machine_are_set_aside(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    next(Execution.resume(cell("ewc"), places).steps()).run()
    monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert Execution.resume(cell("ewc"), places).result.done == []


def test_runs_keep_their_checkpoints_apart(places: Places) -> None:
    first = Execution.resume(cell("ewc"), places, Order(run="first-run"))
    next(first.steps()).run()
    assert Execution.resume(cell("ewc"), places, Order(run="other-run")).result.done == []
    assert len(Execution.resume(cell("ewc"), places, Order(run="first-run")).result.done) == 1


# Measurements


def test_a_measurement_holds_all_that_is_needed(places: Places) -> None:
    measurement = execute(cell("den"), places, Order(run="some-run", slots=2))
    assert measurement.key == key_of(cell("den"), places)
    assert cell_of(measurement.settings) == cell("den")
    assert measurement.data == data_of(cell("den"), places)
    assert measurement.scores["auroc"][0][1:] == (None, None)
    assert measurement.totals[measures.CAPACITY] > 1
    assert measurement.train_seconds > 0
    assert measurement.tasks == 3
    assert set(measurement.measures.task) == {1, 2, 3}
    assert measurement.sizes.examples == len(stream().tasks[0].train)
    origin = measurement.origin
    assert (origin.run, origin.slots, origin.fingerprint) == ("some-run", 2, fingerprint(cell("den")))
    assert origin.machine == provenance.machine(torch.device("cpu"))
    assert origin.machine.processor
    assert origin.machine.capability
    assert Ledger.of(places).load(measurement.id) == measurement


def titles(places: Places, order: Order | None = None, **about: Any) -> list[str]:
    """Execute a cell; return the stages that ran."""
    announced: list[str] = []
    execute(cell(**about), places, order, announced.append)
    return announced


def test_a_current_measurement_is_reused_and_again_measures(places: Places) -> None:
    assert titles(places)
    assert titles(places) == []
    assert titles(places, Order(again=True))
    first, second = Ledger.of(places).entries()
    assert first.digest == second.digest
    assert first.id != second.id


def test_a_run_measures_a_cell_once_even_again(places: Places) -> None:
    assert titles(places, Order(run="one-run", again=True))
    assert titles(places, Order(run="one-run", again=True)) == []
    assert titles(places, Order(run="two-run", again=True))


@pytest.mark.parametrize("what", ["fingerprint", "torch", "machine"])
def test_what_decides_about_bits_decides_about_reuse(
    what: str, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert titles(places)
    if what == "fingerprint":
        monkeypatch.setattr(cells, "fingerprint", lambda cell: "0" * 64)
    elif what == "torch":
        monkeypatch.setattr(torch, "__version__", "99.0")
    else:
        monkeypatch.setenv("ATEN_CPU_CAPABILITY", "default")
    assert titles(places)


def test_equal_settings_are_one_measurement_under_any_name(places: Places) -> None:
    assert titles(places, variant="one")
    assert titles(places, variant="other") == []


def test_an_order_for_elsewhere_writes_nothing_here(places: Places) -> None:
    measurement = execute(cell(), places, Order(run="some-run", write=False))
    assert measurement.origin.run == "some-run"
    assert Ledger.of(places).entries() == []


@pytest.mark.parametrize("what", ["fingerprint", "torch"])
def test_other_code_or_torch_than_the_askers_is_refused(what: str, places: Places) -> None:
    with pytest.raises(OtherCode, match="here is .*, the order expects abc"):
        execute(cell(), places, Order.model_validate({what: "abc"}))


def test_validation_takes_the_place_of_test_data(places: Places) -> None:
    chosen = harness.on_validation(stream())
    assert all(torch.equal(chosen.tests[i].x, stream().tasks[i].validation.x) for i in range(3))
    scores = [execute(cell(evaluation=which), places).scores for which in ("test", "validation")]
    assert scores[0] != scores[1]


# Locks


def test_a_cell_that_is_measured_elsewhere_is_waited_for_and_reused(places: Places) -> None:
    waiting = threading.Thread(target=titles, args=(places,))
    with locked(cell(), places):
        waiting.start()
        waiting.join(0.5)
        assert waiting.is_alive()
        assert Ledger.of(places).entries() == []
    waiting.join()
    assert len(Ledger.of(places).entries()) == 1


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


@pytest.mark.slow
def test_a_cell_runs_without_orchestration(places: Places, tmp_path: Path) -> None:
    assert "No module named 'mlflow'" in alone(tmp_path, "-c", "import mlflow").stderr
    (tmp_path / "cell.json").write_text(cell("den").model_dump_json())
    answer = alone(tmp_path, "-m", "den", "cell.json", "--data", str(places.data))
    assert answer.returncode == 0, answer.stderr
    ledger = Ledger(tmp_path / ".den/ledger", tmp_path / "index.sqlite")
    assert answer.stderr.splitlines()[0] == "task 1 · train"
    assert ledger.load(answer.stdout.strip()).digest == execute(cell("den"), places).digest


@pytest.mark.parametrize(
    ("change", "code", "said"),
    [
        ({"seed": 7}, 2, "seeds: 7 requested"),
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
    _, values = checkpoints.load(run.checkpoints()[-1], run.owner)
    assert [tuple(done) for done in values["done"]] == run.result.done
    assert values["done"][-1] == [2, harness.EVALUATION]
