"""DEN-Finetune is DEN to the bit, and then one network trained on all tasks."""

from collections.abc import Iterator

import pytest
import torch
from small import LIVELY, TRAINING, build, inputs, learn, problem, same_state, same_tensors, stream

from den import harness
from den.harness import Result, Step
from den.methods import METHODS
from den.methods.base import Method, State
from den.methods.den_finetune import DenFinetune
from den.training import length, mean_loss

LAST = "fine-tuning"


def steps(method: Method, result: Result) -> Iterator[Step]:
    return harness.steps(method, stream(), 0, result, torch.device("cpu"))


def before_the_last_stage() -> tuple[DenFinetune, Result, Step]:
    """Return a method that is about to train on all tasks, its result so far, and the step that is next."""
    method, result = build("den_finetune", stream(), params=LIVELY), Result.empty(3)
    assert isinstance(method, DenFinetune)
    for step in steps(method, result):
        if step.stage == LAST:
            return method, result, step
        step.run()
    raise AssertionError(f"no stage was called {LAST}")


def copied(state: State) -> State:
    return State({name: tensor.clone() for name, tensor in state.tensors.items()}, dict(state.values))


def test_before_its_last_stage_it_is_den() -> None:
    method, result, _ = before_the_last_stage()
    den, expected = learn("den", stream(), params=LIVELY)
    assert same_tensors(method, den)
    assert method.network.stamps == den.network.stamps
    assert result.done == expected.done[:-1]
    for task in range(3):
        assert torch.equal(method.predict(inputs(9, 48), task), den.predict(inputs(9, 48), task))


def test_its_last_stage_comes_once_at_the_end() -> None:
    done = learn("den_finetune", stream(), params=LIVELY)[1].done
    assert [(task, stage) for task, stage in done if stage == LAST] == [(2, LAST)]
    assert done[-2] == (2, LAST)


def test_every_task_answers_through_the_whole_network_in_the_end() -> None:
    method, _ = learn("den_finetune", stream(), params=LIVELY)
    assert isinstance(method, DenFinetune)
    network, x = method.network, inputs(9, 48)
    assert network.widths[-1] > 6
    assert [head.inputs for head in network.heads] == [network.widths[-1]] * 3
    for task, head in enumerate(network.heads):
        assert torch.equal(method.predict(x, task), network.whole(head)(x))


def test_it_starts_from_dens_weights_and_fits_all_tasks() -> None:
    method, _, step = before_the_last_stage()
    network, tasks = method.network, stream().tasks
    before = copied(method.state()).tensors
    losses = [mean_loss(network.slice(task.id), task.train) for task in tasks]
    step.run()
    after = [mean_loss(network.slice(task.id), task.train) for task in tasks]
    assert sum(after) < sum(losses)
    for index, layer in enumerate(network.hidden):
        moved = layer.weight - before[f"hidden.{index}.weight"]
        assert 0 < moved.norm() < 2 * layer.weight.norm()


def test_it_goes_on_from_a_checkpoint_before_its_last_stage() -> None:
    whole, expected = learn("den_finetune", stream(), params=LIVELY)
    method, result, _ = before_the_last_stage()
    again = build("den_finetune", stream(), seed=5, params=LIVELY)
    again.restore(copied(method.state()))
    for step in steps(again, result):
        step.run()
    assert same_state(again, whole)
    assert result.scores["auroc"][2] == expected.scores["auroc"][2]


@pytest.mark.parametrize(("given", "expected"), [(None, 3 * length(TRAINING, 120)), (7, 7)])
def test_it_trains_as_long_as_joint(given: int | None, expected: int) -> None:
    rows = learn("den_finetune", stream(), params=LIVELY | {"joint_steps": given})[1].measures
    assert [row["value"] for row in rows if row["stage"] == LAST and row["measure"] == "steps"] == [expected]


@pytest.mark.parametrize(("given", "expected"), [(None, TRAINING.learning_rate), (1e-4, 1e-4)])
def test_its_learning_rate_is_its_own_where_given(given: float | None, expected: float) -> None:
    kind = METHODS["den_finetune"]
    method = build(kind, stream(), params={"joint_learning_rate": given})
    assert isinstance(method, DenFinetune)
    method.tasks.append(stream().tasks[0])
    assert method.joint_training().learning_rate == expected
    assert problem(stream()).training.learning_rate == TRAINING.learning_rate
