"""Scores agree with scikit-learn and depend on the order of the answers alone."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, roc_auc_score

from den.scores import SCORES, accuracy, auroc, average_precision

seeds = st.integers(0, 2**32 - 1)


def answers(seed: int, levels: int, outputs: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    """Return random scores on a few levels, so that most are tied, and targets with both kinds in every output."""
    generator = np.random.default_rng(seed)
    examples = int(generator.integers(2, 60))
    scores = generator.integers(-levels, levels + 1, (examples, outputs)).astype(np.float32)
    y = generator.integers(0, 2, (examples, outputs)).astype(np.uint8)
    y[0], y[1] = 0, 1
    return torch.from_numpy(scores), torch.from_numpy(y)


@given(seeds, st.integers(1, 1000))
def test_auroc_agrees_with_scikit_learn(seed: int, levels: int) -> None:
    scores, y = answers(seed, levels)
    assert auroc(scores, y) == pytest.approx(roc_auc_score(y.numpy(), scores.numpy(), average="macro"), abs=1e-12)


@given(seeds, st.integers(1, 20))
def test_auroc_knows_the_order_of_the_answers_alone(seed: int, levels: int) -> None:
    scores, y = answers(seed, levels)
    rows = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    assert auroc(scores[rows], y[rows]) == auroc(scores, y)
    assert auroc(scores**3 * 0.5 + 7, y) == auroc(scores, y)
    assert auroc(-scores, y) == pytest.approx(1 - auroc(scores, y), abs=1e-12)
    assert auroc(torch.zeros_like(scores), y) == 0.5


@given(seeds, st.integers(1, 1000))
def test_average_precision_agrees_with_scikit_learn(seed: int, levels: int) -> None:
    scores, y = answers(seed, levels)
    untied = scores + torch.rand(scores.shape, generator=torch.Generator().manual_seed(seed))
    for given_scores in (scores, untied):
        expected = average_precision_score(y.numpy(), given_scores.numpy(), average="macro")
        assert average_precision(given_scores, y) == pytest.approx(expected, abs=1e-12)


@given(seeds, st.integers(1, 20))
def test_average_precision_knows_the_order_of_the_answers_alone(seed: int, levels: int) -> None:
    scores, y = answers(seed, levels)
    rows = torch.randperm(len(y), generator=torch.Generator().manual_seed(seed))
    assert average_precision(scores[rows], y[rows]) == average_precision(scores, y)
    assert average_precision(scores**3 * 0.5 + 7, y) == average_precision(scores, y)
    assert average_precision(y.float(), y) == 1.0
    shares = y.double().mean(dim=0)
    assert average_precision(torch.zeros_like(scores), y) == pytest.approx(shares.mean().item(), abs=1e-12)


def test_an_output_without_a_present_class_has_no_average_precision() -> None:
    scores = torch.tensor([[0.1, 5.0, 1.0], [0.2, 6.0, 2.0], [0.3, 4.0, 3.0]])
    y = torch.tensor([[0, 1, 0], [1, 1, 0], [0, 1, 0]], dtype=torch.uint8)
    assert average_precision(scores, y) == (1 / 2 + 1) / 2
    assert average_precision(scores[:, :2], y[:, :2]) == average_precision(scores, y)
    assert math.isnan(average_precision(scores, torch.zeros_like(y)))


def test_an_output_with_one_kind_of_example_is_left_out() -> None:
    scores = torch.tensor([[0.1, 5.0], [0.2, 6.0], [0.3, 4.0]])
    y = torch.tensor([[0, 1], [0, 1], [1, 1]], dtype=torch.uint8)
    assert auroc(scores, y) == 1.0
    assert math.isnan(auroc(scores, torch.ones_like(y)))


def test_accuracy_of_one_output_is_the_sign_of_its_logit() -> None:
    scores = torch.tensor([[2.0], [-1.0], [0.0], [3.0]])
    assert accuracy(scores, torch.tensor([[1], [0], [0], [0]], dtype=torch.uint8)) == 0.75


def test_accuracy_of_several_outputs_is_the_highest() -> None:
    scores = torch.tensor([[-2.0, -1.0], [3.0, 1.0], [0.0, 1.0]])
    assert accuracy(scores, torch.tensor([[0, 1], [1, 0], [1, 0]], dtype=torch.uint8)) == pytest.approx(2 / 3)


@pytest.mark.parametrize("name", SCORES)
def test_bad_answers_are_refused(name: str) -> None:
    y = torch.tensor([[0], [1]], dtype=torch.uint8)
    with pytest.raises(ValueError, match="diverged"):
        SCORES[name](torch.tensor([[0.0], [math.nan]]), y)
    with pytest.raises(ValueError, match="examples, outputs"):
        SCORES[name](torch.zeros(2, 2), y)
    with pytest.raises(ValueError, match="no examples"):
        SCORES[name](torch.zeros(0, 1), y[:0])
