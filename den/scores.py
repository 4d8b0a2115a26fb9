"""How good the answers on one task are: functions of a task's scores and targets."""

import math
from statistics import fmean

import torch
from torch import Tensor


def auroc(scores: Tensor, y: Tensor) -> float:
    """Return the area under the ROC curve, one class versus the rest, averaged over the outputs.

    scores: (examples, outputs), any real numbers; y: (examples, outputs), one where the class is present.
    The area is the chance that a present example ranks above an absent one, ties counting half (Hanley & McNeil 1982).
    An output with one kind of example only is left out; nan when none is left.
    """
    _check(scores, y)
    areas = [_area(column, present) for column, present in zip(scores.unbind(1), y.bool().unbind(1), strict=True)]
    known = [area for area in areas if not math.isnan(area)]
    return fmean(known) if known else math.nan


def accuracy(scores: Tensor, y: Tensor) -> float:
    """Return the share of examples answered right.

    scores: (examples, outputs), logits; y: (examples, outputs). One output is right when its logit is above zero
    exactly where the class is present; several are right when the highest is the class that is present.
    """
    _check(scores, y)
    right = (scores > 0) == y.bool() if scores.shape[1] == 1 else scores.argmax(1) == y.argmax(1)
    return int(right.sum()) / len(right)


SCORES = {"auroc": auroc, "accuracy": accuracy}


def _area(scores: Tensor, present: Tensor) -> float:
    above = scores[present]
    below = scores[~present].sort().values
    if not len(above) or not len(below):
        return math.nan
    wins = torch.searchsorted(below, above).sum()
    wins_and_ties = torch.searchsorted(below, above, right=True).sum()
    return int(wins + wins_and_ties) / (2 * len(above) * len(below))


def _check(scores: Tensor, y: Tensor) -> None:
    if scores.ndim != 2 or scores.shape != y.shape:
        raise ValueError(f"scores {tuple(scores.shape)} and y {tuple(y.shape)} must both be (examples, outputs)")
    if not scores.numel():
        raise ValueError(f"no examples to score: scores are {tuple(scores.shape)}")
    if scores.isnan().any():
        raise ValueError("scores hold NaN: the network has diverged, lower its learning rate or penalty")
