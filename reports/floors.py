"""What a method scores that answers every example with the most frequent class: the floor of each score, by stream.

A fresh clone has no data, so the floors follow from how each stream makes its test data, at its default settings. Own
data, and streams that a request prepares in another way, have the floors of their stored labels.
AUROC counts ties half. With the same answer to all, average precision is the share of the class among the examples.
"""

from collections.abc import Mapping, Sequence
from statistics import fmean

from torch import Tensor

from den.scores import SCORES

DIGITS = (980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009)
"The published test images of MNIST, by class."


def of(stream: str) -> Mapping[str, float]:
    """Return the floor of each score of a stream, a mean over its tasks; empty if the stream is not listed here."""
    return FLOORS.get(stream, {})


def of_labels(tasks: Sequence[Tensor]) -> dict[str, float]:
    """Return the floor of each score, a mean over tasks. tasks: the test targets of each, (examples, outputs)."""
    return {name: fmean(score(_majority(y), y) for y in tasks) for name, score in SCORES.items()}


def _majority(y: Tensor) -> Tensor:
    """Return logits that answer every example alike, with the most frequent class; y: (examples, outputs)."""
    shares = y.float().mean(0)
    best = (shares > 0.5).float() * 2 - 1 if len(shares) == 1 else (shares == shares.max()).float()
    return best.expand(y.shape)


def _one_against_rest(classes: int) -> dict[str, float]:
    """Return the floors of tasks that ask for one of equally frequent classes: "no" is right for all others."""
    return {"auroc": 0.5, "accuracy": 1 - 1 / classes, "average_precision": 1 / classes}


def _among(classes: int, most_frequent: float = 0.0) -> dict[str, float]:
    """Return the floors of tasks that tell classes apart; most_frequent: the largest share, if they differ."""
    return {"auroc": 0.5, "accuracy": most_frequent or 1 / classes, "average_precision": 1 / classes}


def _pairs() -> float:
    """Return the mean share of the more frequent of two digits: 0 and 1, 2 and 3, and so on."""
    pairs = list(zip(DIGITS[::2], DIGITS[1::2], strict=True))
    return sum(max(pair) / sum(pair) for pair in pairs) / len(pairs)


FLOORS: Mapping[str, Mapping[str, float]] = {
    "blobs": _one_against_rest(10),
    "mnist_variation": _one_against_rest(10),
    "awa": _one_against_rest(50),
    "permuted_mnist": _among(10, max(DIGITS) / sum(DIGITS)),
    "rotated_mnist": _among(10, max(DIGITS) / sum(DIGITS)),
    "split_mnist": _among(2, _pairs()),
    "cifar100": _among(10),
    "cifar100_superclass": _among(5),
}
