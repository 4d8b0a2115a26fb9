"""Checkpoints come back as they went, or not at all."""

from pathlib import Path

import pytest
import torch

from den import checkpoints, files

VALUES = {"done": [[0, "train"]], "loss": 0.1 + 0.2, "matrix": [[float("nan")]], "text": "σ"}


def test_tensors_and_values_come_back(tmp_path: Path) -> None:
    shared = torch.randn(3, 4)
    tensors = {"a": shared, "b": shared[1:], "empty": torch.empty(0, 3), "learning": shared.requires_grad_()}
    checkpoints.save(tmp_path / "deep" / "one.safetensors", tensors, VALUES, "me")
    back, values = checkpoints.load(tmp_path / "deep" / "one.safetensors", "me")
    assert all(torch.equal(back[name], tensor) for name, tensor in tensors.items())
    assert repr(values) == repr(VALUES)


def test_nothing_learned_yet_can_be_kept(tmp_path: Path) -> None:
    checkpoints.save(tmp_path / "none.safetensors", {}, {}, "me")
    assert checkpoints.load(tmp_path / "none.safetensors", "me") == ({}, {})


def test_a_write_that_fails_leaves_what_was_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.safetensors"
    checkpoints.save(path, {"a": torch.ones(2)}, {}, "me")

    def full(*_: object, **__: object) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(files.os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        checkpoints.save(path, {"a": torch.zeros(2)}, {}, "me")
    assert checkpoints.load(path, "me")[0]["a"].tolist() == [1, 1]


def damaged(path: Path, content: bytes) -> str:
    """Return what is said of a checkpoint with another content."""
    path.write_bytes(content)
    with pytest.raises(checkpoints.Damaged) as refusal:
        checkpoints.load(path, "me")
    return str(refusal.value)


def test_a_damaged_file_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "one.safetensors"
    checkpoints.save(path, {"a": torch.ones(2)}, {}, "me")
    sound = path.read_bytes()
    assert str(path) in damaged(path, sound[:-3])
    assert "not what was written" in damaged(path, sound[:-1] + bytes([sound[-1] ^ 1]))
    assert str(path) in damaged(path, b"")


def test_a_file_of_another_owner_or_version_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "one.safetensors"
    checkpoints.save(path, {"a": torch.ones(2)}, {}, "other")
    assert "belongs to other" in damaged(path, path.read_bytes())
    monkeypatch.setattr(checkpoints, "VERSION", 3)
    assert "its version is 2" in damaged(path, path.read_bytes())
