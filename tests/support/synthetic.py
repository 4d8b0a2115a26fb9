"""Synthetic results, built through the ledger's own classes."""

import json
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np

from den import measures
from den.ledger import CellResult, Columns, Measurement
from den.ledger.settings import key_of
from reports.tables import COLUMNS, Tables, read_one

Row = tuple[int, str | None, int | None, str, float]
ORIGIN: dict[str, Any] = {
    "run": "20261128-aaaaaa",
    "commit": "8c5ce2b1d1c94e7a",
    "dirty": False,
    "fingerprint": "f" * 64,
    "lock": None,
    "python": "3.11.7",
    "numpy": "2.4.6",
    "torch": "2.14.1",
    "machine": {"system": "Linux x86_64", "processor": "AMD EPYC", "capability": "AVX512", "variables": {}, "cores": 2},
    "load": 0.0,
    "slots": 2,
    "started": "2026-11-28T02:00:00+00:00",
    "ended": "2026-11-28T02:05:00+00:00",
}

FRESH = (0.91, 0.93, 0.75, 0.83, 0.78, 0.77, 0.74, 0.82, 0.77, 0.73)
LOSS = {"den": 0.001, "single_task": 0.0, "joint": 0.0, "l2": 0.006, "ewc": 0.008, "finetune": 0.035}
EDGE = {"den": 0.012, "joint": 0.02}
GROWTH = {"den": 0.04, "den_constant_13": 0.06, "den_constant_20": 0.1, "den_dynamic": 0.05, "single_task": 1.0}
SELECTIVE = {"den": 0.7, "den_finetune": 0.7, "dnn_selective": 0.7, "dnn_l1": 0.9}
ABLATION = (
    "finetune",
    "l2",
    "dnn_l1",
    "dnn_selective",
    "den_constant_13",
    "den_constant_20",
    "den_dynamic",
    "den_no_stamp",
    "den",
)
DIFFERENCES = (
    "den",
    "den_official",
    *(f"{side}_{quirk}" for quirk in ("one_step_head", "all_inputs") for side in ("plus", "minus")),
)
EXPANDING = ("den", "den_finetune")
METHODS = ("finetune", "l2", "ewc", "single_task", "joint", "den")
LATER_SCORE = "average_precision"
MORE = ("bytes to answer", "bytes to learn", "peak bytes to answer", "peak bytes to learn")
SHIFT = {"auroc": 0.0, "accuracy": 0.05}
BASE = 285_824
DENSE, LENET = (
    {"widths": [312, 128]},
    {
        "convolutions": [{"channels": 20, "kernel": 5, "pooling": 2}, {"channels": 50, "kernel": 5, "pooling": 2}],
        "widths": [800, 500],
    },
)
NETWORKS = {"cifar100": LENET, "cifar100_superclass": LENET}
LATER = ("finetune", "l2", "ewc", "progressive", "den", "den_finetune", "single_task", "joint")
LARGE = {"awa": 50, "cifar100": 10, "cifar100_superclass": 20}


def result(stream: str, method: str, seed: int, tasks: int = 10, **origin: Any) -> CellResult:
    """Return one plausible result: `method` forgets at its own pace, DEN grows, joint has its last row alone.

    origin: fields of the measurement's origin that differ from those of all others.
    """
    generator = np.random.default_rng([seed, *stream.encode(), *method.encode()])
    network = NETWORKS.get(stream, DENSE)
    units = [_units(method, task, network) for task in range(tasks)]
    capacity = 1 + GROWTH.get(method, 0.0) * (tasks - 1)
    settings = {
        "stream": stream,
        "method": method,
        "seed": seed,
        "stream_params": {"tasks": tasks},
        "method_params": {},
        "network": network,
        "training": {"epochs": 8, "device": "cpu"},
        "evaluation": "test",
    }
    data = sha256(f"{stream} {seed}".encode()).hexdigest()
    rows = [row for task in range(tasks) for row in _measures(method, task, units[task], generator)]
    rows += [
        (tasks, None, None, name, value)
        for name, value in (
            (measures.CAPACITY, capacity),
            (measures.WEIGHTS, float(int(BASE * capacity))),
            (measures.NONZERO, float(int(BASE * capacity * 0.4))),
            (measures.FLOPS, float(2 * BASE)),
        )
    ]
    rows.append((1, measures.TRAIN, None, measures.SECONDS, float(generator.uniform(10, 70))))
    content = {
        "key": key_of(settings, data),
        "settings": settings,
        "data": data,
        "sizes": {"examples": 1000, "example": [784], "classes": 10},
        "scores": {name: _matrix(method, tasks, generator, above) for name, above in SHIFT.items()},
        "measures": dict(zip(Columns.model_fields, zip(*rows, strict=True), strict=True)),
        "origin": ORIGIN | origin,
    }
    return CellResult(method, Measurement.model_validate_json(json.dumps(content)))


def results(stream: str, seeds: int, methods: tuple[str, ...] = METHODS, tasks: int = 10) -> list[CellResult]:
    """Return the results of a whole grid."""
    return [result(stream, method, seed, tasks) for method in methods for seed in range(1, seeds + 1)]


def tables_in(folder: Path) -> Tables:
    """Return the tables that were written into a folder."""
    return Tables(**{name: read_one(folder, name) for name in COLUMNS})


def with_scores(given: CellResult, change: Callable[[float], float], score: str = "auroc") -> CellResult:
    """Return a result whose numbers of one score are changed."""
    scores = {
        name: tuple(tuple(value if value is None or name != score else change(value) for value in row) for row in rows)
        for name, rows in given.measurement.scores.items()
    }
    return replace(given, measurement=given.measurement.model_copy(update={"scores": scores}))


def without_values(given: CellResult, measure: str) -> CellResult:
    """Return a result whose measures of one name are null: taken, and not known."""
    of = given.measurement.measures
    values = (None if name == measure else value for name, value in zip(of.measure, of.value, strict=True))
    columns = of.model_copy(update={"value": tuple(values)})
    return replace(given, measurement=given.measurement.model_copy(update={"measures": columns}))


def with_more(given: CellResult) -> CellResult:
    """Return a result as it is measured today: with the score and the measures that earlier ones lack."""
    measurement = given.measurement
    tasks = [task for task in range(1, measurement.tasks + 1) for _ in MORE]
    names = MORE * measurement.tasks
    added = {"task": tasks, "stage": [None] * len(names), "layer": [None] * len(names), "measure": names}
    added["value"] = [float(4 * BASE * task) for task in tasks]
    columns = {name: (*column, *added[name]) for name, column in measurement.measures.model_dump().items()}
    scores = measurement.scores | {LATER_SCORE: measurement.scores["auroc"]}
    changed = measurement.model_copy(update={"scores": scores, "measures": Columns(**columns)})
    return replace(given, measurement=changed)


def _matrix(method: str, tasks: int, generator: np.random.Generator, above: float) -> list[list[float | None]]:
    fresh = np.resize(FRESH, tasks) + above + EDGE.get(method, 0) + generator.normal(0, 0.004, tasks)
    rows = [_row(method, fresh, after_task, generator) for after_task in range(tasks)]
    return [[None] * tasks if method == "joint" and t < tasks - 1 else row for t, row in enumerate(rows)]


def _row(method: str, fresh: np.ndarray, after_task: int, generator: np.random.Generator) -> list[float | None]:
    loss = LOSS.get(method, 0.01)
    age = after_task - np.arange(len(fresh))
    noise = generator.normal(0, 0.1 * loss, len(fresh))
    value = np.clip(fresh - loss * age + noise, 0.5, 1.0)
    return [float(one) if seen >= 0 else None for one, seen in zip(value, age, strict=True)]


def _units(method: str, task: int, network: dict[str, Any]) -> list[int]:
    widths = [*(one["channels"] for one in network.get("convolutions", [])), *network["widths"]]
    return [width + (9 - 2 * (at % 2)) * task * (method in EXPANDING) for at, width in enumerate(widths)]


def _measures(method: str, task: int, units: list[int], generator: np.random.Generator) -> list[Row]:
    rows = [(None, layer, measures.UNITS, float(width)) for layer, width in enumerate(units, start=1)]
    rows += [(None, None, measures.WEIGHTS, float(BASE)), (None, None, measures.CAPACITY, 1.0 + 0.04 * task)]
    rows += _costs(method, task, generator, units)
    if method in EXPANDING and task:
        rows += [(measures.SELECTIVE, None, measures.EXPANSION_FIRED, 1.0)]
        rows += [(measures.SPLIT, None, measures.SPLIT_FIRED, float(task % 2))]
        rows += [(measures.EXPANSION, layer, measures.KEPT_UNITS, 8.0) for layer in range(1, len(units) + 1)]
        rows += [(measures.SPLIT, layer, measures.SPLIT_UNITS, float(task % 2)) for layer in range(1, len(units) + 1)]
        rows += [(measures.SPLIT, None, measures.ANSWER_SHIFT, float(generator.uniform(0, 0.01)))]
    return [(task + 1, *row) for row in rows]


def _costs(
    method: str, task: int, generator: np.random.Generator, units: list[int]
) -> list[tuple[str | None, int | None, str, float]]:
    """Return the seconds and steps of a task's training and evaluation, and what it selected."""
    share = SELECTIVE.get(method, 1.0) if task else 1.0
    stage = measures.SELECTIVE if task and method in SELECTIVE and method != "dnn_l1" else measures.TRAIN
    seconds = float(2.0 * share * generator.uniform(0.97, 1.03))
    rows = [
        (stage, None, measures.SECONDS, seconds),
        (stage, None, measures.STEPS, 195.0),
        (measures.EVALUATION, None, measures.SECONDS, 1.5),
    ]
    if task and method in SELECTIVE:
        rows += [
            (stage, layer, measures.SELECTED_UNITS, float(min(most, max(20, 200 - 60 * layer))))
            for layer, most in enumerate((200, *units))
        ]
    return rows
