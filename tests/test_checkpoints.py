"""Checkpoints come back as they went, or not at all."""

from pathlib import Path

import pytest
import torch

from den import checkpoints

VALUES = {"done": [[0, "train"]], "loss": 0.1 + 0.2, "matrix": [[float("nan")]], "text": "σ"}


def test_tensors_and_values_come_back(tmp_path: Path) -> None:
    shared = torch.randn(3, 4)
    tensors = {"a": shared, "b": shared[1:], "empty": torch.empty(0, 3), "learning": shared.requires_grad_()}
    checkpoints.save(tmp_path / "deep" / "one.safetensors", tensors, VALUES)
    back, values = checkpoints.load(tmp_path / "deep" / "one.safetensors")
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())
    assert repr(values) == repr(VALUES)


def test_nothing_learned_yet_can_be_kept(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "none.safetensors", {}, {})
    assert checkpoints.load(tmp_path / "none.safetensors") == ({}, {})


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.safetensors"
    checkpoints.save(path, {"a": torch.ones(2)}, {})

    def full(*_: object, **__: object) -> None:
        (tmp_path / "one.part").write_bytes(b"half")
        raise OSError("disk full")

    monkeypatch.setattr(checkpoints, "save_file", full)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save(path, {"a": torch.zeros(2)}, {})
    assert checkpoints.load(path)[0]["a"].tolist() == [1, 1]


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    checkpoints.save(path, {"a": torch.ones(2)}, {})
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(checkpoints.Damaged):
        checkpoints.load(path)
