"""Sentences on what to know before comparing a stream's results with published ones."""

from collections.abc import Callable

from den import measures
from reports import labels
from reports.analysis import by_seed
from reports.estimates import mean_of
from reports.stream_results import StreamResults
from reports.text_tables import HASH_LETTERS

NEARLY_WHOLE = 0.9  # capacity after the first task; the base network may have a larger output layer than that task
BAGS_OF_WORDS = "bags of words of Animals with Attributes 1 (lss, phog, rgsift, sift and surf, of 92 images per class)"
FEATURES = dict.fromkeys(  # of AwA, by the beginning of the data's hash, for each seed from 0
    (
        "11d6656f", "bf0c26f4", "46c4ce6b", "8d6d2aac", "609dcb14",
        "484dde13", "817bd066", "41d61d69", "b321089e", "c80c6426",
    ),
    BAGS_OF_WORDS,
)  # fmt: skip


def cautions_of(results: StreamResults) -> list[str]:
    """Return the cautions of one stream; none if nothing was published for it, or if it is as published."""
    cautions = CAUTIONS.get(results.stream, ())
    return [sentence for caution in cautions for sentence in caution(results)]


def _awa(results: StreamResults) -> list[str]:
    features = sorted(set(map(_features, results.cells["data"])))
    return [
        f"Features: {' and '.join(features)}, reduced to principal components of the training images. The paper’s are "
        "DECAF features, which are not available: animals, tasks and numbers of images are the paper’s, inputs are "
        "not. Methods can be compared, scores only roughly.",
        "The training, validation and test data of a seed each hold 30 images per animal, as in the paper.",
        "The paper has two numbers for DEN: .8913 in the legend, .906 over capacity.",
    ]


def _features(data: str) -> str:
    return FEATURES.get(data[:HASH_LETTERS], "those that the manifest of the prepared stream names as its source")


def _cifar100(results: StreamResults) -> list[str]:
    return [
        "The paper’s network is a modified AlexNet: five convolutions of 64, 128, 256, 256 and 128 channels below "
        f"dense layers of 384, 192 and 100 units.{_network(results)}",
        "A task’s ten classes are ten outputs, each class against the task’s other classes; the paper’s axis counts "
        "classes, ten per task.",
    ]


def _superclass(results: StreamResults) -> list[str]:
    return [
        "The published numbers of DEN, RCL and APD are from one paper by authors of DEN, Yoon et al. 2020, as Liang & "
        "Li 2023 repeat them. Its capacity is final parameters relative to those of the base network, which is LeNet: "
        f"convolutions of 20 and 50 channels below dense layers of 800 and 500 units.{_network(results)}",
        "Its protocol: batches of 100, 20 epochs per task, a learning rate of .001, weight decay of .0001, 20 % of the "
        "training images held out. That is 400 steps per task, 8,000 for twenty; the other papers’ may differ.",
        "A task’s five classes are five logistic outputs, each class against the other classes; the highest output is "
        "the prediction.",
    ]


def _budget(results: StreamResults) -> list[str]:
    steps = by_seed.steps(results)
    means = {method: mean_of(steps, method).mean for method in steps}
    fewest_first = sorted(means.items(), key=lambda item: item[1])
    budgets = ", ".join(f"{labels.method(method)} {labels.number(mean)}" for method, mean in fewest_first)
    return [f"Steps here, of all tasks and stages: {budgets}."]


def _undisclosed(results: StreamResults) -> list[str]:
    return ["The paper does not state steps, learning rate, optimiser or the strengths of penalties."]


def _network(results: StreamResults) -> str:
    """Return a sentence on the hidden layers of the base network; empty if no method has them after the first task."""
    first = results.measured(measures.CAPACITY, after_task=1).groupby("method")["value"].min()
    units = results.measured(measures.UNITS, after_task=1)
    of_base = units[units["stage"].isna() & units["method"].isin(first[first > NEARLY_WHOLE].index)]
    if of_base.empty:
        return ""
    modes = of_base.groupby("layer")["value"].agg(lambda widths: widths.mode().iloc[0])
    widths, convolutions = [f"{width:.0f}" for width in modes], results.convolutions
    channels = f"convolutions of {' and '.join(widths[:convolutions])} channels below " if convolutions else ""
    return f" Here it has {channels}dense layers of {' and '.join(widths[convolutions:])} units."


CAUTIONS: dict[str, tuple[Callable[[StreamResults], list[str]], ...]] = {
    "awa": (_awa, _undisclosed, _budget),
    "cifar100": (_cifar100, _undisclosed, _budget),
    "cifar100_superclass": (_superclass, _budget),
}
