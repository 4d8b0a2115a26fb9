"""Checkpoints: one safetensors file each, tensors and JSON together, written in one step."""

import json
import os
from pathlib import Path
from typing import Any

from safetensors import safe_open
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


def load(path: Path, device: str = "cpu") -> tuple[dict[str, Tensor], dict[str, Any]]:
    """Return what `save` wrote; raises safetensors' own error where the file is damaged."""
    with safe_open(path, framework="pt", device=device) as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
        return tensors, json.loads(file.metadata()["values"])
