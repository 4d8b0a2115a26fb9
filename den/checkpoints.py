"""Checkpoints: each is one safetensors file of tensors and JSON, written atomically and checked on reading."""

import hashlib
import json
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save as packed
from torch import Tensor

from den import files

VERSION = 2

Tensors = dict[str, Tensor]


class Damaged(RuntimeError):
    """A checkpoint cannot be used; the message names the file and the reason."""


def save(path: Path, tensors: Tensors, values: dict[str, Any], owner: str) -> None:
    """Write tensors and JSON values to `path`, completely or not at all.

    owner: a text that identifies the cell, code and machine; `load` refuses any other.
    """
    copies = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}  # none may share its memory
    text = json.dumps(values)
    about = {"version": str(VERSION), "owner": owner, "values": text, "digest": _digest(copies, text)}
    files.write(path, packed(copies, metadata=about))


def load(path: Path, owner: str, device: str = "cpu") -> tuple[Tensors, dict[str, Any]]:
    """Return the tensors and values that `save` wrote, the tensors on `device`.

    Raises Damaged if the file is incomplete, of another version, or of another owner.
    """
    try:
        with safe_open(path, framework="pt") as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
            about = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise Damaged(f"{path}: {error}") from None
    if reason := _fault(tensors, about, owner):
        raise Damaged(f"{path}: {reason}")
    return {name: tensor.to(device) for name, tensor in tensors.items()}, json.loads(about["values"])


def _fault(tensors: Tensors, about: dict[str, str], owner: str) -> str | None:
    """Return why the content cannot be used; None if it can."""
    if about.get("version") != str(VERSION):
        return f"its version is {about.get('version')}, this code reads {VERSION}"
    if about.get("owner") != owner:
        return f"it belongs to {about.get('owner')}, not to {owner}"
    if about.get("digest") != _digest(tensors, about.get("values", "")):
        return "its content is not what was written"
    return None


def _digest(tensors: Tensors, values: str) -> str:
    """Return a hash of the tensors, in the order of their names, and of the values as text."""
    digest = hashlib.sha256(values.encode())
    for name in sorted(tensors):
        digest.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        digest.update(tensors[name].numpy().tobytes())
    return digest.hexdigest()
