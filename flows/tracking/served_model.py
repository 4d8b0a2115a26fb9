"""The network of a finished cell for `mlflow.pyfunc`: MLflow copies this file into the model and runs it there."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mlflow.models import set_model
from mlflow.pyfunc import PythonModel, PythonModelContext
from numpy.typing import NDArray

from den import checkpoints, harness
from den.cells import Cell, untrained
from den.methods.base import State
from den.tasks import Examples, Scale


class Network(PythonModel):
    """The network of a cell, rebuilt on the CPU from its settings and its last checkpoint."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the network from the files of the model."""
        about = json.loads(Path(context.artifacts["about"]).read_text(encoding="utf-8"))
        self.tasks = about["sizes"]["tasks"]
        self.scale = {name: _scale(value) for name, value in about["scale"].items()}
        self.method = untrained(Cell.model_validate_json(json.dumps(about["cell"])), **about["sizes"])
        tensors, values = checkpoints.load(Path(context.artifacts["checkpoint"]), about["owner"])
        self.method.restore(State(tensors, values["method"]))

    def predict(
        self, context: PythonModelContext, model_input: np.ndarray, params: dict[str, Any] | None = None
    ) -> NDArray[np.float32]:
        """Return the class probabilities (images, classes) that the network predicts for a task.

        model_input: (images, features), or images with channels, in the shape of the stream, pixels from 0 to 255.
        params: task_id, which counts from 1. Raises ValueError for a task that the network has not learned.
        """
        task = (params or {}).get("task_id", 1)
        if not 1 <= task <= self.tasks:
            raise ValueError(f"task_id is {task}; the network has learned the tasks 1 to {self.tasks}")
        split = Examples(torch.tensor(model_input), torch.empty(len(model_input), 0), **self.scale)
        answers = harness.predict(self.method, split, task - 1)
        if answers is None:
            raise ValueError(f"the network has no answers for task {task}")
        return answers.sigmoid().numpy()


def _scale(value: float | list[float]) -> Scale:
    return torch.tensor(value) if isinstance(value, list) else value


set_model(Network())
