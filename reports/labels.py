"""Labels of methods, streams and scores, and numbers as tables and figures print them."""

import math
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import UTC, datetime

METHODS = {
    "finetune": "Fine-tuning",
    "l2": "L2",
    "l2_published": "L2 (paper’s AUROC)",
    "l2_published_permuted": "L2 (paper’s AUROC)",
    "ewc": "EWC",
    "ewc_published": "EWC (paper’s AUROC)",
    "ewc_published_permuted": "EWC (paper’s AUROC)",
    "progressive": "Progressive",
    "progressive_small": "Progressive (small)",
    "dnn_l1": "DNN-L1",
    "dnn_selective": "DNN-Selective",
    "den_constant": "DEN-Constant",
    "den_constant_13": "DEN-Constant 13",
    "den_constant_20": "DEN-Constant 20",
    "den_dynamic": "DEN-Dynamic",
    "den_no_stamp": "DEN-No-Stamp",
    "den": "DEN",
    "den_euclidean": "DEN (0.5.0’s steps)",
    "den_plus": "DEN+",
    "den_official": "Released code",
    "den_finetune": "DEN-Finetune",
    "den_drift_measured_early": "DEN (drift measured early)",
    "single_task": "Single-task",
    "joint": "Joint",
}
PUBLISHED_ONLY = {  # methods of published numbers that do not run here
    "rcl": "RCL",
    "apd": "APD",
    "ccll": "CCLL",
    "rkr": "RKR",
    "gpm": "GPM",
    "api": "API",
    "gem": "GEM",
    "er_res": "ER-Res",
    "afec": "AFEC",
    "ags_cl": "AGS-CL",
    "fs_dgpm": "FS-DGPM",
    "trgp": "TRGP",
    "packnet": "PackNet",
    "supsup": "SupSup",
    "wsn": "WSN",
    "multitask": "Multitask or single-task",
}
MAJORITY = "majority"
"What stands for a method that answers every example with the most frequent class: the floor of a score."
PAPER_METHOD, IMPROVED_METHOD, RELEASED_METHOD = "den", "den_plus", "den_official"
"DEN, the subject of every page; DEN+, its subject without DEN; and the code that its authors released."
PLUS, MINUS = "plus_", "minus_"
ORDER = "_order_"
"What a variant's name has between its method and its order of tasks: den_order_a."
"How the names of methods begin that are one departure of the released code away from DEN, or from that code."
SMALLEST = 5e-7
"Differences below this are rounding, and read as 0."
MOST = 6
"The most digits of a difference."
SCORES = {"auroc": "AUROC", "accuracy": "accuracy", "average_precision": "average precision"}
STREAMS = {
    "mnist_variation": "MNIST-Variation",
    "permuted_mnist": "Permuted MNIST",
    "split_mnist": "Split MNIST",
    "rotated_mnist": "Rotated MNIST",
    "cifar100": "CIFAR-100",
    "cifar100_superclass": "CIFAR-100 by superclass",
    "awa": "AwA",
}


def method(name: str) -> str:
    """Return the label of a method."""
    if name.startswith(PLUS):
        return f"DEN with {quirk(name)}"
    if name.startswith(MINUS):
        return f"Released code without {quirk(name)}"
    if ORDER in name:
        base, _, order = name.partition(ORDER)
        return f"{method(base)}, order {order.upper()}"
    return METHODS.get(name) or PUBLISHED_ONLY.get(name) or _plain(name)


def is_departure(name: str) -> bool:
    """Return whether a method is one departure of the released code away from another."""
    return name.startswith((PLUS, MINUS))


def quirk(name: str) -> str:
    """Return the label of a departure of the released code, from its name or a variant's: one step head."""
    return name.removeprefix(PLUS).removeprefix(MINUS).replace("_", " ")


def commit(name: str | None, dirty: bool = False) -> str:
    """Return the short form of a commit, or of several: 632edf8, 632edf8-dirty, or not recorded."""
    return re.sub(r"\b([0-9a-f]{7})[0-9a-f]+", r"\1", name) + "-dirty" * dirty if name else "not recorded"


def added(departure: str) -> str:
    """Return the name of DEN with a departure of the released code, from the departure's label."""
    return PLUS + departure.replace(" ", "_")


def mended(departure: str) -> str:
    """Return the name of the released code without a departure, from the departure's label."""
    return MINUS + departure.replace(" ", "_")


def stream(name: str) -> str:
    """Return the label of a stream."""
    return STREAMS.get(name, _plain(name))


def run(suite: str, when: datetime) -> str:
    """Return the name of a suite's run: quick · 2026-11-29 02:00, in UTC."""
    return f"{suite} · {when.astimezone(UTC):%Y-%m-%d %H:%M}"


def ordered(methods: Iterable[str]) -> list[str]:
    """Return the methods in the order of all tables and figures; methods without a label come last, sorted."""
    places = {name: place for place, name in enumerate(METHODS)}
    return sorted(set(methods), key=lambda name: (places.get(name, len(places)), name))


def score(value: float, digits: int = 3) -> str:
    """Return a score or a difference of scores as .798 or −.012; empty for nan."""
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
    """Return a score and its standard error as .798 ± .004; the score alone if the error is nan."""
    return score(mean, digits) + ("" if math.isnan(error) else f" ± {score(error, digits)}")


def changed(mean: float, error: float, digits: int = 3) -> str:
    """Return a difference and its standard error as +.012 ± .004, with more digits if either would read as 0.

    Return the difference alone if the error is nan, and 0 if both are.
    """
    parts = {0.0, *(number for number in (mean, error) if abs(number) >= SMALLEST)}
    if parts == {0.0} and not math.isnan(mean):
        return "0"
    digits = max(_apart({0.0, part}, digits) for part in parts)
    return signed(mean, digits) + ("" if math.isnan(error) else f" ± {score(error, digits)}")


def difference(mean: float, low: float, high: float, digits: int = 3) -> str:
    """Return a difference and the ends of its interval as +.012 (−.004, +.028); a zero as 0, without an interval.

    It has `digits` digits, or as many as keep different numbers from reading alike, and all but 0 from reading as 0.
    """
    numbers = [mean, *(end for end in (low, high) if not math.isnan(end))]
    apart = {0.0, *(number for number in numbers if abs(number) >= SMALLEST)}
    if apart == {0.0} and not math.isnan(mean):
        return "0"
    digits = _apart(apart, digits)
    mean_text, *ends = (signed(number, digits) for number in numbers)
    return mean_text + (f" ({', '.join(ends)})" if ends else "")


def probability(p: float) -> str:
    """Return p with three digits, .021, or <.001; empty for nan. A p below .05 never reads as .050."""
    return "<.001" if p < 0.0005 else score(p, 4 if 0.0495 <= p < 0.05 else 3)


def relation(p: float) -> str:
    """Return p for a sentence: p = .021, or p < .001; empty for nan."""
    text = probability(p)
    return f"p < {text[1:]}" if text.startswith("<") else f"p = {text}" if text else ""


def listed(words: Sequence[str], joint: str = ", ") -> str:
    """Return words as a list in a sentence: a, b and c."""
    return " and ".join(filter(None, (joint.join(words[:-1]), *words[-1:])))


def number(value: float, digits: int = 0) -> str:
    """Return a plain number with commas between thousands; empty for nan."""
    return "" if math.isnan(value) else f"{value:,.{digits}f}"


def heading(words: str) -> str:
    """Return words with a capital first letter."""
    return words[:1].upper() + words[1:]


def _apart(numbers: Collection[float], digits: int) -> int:
    """Return the digits, `digits` at least, with which different numbers read differently; MOST if none suffice."""
    enough = (more for more in range(digits, MOST) if len({round(number, more) for number in numbers}) == len(numbers))
    return next(enough, MOST)


def _plain(name: str) -> str:
    return heading(name.replace("_", " "))
