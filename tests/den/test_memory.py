"""What a method keeps, in bytes: whole and known for every method, computed by hand for a network of two units."""

import json
from typing import Any

import pytest
import torch
from small import LIVELY, PARAMS, Source, build, learn, most_on_either
from torch import Tensor

from den import harness, measures, memory
from den.config import Network, Training
from den.harness import Result
from den.memory import Kept
from den.methods import METHODS
from den.methods.ablations import DenNoStamp
from den.methods.base import Method, State
from den.methods.den import Den
from den.tasks import Examples, Stream, Task

BYTES = (measures.TO_ANSWER, measures.TO_LEARN, measures.PEAK_TO_ANSWER, measures.PEAK_TO_LEARN)
TWO_UNITS = {"network": Network(widths=(2,)), "training": Training(batch_size=5, steps=2, learning_rate=0.01)}
ONE_HEAD = TWO_UNITS | {"network": Network(widths=(2,), heads="one")}
DROPPING = {"group_sparsity": 1e3, "units_per_expansion": 1, "drift_threshold": 1e3}  # a new unit never stays
HIDDEN, HEAD, STAMP, DATA = 4 * (2 * 3 + 2), 4 * (2 + 1), 4, 5 * 3 + 5
COLUMN = 4 * (3 + 1) + 4 * (3 + 1)  # one unit, and a head that reads three
GROWN = 4 * (3 * 3 + 3) + 4 * (3 + 1)  # three units, and the head that reads them


def tiny() -> Stream:
    """Return two tasks of one output: five examples of three uint8 features."""
    generator = torch.Generator().manual_seed(0)

    def split() -> Examples:
        x = torch.randint(0, 256, (5, 3), generator=generator, dtype=torch.uint8)
        return Examples(x, torch.tensor([[1], [0], [1], [0], [1]], dtype=torch.uint8))

    return Stream("tiny", (3,), 1, [Task(number, split(), split()) for number in range(2)], [split(), split()])


def resumed(method: Method, kind: str, on: Stream, about: dict[str, Any]) -> Method:
    """Return what a process that begins anew has of a method's checkpoint."""
    tensors, values = method.state()
    again = build(kind, on, seed=5, **about)
    again.restore(State({name: tensor.clone() for name, tensor in tensors.items()}, json.loads(json.dumps(values))))
    return again


def after_each_task(result: Result) -> list[tuple[float, ...]]:
    """Return the measures of BYTES, task by task."""
    told = {(row["task"], row["measure"]): row["value"] for row in result.measures if row["stage"] is None}
    return [tuple(told[task, name] for name in BYTES) for task in range(1, 1 + max(task for task, _ in told))]


def of_two_units(kind: str, killed: bool, about: dict[str, Any]) -> list[tuple[float, ...]]:
    """Return the bytes of a method after each tiny task; killed: after every stage it begins anew from its state."""
    on, result, cpu = tiny(), Result.empty(2), torch.device("cpu")
    method = build(kind, on, **about)
    steps = harness.steps(method, on, 0, result, cpu)
    while step := next(steps, None):
        step.run()
        if killed:
            method = resumed(method, kind, on, about)
            steps = harness.steps(method, on, 0, result, cpu)
    return after_each_task(result)


NETWORK_ONLY = [(HIDDEN + HEAD, 0, HIDDEN + HEAD, 0), (HIDDEN + 2 * HEAD, 0, HIDDEN + 2 * HEAD, 0)]
EXPECTED = {
    "finetune": NETWORK_ONLY,
    "dnn_l1": NETWORK_ONLY,
    "l2": [NETWORK_ONLY[0], (HIDDEN + 2 * HEAD, 0, HIDDEN + 2 * HEAD, HIDDEN)],
    "ewc": [(HIDDEN + task * HEAD, 2 * HIDDEN) * 2 for task in (1, 2)],
    "joint": [(HIDDEN + task * HEAD, task * DATA) * 2 for task in (1, 2)],
    "single_task": [(task * (HIDDEN + HEAD), 0) * 2 for task in (1, 2)],
    "progressive": [(HIDDEN + HEAD, 0) * 2, (HIDDEN + HEAD + COLUMN, 0) * 2],
    "den": [
        (HIDDEN + HEAD + STAMP, 0) * 2,
        (HIDDEN + 2 * (HEAD + STAMP), 0, GROWN + HEAD + STAMP, HIDDEN),
    ],
    "den_finetune": [
        (HIDDEN + HEAD + STAMP, DATA) * 2,
        (HIDDEN + 2 * (HEAD + STAMP), 2 * DATA, GROWN + HEAD + STAMP, HIDDEN + 2 * DATA),
    ],
    "den_no_stamp": [(HIDDEN + HEAD, 0) * 2, (HIDDEN + 2 * HEAD, 0, GROWN + HEAD, HIDDEN)],
}


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize(("kind", "expected"), EXPECTED.items())
def test_two_units_take_the_bytes_counted_by_hand(kind: str, expected: list[tuple[int, ...]], killed: bool) -> None:
    params = DROPPING if issubclass(METHODS[kind], Den) else {"column_width": 0.5} if kind == "progressive" else {}
    assert of_two_units(kind, killed, TWO_UNITS | {"params": params}) == expected


@pytest.mark.parametrize(("kind", "to_learn"), [("l2", (0, HIDDEN + HEAD)), ("ewc", (2 * (HIDDEN + HEAD),) * 2)])
def test_one_head_is_shared_and_kept_like_what_lies_below_it(kind: str, to_learn: tuple[int, int]) -> None:
    now, peak = to_learn
    assert of_two_units(kind, False, ONE_HEAD)[1] == (HIDDEN + HEAD, now, HIDDEN + HEAD, peak)


@most_on_either
def test_bytes_are_whole_agree_with_the_weights_and_have_peaks_that_never_fall(kind: str, source: Source) -> None:
    lively = issubclass(METHODS[kind], Den)
    _, result = learn(kind, source(), params=PARAMS.get(kind, LIVELY if lively else None))
    rows = [row for row in result.measures if row["stage"] is None]
    stamps = lively and METHODS[kind] is not DenNoStamp
    before = (0.0, 0.0)
    for task, (answer, learning, *peaks) in enumerate(after_each_task(result), start=1):
        own = [row for row in rows if row["task"] == task]
        weights = sum(row["value"] for row in own if row["measure"] == measures.WEIGHTS)
        units = [row["value"] for row in own if row["measure"] == measures.UNITS]
        assert answer == 4 * (weights + sum(units) + task + stamps * task * len(units))
        assert all(value.is_integer() and value >= 0 for value in (answer, learning, *peaks))
        assert all(peak >= max(pair) for peak, *pair in zip(peaks, (answer, learning), before, strict=True))
        before = tuple(peaks)


@pytest.mark.parametrize(
    ("tensor", "expected"),
    [
        (torch.zeros(3, 3, dtype=torch.bool), 2),
        (torch.zeros(8, dtype=torch.bool), 1),
        (torch.zeros(0, dtype=torch.bool), 0),
        (torch.zeros(3, 3), 36),
        (torch.zeros(3, 3, dtype=torch.uint8), 9),
    ],
)
def test_a_mask_takes_a_bit_per_entry_and_numbers_their_own_bytes(tensor: Tensor, expected: int) -> None:
    assert memory.size([tensor]) == expected
    assert memory.size([tensor, tensor]) == 2 * expected


def test_the_most_is_the_larger_of_each_kind() -> None:
    assert Kept(1, 4).most(Kept(3, 2)) == Kept(3, 2).most(Kept(1, 4)) == Kept(3, 4)
