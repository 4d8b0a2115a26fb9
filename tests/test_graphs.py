"""Steps that are replayed on a GPU: with no GPU at hand, a tape of what a step asks of torch stands in for the graph.

Like a graph, the tape runs no Python again: it repeats the same operations on the same tensors.
"""

from collections.abc import Callable
from itertools import chain, repeat
from typing import Any

import numpy as np
import pytest
import torch
from small import TRAINING, Source, every_method_on_either, learn, random_layers, same_state, stream
from torch import Generator, Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from den import graphs, training
from den.networks.layers import Chain, to
from den.training import Fit, fit

WAITS = {"_local_scalar_dense", "nonzero", "masked_select"}  # operations whose result the processor must see

on_gpu = pytest.mark.skipif(not torch.cuda.is_available(), reason="torch sees no GPU: CUDA graphs stay untried")

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]


class Tape(TorchDispatchMode):
    """Writes down every operation and where its result went."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert operation.overloadpacket.__name__ not in WAITS
        chosen = args[1] if operation is torch.ops.aten.index.Tensor else ()
        assert not any(index is not None and index.dtype == torch.bool for index in chosen)
        result = operation(*args, **(kwargs or {}))
        self.calls.append((operation, args, kwargs or {}, result))
        return result

    def play(self) -> None:
        """Repeat all operations, each result going where it went at first."""
        for operation, args, kwargs, result in self.calls:
            again = operation(*args, **kwargs)
            for old, new in zip(tree_leaves(result), tree_leaves(again), strict=True):
                if isinstance(old, Tensor) and old.data_ptr() != new.data_ptr():
                    old.copy_(new)


def taped(step: graphs.Replay) -> graphs.Replay:
    """Capture a step on a tape; unlike a graph's, this runs it, so the first replay is no other."""
    with Tape() as tape:
        loss = step()
    replays = chain([lambda: None], repeat(tape.play))

    def replay() -> Tensor:
        with torch.no_grad():
            next(replays)()
        return loss

    return replay


@pytest.fixture
def replayed(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Take all steps as on a GPU, but on this processor."""
    monkeypatch.setattr(training, "launched", graphs.Replayed)
    monkeypatch.setattr(graphs, "aside", lambda step: step())
    monkeypatch.setattr(graphs, "capture", taped)
    return monkeypatch


@every_method_on_either
def test_a_replayed_step_is_the_step(kind: str, source: Source, replayed: pytest.MonkeyPatch) -> None:
    on_tape, _ = learn(kind, source())
    replayed.setattr(graphs, "capture", lambda step: step)
    every_time, _ = learn(kind, source())
    assert same_state(on_tape, every_time)


@pytest.fixture(params=["adam", "sgd"])
def by_hand(request: pytest.FixtureRequest) -> tuple[str, Tensor, Fit]:
    """An optimiser, and what training with it comes to where every step runs as it is."""
    return request.param, *trained(request.param)


def test_replays_follow_rows_and_learning_rate(by_hand: tuple[str, Tensor, Fit], replayed: pytest.MonkeyPatch) -> None:
    same(by_hand, trained(by_hand[0]))


@on_gpu
def test_a_gpu_comes_to_what_the_processor_comes_to(by_hand: tuple[str, Tensor, Fit]) -> None:
    same(by_hand, trained(by_hand[0], "cuda"))


@on_gpu
@every_method_on_either
def test_every_method_is_captured_on_a_gpu(kind: str, source: Source) -> None:
    told = TRAINING.model_copy(update={"device": "cuda"})
    scores = [learn(kind, source(), training=one)[1].scores["auroc"][-1] for one in (told, TRAINING)]
    assert np.mean(scores[0]) == pytest.approx(np.mean(scores[1]), abs=0.05)


def trained(optimizer: str, device: str = "cpu") -> tuple[Tensor, Fit]:
    """Train a small network; return its first weights and what training says."""
    *hidden, head = to(random_layers(48, 8, 1), torch.device(device))
    split = stream().tasks[0].train.to(torch.device(device))
    told = TRAINING.model_copy(update={"optimizer": optimizer, "schedule": "linear"})
    fitted = fit(Chain(hidden, head), split, told, Generator().manual_seed(0))
    return hidden[0].weight.cpu(), fitted


def same(by_hand: tuple[str, Tensor, Fit], found: tuple[Tensor, Fit]) -> None:
    """Assert that training came to the same but for the rounding of learning rates and products."""
    (_, weight, fitted), (again, other) = by_hand, found
    torch.testing.assert_close(again, weight, rtol=1e-3, atol=1e-5)
    assert other.steps == fitted.steps
    assert other.loss == pytest.approx(fitted.loss, rel=1e-3)
