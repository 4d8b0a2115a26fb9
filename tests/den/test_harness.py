"""The harness runs stages in a row, scores what was learned, and starts where it was left."""

import math

import pytest
import torch
from small import build, learn, stream, without_times

from den import harness
from den.harness import EVALUATION, Result, generator_for, predict, steps
from den.methods.base import Measure
from den.methods.finetune import Finetune
from den.tasks import Task
from den.training import Diverged


def test_scores_fill_the_lower_triangle() -> None:
    _, result = learn("finetune", stream())
    for R in result.scores.values():
        assert [[math.isnan(score) for score in row] for row in R] == [[i > t for i in range(3)] for t in range(3)]
        assert all(0 <= score <= 1 for row in R for score in row if not math.isnan(score))


def test_every_stage_is_followed_by_what_it_measured() -> None:
    _, result = learn("ewc", stream())
    names = ["train", "fisher", EVALUATION]
    assert result.done == [(task, name) for task in range(3) for name in names]
    for task, name in result.done:
        rows = [row for row in result.measures if (row["task"], row["stage"]) == (task + 1, name)]
        assert [row["value"] >= 0 for row in rows if row["measure"] == "seconds"] == [True]
    assert {row["measure"] for row in result.measures if row["stage"] is None} >= {"units", "weights", "capacity"}


def test_steps_are_made_as_they_are_asked_for() -> None:
    on = stream()
    result = Result.empty(len(on))
    waiting = steps(build("finetune", on), on, 0, result, torch.device("cpu"))
    first = next(waiting)
    assert (first.title, result.done) == ("task 1 · train", [])
    first.run()
    assert result.done == [(0, "train")]
    assert next(waiting).title == "task 1 · evaluation"


def test_what_is_done_is_not_run_again() -> None:
    on = stream()
    method, result = learn("joint", on)
    before = without_times(result)
    assert list(steps(method, on, 0, result, torch.device("cpu"))) == []
    assert without_times(result) == before


ROUNDS = pytest.mark.skipif(
    not torch.set_flush_denormal(False), reason="this processor cannot round tiny numbers to zero"
)


@ROUNDS
def test_a_stage_rounds_tiny_numbers_to_zero_and_nothing_else_does() -> None:
    tiny = torch.full((1,), 1e-30)
    with harness.flushed():
        assert not tiny * 1e-10
    assert tiny * 1e-10 > 0
    with pytest.raises(ZeroDivisionError), harness.flushed():
        raise ZeroDivisionError
    assert tiny * 1e-10 > 0


@ROUNDS
def test_every_stage_runs_with_tiny_numbers_rounded(monkeypatch: pytest.MonkeyPatch) -> None:
    products, train = [], Finetune.train

    def noted(self: Finetune, task: Task, generator: torch.Generator) -> list[Measure]:
        products.append(float(torch.full((1,), 1e-30) * 1e-10))
        return train(self, task, generator)

    monkeypatch.setattr(Finetune, "train", noted)
    learn("finetune", stream())
    assert products == [0.0] * 3


@pytest.mark.parametrize("other", [(1, 0, "train"), (0, 1, "train"), (0, 0, "fisher")])
def test_each_stage_draws_numbers_of_its_own(other: tuple[int, int, str]) -> None:
    first, again, another = (
        torch.rand(4, generator=generator_for(*about)) for about in ((0, 0, "train"),) * 2 + (other,)
    )
    assert torch.equal(first, again)
    assert not torch.equal(first, another)


def test_a_prediction_has_a_row_per_example() -> None:
    on = stream()
    method, _ = learn("den", on)
    whole = predict(method, on.tests[1], 1)
    assert whole is not None
    assert len(whole) == len(on.tests[1])


def test_answers_without_numbers_are_refused() -> None:
    on = stream()
    method, _ = learn("finetune", on)
    method.network.heads[0].bias.fill_(torch.nan)
    with pytest.raises(Diverged, match="task 1"):
        predict(method, on.tests[0], 0)


def test_rows_count_tasks_from_one() -> None:
    result = Result.empty(2)
    result.add(0, "train", [Measure("units", 3, 1)])
    assert result.measures == [{"task": 1, "stage": "train", "layer": 1, "measure": "units", "value": 3.0}]


def test_the_harness_knows_no_method_by_name() -> None:
    assert "METHODS" not in vars(harness)
