"""Settings of training against plain PyTorch loops: the same bits."""

from typing import Any

import pytest
import torch
from small import build, learn, permuted, run_stages, same_state, stream
from torch import Tensor, nn

from den import harness
from den.cells import Cell, refuse
from den.config import Network, SettingsError, Training
from den.harness import Result, generator_for
from den.methods.finetune import Finetune
from den.tasks import Stream

SHORT: dict[str, Any] = {"batch_size": 20, "epochs": 2, "learning_rate": 0.03, "schedule": "constant"}


def plain(method: Finetune, on: Stream, training: Training, keep: bool = False) -> list[Tensor]:
    """Return the weights of a network that is trained task after task in a loop as one writes it by hand."""
    torch.set_num_threads(1)
    layers = [nn.Linear(layer.inputs, layer.units) for layer in method.network.hidden]
    for ours, layer in zip(layers, method.network.hidden, strict=True):
        ours.weight.data.copy_(layer.weight)
        ours.bias.data.copy_(layer.bias)
    shared = [parameter for layer in layers for parameter in layer.parameters()]
    optimizer: torch.optim.Optimizer | None = None
    for task in on:
        generator = generator_for(0, task.id, "train")
        head = nn.Linear(layers[-1].out_features, task.outputs)
        fresh = build("finetune", on).network  # type: ignore[attr-defined]
        fresh.add_head(task.outputs, Network(), generator)
        head.weight.data.copy_(fresh.heads[0].weight)
        head.bias.data.zero_()
        parameters = [*shared, *head.parameters()]
        if optimizer is None or not keep:
            optimizer = made(training, parameters)
        else:
            optimizer.param_groups[0]["params"] = parameters
        x, y = task.train.inputs(slice(None)), task.train.targets(slice(None))
        for _ in range(training.epochs or 0):
            for rows in torch.randperm(len(x), generator=generator).split(training.batch_size):
                if training.drop_last and len(rows) < training.batch_size:
                    continue
                reached = x[rows]
                for layer in layers:
                    reached = layer(reached).relu()
                logits = head(reached)
                optimizer.zero_grad()
                loss(training, logits, y[rows]).backward()
                optimizer.step()
    return [parameter.detach() for parameter in shared]


def made(training: Training, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    if training.optimizer == "sgd":
        return torch.optim.SGD(parameters, lr=training.learning_rate, momentum=training.momentum)
    return torch.optim.Adam(parameters, lr=training.learning_rate, fused=True)


def loss(training: Training, logits: Tensor, y: Tensor) -> Tensor:
    if training.loss == "softmax":
        return nn.functional.cross_entropy(logits, y.argmax(dim=1))
    return nn.functional.binary_cross_entropy_with_logits(logits, y)


@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"loss": "softmax"},
        {"drop_last": False, "batch_size": 32},
        {"batch_size": 32},
        {"optimizer": "sgd", "momentum": 0.9},
        {"optimizer_state": "keep"},
        {"optimizer_state": "keep", "optimizer": "sgd", "momentum": 0.5},
    ],
    ids=str,
)
def test_fine_tuning_is_the_plain_loop(settings: dict[str, Any]) -> None:
    training = Training(**SHORT | settings)
    on = permuted()
    method = build("finetune", on, training=training)
    assert isinstance(method, Finetune)
    expected = plain(method, on, training, keep=training.optimizer_state == "keep")
    for task in on:
        run_stages(method, task)
    for ours, theirs in zip(method.network.shared(), expected, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("kind", ["finetune", "l2", "ewc"])
def test_kept_moments_survive_a_resume(kind: str) -> None:
    training = Training(**SHORT | {"optimizer_state": "keep"})
    on = stream()
    whole, _ = learn(kind, on, training=training)
    first, result = build(kind, on, training=training), Result.empty(len(on))
    for step in harness.steps(first, on, 0, result, torch.device("cpu")):
        if step.task == 1:
            break
        step.run()
    resumed = build(kind, on, training=training)
    resumed.restore(first.state())
    for step in harness.steps(resumed, on, 0, result, torch.device("cpu")):
        step.run()
    assert same_state(whole, resumed)
    reset, _ = learn(kind, on, training=Training(**SHORT))
    assert not same_state(whole, reset)


def test_moments_are_kept_only_where_parameters_last() -> None:
    training = Training(epochs=1, optimizer_state="keep")
    with pytest.raises(SettingsError, match=r"training\.optimizer_state: den shares no lasting parameters"):
        refuse(Cell(stream="blobs", method="den", seed=0, training=training))
    refuse(Cell(stream="blobs", method="ewc", seed=0, training=training))


def test_momentum_is_of_sgd() -> None:
    with pytest.raises(ValueError, match="momentum is of sgd"):
        Training(epochs=1, momentum=0.9)


def test_softmax_needs_several_classes() -> None:
    with pytest.raises(SettingsError, match=r"training\.loss: softmax needs tasks of several classes"):
        learn("finetune", stream(), training=Training(epochs=1, loss="softmax"))


@pytest.mark.parametrize("kind", ["finetune", "l2", "single_task", "progressive", "joint", "den"])
def test_softmax_learns_one_class_of_several(kind: str) -> None:
    training = Training(**SHORT | {"loss": "softmax", "epochs": 20})
    _, result = learn(kind, permuted(2), training=training)
    assert result.scores["accuracy"][0][0] > 0.5
    assert result.scores["auroc"][1][1] > 0.7
