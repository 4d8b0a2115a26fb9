"""The Fisher information is the mean of squared gradients of single examples, and EWC's penalty holds."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import islice
from typing import Any

import numpy as np
import pytest
import torch
from small import CONVOLUTIONAL, TRAINING, build, inputs, learn, permuted, random_layers
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits

from den.config import Network
from den.harness import generator_for
from den.methods import ewc
from den.methods.ewc import Ewc, fisher, sample_labels
from den.networks import forms
from den.networks.blueprint import Blueprint
from den.networks.layers import Chain, Layer
from den.penalties import Fisher

EXAMPLES = 40
IMAGE = (3, 4, 4)


@pytest.fixture
def chain() -> Chain[Layer]:
    return dense()[0]


@pytest.fixture
def labels() -> Tensor:
    return dense()[2]


Asked = tuple[Chain[Layer], Tensor, Tensor]


def dense() -> Asked:
    """Return a network, examples and labels."""
    *hidden, head = random_layers(5, 4, 3, 2)
    return labelled(Chain(hidden, head), 5)


def convolutional() -> Asked:
    layers = Blueprint.of(CONVOLUTIONAL, IMAGE).layers(CONVOLUTIONAL, Generator().manual_seed(5))
    return labelled(Chain(layers, random_layers(layers[-1].units, 2)[0]), *IMAGE)


def labelled(chain: Chain[Layer], *shape: int) -> Asked:
    x = inputs(EXAMPLES, *shape)
    return chain, x, sample_labels(chain(x), Generator().manual_seed(0))


def known(y: Tensor) -> Callable[[Tensor], Tensor]:
    """Return what labels answers with the rows of `y`, in their order."""
    rows = iter(y)
    return lambda answers: torch.stack(list(islice(rows, len(answers))))


def information(chain: Chain[Layer], x: Tensor, y: Tensor) -> list[Tensor]:
    return fisher(chain, x, known(y))


def one_by_one(chain: Chain[Layer], x: Tensor, y: Tensor) -> list[Tensor]:
    """Return the mean square of every example's own gradient."""
    parameters = [tensor.clone().requires_grad_() for tensor in chain.parameters()]
    forms = (layer.form for layer in chain.layers)
    layers = [Layer(*parts) for parts in zip(parameters[::2], parameters[1::2], forms, strict=True)]
    learning = Chain(layers[:-1], layers[-1])
    total = [torch.zeros_like(tensor) for tensor in parameters]
    for example, target in zip(x, y, strict=True):
        surprise = binary_cross_entropy_with_logits(learning(example[None]), target[None], reduction="sum")
        for summed, gradient in zip(total, torch.autograd.grad(surprise, parameters), strict=True):
            summed += gradient.square()
    return [summed / len(x) for summed in total]


def close(found: list[Tensor], expected: list[Tensor], **tolerance: float) -> None:
    for one, other in zip(found, expected, strict=True):
        torch.testing.assert_close(one, other, **tolerance)


@pytest.mark.parametrize("make", [dense, convolutional])
def test_fisher_is_the_mean_square_of_single_gradients(make: Callable[[], Asked]) -> None:
    close(information(*make()), one_by_one(*make()), rtol=1e-5, atol=1e-7)


def test_fisher_leaves_the_network_alone(chain: Chain[Layer], labels: Tensor) -> None:
    before = [tensor.clone() for tensor in chain.parameters()]
    information(chain, inputs(EXAMPLES, 5), labels)
    assert all(torch.equal(a, b) and not a.requires_grad for a, b in zip(chain.parameters(), before, strict=True))


def test_fisher_knows_no_order_of_rows(chain: Chain[Layer], labels: Tensor) -> None:
    order = torch.randperm(EXAMPLES, generator=Generator().manual_seed(1))
    x = inputs(EXAMPLES, 5)
    close(information(chain, x[order], labels[order]), information(chain, x, labels), rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("make", [dense, convolutional])
@pytest.mark.parametrize("size", [1, 7, 40])
def test_fisher_knows_no_batch_size(size: int, make: Callable[[], Asked], monkeypatch: pytest.MonkeyPatch) -> None:
    whole = information(*make())
    monkeypatch.setattr(ewc, "blocks", lambda n: (slice(start, start + size) for start in range(0, n, size)))
    monkeypatch.setattr(forms, "AT_ONCE", 3)
    close(information(*make()), whole, rtol=1e-5, atol=1e-7)


def test_sampled_labels_approach_the_exact_expectation(chain: Chain[Layer]) -> None:
    x = inputs(EXAMPLES, 5)
    generator = Generator().manual_seed(0)
    draws = [fisher(chain, x, partial(sample_labels, generator=generator)) for _ in range(1500)]
    mean = [torch.stack(tensors).mean(dim=0) for tensors in zip(*draws, strict=True)]
    for found, expected in zip(mean, expectation(chain, x), strict=True):
        assert (found - expected).abs().max() < 0.03 * expected.max()


def expectation(chain: Chain[Layer], x: Tensor) -> list[Tensor]:
    """Return the mean over examples of sum_c p(1-p) J_c^2: independent labels have no cross terms."""
    parameters = [tensor.clone().requires_grad_() for tensor in chain.parameters()]
    forms = (layer.form for layer in chain.layers)
    layers = [Layer(*parts) for parts in zip(parameters[::2], parameters[1::2], forms, strict=True)]
    total = [torch.zeros_like(tensor) for tensor in parameters]
    for logit in Chain(layers[:-1], layers[-1])(x).flatten():
        p = logit.detach().sigmoid()
        for summed, J in zip(total, torch.autograd.grad(logit, parameters, retain_graph=True), strict=True):
            summed += p * (1 - p) * J.square()
    return [summed / len(x) for summed in total]


def taught(tasks: int, **params: Any) -> Ewc:
    """Return EWC after all stages of so many tasks."""
    stream = permuted()
    method = build("ewc", stream, params=params)
    assert isinstance(method, Ewc)
    for task in stream.tasks[:tasks]:
        for stage in method.stages(task):
            stage.run(task, generator_for(0, task.id, stage.name))
    return method


def penalty(method: Ewc, task: int) -> Fisher:
    (found,) = method.penalties(permuted().tasks[task])
    assert isinstance(found, Fisher)
    return found


def test_there_is_no_penalty_before_the_first_task_and_one_after() -> None:
    assert taught(0).penalties(permuted().tasks[0]) == []
    method = taught(1)
    assert penalty(method, 1).value() == pytest.approx(0, abs=1e-9)
    for tensor in method.network.shared():
        tensor += 0.1
    assert penalty(method, 1).value() > 1e-3


def test_the_kept_quadratic_is_the_sum_of_the_tasks_own() -> None:
    stream = permuted()
    method = build("ewc", stream)
    assert isinstance(method, Ewc)
    own = []
    for task in stream:
        for stage in method.stages(task):
            before = method.curvature or [torch.zeros(())] * 4
            stage.run(task, generator_for(0, task.id, stage.name))
        shared = [tensor.clone() for tensor in method.network.shared()]
        new = [f - old for f, old in zip(method.curvature or [], before, strict=True)]
        own.append(Fisher(method.network.shared(), shared, new, method.params.strength))
    difference = [sum(p.value() for p in own) - penalty(method, 2).value()]
    for tensor in method.network.shared():
        tensor += torch.randn(tensor.shape, generator=Generator().manual_seed(tensor.numel()))
        difference.append(sum(p.value() for p in own) - penalty(method, 2).value())
    torch.testing.assert_close(torch.stack(difference), difference[0].expand(5), rtol=1e-3, atol=1e-2)


def test_online_keeps_one_term_around_the_newest_network() -> None:
    first, second = (taught(tasks, mode="online", decay=0.5) for tasks in (1, 2))
    for centre, tensor, f in zip(
        penalty(second, 2).centre, second.network.shared(), second.curvature or [], strict=True
    ):
        torch.testing.assert_close(centre[f > 0], tensor[f > 0], rtol=1e-5, atol=1e-6)
    faded = [f / 2 for f in first.curvature or []]
    assert all((f >= old * (1 - 1e-6)).all() for f, old in zip(second.curvature or [], faded, strict=True))
    assert any((f > old).any() for f, old in zip(second.curvature or [], faded, strict=True))


def test_samples_are_as_many_as_asked() -> None:
    stream = permuted()
    method = build("ewc", stream, params={"samples": 17})
    train, consolidate = method.stages(stream.tasks[0])
    train.run(stream.tasks[0], generator_for(0, 0, "train"))
    told = {m.measure: m.value for m in consolidate.run(stream.tasks[0], generator_for(0, 0, "fisher"))}
    assert told["samples"] == 17
    assert told["fisher"] > 0


def test_ewc_forgets_less_than_finetuning() -> None:
    about = {"network": Network(widths=(32,), heads="one"), "training": TRAINING.model_copy(update={"epochs": 20})}

    def last(kind: str, **params: float) -> float:
        found = [learn(kind, permuted(), seed, params=params, **about)[1].scores["auroc"][-1] for seed in (0, 1)]
        return float(np.mean(found))

    assert last("ewc", strength=3.0) > last("finetune") + 0.02


def test_fisher_of_all_examples_is_that_of_the_task_in_any_order() -> None:
    task = permuted().tasks[0]
    back = replace(task.train, x=task.train.x.flip(0), y=task.train.y.flip(0))
    *hidden, head = random_layers(48, 4, 4)
    chain = Chain(hidden, head)
    found = [information(chain, split.inputs(slice(None)), split.targets(slice(None))) for split in (task.train, back)]
    close(found[1], found[0], rtol=1e-5, atol=1e-7)
