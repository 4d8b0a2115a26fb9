"""Small problems that the tests of the learning library share: blobs in memory, tiny networks, short training."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import cache
from itertools import chain, pairwise, repeat
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from den import harness
from den.cells import Cell
from den.config import Convolution, Network, Training
from den.harness import Result, generator_for
from den.measures import TIMES
from den.methods import METHODS
from den.methods.base import Measures, Method, Problem
from den.methods.den import Den
from den.methods.den_official import DenWithQuirks
from den.networks import forms
from den.networks.forms import DENSE, Form
from den.networks.layers import Chain, Layer, to
from den.streams import blobs
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task
from den.training import Fit, device_of, fit

PREPARATION = blobs.Preparation(features=48, classes=4, examples=80)
SIZES = {"tasks": 3, "training_examples": 30, "validation_examples": 10, "test_examples": 40}
NETWORK = Network(widths=(8, 6))
CONVOLUTIONAL = Network(
    convolutions=(Convolution(channels=12, kernel=3, pooling=1), Convolution(channels=8, kernel=3, pooling=2)),
    widths=(8,),
    init="he",
)
TRAINING = Training(batch_size=20, epochs=6, learning_rate=0.01)
ON_GPU = TRAINING.model_copy(update={"device": "cuda"})
SPLITTING = {"drift_threshold": 0.5, "units_per_expansion": 3}
THRESHOLDS = {"sparsity": 1e-4, "head_sparsity": 1e-4, "group_sparsity": 1e-3}  # of a step, whatever rate and metric
LIVELY = SPLITTING | {"sparsity": 1e-3, "head_sparsity": 2e-2, "group_sparsity": 2e-2, "drift": 1e-3}
"A DEN that selects, drops and splits some units of so small a network, and leaves others."

PARAMS = {name: LIVELY for name, kind in METHODS.items() if issubclass(kind, Den)}
PARAMS |= {"den_official": SPLITTING | THRESHOLDS, "dnn_l1": {"sparsity": 1e-3}}


def cell(method: str = "finetune", seed: int = 0, **about: Any) -> Cell:
    """Return a small cell on blobs."""
    params = about.pop("method_params", PARAMS.get(method, {}))
    known = {"stream_params": SIZES, "method_params": params, "network": NETWORK, "training": TRAINING}
    return Cell(stream="blobs", method=method, seed=seed, **known | about)


@cache
def arrays() -> dict[str, np.ndarray]:
    return blobs.prepare(PREPARATION, {}, 2)


def stream(seed: int = 0, **sizes: int) -> Stream:
    """Return three one-versus-rest tasks over the same points."""
    return blobs.build(blobs.Params(**SIZES | sizes), arrays(), seed)


def images(seed: int = 0, **sizes: int) -> Stream:
    """Return the stream's points as images."""
    return as_images(stream(seed, **sizes))


def as_images(flat: Stream) -> Stream:
    """Return a stream's examples as images of three channels, 4 × 4 pixels."""
    shape = (3, 4, 4)

    def seen(split: Examples) -> Examples:
        return replace(split, x=split.x.unflatten(1, shape))

    def task(number: int) -> Task:
        return Task(number, seen(flat.tasks[number].train), seen(flat.tasks[number].validation))

    return replace(
        flat, shape=shape, tasks=Lazy(len(flat), task), tests=Lazy(len(flat), lambda number: seen(flat.tests[number]))
    )


def permuted(tasks: int = 3) -> Stream:
    """Return tasks of four classes each, their features in another order every time."""
    base = stream(tasks=4)

    def split(task: int, part: str) -> Examples:
        sources = [getattr(one, part) for one in base.tasks] if part != "test" else list(base.tests)
        order = torch.randperm(base.features, generator=torch.Generator().manual_seed(task))
        return replace(sources[0], x=sources[0].x[:, order], y=torch.cat([one.y for one in sources], dim=1))

    made = Lazy(tasks, lambda task: Task(task, split(task, "train"), split(task, "validation")))
    return Stream("permuted", base.shape, 4, made, Lazy(tasks, lambda task: split(task, "test")))


with_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU: what runs on one is untried")

Source = Callable[..., Stream]
on_either = pytest.mark.parametrize("source", [stream, images], ids=["dense", "convolutional"])

FLAT_ONLY = [name for name, kind in METHODS.items() if issubclass(kind, DenWithQuirks)]  # they know no convolutions
LONGER = {
    "dnn_selective",
    "den_constant",
    "den_dynamic",
    "den_no_stamp",
    "den_finetune",
}  # DEN but for a stage


def rarely(kind: str) -> tuple[pytest.MarkDecorator, ...]:
    """Mark a case of a variant of DEN as slow: DEN itself and the released code are always tried."""
    return (pytest.mark.slow,) if kind in LONGER else ()


on_flat = [pytest.param(kind, stream, id=f"{kind}-dense") for kind in METHODS]
on_images = [
    pytest.param(kind, images, id=f"{kind}-convolutional", marks=rarely(kind))
    for kind in METHODS
    if kind not in FLAT_ONLY
]
every_method_on_either = pytest.mark.parametrize(("kind", "source"), on_flat + on_images)
most = [pytest.param(kind, id=kind, marks=rarely(kind)) for kind in METHODS]
most_on_either = pytest.mark.parametrize(
    ("kind", "source"),
    [pytest.param(kind, stream, id=f"{kind}-dense", marks=rarely(kind)) for kind in METHODS] + on_images,
)


def problem(on: Stream, network: Network | None = None, training: Training = TRAINING, seed: int = 0) -> Problem:
    """Return what a method is told; images are read by convolutions where no network is given."""
    network = network or (NETWORK if len(on.shape) == 1 else CONVOLUTIONAL)
    return Problem(on.shape, on.classes, len(on), network, training, seed)


def build(kind: str | type[Method], on: Stream, seed: int = 0, params: Any = None, **about: Any) -> Method:
    """Return an untrained method, with parameters fit for so small a network; `about` holds network and training."""
    params = PARAMS.get(str(kind), {}) if params is None else params
    kind = METHODS[kind] if isinstance(kind, str) else kind
    return kind.build(kind.accepts(**params), problem(on, seed=seed, **about), generator_for(seed, -1, "build"))


def learn(kind: str | type[Method], on: Stream, seed: int = 0, **about: Any) -> tuple[Method, Result]:
    """Return a method that has learned the stream, and its result."""
    method, result = build(kind, on, seed, **about), Result.empty(len(on))
    for step in harness.steps(method, on, seed, result, device_of(about.get("training", TRAINING))):
        step.run()
    return method, result


def run_stages(method: Method, task: Task, last: str = "") -> dict[str, Measures]:
    """Run a task's stages, up to and with the named one; return what each measured."""
    told = {}
    for stage in method.stages(task):
        told[stage.name] = stage.run(task, generator_for(0, task.id, stage.name))
        if stage.name == last:
            break
    return told


def trained(optimizer: str, device: str = "cpu") -> tuple[Tensor, Fit]:
    """Train a small network with a falling learning rate; return its first weights and what training says."""
    *hidden, head = to(random_layers(48, 8, 1), torch.device(device))
    split = stream().tasks[0].train.to(torch.device(device))
    told = TRAINING.model_copy(update={"optimizer": optimizer, "schedule": "linear"})
    fitted = fit(Chain(hidden, head), split, told, torch.Generator().manual_seed(0))
    return hidden[0].weight.cpu(), fitted


def same_but_for_rounding(found: tuple[Tensor, Fit], expected: tuple[Tensor, Fit]) -> None:
    """Assert that training came to the same but for the rounding of learning rates and products."""
    (weight, fitted), (other, wanted) = found, expected
    torch.testing.assert_close(weight, other, rtol=1e-3, atol=1e-5)
    assert fitted.steps == wanted.steps
    assert fitted.loss == pytest.approx(wanted.loss, rel=1e-3)


def same_state(one: Method, other: Method) -> bool:
    """Say whether two methods have learned the same, bit for bit, and noted the same."""
    return one.state().values == other.state().values and same_tensors(one, other)


def same_tensors(one: Method, other: Method) -> bool:
    """Say whether two methods have learned the same tensors, bit for bit."""
    tensors, others = one.state().tensors, other.state().tensors
    return tensors.keys() == others.keys() and all(torch.equal(tensors[name], others[name]) for name in tensors)


def without_times(result: Result) -> tuple[str, list[tuple[Any, ...]]]:
    """Return all that a result says but times, in a form that compares nan with nan."""
    rows = [tuple(row.values()) for row in result.measures if row["measure"] not in TIMES]
    return repr(result.scores), rows


FORMS: dict[str, tuple[Form, ...]] = {
    "dense": (DENSE, DENSE, DENSE),
    "convolutions": (forms.Convolution((3, 3), 4, 1), forms.Convolution((3, 3), 4, 2), Form((4,))),
    "convolution below dense": (forms.Convolution((5, 5), 4, 2), Form((4,)), DENSE),
}
"Forms of three hidden layers on top of each other."


def read_by(form: Form) -> tuple[int, ...]:
    """Return the shape of one input of a layer."""
    return (form.side, form.side) if isinstance(form, forms.Convolution) else form.kernel


def random_layers(
    *sizes: int, seed: int = 0, dtype: torch.dtype = torch.float32, of: Sequence[Form] = ()
) -> list[Layer]:
    """Return layers with random weights and biases; `of` holds the forms of the first, the others are dense."""
    generator = torch.Generator().manual_seed(seed)

    def drawn(*shape: int) -> Tensor:
        return torch.randn(shape, generator=generator, dtype=dtype)

    ends = zip(pairwise(sizes), chain(of, repeat(DENSE)), strict=False)
    return [Layer(drawn(units, inputs, *form.kernel), drawn(units), form) for (inputs, units), form in ends]


def inputs(examples: int, *shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    """Return random examples of a shape: so many features, or channels and pixels."""
    return torch.randn(examples, *shape, generator=torch.Generator().manual_seed(7), dtype=dtype)
