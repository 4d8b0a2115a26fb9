"""`Estimator`: what the methods do as estimators; `methods` has their classes and parameters."""

from collections.abc import Mapping, Sequence
from copy import deepcopy
from dataclasses import KW_ONLY, dataclass, field, fields
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch.nn.functional import logsigmoid

from den.config import Convolution, Network, Training, read
from den.estimators import checks, files, inputs, learned, reports, sklearn_tags
from den.estimators.learned import Learned, OfEstimator, Settings
from den.estimators.reports import TaskReport
from den.estimators.torch_state import torch_for
from den.harness import Step
from den.methods.base import Method
from den.methods.den import Den


@dataclass(eq=False, repr=False)
class Estimator:
    """A network that learns one task after another, and answers for each of them.

    Parameters are kept as they are given, and checked when a task is learned. Tasks count from 1.
    """

    hidden: Sequence[int] = (312, 128)
    "Widths of the hidden layers at the start."
    _: KW_ONLY
    convolutions: Sequence[Convolution | Mapping[str, int]] = ()
    "Layers below the hidden ones, for images (examples, channels, side, side): channels, kernel and pooling of each."
    init: Literal["glorot", "he", "torch"] = "glorot"
    "How weights are drawn."
    epochs: int = 10
    "Passes over the data, of each stage."
    batch_size: int = 32
    "Examples per step."
    learning_rate: float = 1e-3
    "At the start of each stage; it falls linearly to zero."
    minimum_steps: int = 200
    "The least number of steps of a stage: a small table has few batches per epoch."
    optimizer: Literal["adam", "sgd"] = "adam"
    "What takes the steps."
    loss: Literal["logistic", "softmax"] = "logistic"
    "logistic: each class is judged against the rest; softmax: classes are compared with each other."
    standardise: bool = True
    """Shift and scale each feature, or each channel of images, to mean 0 and deviation 1 on the training data of the
    first task, and cut it off at 5 deviations; False: features stay as they are."""
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    "auto: a GPU if there is one."
    threads: int = 1
    "Threads of torch while the estimator computes."
    seed: int = 0
    "Of all random numbers."
    verbose: bool = False
    "Print the name of each stage."

    kind: ClassVar[type[Method]]
    replays: ClassVar[bool] = False
    "Whether the method trains on the data of earlier tasks, which it keeps in memory."
    _learned: Learned | None = field(default=None, init=False)

    def learn(self, X: Any, y: Any = None, *, classes: Any = None) -> Self:
        """Learn the next task, and return self.

        X: (examples, features) or images (examples, channels, height, width): an array, a data frame, a tensor; or a
        torch Dataset of pairs, without y. y: one label per example, integers or strings. classes: the task's labels,
        if y may lack some; by default those in y. A task that fails leaves the estimator as it was.
        Raises ValueError for bad data and parameters, Diverged if training does not converge.
        """
        return self._learn(self._learned, X, y, classes)

    def fit(self, X: Any, y: Any = None) -> Self:
        """Forget everything, learn the first task, and return self. X, y: as for `learn`."""
        return self._learn(None, X, y, None)

    def partial_fit(self, X: Any, y: Any = None, classes: Any = None) -> Self:
        """Learn the next task, whose classes must all be new; return self. X, y, classes: as for `learn`.

        A task is learned once, from all of its data: DEN selects, expands and splits for it, and then closes it. A
        second batch of the same classes is therefore refused. `learn` accepts a new task with the same labels.
        """
        return self._learn(self._learned, X, y, classes, new_classes=True)

    def predict(self, X: Any, task: int = 1) -> np.ndarray:
        """Return the label of each example among the classes of a task: (examples,)."""
        scores = self._scores(X, task)
        return self.task_classes_[task - 1][scores.argmax(dim=1).numpy()]

    def predict_proba(self, X: Any, task: int = 1) -> np.ndarray:
        """Return the probability of each class in `task_classes_`, in its order: (examples, classes) float64."""
        return self._logarithms(self._scores(X, task)).softmax(dim=1).numpy()

    def decision_function(self, X: Any, task: int = 1) -> np.ndarray:
        """Return the score of each class of a task, larger if likelier: (examples, classes) float32.

        Two classes have one score, (examples,) float64, above 0 for the second class: the logarithm of the ratio of
        their probabilities.
        """
        scores = self._scores(X, task)
        if scores.shape[1] > 2:
            return scores.numpy()
        first, second = self._logarithms(scores).unbind(dim=1)
        return (second - first).numpy()

    def score(self, X: Any, y: Any = None, task: int = 1) -> float:
        """Return the share of correct labels in a task. Raises ValueError for a label that the task does not have."""
        X, y = inputs.unpacked(X, y)
        answers = self.predict(X, task)
        given = inputs.labels(y, len(answers))
        checks.refuse_unseen(given, self.task_classes_[task - 1], f"task {task}")
        return float((answers == given).mean())

    @property
    def report_(self) -> tuple[TaskReport, ...]:
        """What learning each task came to."""
        return tuple(self._fitted().reports)

    @property
    def capacity_(self) -> float:
        """The weights now, relative to the base network with one output layer for all classes so far."""
        return self.report_[-1].capacity

    @property
    def units_(self) -> tuple[int, ...]:
        """The units of each hidden layer now."""
        return self.report_[-1].units

    @property
    def tasks_(self) -> int:
        """The number of tasks learned."""
        return len(self._fitted().classes)

    @property
    def task_classes_(self) -> list[np.ndarray]:
        """The labels of each task, sorted."""
        return list(self._fitted().classes)

    @property
    def classes_(self) -> np.ndarray:
        """The labels of all tasks, sorted."""
        return np.unique(np.concatenate(self._fitted().classes))

    @property
    def n_features_in_(self) -> int:
        """The number of features, or of channels of images."""
        return self._fitted().shape[0]

    @property
    def feature_names_in_(self) -> np.ndarray:
        """The names of the columns of the first task's data frame. Raises AttributeError if it had none."""
        if (names := self._fitted().names) is None:
            raise AttributeError("the first task was no data frame with names: feature_names_in_ is not there")
        return np.array(names, dtype=object)

    def save(self, path: str | Path) -> None:
        """Write parameters, network and reports to one safetensors file, completely or not at all."""
        files.save(Path(path), type(self).__name__, _plain(self.get_params()), self._fitted())

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Return the estimator that `save` wrote; it answers with the same bits. Raises checkpoints.Damaged."""
        values, tensors = files.read(Path(path), cls.__name__)
        estimator = cls(**values["params"])
        estimator._learned = files.restored(cls.kind, estimator.check(), values, tensors)
        estimator._learned.whole = not cls.replays
        return estimator

    def get_params(self, deep: bool = True) -> dict[str, Any]:
        """Return the parameters as they were given. deep: without effect, for scikit-learn."""
        return {name: getattr(self, name) for name in _parameters(type(self))}

    def set_params(self, **params: Any) -> Self:
        """Change parameters, and return self. They hold from the next `fit`. Raises ValueError for unknown names."""
        names = _parameters(type(self))
        for name, value in params.items():
            if name not in names:
                raise ValueError(f"{type(self).__name__} has no parameter {name!r}; it has {', '.join(names)}")
            setattr(self, name, value)
        return self

    def check(self) -> Settings:
        """Return the checked parameters. Raises SettingsError, which names the wrong ones."""
        name, params = type(self).__name__, _plain(self.get_params())
        of_method = {key: params[key] for key in self.kind.accepts.model_fields if key in params}
        of_network = {"widths": params["hidden"], "convolutions": params["convolutions"], "init": params["init"]}
        of_training = {key: params[key] for key in Training.model_fields if key in params}
        network = read(Network, of_network, name)
        self.kind.refuse(network)
        method, training = read(self.kind.accepts, of_method, name), read(Training, of_training, name)
        own = self._own()
        return Settings(method, network, training, bool(self.standardise), own.seed, own.tasks)

    def _own(self) -> OfEstimator:
        """Return the checked parameters that are the estimator's own. Raises SettingsError."""
        params = self.get_params()
        given = {key: _plain(params[key]) for key in OfEstimator.model_fields if key in params}
        return read(OfEstimator, given, type(self).__name__)

    def __repr__(self) -> str:
        plain = type(self)().get_params()
        given = (f"{name}={value!r}" for name, value in self.get_params().items() if value != plain[name])
        return f"{type(self).__name__}({', '.join(given)})"

    def __sklearn_tags__(self) -> Any:
        return sklearn_tags.tags()

    def __sklearn_is_fitted__(self) -> bool:
        return self._learned is not None

    def _learn(self, before: Learned | None, X: Any, y: Any, classes: Any, new_classes: bool = False) -> Self:
        X, y = inputs.unpacked(X, y)
        settings, names = self.check(), inputs.names_of(X)
        if before is not None:
            self._refuse_further(before, settings)
        x = self._numbers(X, before)
        column = inputs.labels(y, len(x))
        present = checks.classes_of(column, classes)
        if before is not None and new_classes:
            checks.refuse_learned(before, present)
        with torch_for(self.threads):
            after = learned.begin(self.kind, settings, x, names) if before is None else deepcopy(before)
            after.learn(x, column, present, self._announce)
        self._learned = after
        reports.warn_of_growth(after.reports, after.method.new_units() if isinstance(after.method, Den) else ())
        return self

    def _refuse_further(self, before: Learned, settings: Settings) -> None:
        """Raise ValueError if the estimator cannot learn a further task."""
        name = type(self).__name__
        if settings != before.settings:
            raise ValueError(f"the parameters of {name} changed after its first task; call fit, or make a new {name}")
        if settings.tasks is not None and len(before.classes) >= settings.tasks:
            raise ValueError(f"{name} has tasks={settings.tasks} and has learned them; give it more tasks at the start")
        if not before.whole:
            raise ValueError(
                f"{name} trains on the data of all tasks again, and a file holds none; learn all tasks anew"
            )

    def _scores(self, X: Any, task: int) -> torch.Tensor:
        network = self._fitted()
        if task not in range(1, len(network.classes) + 1):
            raise ValueError(f"task {task} is unknown; tasks 1 to {len(network.classes)} are learned")
        X, _ = inputs.unpacked(X)
        x = self._numbers(X, network)
        with torch_for(self._own().threads):
            return network.scores(x, task - 1)

    def _numbers(self, X: Any, network: Learned | None) -> torch.Tensor:
        """Return features as a tensor of its own. network: what they must fit; None before the first task."""
        if network is not None:
            checks.refuse_other_columns(network, inputs.names_of(X))
        x = inputs.numbers(X)
        if network is not None:
            checks.refuse_other_shape(type(self).__name__, network, x)
        return x

    def _logarithms(self, scores: torch.Tensor) -> torch.Tensor:
        """Return the logarithms of probabilities, but for a constant per example: (examples, classes) float64.

        scores: logits under the logistic loss, log-probabilities under softmax. Logistic outputs judge one class
        against the rest, each for itself; the softmax of the result divides their probabilities by the sum.
        """
        wide = scores.double()
        return logsigmoid(wide) if self._fitted().settings.training.loss == "logistic" else wide

    def _fitted(self) -> Learned:
        if self._learned is None:
            raise sklearn_tags.not_fitted(type(self).__name__)
        return self._learned

    def _announce(self, step: Step) -> None:
        if self.verbose:
            print(step.title, flush=True)


def _parameters(kind: type[Estimator]) -> list[str]:
    return [parameter.name for parameter in fields(kind) if parameter.init]


def _plain(value: Any) -> Any:
    """Return parameters as values of JSON."""
    if isinstance(value, Convolution):
        return value.model_dump()
    if isinstance(value, Mapping):
        return {key: _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple | np.ndarray):
        return [_plain(inner) for inner in value]
    return value.item() if isinstance(value, np.generic) else value
