"""Saved estimators: one safetensors file each, read without pickle."""

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from den import checkpoints, harness
from den.estimators.learned import Learned, Settings, problem_of
from den.estimators.reports import TaskReport
from den.methods.base import Method, State

METHOD, MEAN, DEVIATION = "method.", "mean", "deviation"


def save(path: Path, name: str, params: Mapping[str, Any], network: Learned) -> None:
    """Write an estimator to `path`, completely or not at all. name: of its class. params: values of JSON."""
    state = network.method.state()
    tensors = {f"{METHOD}{key}": tensor for key, tensor in state.tensors.items()}
    if network.scale is not None:
        tensors |= dict(zip((MEAN, DEVIATION), network.scale, strict=True))
    values = {
        "params": dict(params),
        "shape": network.shape,
        "names": network.names,
        "classes": [{"type": classes.dtype.str, "labels": classes.tolist()} for classes in network.classes],
        "reports": [asdict(report) for report in network.reports],
        "method": state.values,
    }
    checkpoints.save(path, tensors, values, _owner(name))


def read(path: Path, name: str) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return the values and tensors of a file. Raises checkpoints.Damaged if it is damaged, or of another class."""
    tensors, values = checkpoints.load(path, _owner(name))
    return values | {"params": _with_tuples(values["params"])}, tensors


def restored(
    kind: type[Method], settings: Settings, values: Mapping[str, Any], tensors: Mapping[str, Tensor]
) -> Learned:
    """Return what an estimator had learned when it was saved."""
    shape = tuple(values["shape"])
    classes = [np.array(task["labels"], np.dtype(task["type"])) for task in values["classes"]]
    method = harness.untrained(kind, settings.method, problem_of(settings, shape, classes))
    of_method = {key.removeprefix(METHOD): tensor for key, tensor in tensors.items() if key.startswith(METHOD)}
    device = method.problem.device
    method.restore(State({key: tensor.to(device) for key, tensor in of_method.items()}, values["method"]))
    scale = (tensors[MEAN], tensors[DEVIATION]) if MEAN in tensors else None
    reports = [_report(report) for report in values["reports"]]
    return Learned(settings, method, shape, scale, values["names"] and tuple(values["names"]), classes, reports)


def _report(values: Mapping[str, Any]) -> TaskReport:
    return TaskReport(**_with_tuples(values))


def _with_tuples(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of JSON with tuples in place of lists, as they were saved."""
    return {key: tuple(value) if isinstance(value, list) else value for key, value in values.items()}


def _owner(name: str) -> str:
    return f"the estimator {name}"
