"""The Fisher information of one class among several: against loops over examples and labels."""

from functools import partial

import pytest
import torch
from small import inputs, learn, permuted, random_layers
from torch import Generator, Tensor
from torch.nn.functional import cross_entropy

from den.config import Training
from den.methods.ewc import class_surprises, fisher
from den.networks.layers import Chain, Layer

EXAMPLES, CLASSES = 30, 3


@pytest.fixture
def chain() -> Chain[Layer]:
    *hidden, head = random_layers(5, 4, CLASSES)
    return Chain(hidden, head)


@pytest.fixture
def x() -> Tensor:
    return inputs(EXAMPLES, 5)


@pytest.fixture
def y() -> Tensor:
    return torch.eye(CLASSES)[torch.arange(EXAMPLES) % CLASSES]


def estimated(chain: Chain[Layer], x: Tensor, y: Tensor, labels: str) -> list[Tensor]:
    return fisher(chain, x, y, partial(class_surprises, labels=labels, generator=Generator().manual_seed(0)))


def weighed(chain: Chain[Layer], x: Tensor, likely: Tensor) -> list[Tensor]:
    """Return the mean over examples of squared gradients, labels weighed by `likely` (examples, classes)."""
    total = [torch.zeros_like(tensor) for tensor in chain.parameters()]
    for example, row in zip(x[:, None], likely, strict=True):
        for label in row.nonzero().flatten():
            layers = [layer.copy() for layer in chain.layers]
            parameters = [tensor.requires_grad_() for layer in layers for tensor in layer.parameters()]
            loss = cross_entropy(Chain(layers[:-1], layers[-1])(example), label[None])
            for summed, one in zip(total, torch.autograd.grad(loss, parameters), strict=True):
                summed += row[label] * one.square()
    return [summed / len(x) for summed in total]


def close(one: list[Tensor], other: list[Tensor]) -> None:
    for a, b in zip(one, other, strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-6)


def test_the_datas_labels_are_a_loop_over_examples(chain: Chain[Layer], x: Tensor, y: Tensor) -> None:
    close(estimated(chain, x, y, "true"), weighed(chain, x, y))


def test_expected_labels_are_all_labels_weighed(chain: Chain[Layer], x: Tensor, y: Tensor) -> None:
    close(estimated(chain, x, y, "expected"), weighed(chain, x, chain(x).softmax(dim=1)))


def test_predicted_labels_are_the_likeliest(chain: Chain[Layer], x: Tensor, y: Tensor) -> None:
    close(estimated(chain, x, y, "predicted"), weighed(chain, x, torch.eye(CLASSES)[chain(x).argmax(dim=1)]))


def test_sampled_labels_approach_the_expected_ones(chain: Chain[Layer], x: Tensor, y: Tensor) -> None:
    many = x.repeat(300, 1), y.repeat(300, 1)
    for sampled, expected in zip(estimated(chain, *many, "sampled"), estimated(chain, x, y, "expected"), strict=True):
        torch.testing.assert_close(sampled, expected, rtol=0.1, atol=0.02 * float(expected.max()))


def test_ewc_holds_classes_of_earlier_tasks() -> None:
    training = Training(batch_size=20, epochs=20, learning_rate=0.03, loss="softmax")
    kept, lost = (learn(kind, permuted(2), training=training)[1].scores["accuracy"] for kind in ("ewc", "finetune"))
    assert kept[1][0] >= lost[1][0]
