"""The final network of a cell as an MLflow model: its last checkpoint, its settings and flows/served.py; no pickle."""

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
from mlflow import MlflowClient
from mlflow.entities import LoggedModel, LoggedModelOutput, LoggedModelStatus
from mlflow.models import Model, infer_signature
from mlflow.utils.requirements_utils import warn_dependency_requirement_mismatches

from den import harness
from den.config import SettingsError, read
from den.ledger import Places
from den.runs import Cell, Execution, identity
from den.streams.prepared import DataError

NAME = "network"
SERVED = Path(__file__).with_name("served.py")
NEEDED = ("mlflow", "torch", "numpy", "safetensors", "pydantic", "filelock")
SHOWN = 2  # images of the input example


def log(
    client: MlflowClient, experiment: str, run: str, record: Mapping[str, Any], tags: Mapping[str, str]
) -> str | None:
    """Log the network of a record's cell as a model of its run; returns the model's id.

    None where its last checkpoint is not here, or where code or data are not those it was trained with.
    """
    learned = _learned(record, Places())
    if learned is None:
        return None
    model = client.create_logged_model(experiment, NAME, run, dict(tags))
    with TemporaryDirectory() as folder:
        with _quietly():
            _save(learned, model, run, Path(folder))
        client.log_model_artifacts(model.model_id, str(Path(folder) / NAME))
    client.log_outputs(run, [LoggedModelOutput(model.model_id, len(learned.stream))])
    client.finalize_logged_model(model.model_id, LoggedModelStatus.READY)
    return model.model_id


def warm_up() -> None:
    """Let MLflow list what is installed here: it does so once, before its first model, and takes half a second."""
    warn_dependency_requirement_mismatches(_requirements())


def forget(client: MlflowClient, experiment: str, run: str) -> None:
    """Delete the models of a run."""
    for model in client.search_logged_models([experiment], f"source_run_id = '{run}'"):
        client.delete_logged_model(model.model_id)


def _learned(record: Mapping[str, Any], places: Places) -> Execution | None:
    """Return the record's cell with all that it has learned, or None."""
    if not any((places.work / record["identity"]).glob("*.safetensors")):
        return None
    try:
        cell = read(Cell, record["cell"], "cell")
        if identity(cell, places) != record["identity"]:
            return None
        execution = Execution.resume(cell, places)
    except (SettingsError, DataError):
        return None
    last = len(execution.stream) - 1, harness.EVALUATION
    return execution if last in execution.result.done else None


def _save(learned: Execution, model: LoggedModel, run: str, folder: Path) -> None:
    first = learned.stream.tests[0].to(learned.device)
    answers = learned.method.predict(first.inputs(slice(SHOWN)), 0)
    images = first.x[:SHOWN].float().cpu().numpy()
    (folder / "about.json").write_text(json.dumps(_about(learned)), encoding="utf-8")
    mlflow.pyfunc.save_model(
        folder / NAME,
        python_model=str(SERVED),
        artifacts={"about": str(folder / "about.json"), "checkpoint": str(learned.checkpoints()[-1])},
        signature=infer_signature(images, answers.cpu().numpy(), {"task_id": 1}),
        input_example=(images, {"task_id": 1}),
        pip_requirements=_requirements(),  # else MLflow tries the model to find them
        mlflow_model=Model(run_id=run, model_uuid=model.model_id, model_id=model.model_id),
    )


def _requirements() -> list[str]:
    return [f"{name}=={version(name)}" for name in NEEDED]


def _about(learned: Execution) -> dict[str, Any]:
    """Return what flows/served.py rebuilds the network from, beside the checkpoint."""
    stream, first = learned.stream, learned.stream.tests[0]
    cell = learned.cell.model_copy(update={"training": learned.cell.training.model_copy(update={"device": "cpu"})})
    return {
        "identity": learned.identity,
        "cell": cell.model_dump(mode="json"),
        "sizes": {"shape": stream.shape, "classes": stream.classes, "tasks": len(stream)},
        "scale": {"mean": first.mean, "deviation": first.deviation},
    }


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
