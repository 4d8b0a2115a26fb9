"""Steps that are replayed on a GPU: with no GPU at hand, a tape of what a step asks of torch stands in for the graph.

Like a graph, the tape runs no Python again: it repeats the same operations on the same tensors.
"""

import weakref
from collections.abc import Callable
from contextlib import nullcontext
from itertools import chain, repeat
from typing import Any

import pytest
import torch
from small import LIVELY, Source, every_method_on_either, learn, same_but_for_rounding, same_state, stream, trained
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from den import graphs, proximal, thresholds, training

WAITS = {"_local_scalar_dense", "nonzero", "masked_select"}  # operations whose result the processor must see
COPIES = {"lift_fresh"}  # a number becomes a tensor of the processor's, which a graph cannot copy to the GPU

Call = tuple[Callable[..., Any], tuple[Any, ...], dict[str, Any], Any]


class Tape(TorchDispatchMode):
    """Writes down every operation and where its result went."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[Call] = []

    def __torch_dispatch__(self, operation: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        assert operation.overloadpacket.__name__ not in WAITS | COPIES
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
    for module in (proximal, thresholds, training):
        monkeypatch.setattr(module, "may_wait", lambda tensor: False)
    monkeypatch.setattr(graphs, "aside", lambda step: step())
    monkeypatch.setattr(graphs, "Captured", taped)
    return monkeypatch


@pytest.mark.slow
@every_method_on_either
def test_a_replayed_step_is_the_step(kind: str, source: Source, replayed: pytest.MonkeyPatch) -> None:
    replays_as_it_steps(replayed, kind, source)


@pytest.mark.parametrize(
    "quirks",
    [
        pytest.param(("sparse_everywhere",), id="sparse_everywhere"),
        pytest.param(("sparse_everywhere", "euclidean_steps"), id="with-euclidean_steps", marks=pytest.mark.slow),
    ],
)
def test_a_constraint_under_sparsity_is_replayed(quirks: tuple[str, ...], replayed: pytest.MonkeyPatch) -> None:
    replays_as_it_steps(replayed, "den_with_quirks", stream, params=LIVELY | {"quirks": quirks})


def replays_as_it_steps(replayed: pytest.MonkeyPatch, kind: str, source: Source, **about: Any) -> None:
    """Assert that replaying steps from a tape leads to the bits of taking them one by one."""
    on_tape, _ = learn(kind, source(), **about)
    replayed.setattr(graphs, "Captured", lambda step: step)
    every_time, _ = learn(kind, source(), **about)
    assert same_state(on_tape, every_time)


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
def test_replays_follow_rows_and_learning_rate(optimizer: str, replayed: pytest.MonkeyPatch) -> None:
    on_tape = trained(optimizer)
    replayed.undo()
    same_but_for_rounding(on_tape, trained(optimizer))


def test_a_captured_step_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    def step() -> Tensor:
        return torch.zeros(())

    monkeypatch.setattr(graphs, "side", lambda: None)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", lambda: None)
    monkeypatch.setattr(torch.cuda, "graph", lambda graph, stream: nullcontext())
    captured, kept = graphs.Captured(step), weakref.ref(step)
    del step
    assert kept() is captured.step  # or all that the graph writes to were free for others
