"""Checkpoints: one safetensors file each, tensors and JSON together, written in one step."""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

VERSION = 1


def save(path: Path, tensors: dict[str, Tensor], values: dict[str, Any]) -> None:
    """Write tensors and JSON-able values to `path`, whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    whole = {name: tensor.detach().cpu().clone() for name, tensor in tensors.items()}  # none may share its memory
    save_file(whole, part, metadata={"version": str(VERSION), "values": json.dumps(values)})
    os.replace(part, path)


class Damaged(RuntimeError):
    """A checkpoint cannot be read; the message names it and why."""


def load(path: Path, device: str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `save` wrote. Raises Damaged for a file that is not whole or not ours."""
    try:
        with safe_open(path, framework="pt", device=device) as file:
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
            about = file.metadata() or {}
    except (SafetensorError, OSError) as error:
        raise Damaged(f"{path}: {error}") from None
    if about.get("version") != str(VERSION):
        raise Damaged(f"{path}: its version is {about.get('version')}, this code reads {VERSION}")
    return tensors, json.loads(about["values"])
