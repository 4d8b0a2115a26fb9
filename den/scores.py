"""Scores of the answers to one task: functions of class scores and targets."""

import math
from collections.abc import Callable
from statistics import fmean
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor


def auroc(scores: Tensor, y: Tensor) -> float:
    """Return the area under the ROC curve, one class versus the rest, averaged over the outputs.

    scores: (examples, outputs), any real numbers. y: (examples, outputs), 1 where the class is present.
    The area is the chance that a present example ranks above an absent one; ties count half (Hanley & McNeil 1982).
    An output whose examples are all present or all absent is left out; the result is nan if no output remains.
    Raises ValueError for unequal shapes, no examples, or NaN.
    """
    return _over_outputs(_area, scores, y)


def average_precision(scores: Tensor, y: Tensor) -> float:
    """Return the average precision, one class versus the rest, averaged over the outputs.

    scores: (examples, outputs), any real numbers. y: (examples, outputs), 1 where the class is present.
    For each present example, take the share of present ones among all examples that rank no lower; the result is the
    mean of these shares. It is the area under the curve of precision over recall, without interpolation (Manning,
    Raghavan & Schütze 2008, 8.4). An output without a present example is left out; the result is nan if no output
    remains. Raises ValueError as `auroc` does.
    """
    return _over_outputs(_precision, scores, y)


def accuracy(scores: Tensor, y: Tensor) -> float:
    """Return the share of correct answers.

    scores: (examples, outputs), logits. y: (examples, outputs), 1 where the class is present. The answer of a single
    output is correct if its logit is above zero exactly if the class is present. The answer of several outputs is
    correct if the largest logit belongs to the present class. Raises ValueError as `auroc` does.
    """
    _check(scores, y)
    right = (scores > 0) == y.bool() if scores.shape[1] == 1 else scores.argmax(1) == y.argmax(1)
    return int(right.sum()) / len(right)


SCORES = {"auroc": auroc, "accuracy": accuracy, "average_precision": average_precision}


def _over_outputs(score: Callable[[NDArray[Any], NDArray[np.bool_]], float], scores: Tensor, y: Tensor) -> float:
    """Return the mean of a score over the outputs for which it is defined; nan if there are none."""
    _check(scores, y)
    values = [score(column, present) for column, present in zip(_columns(scores), _columns(y.bool()), strict=True)]
    defined = [value for value in values if not math.isnan(value)]
    return fmean(defined) if defined else math.nan


def _columns(values: Tensor) -> NDArray[Any]:
    """Return the columns as rows of a numpy array: on the CPU, numpy sorts thirty times faster than torch."""
    return values.T.contiguous().cpu().numpy()


def _area(scores: NDArray[Any], present: NDArray[np.bool_]) -> float:
    above, below = np.sort(scores[present]), np.sort(scores[~present])
    if not len(above) or not len(below):
        return math.nan
    wins, wins_and_ties = (np.searchsorted(below, above, side).sum() for side in ("left", "right"))
    return int(wins + wins_and_ties) / (2 * len(above) * len(below))


def _precision(scores: NDArray[Any], present: NDArray[np.bool_]) -> float:
    above, below = np.sort(scores[present]), np.sort(scores[~present])
    if not len(above):
        return math.nan
    right, wrong = (len(ranked) - np.searchsorted(ranked, above) for ranked in (above, below))
    return float((right / (right + wrong)).mean())


def _check(scores: Tensor, y: Tensor) -> None:
    if scores.ndim != 2 or scores.shape != y.shape:
        raise ValueError(f"scores {tuple(scores.shape)} and y {tuple(y.shape)} must both be (examples, outputs)")
    if not scores.numel():
        raise ValueError(f"no examples to score: scores are {tuple(scores.shape)}")
    if scores.isnan().any():
        raise ValueError("scores hold NaN: the network has diverged, lower its learning rate or penalty")
