"""Whatever is in the registry learns, answers for what it has learned, repeats itself, and never sees test data."""

import math
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch
from small import (
    CONVOLUTIONAL,
    FLAT_ONLY,
    LIVELY,
    NETWORK,
    PARAMS,
    TRAINING,
    Source,
    build,
    every_method_on_either,
    inputs,
    learn,
    most,
    most_on_either,
    on_flat,
    on_images,
    permuted,
    problem,
    same_state,
    same_tensors,
    stream,
    without_times,
)

from den import checkpoints, harness
from den.config import Network, Params, SettingsError, Training
from den.harness import Result
from den.methods import METHODS
from den.methods.base import Method, State
from den.methods.den import Den
from den.methods.finetune import Finetune
from den.methods.joint import Joint, masked_logistic
from den.streams.lazy import Lazy
from den.tasks import Examples, Stream, Task
from den.training import Diverged, length

SHARED = [name for name, kind in METHODS.items() if issubclass(kind, Finetune | Joint)]
ONE_HEAD = NETWORK.model_copy(update={"heads": "one"})


def params(kind: str) -> dict[str, Any] | None:
    return PARAMS.get(kind, LIVELY if issubclass(METHODS[kind], Den) else None)


@cache
def learned(kind: str, source: Source) -> tuple[Method, Result, Stream]:
    """Return a method that has learned, its result, and what it has learned from; for reading only."""
    on = source()
    kept = replace(on, tasks=list(on.tasks), tests=list(on.tests))
    return *learn(kind, kept, params=params(kind)), kept


@every_method_on_either
def test_every_method_beats_chance_on_its_first_task(kind: str, source: Source) -> None:
    _, result, _ = learned(kind, source)
    first = next(row[0] for row in result.scores["auroc"] if not math.isnan(row[0]))
    assert first > 0.7


@pytest.mark.parametrize(("kind", "source"), [*on_flat, *on_images, *((kind, permuted) for kind in METHODS)])
def test_every_method_answers_for_every_task(kind: str, source: Source) -> None:
    method, _, on = learned(kind, source)
    for task in range(len(on)):
        answers = method.predict(inputs(9, *on.shape), task)
        assert answers is not None
        assert answers.shape == (9, 4 if source is permuted else 1)
        assert answers.isfinite().all()
        assert not answers.requires_grad


@most_on_either
def test_same_seed_same_bits(kind: str, source: Source) -> None:
    one, first, on = learned(kind, source)
    torch.manual_seed(1)  # what others draw is nobody's business
    other, second = learn(kind, on, params=params(kind))
    assert same_state(one, other)
    assert without_times(first) == without_times(second)


@pytest.mark.parametrize("kind", most)
def test_another_seed_another_network(kind: str) -> None:
    other, _ = learn(kind, stream(), seed=1, params=params(kind))
    assert not same_state(learned(kind, stream)[0], other)


@pytest.mark.parametrize("kind", most)
def test_no_method_sees_test_data(kind: str) -> None:
    one, _, honest = learned(kind, stream)
    poisoned = replace(honest, tests=Lazy(len(honest), lambda task: poison(honest.tests[task])))
    other, _ = learn(kind, poisoned, params=params(kind))
    assert same_state(one, other)


def poison(split: Examples) -> Examples:
    return replace(split, x=255 - split.x, y=1 - split.y)


def test_a_task_has_no_test_data() -> None:
    assert set(vars(stream().tasks[0])) == {"id", "train", "validation"}


@every_method_on_either
def test_learning_changes_no_data(kind: str, source: Source) -> None:
    _, _, kept = learned(kind, source)
    for task, fresh in zip(kept.tasks, source().tasks, strict=True):
        assert torch.equal(task.train.x, fresh.train.x)
        assert torch.equal(task.train.y, fresh.train.y)


@pytest.mark.parametrize("kind", METHODS)
def test_divergence_names_its_step(kind: str) -> None:
    wild = TRAINING.model_copy(update={"learning_rate": 1e6})
    with pytest.raises(Diverged, match=r"at step \d+;"):
        learn(kind, stream(), training=wild)


@pytest.mark.parametrize("kind", METHODS)
def test_answers_that_are_no_numbers_are_not_scored(kind: str) -> None:
    once = Training(steps=1, batch_size=20, learning_rate=1e38)
    with pytest.raises(Diverged):
        learn(kind, stream(), training=once)


@every_method_on_either
def test_states_are_plain_and_come_back_from_a_file(kind: str, source: Source, tmp_path: Path) -> None:
    method, _, on = learned(kind, source)
    state = method.state()
    assert all(tensor.is_contiguous() for tensor in state.tensors.values())
    checkpoints.save(tmp_path / "state", *state, "me")
    again = build(kind, on, seed=5, params=params(kind))
    again.restore(State(*checkpoints.load(tmp_path / "state", "me")))
    assert same_state(method, again)
    assert again.measure() == method.measure()
    for task in range(len(on)):
        one, other = (which.predict(inputs(9, *on.shape), task) for which in (method, again))
        assert torch.equal(one, other)


@pytest.mark.parametrize("kind", METHODS)
def test_parameters_are_closed_and_all_have_defaults(kind: str) -> None:
    accepts = METHODS[kind].accepts
    assert issubclass(accepts, Params)
    accepts()
    with pytest.raises(ValueError, match="nonesuch"):
        accepts(nonesuch=1)


@pytest.mark.parametrize("kind", METHODS)
def test_stages_have_names_of_their_own(kind: str) -> None:
    _, result, on = learned(kind, stream)
    for task in on:
        seen = [name for which, name in result.done if which == task.id]
        assert len(set(seen)) == len(seen)
        assert seen[-1] == harness.EVALUATION


@pytest.mark.parametrize("kind", SHARED)
def test_one_head_serves_all_tasks(kind: str) -> None:
    method, result = learn(kind, permuted(), network=ONE_HEAD, params={"strength": 1.0} if kind == "ewc" else None)
    assert result.scores["auroc"][2][2] > 0.55
    x = inputs(9, 48)
    assert torch.equal(method.predict(x, 0), method.predict(x, 2))
    assert {m.measure: m.value for m in method.measure()}["weights"] == problem(permuted()).base_weights


def test_online_ewc_learns() -> None:
    _, result = learn("ewc", permuted(), params={"mode": "online", "decay": 0.9, "strength": 1.0})
    assert min(result.scores["auroc"][2]) > 0.5


@pytest.mark.parametrize("kind", ["l2", "ewc"])
def test_a_strong_penalty_holds_the_shared_network(kind: str) -> None:
    moves = []
    for strength in (0.0, 1e4):
        method = build(kind, permuted(), params={"strength": strength})
        tasks = permuted().tasks
        for task in tasks[:2]:
            before = [tensor.clone() for tensor in method.network.shared()]
            for stage in method.stages(task):
                stage.run(task, harness.generator_for(0, task.id, stage.name))
        moves.append(sum((a - b).norm() for a, b in zip(method.network.shared(), before, strict=True)))
    assert moves[1] < 0.2 * moves[0]


@pytest.mark.parametrize("kind", most)
def test_no_method_learns_from_validation_data(kind: str) -> None:
    method, _, on = learned(kind, stream)
    nothing = Examples(on.tasks[0].train.x[:0], on.tasks[0].train.y[:0])
    without = replace(on, tasks=[replace(task, validation=nothing) for task in on])
    assert same_state(learn(kind, without, params=params(kind))[0], method)


def test_single_task_scores_do_not_move() -> None:
    R = learned("single_task", stream)[1].scores["auroc"]
    assert all(R[t][i] == R[i][i] for t in range(3) for i in range(t + 1))


@pytest.mark.parametrize("every_task", [True, False])
def test_joint_measures_every_row_or_the_last(every_task: bool) -> None:
    R = learn("joint", stream(), params={"every_task": every_task})[1].scores["auroc"]
    measured = [[not math.isnan(score) for score in row] for row in R]
    rows = [[i <= t and (every_task or t == 2) for i in range(3)] for t in range(3)]
    assert measured == rows


@pytest.mark.parametrize(("given", "steps"), [(None, 3 * length(TRAINING, 120)), (50, 50)])
def test_joint_takes_as_many_steps_whatever_the_number_of_tasks(given: int | None, steps: int) -> None:
    rows = learn("joint", stream(), params={"steps": given})[1].measures
    assert [row["value"] for row in rows if row["measure"] == "steps"] == [steps] * 3


def test_joint_asks_each_example_for_its_own_task_alone() -> None:
    logits = torch.tensor([[0.0, 5.0], [9.0, 0.0]])
    asked = torch.tensor([[1.0, 2.0], [2.0, 0.0]])
    assert masked_logistic(logits, asked).item() == pytest.approx(math.log(2))


def test_l2_is_finetuning_at_no_strength() -> None:
    (one, _), (other, _) = learn("finetune", stream()), learn("l2", stream(), params={"strength": 0.0})
    assert same_tensors(one, other)


@pytest.mark.parametrize("kind", METHODS)
def test_only_what_follows_code_without_convolutions_refuses_them(kind: str) -> None:
    METHODS[kind].refuse(NETWORK)
    if kind not in FLAT_ONLY:
        METHODS[kind].refuse(CONVOLUTIONAL)
    else:
        with pytest.raises(SettingsError, match=r"^network\.convolutions: .*use den$"):
            METHODS[kind].refuse(CONVOLUTIONAL)


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_takes_any_depth(kind: str) -> None:
    _, result = learn(kind, stream(tasks=2), network=Network(widths=(6,), init="he"))
    assert not math.isnan(result.scores["auroc"][1][0])


def test_tasks_are_handed_over_once_and_in_order() -> None:
    met: list[int] = []

    class Meeting(Finetune):
        def stages(self, task: Task) -> Any:
            met.append(task.id)
            return super().stages(task)

    learn(Meeting, stream())
    assert met == [0, 1, 2]
