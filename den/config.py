"""The base class of all parameters, which are closed, frozen and validated; the blocks `training` and `network`."""

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Annotated, Any, Literal, Self, TypeVar, get_args

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveFloat,
    PositiveInt,
    ValidationError,
    field_validator,
    model_validator,
)

LARGEST, SMALLEST = 1e9, 1e-12  # magnitudes of a setting other than 0; float32 or memory does not reach further
LISTED = 20  # names that a message lists
MOST_WEIGHTS = 10**9  # between two hidden layers


class SettingsError(ValueError):
    """A setting is unknown, of the wrong type or impossible; the message names its key."""


class Params(BaseModel):
    """Immutable parameters that refuse unknown keys, wrong types and impossible values."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False, defer_build=True)


@dataclass(frozen=True)
class AsBefore:
    """Marks a setting that was added later. value: the JSON value under which earlier measurements were made.

    `loss: Annotated[str, AsBefore("logistic")] = "logistic"`: at this value the setting is left out of a cell's key.
    """

    value: Any


def reduced(params: Params) -> dict[str, Any]:
    """Return parameters as JSON, without the later settings that have their "as before" value."""
    values = params.model_dump(mode="json")
    for name in type(params).model_fields:
        values[name] = _reduced(getattr(params, name), values[name])
    later = dict(_later(type(params)))
    return {name: value for name, value in values.items() if name not in later or later[name] != value}


def completed(kind: type[Params], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return `values` with the settings of `kind` that `reduced` left out, each at its "as before" value.

    The present defaults play no part.
    """
    blocks = {
        name: completed(field.annotation, values[name])
        for name, field in kind.model_fields.items()
        if isinstance(field.annotation, type) and issubclass(field.annotation, Params) and name in values
    }
    return {**dict(_later(kind)), **values, **blocks}


def _reduced(value: Any, dumped: Any) -> Any:
    if isinstance(value, Params):
        return reduced(value)
    if isinstance(value, tuple):
        return [_reduced(*pair) for pair in zip(value, dumped, strict=True)]
    return dumped


def _later(kind: type[Params]) -> Iterator[tuple[str, Any]]:
    """Yield the settings of `kind` that were added later, each with its "as before" value."""
    for name, field in kind.model_fields.items():
        yield from ((name, mark.value) for mark in field.metadata if isinstance(mark, AsBefore))


Steps = Annotated[int, Field(gt=0, le=10_000_000)]


class Training(Params):
    """How each stage is trained: optimiser, loss and length."""

    optimizer: Literal["adam", "sgd"] = "adam"
    "adam: Kingma and Ba 2015. sgd: gradient descent on batches."
    learning_rate: PositiveFloat = 1e-3
    "The learning rate at the start of a stage."
    schedule: Literal["constant", "linear", "decay"] = "linear"
    """linear: the learning rate falls to zero over the stage, so that the stage ends at a minimum and not near it.
    decay: it falls by 5 % with each pass over the data, as in the released code of DEN."""
    batch_size: PositiveInt = 256
    "Examples per step; at most all examples of the task."
    epochs: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    "Length of a stage in passes over its data; null if `steps` is given."
    steps: Steps | None = None
    "Length of a stage in steps; null if `epochs` is given."
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    "auto: a GPU if torch sees one."
    loss: Annotated[Literal["logistic", "softmax"], AsBefore("logistic")] = "logistic"
    """logistic: one class versus the rest, the mean over examples and outputs. softmax: the mean over examples."""
    optimizer_state: Annotated[Literal["reset", "keep"], AsBefore("reset")] = "reset"
    """reset: each stage starts a new optimiser. keep: the moments of shared parameters carry over from task to task, as
    in implementations with one optimiser per stream."""
    momentum: Annotated[float, Field(ge=0, lt=1), AsBefore(0.0)] = 0.0
    "For sgd only."
    drop_last: Annotated[bool, AsBefore(True)] = True
    "Whether an epoch skips its last batch if that is incomplete."
    minimum_steps: Annotated[int, Field(ge=0, le=10_000_000), AsBefore(0)] = 0
    "The least number of steps of a stage whose length is given in epochs: a small table has few batches per epoch."

    @model_validator(mode="after")
    def momentum_of_sgd(self) -> Self:
        """Refuse a momentum for an optimiser that does not use it."""
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum is of sgd, and {self.optimizer} has moments of its own; set momentum to 0")
        return self

    @model_validator(mode="after")
    def one_length(self) -> Self:
        """Refuse a stage without a length, or with two."""
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps, and set the other to null")
        return self


class Convolution(Params):
    """A convolution with zero padding, then max pooling."""

    channels: int = Field(gt=0, le=10_000)
    "Number of filters."
    kernel: int = Field(5, gt=0, le=99)
    "Side of a filter in pixels, an odd number."
    pooling: int = Field(2, gt=0, le=99)
    "Side of a pooling window in pixels; 1: no pooling."

    @field_validator("kernel")
    @classmethod
    def odd(cls, kernel: int) -> int:
        """Refuse a kernel without a middle pixel: it would shift the image."""
        if kernel % 2 == 0:
            raise ValueError("a kernel has a middle: give an odd number")
        return kernel


class Network(Params):
    """The base network: convolutions, if any, hidden layers above them, heads and initialisation."""

    convolutions: tuple[Convolution, ...] = Field((), max_length=50)
    "Convolutions below the hidden layers, for streams of images; empty: none."
    widths: tuple[Annotated[int, Field(gt=0, le=100_000)], ...] = Field((312, 128), min_length=1, max_length=50)
    "Units of each hidden layer, the lowest first."
    heads: Literal["per_task", "one"] = "per_task"
    "per_task: each task has output units of its own. one: all tasks share them."
    init: Literal["glorot", "he", "torch"] = "glorot"
    """glorot, he: uniform weights (Glorot and Bengio 2010; He et al. 2015), zero biases. torch: weights and biases as
    torch.nn.Linear and Conv2d draw them, uniform within 1 / sqrt(fan-in)."""
    bias: Annotated[bool, AsBefore(True)] = True
    "false: units have no bias; every bias is zero and is not trained."

    @field_validator("widths")
    @classmethod
    def fit_in_memory(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        """Refuse layers that are too large for the memory of any machine."""
        if (weights := max((below * above for below, above in pairwise(widths)), default=0)) > MOST_WEIGHTS:
            raise ValueError(f"{weights:,} weights between two layers are more than {MOST_WEIGHTS:,}")
        return widths


Kind = TypeVar("Kind", bound=Params)


def read(kind: type[Kind], values: Mapping[str, Any], path: str) -> Kind:
    """Return `values` as validated parameters of `kind`.

    Raises SettingsError, which names every wrong key below `path` and the allowed values.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{path}: expected a block of settings, not {shortened(repr(values))}")
    if extremes := list(_extremes(values, path)):
        raise SettingsError("\n".join(extremes))
    try:
        return kind.model_validate_json(json.dumps(dict(values)))
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(kind, path, details) for details in error.errors())) from None
    except TypeError as error:
        raise SettingsError(f"{path}: {error}") from None


def _extremes(value: Any, key: str) -> Iterator[str]:
    """Yield a message for each number too large or too small for torch, whose own messages do not name the key."""
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield from _extremes(inner, f"{key}.{name}")
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            yield from _extremes(inner, f"{key}.{place}")
    elif isinstance(value, int | float) and abs(value) > LARGEST:
        yield f"{key}: {shortened(str(value))} is too large; no number of a setting is beyond {LARGEST:g}"
    elif isinstance(value, int | float) and 0 < abs(value) < SMALLEST:
        yield f"{key}: {value} is too small; no number of a setting but 0 is below {SMALLEST:g}"


def _explain(kind: type[Params], path: str, error: Any) -> str:
    key = ".".join(str(part) for part in (path, *error["loc"]))
    if error["type"] == "extra_forbidden":
        allowed = _block(kind, error["loc"][:-1]).model_fields
        names = f"{key}: unknown key; allowed here: {', '.join(sorted(allowed)) or 'none'}"
        return "; ".join(filter(None, (names, meant(str(error["loc"][-1]), allowed))))
    if error["type"] == "missing":
        return f"{key}: missing"
    return f"{key}: {error['msg']}, not {shortened(repr(error['input']))}"


def refuse_unknown(name: str, registry: Collection[str], key: str) -> None:
    """Raise SettingsError for a name that is not in the registry; the message names the key and what is meant."""
    if name not in registry:
        raise SettingsError(f"{shortened(key)}: {shortened(repr(name))} is unknown; {alternatives(name, registry)}")


def alternatives(name: str, names: Collection[str]) -> str:
    """Return for a message the names that are like an unknown one, and all of them if they are few."""
    listed = f"there are {', '.join(names) or 'none'}" if len(names) <= LISTED else f"`den list` lists all {len(names)}"
    return " ".join(filter(None, (meant(name, names), listed)))


def meant(name: str, names: Collection[str]) -> str:
    """Return a question with the names that are like an unknown one; empty if there are none."""
    like = get_close_matches(name, names, n=3)
    return f"did you mean {' or '.join(like)}?" if like else ""


def shortened(text: str, longest: int = 60) -> str:
    """Return text for a message: on one line, and at most `longest` characters long."""
    line = text if text.isprintable() else repr(text)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _block(kind: Any, location: Sequence[str | int]) -> Any:
    """Return the class of the parameters at a location inside `kind`.

    location: names of fields, keys of mappings and indices of lists, from the outside in.
    """
    for part in location:
        fields = getattr(kind, "model_fields", {})
        kind = fields[part].annotation if fields else get_args(kind)[0 if isinstance(part, int) else -1]
    return kind
