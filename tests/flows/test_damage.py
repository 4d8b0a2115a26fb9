"""Files cut short and bits turned over: every reader says which file is damaged, or goes on from what is sound."""

import random
import shutil
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import small
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as draws
from projects import ROOT
from small import cell, same_state, without_times

from den import checkpoints
from den.cells import key_of, open_stream
from den.config import SettingsError
from den.execution import Execution
from den.ledger import LedgerError, Places
from den.streams import prepared
from den.streams.prepared import DataError
from flows.commands import status
from flows.data import dvc_lock
from flows.tuning import studies
from reports import accepted_results

VALUES = {
    "method": {"grown": [2, 3]},
    "done": [[0, "train"]],
    "scores": {"auroc": [[0.5]]},
    "started": "2026-11-30T00:00:00+00:00",
}


def complete(run: Execution) -> Execution:
    """Run what is left of a cell."""
    for step in run.steps():
        step.run()
    return run


@cache
def checkpoint(folder: Path) -> bytes:
    """Return the bytes of a sound checkpoint."""
    tensors = {"weight": torch.ones(3, 4), "mask": torch.tensor([True, False]), "count": torch.arange(4)}
    checkpoints.save(folder / "sound.safetensors", tensors, VALUES, "me")
    return (folder / "sound.safetensors").read_bytes()


def cuts(content: bytes, turned: int) -> Iterator[bytes]:
    """Yield a file's content cut at some lengths, and with some bits turned over, the same ones each time."""
    generator = random.Random(0)
    size = len(content)
    for length in {0, 1, 8, 50, 100, 127, 128, size // 3, size // 2, size - 2, size - 1}:
        if length < size:
            yield content[:length]
    for _ in range(turned):
        place, bit = generator.randrange(size), generator.randrange(8)
        yield content[:place] + bytes([content[place] ^ 1 << bit]) + content[place + 1 :]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=draws.data())
def test_a_checkpoint_that_is_not_what_was_written_is_refused(
    data: draws.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    sound = checkpoint(tmp_path_factory.getbasetemp())
    spoilt = bytearray(sound[: data.draw(draws.integers(0, len(sound)), "length")])
    for place in data.draw(draws.lists(draws.integers(0, max(0, len(spoilt) - 1)), max_size=4), "places"):
        spoilt[place : place + 1] = data.draw(draws.binary(min_size=1, max_size=1), "byte")
    folder = tmp_path_factory.getbasetemp() / "spoilt"
    folder.mkdir(exist_ok=True)
    (folder / "0001.safetensors").write_bytes(spoilt)
    status.progress_of(folder)
    if bytes(spoilt) != sound:
        with pytest.raises(checkpoints.Damaged):
            checkpoints.load(folder / "0001.safetensors", "me")


@pytest.mark.parametrize("kept", [0.0, 0.01, 0.5, 0.999])
def test_a_cell_goes_on_whatever_its_checkpoints_have_lost(kept: float, places: Places) -> None:
    straight = complete(Execution.resume(cell("ewc"), places))
    paths = straight.checkpoints()
    for path in paths:
        content = path.read_bytes()
        path.write_bytes(content[: int(kept * len(content))])
    again = complete(Execution.resume(cell("ewc"), places))
    assert all(path.with_suffix(".damaged").exists() for path in paths)
    assert same_state(again.method, straight.method)
    assert without_times(again.result) == without_times(straight.result)


@pytest.mark.parametrize("name", ["manifest.json", "orders.npy", "x.npy"])
def test_prepared_data_that_is_damaged_is_named(name: str, tmp_path: Path) -> None:
    prepared.prepare("blobs", small.PREPARATION, {}, 2, tmp_path)
    places = Places(tmp_path)
    path = tmp_path / "blobs" / name
    key, sound = key_of(cell(), places), path.read_bytes()
    for content in cuts(sound, 100):
        path.write_bytes(content)
        for use in (key_of, open_stream):
            try:
                use(cell(), places)
            except DataError as refusal:
                assert str(tmp_path / "blobs") in str(refusal)
                assert "`den prepare" in str(refusal)
    path.write_bytes(sound)
    assert key_of(cell(), places) == key


@pytest.mark.parametrize("name", ["cells.csv", "measurements.xz"])
def test_accepted_results_that_are_damaged_are_named(name: str, here: Path) -> None:
    folder = Path("reports/accepted/smoke")
    shutil.copytree(ROOT / folder, folder)
    sound = (folder / name).read_bytes()
    for content in cuts(sound, 15):
        (folder / name).write_bytes(content)
        for use in (accepted_results.read_tables, accepted_results.results):
            try:
                use("smoke")
            except (SettingsError, LedgerError) as refusal:
                assert str(folder) in str(refusal)
                assert len(str(refusal).splitlines()) == 1


def test_a_lock_of_dvc_that_is_damaged_is_named(here: Path) -> None:
    sound = (ROOT / "dvc.lock").read_bytes()
    for content in cuts(sound, 60):
        (here / "dvc.lock").write_bytes(content)
        try:
            dvc_lock.pinned("blobs")
        except SettingsError as refusal:
            assert str(refusal).startswith("dvc.lock is damaged")
            assert len(str(refusal).splitlines()) == 1


def test_a_study_that_is_damaged_is_named(here: Path) -> None:
    original = min((ROOT / "reports/studies").rglob("*.jsonl"), key=lambda path: path.stat().st_size)
    path, sound = here / original.name, original.read_bytes()
    for content in cuts(sound, 30):
        path.write_bytes(content)
        try:
            studies.read(path)
        except SettingsError as refusal:
            assert str(refusal).startswith(f"{path} is damaged")
