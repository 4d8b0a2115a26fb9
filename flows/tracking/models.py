"""The final network of a cell as an MLflow model: its last checkpoint, settings and `served_model.py`; no pickle."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import mlflow
import torch
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.exceptions import MlflowException
from mlflow.models import Model, infer_signature
from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches
from torch import Tensor

from den import harness
from den.cells import Cell, cell_of, fingerprint, key_of
from den.config import SettingsError
from den.execution import Execution, folder_of
from den.ledger import CellResult, Measurement, Order, Places
from den.streams.prepared import DataError
from den.tasks import Scale
from den.training import device_of
from flows import places

NAME = "network"
SERVED = Path(__file__).with_name("served_model.py")
NEEDED = ("mlflow", "torch", "numpy", "safetensors", "pydantic", "filelock")
SHOWN = 2  # images of the input example


def log(client: MlflowClient, experiment: str, run: str, result: CellResult, tags: Mapping[str, str]) -> str:
    """Log the network of a cell as a model of its MLflow run; return the model's id.

    Empty if its last checkpoint is not here, or if code, data or torch are not those it was trained with.
    """
    learned = _learned(result, places.here())
    if learned is None:
        return ""
    model = client.create_logged_model(experiment, NAME, run, dict(tags))
    with TemporaryDirectory() as folder:
        with _quietly():
            _save(learned, model, run, Path(folder))
        client.log_model_artifacts(model.model_id, str(Path(folder) / NAME))
    client.log_outputs(run, [LoggedModelOutput(model.model_id, len(learned.stream))])
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return str(model.model_id)


def exists(client: MlflowClient, model: str) -> bool:
    """Return whether MLflow still has a model."""
    try:
        client.get_logged_model(model)
    except MlflowException:
        return False
    return True


def warm_up() -> None:
    """Let MLflow list what is installed here: it does so once, before its first model, and takes half a second."""
    warn_dependency_requirement_mismatches(_requirements())


def forget(client: MlflowClient, experiment: str, run: str) -> None:
    """Delete the models of a run."""
    for model in client.search_logged_models([experiment], f"source_run_id = '{run}'"):
        client.delete_logged_model(model.model_id)


def _learned(result: CellResult, where: Places) -> Execution | None:
    """Return the measured cell with all that it has learned, or None."""
    measurement, run = result.measurement, result.measurement.origin.run
    if not any(folder_of(where, run, measurement.key).glob("*.safetensors")):
        return None
    try:
        cell = cell_of(measurement.settings, result.name if result.name != measurement.method else "")
        if not _as_trained(cell, measurement, where):
            return None
        execution = Execution.resume(cell, where, Order(run=run))
    except (SettingsError, DataError):
        return None
    last = len(execution.stream) - 1, harness.EVALUATION
    return execution if last in execution.result.done else None


def _as_trained(cell: Cell, measurement: Measurement, where: Places) -> bool:
    """Return whether data, code, torch and device are those of the measurement: only then its checkpoints are ours."""
    here = key_of(cell, where), fingerprint(cell), torch.__version__, device_of(cell.training).type == "cuda"
    origin = measurement.origin
    return here == (measurement.key, origin.fingerprint, origin.torch, origin.machine.gpu is not None)


def _save(learned: Execution, model: LoggedModel, run: str, folder: Path) -> None:
    first = learned.stream.tests[0].to(learned.device)
    answers = learned.method.predict(first.inputs(slice(SHOWN)), 0)
    images = first.x[:SHOWN].float().cpu().numpy()
    (folder / "about.json").write_text(json.dumps(_about(learned)), encoding="utf-8")
    mlflow.pyfunc.save_model(
        folder / NAME,
        python_model=str(SERVED),
        artifacts={"about": str(folder / "about.json"), "checkpoint": str(learned.checkpoints()[-1])},
        signature=infer_signature(images, None if answers is None else answers.cpu().numpy(), {"task_id": 1}),
        input_example=(images, {"task_id": 1}),
        pip_requirements=_requirements(),  # else MLflow tries the model to find them
        mlflow_model=Model(run_id=run, model_uuid=model.model_id, model_id=model.model_id),
    )


def _requirements() -> list[str]:
    return [f"{name}=={version(name)}" for name in NEEDED]


def _about(learned: Execution) -> dict[str, Any]:
    """Return what flows/tracking/served_model.py rebuilds the network from, beside the checkpoint."""
    stream, first = learned.stream, learned.stream.tests[0]
    cell = learned.cell.model_copy(update={"training": learned.cell.training.model_copy(update={"device": "cpu"})})
    return {
        "owner": learned.owner,
        "cell": cell.model_dump(mode="json"),
        "sizes": {"shape": stream.shape, "classes": stream.classes, "tasks": len(stream)},
        "scale": {"mean": _plain(first.mean), "deviation": _plain(first.deviation)},
    }


def _plain(scale: Scale) -> float | list[float]:
    return scale.tolist() if isinstance(scale, Tensor) else scale


@contextmanager
def _quietly() -> Iterator[None]:
    """Keep from people what MLflow says of its own code when it saves a model."""
    chatty = logging.getLogger("mlflow.pyfunc")
    before = chatty.level
    chatty.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        chatty.setLevel(before)
