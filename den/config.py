"""The base of all parameters: closed, frozen, checked at the door."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
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

LARGEST, SMALLEST = 1e9, 1e-12  # magnitudes of numbers, 0 aside: beyond them float32 loses them, or memory ends
MOST_WEIGHTS = 10**9  # between two hidden layers


class SettingsError(ValueError):
    """A setting is unknown, of the wrong type or impossible; the message names its key."""


class Params(BaseModel):
    """Parameters that refuse unknown keys, wrong types and impossible values, and never change."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True, allow_inf_nan=False)


@dataclass(frozen=True)
class AsBefore:
    """Marks a setting that was added after cells had been measured: the value, as JSON, that changes nothing for them.

    `loss: Annotated[str, AsBefore("logistic")] = "logistic"`: at this value the setting is left out of a cell's key.
    """

    value: Any


def reduced(params: Params) -> dict[str, Any]:
    """Return parameters as JSON, later settings left out where they are as before."""
    values = params.model_dump(mode="json")
    for name in type(params).model_fields:
        values[name] = _reduced(getattr(params, name), values[name])
    later = dict(_later(type(params)))
    return {name: value for name, value in values.items() if name not in later or later[name] != value}


def completed(kind: type[Params], values: Mapping[str, Any]) -> dict[str, Any]:
    """Return what `reduced` left out of parameters of `kind` put back, whatever the defaults are now."""
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
    """Yield the settings of `kind` that were added later, and the value that means as before."""
    for name, field in kind.model_fields.items():
        yield from ((name, mark.value) for mark in field.metadata if isinstance(mark, AsBefore))


Steps = Annotated[int, Field(gt=0, le=10_000_000)]


class Training(Params):
    """How one stage is trained: the optimiser and how long."""

    optimizer: Literal["adam", "sgd"] = "adam"
    learning_rate: PositiveFloat = 1e-3
    schedule: Literal["constant", "linear", "decay"] = "linear"
    """linear: the learning rate falls to zero over the stage, so that the stage ends at a minimum, not near one.
    decay: it loses 5 % with every pass over the data, as in the released code of DEN."""
    batch_size: PositiveInt = 256
    epochs: Annotated[int, Field(gt=0, le=1_000_000)] | None = None
    steps: Steps | None = None
    device: Literal["auto", "cpu", "cuda"] = "cpu"
    loss: Annotated[Literal["logistic", "softmax"], AsBefore("logistic")] = "logistic"
    """logistic: one class versus the rest, the mean over examples and outputs. softmax: the mean over examples."""
    optimizer_state: Annotated[Literal["reset", "keep"], AsBefore("reset")] = "reset"
    """keep: the moments of shared parameters live on from task to task, as in codes with one optimiser for a stream."""
    momentum: Annotated[float, Field(ge=0, lt=1), AsBefore(0.0)] = 0.0
    "Of sgd alone."
    drop_last: Annotated[bool, AsBefore(True)] = True
    "Whether an epoch leaves its incomplete last batch out."

    @model_validator(mode="after")
    def momentum_of_sgd(self) -> Self:
        """Refuse a momentum that the optimiser would not use."""
        if self.momentum and self.optimizer != "sgd":
            raise ValueError(f"momentum is of sgd, and {self.optimizer} has moments of its own; set momentum to 0")
        return self

    @model_validator(mode="after")
    def one_length(self) -> Self:
        """Refuse a stage with no length, or with two."""
        if (self.epochs is None) == (self.steps is None):
            raise ValueError("give either epochs or steps, and set the other to null")
        return self


class Convolution(Params):
    """A convolution: its filters, of kernel × kernel pixels, zeros around the image, then max pooling."""

    channels: int = Field(gt=0, le=10_000)
    kernel: int = Field(5, gt=0, le=99)
    pooling: int = Field(2, gt=0, le=99)

    @field_validator("kernel")
    @classmethod
    def odd(cls, kernel: int) -> int:
        """Refuse a kernel without a middle, which would move the image."""
        if kernel % 2 == 0:
            raise ValueError("a kernel has a middle: give an odd number")
        return kernel


class Network(Params):
    """The base network: convolutions, if any, and the hidden widths above them; heads and initialisation."""

    convolutions: tuple[Convolution, ...] = Field((), max_length=50)
    widths: tuple[Annotated[int, Field(gt=0, le=100_000)], ...] = Field((312, 128), min_length=1, max_length=50)
    heads: Literal["per_task", "one"] = "per_task"
    init: Literal["glorot", "he", "torch"] = "glorot"
    """glorot, he: uniform weights (Glorot and Bengio 2010; He et al. 2015), zero biases. torch: weights and biases as
    torch.nn.Linear and Conv2d draw them, uniform within 1 / sqrt(numbers that a unit reads)."""
    bias: Annotated[bool, AsBefore(True)] = True
    "false: no unit has a bias, and every bias is zero for good."

    @field_validator("widths")
    @classmethod
    def fit_in_memory(cls, widths: tuple[int, ...]) -> tuple[int, ...]:
        """Refuse layers that no machine has memory for."""
        if (weights := max((below * above for below, above in pairwise(widths)), default=0)) > MOST_WEIGHTS:
            raise ValueError(f"{weights:,} weights between two layers are more than {MOST_WEIGHTS:,}")
        return widths


Kind = TypeVar("Kind", bound=Params)


def read(kind: type[Kind], values: Mapping[str, Any], path: str) -> Kind:
    """Return `values` as checked parameters of `kind`.

    Raises SettingsError naming every wrong key below `path` and what is allowed there.
    """
    if not isinstance(values, Mapping):
        raise SettingsError(f"{path}: expected a block of settings, not {shortened(repr(values))}")
    if extremes := list(_extremes(values, path)):
        raise SettingsError("\n".join(extremes))
    try:
        return kind.model_validate_json(json.dumps(dict(values)))
    except ValidationError as error:
        raise SettingsError("\n".join(_explain(kind, path, one) for one in error.errors())) from None
    except TypeError as error:
        raise SettingsError(f"{path}: {error}") from None


def _extremes(value: Any, key: str) -> Iterator[str]:
    """Yield what is wrong with numbers beyond all reason, which torch would refuse in words of its own."""
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
        return f"{key}: unknown key; allowed here: {', '.join(sorted(allowed)) or 'none'}"
    if error["type"] == "missing":
        return f"{key}: missing"
    return f"{key}: {error['msg']}, not {shortened(repr(error['input']))}"


def shortened(text: str, longest: int = 60) -> str:
    """Return text as a message shows it: on one line, and not too long."""
    line = text if text.isprintable() else repr(text)
    return line if len(line) <= longest else f"{line[: longest - 1]}…"


def _block(kind: Any, location: Sequence[str | int]) -> Any:
    """Return the kind of the parameters at a location inside `kind`: fields, keys of mappings, places in lists."""
    for part in location:
        fields = getattr(kind, "model_fields", {})
        kind = fields[part].annotation if fields else get_args(kind)[0 if isinstance(part, int) else -1]
    return kind
