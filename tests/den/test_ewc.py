"""The Fisher information is the mean of squared gradients of single examples, and EWC's penalty holds."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from small import CONVOLUTIONAL, TRAINING, build, inputs, learn, permuted, random_layers
from torch import Generator, Tensor
from torch.nn.functional import binary_cross_entropy_with_logits as logistic

from den.config import Network, SettingsError, read
from den.harness import generator_for
from den.methods import ewc
from den.methods.ewc import Ewc, Surprises, fisher, fisher_of_batches, sample_labels, surprises
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


def asking(labels: str, seed: int = 0) -> Surprises:
    return partial(surprises, labels=labels, generator=Generator().manual_seed(seed))


def information(chain: Chain[Layer], x: Tensor, y: Tensor) -> list[Tensor]:
    return fisher(chain, x, y, asking("true"))


def differentiable(chain: Chain[Layer]) -> Chain[Layer]:
    """Return a copy of the chain whose parameters require gradients."""
    layers = [layer.copy() for layer in chain.layers]
    for layer in layers:
        for tensor in layer.parameters():
            tensor.requires_grad_()
    return Chain(layers[:-1], layers[-1])


def gradient(chain: Chain[Layer], x: Tensor, y: Tensor) -> list[Tensor]:
    """Return the gradient of the mean over examples of the logistic losses of all outputs, summed."""
    learning = differentiable(chain)
    loss = logistic(learning(x), y, reduction="sum") / len(x)
    return list(torch.autograd.grad(loss, learning.parameters()))


def one_by_one(chain: Chain[Layer], x: Tensor, y: Tensor, size: int = 1) -> list[Tensor]:
    """Return the mean square of every example's own gradient, or of the mean gradient of every whole batch."""
    batches = list(zip(x.split(size), y.split(size), strict=True))[: len(x) // size]
    squares = [[one.square() for one in gradient(chain, *batch)] for batch in batches]
    return [torch.stack(parts).mean(dim=0) for parts in zip(*squares, strict=True)]


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


def enumerated(chain: Chain[Layer], x: Tensor) -> list[Tensor]:
    """Return the mean over examples of an example's squared gradient, for all labels, each as likely as answered."""
    total = [torch.zeros_like(tensor) for tensor in chain.parameters()]
    for example in x[:, None]:
        p = chain(example).sigmoid()
        for y in map(torch.tensor, product((0.0, 1.0), repeat=p.numel())):
            likely = (p * y + (1 - p) * (1 - y)).prod()
            for summed, one in zip(total, gradient(chain, example, y[None]), strict=True):
                summed += likely * one.square()
    return [summed / len(x) for summed in total]


@pytest.mark.parametrize("make", [dense, convolutional])
def test_expected_labels_are_all_labels_weighed(make: Callable[[], Asked]) -> None:
    chain, x, y = make()
    close(fisher(chain, x, y, asking("expected")), enumerated(chain, x), rtol=1e-4, atol=1e-6)


@pytest.mark.slow
@pytest.mark.parametrize(("estimate", "size"), [(fisher, 1), (partial(fisher_of_batches, size=8), 8)])
def test_sampled_labels_approach_the_expected_ones_over_the_size_of_a_batch(
    estimate: Callable[..., list[Tensor]], size: int
) -> None:
    chain, x, y = dense()
    ask = asking("sampled")
    draws = [estimate(chain, x, y, ask) for _ in range(1500)]
    mean = [size * torch.stack(tensors).mean(dim=0) for tensors in zip(*draws, strict=True)]
    for found, expected in zip(mean, fisher(chain, x, y, asking("expected")), strict=True):
        assert (found - expected).abs().max() < 0.04 * expected.max()


ESTIMATES = [*product(("sampled", "true", "predicted"), ("per_example", "batch_mean")), ("expected", "per_example")]


@pytest.mark.parametrize(("labels", "estimator"), ESTIMATES)
def test_a_task_adds_what_a_plain_loop_over_examples_or_batches_comes_to(labels: str, estimator: str) -> None:
    method = taught(1, labels=labels, estimator=estimator, samples=110)
    split, generator = permuted().tasks[0].train, generator_for(0, 0, "fisher")
    rows = torch.randperm(len(split), generator=generator)[:110]
    chain, x = method.network.chain(0), split.inputs(rows)
    answers = {
        "sampled": sample_labels(chain(x), generator),
        "true": split.targets(rows),
        "predicted": (chain(x).sigmoid() > 0.5).float(),
    }
    size = TRAINING.batch_size if estimator == "batch_mean" else 1
    known = enumerated(chain, x) if labels == "expected" else one_by_one(chain, x, answers[labels], size)
    close(method.curvature or [], known[: len(method.network.shared())], rtol=1e-4, atol=1e-7)


def test_fewer_examples_than_a_batch_are_one() -> None:
    chain, x, y = dense()
    found = fisher_of_batches(chain, x, y, asking("true"), 256)
    close(found, [one.square() for one in gradient(chain, x, y)], rtol=1e-5, atol=1e-8)
    assert not any(tensor.requires_grad for tensor in chain.parameters())


def test_an_expectation_of_batches_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"methods\.ewc: .*expected goes with estimator: per_example"):
        read(ewc.Params, {"labels": "expected", "estimator": "batch_mean"}, "methods.ewc")


OUTPUTS = 2
LOSSES = {  # of a paper, and the factor that its lambda takes
    "mean over all": (lambda z, y: logistic(z, y), 1.0),
    "mean over examples": (lambda z, y: logistic(z, y, reduction="none").sum(dim=1).mean(), 1 / OUTPUTS),
    "sum": (lambda z, y: logistic(z, y, reduction="sum"), 1 / (OUTPUTS * EXAMPLES)),
}
LAMBDAS = {"lambda / 2": (0.5, 1.0), "lambda": (1.0, 2.0)}


INFORMATION = {  # of the gradients of examples' summed losses
    "mean over examples": (lambda own: own.square().mean(dim=0), 1.0),
    "of mean losses": (lambda own: (own / OUTPUTS).square().mean(dim=0), 1 / OUTPUTS**2),
    "summed over examples": (lambda own: own.square().sum(dim=0), EXAMPLES),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("weighed", LAMBDAS)
@pytest.mark.parametrize("of", INFORMATION)
def test_a_lambda_of_a_paper_times_its_factors_is_the_strength(loss: str, weighed: str, of: str) -> None:
    chain, x, y = dense()
    (reduced, share), (weight, twice), (estimate, factor) = LOSSES[loss], LAMBDAS[weighed], INFORMATION[of]
    owns = zip(*(gradient(chain, *one) for one in zip(x[:, None], y[:, None], strict=True)), strict=True)
    centre, its = [tensor + 0.1 for tensor in chain.parameters()], [estimate(torch.stack(own)) for own in owns]
    learning = differentiable(chain)
    penalty = sum((f * (w - c).square()).sum() for f, w, c in zip(its, learning.parameters(), centre, strict=True))
    (reduced(learning(x), y) + weight * 3.0 * penalty).backward()
    here = differentiable(chain)
    logistic(here(x), y).backward()
    Fisher(here.parameters(), centre, information(chain, x, y), 3.0 * share * twice * factor).add_gradients()
    ours, theirs = ([tensor.grad for tensor in one.parameters()] for one in (here, learning))
    close(ours, [share * one for one in theirs], rtol=1e-4, atol=1e-7)


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
