"""Checkpoints: one safetensors file each, tensors and JSON together, written in one step and checked when read."""

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
    """A checkpoint cannot be used; the message names it and why."""


def save(path: Path, tensors: Tensors, values: dict[str, Any], owner: str) -> None:
    """Write tensors and JSON-able values to `path`, whole or not at all; `owner` is whose they are."""
    whole = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}  # none may share its memory
    text = json.dumps(values)
    about = {"version": str(VERSION), "owner": owner, "values": text, "digest": _digest(whole, text)}
    files.write(path, packed(whole, metadata=about))


def load(path: Path, owner: str, device: str = "cpu") -> tuple[Tensors, dict[str, Any]]:
    """Return what `save` wrote. Raises Damaged for a file that is not whole, not ours or not its owner's."""
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
    """Return why the content cannot be used, or None where it can."""
    if about.get("version") != str(VERSION):
        return f"its version is {about.get('version')}, this code reads {VERSION}"
    if about.get("owner") != owner:
        return f"it belongs to {about.get('owner')}, not to {owner}"
    if about.get("digest") != _digest(tensors, about.get("values", "")):
        return "its content is not what was written"
    return None


def _digest(tensors: Tensors, values: str) -> str:
    """Return a hash of tensors, by name, and text."""
    found = hashlib.sha256(values.encode())
    for name in sorted(tensors):
        found.update(f"{name} {tuple(tensors[name].shape)} {tensors[name].dtype}".encode())
        found.update(tensors[name].numpy().tobytes())
    return found.hexdigest()
