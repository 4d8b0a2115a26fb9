"""What a reader is shown: labels in a fixed order, and numbers as they are printed."""

import math
from collections.abc import Iterable

METHODS = {
    "finetune": "Fine-tuning",
    "l2": "L2",
    "ewc": "EWC",
    "progressive": "Progressive",
    "den": "DEN",
    "den_finetune": "DEN-Finetune",
    "single_task": "Single-task",
    "joint": "Joint",
}
STREAMS = {
    "mnist_variation": "MNIST-Variation",
    "permuted_mnist": "Permuted MNIST",
    "split_mnist": "Split MNIST",
    "rotated_mnist": "Rotated MNIST",
    "cifar100": "CIFAR-100",
    "awa": "AwA",
}


def method(name: str) -> str:
    """Return the label of a method."""
    return METHODS.get(name, _plain(name))


def stream(name: str) -> str:
    """Return the label of a stream."""
    return STREAMS.get(name, _plain(name))


def ordered(methods: Iterable[str]) -> list[str]:
    """Return the methods in the one order that every table and figure keeps; unknown ones come last, sorted."""
    known = list(METHODS)
    return sorted(set(methods), key=lambda name: (known.index(name) if name in METHODS else len(known), name))


def score(value: float, digits: int = 3) -> str:
    """Return a score or a difference of scores as .798 or −.012; empty when it is nan."""
    if math.isnan(value):
        return ""
    text = f"{abs(value):.{digits}f}"
    sign = "−" if value < 0 and float(text) else ""
    return sign + text.removeprefix("0")


def signed(value: float, digits: int = 3) -> str:
    """Return a difference of scores with its sign in front: +.012 or −.012."""
    text = score(value, digits)
    return text if text.startswith("−") or not text else f"+{text}"


def with_error(mean: float, error: float, digits: int = 3) -> str:
    """Return a score and its standard error as .798 ± .004; the score alone when there is no error."""
    return score(mean, digits) + ("" if math.isnan(error) else f" ± {score(error, digits)}")


def number(value: float, digits: int = 0) -> str:
    """Return a plain number with thousands set apart; empty when it is nan."""
    return "" if math.isnan(value) else f"{value:,.{digits}f}"


def _plain(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]
