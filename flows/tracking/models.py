"""Logs the final network of a cell as an MLflow model: last checkpoint, settings and `served_model.py`, no pickle."""

import json
import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

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
EXAMPLES = 2  # images of the input example


def log(client: MlflowClient, experiment: str, run: str, result: CellResult, tags: Mapping[str, str]) -> str:
    """Log the network of a cell as a model of its MLflow run; return the model's id.

    Empty if the last checkpoint is not here, or if code, data or torch have changed since training.
    """
    execution = _restored(result, places.here())
    if execution is None:
        return ""
    model = client.create_logged_model(experiment, NAME, run, dict(tags))
    with TemporaryDirectory() as folder:
        with _quietly():
            _save(execution, model, run, Path(folder))
        client.log_model_artifacts(model.model_id, str(Path(folder) / NAME))
    client.log_outputs(run, [LoggedModelOutput(model.model_id, len(execution.stream))])
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
    """Let MLflow list the installed packages, which it does once before its first model, in half a second."""
    warn_dependency_requirement_mismatches(_requirements())


def forget(client: MlflowClient, experiment: str, run: str) -> None:
    """Delete the models of a run."""
    for model in client.search_logged_models([experiment], f"source_run_id = '{run}'"):
        client.delete_logged_model(model.model_id)


def _restored(result: CellResult, here: Places) -> Execution | None:
    """Return the execution of a measured cell after its last stage; None if it cannot be restored."""
    measurement, run = result.measurement, result.measurement.origin.run
    if not any(folder_of(here, run, measurement.key).glob("*.safetensors")):
        return None
    try:
        cell = cell_of(measurement.settings, result.name if result.name != measurement.method else "")
        if not _as_trained(cell, measurement, here):
            return None
        execution = Execution.resume(cell, here, Order(run=run))
    except (SettingsError, DataError):
        return None
    last = len(execution.stream) - 1, harness.EVALUATION
    return execution if last in execution.result.done else None


def _as_trained(cell: Cell, measurement: Measurement, here: Places) -> bool:
    """Return whether data, code, torch and device are those of the measurement, so that its checkpoints are valid."""
    present = key_of(cell, here), fingerprint(cell), torch.__version__, device_of(cell.training).type == "cuda"
    origin = measurement.origin
    return present == (measurement.key, origin.fingerprint, origin.torch, origin.machine.gpu is not None)


def _save(execution: Execution, model: LoggedModel, run: str, folder: Path) -> None:
    first = execution.stream.tests[0].to(execution.device)
    answers = execution.method.predict(first.inputs(slice(EXAMPLES)), 0)
    images = first.x[:EXAMPLES].float().cpu().numpy()
    (folder / "about.json").write_text(json.dumps(_about(execution)), encoding="utf-8")
    mlflow.pyfunc.save_model(
        folder / NAME,
        python_model=str(SERVED),
        artifacts={"about": str(folder / "about.json"), "checkpoint": str(execution.checkpoints()[-1])},
        signature=infer_signature(images, None if answers is None else answers.cpu().numpy(), {"task_id": 1}),
        input_example=(images, {"task_id": 1}),
        pip_requirements=_requirements(),  # otherwise MLflow runs the model to find them
        mlflow_model=Model(run_id=run, model_uuid=model.model_id, model_id=model.model_id),
    )


def _requirements() -> list[str]:
    return [f"{name}=={version(name)}" for name in NEEDED]


def _about(execution: Execution) -> dict[str, object]:
    """Return what flows/tracking/served_model.py needs, besides the checkpoint, to rebuild the network."""
    stream, first = execution.stream, execution.stream.tests[0]
    cell = execution.cell.model_copy(update={"training": execution.cell.training.model_copy(update={"device": "cpu"})})
    return {
        "owner": execution.owner,
        "cell": cell.model_dump(mode="json"),
        "sizes": {"shape": stream.shape, "classes": stream.classes, "tasks": len(stream)},
        "scale": {"mean": _plain(first.mean), "deviation": _plain(first.deviation)},
    }


def _plain(scale: Scale) -> float | list[float]:
    return scale.tolist() if isinstance(scale, Tensor) else scale


@contextmanager
def _quietly() -> Iterator[None]:
    """Hide the warnings that MLflow gives about its own code when it saves a model."""
    logger = logging.getLogger("mlflow.pyfunc")
    before = logger.level
    logger.setLevel(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(before)
