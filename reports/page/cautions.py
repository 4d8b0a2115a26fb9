"""What a reader should know before comparing a stream's results with published ones."""

from collections.abc import Callable

from den import measures
from reports import labels
from reports.analysis.by_split import mean_of, steps
from reports.layer_labels import convolutions
from reports.tables import Tables
from reports.text_tables import SHORT

BAGS_OF_WORDS = "bags of words of Animals with Attributes 1 (lss, phog, rgsift, sift and surf, of 92 images per class)"
FEATURES = dict.fromkeys(  # of AwA, by the beginning of the data's hash, for each seed from 0
    (
        "11d6656f", "bf0c26f4", "46c4ce6b", "8d6d2aac", "609dcb14",
        "484dde13", "817bd066", "41d61d69", "b321089e", "c80c6426",
    ),
    BAGS_OF_WORDS,
)  # fmt: skip


def notes(tables: Tables) -> list[str]:
    """Return the sentences of one stream; none where nothing was published for it, or all is as published."""
    told = NOTES.get(tables.streams[0], ())
    return [sentence for tell in told for sentence in tell(tables)]


def _awa(tables: Tables) -> list[str]:
    return [
        f"Features: {' and '.join(sorted(set(map(_features, tables.cells['data']))))}, reduced to principal "
        "components of the training images. The paper’s are DECAF features, which cannot be had: animals, tasks and "
        "numbers of images are the paper’s, inputs are not. Methods can be compared, scores only roughly.",
        "The three splits of a seed hold 30, 30 and 30 images of each animal, as the paper’s do.",
        "The paper has two numbers for DEN: .8913 in the legend, .906 over capacity.",
    ]


def _features(data: str) -> str:
    return FEATURES.get(data[:SHORT], "those that the manifest of the prepared stream names as its source")


def _cifar100(tables: Tables) -> list[str]:
    return [
        "The paper’s network is a modified AlexNet, five convolutions of 64, 128, 256, 256 and 128 channels below "
        f"dense layers of 384, 192 and 100 units; here it has {_network(tables)}.",
        "A task’s ten classes are ten outputs, each class against the task’s others; the paper’s axis counts classes, "
        "ten a task.",
    ]


def _superclass(tables: Tables) -> list[str]:
    return [
        "The published numbers of DEN, RCL and APD are of one paper by authors of DEN, Yoon et al. 2020, as Liang & Li "
        "2023 repeat them. Capacity there is final parameters relative to the base network’s, which is LeNet, "
        f"convolutions of 20 and 50 channels below dense layers of 800 and 500 units; here it has {_network(tables)}.",
        "Their protocol: batches of 100, 20 epochs a task, a learning rate of .001, weight decay of .0001, 20 % of the "
        "training images held out. That is 400 steps a task, 8,000 for twenty; the other papers’ may differ.",
        "A task’s five classes are five logistic outputs, each class against the others; the highest output answers.",
    ]


def _budget(tables: Tables) -> list[str]:
    means = {method: mean_of(steps(tables), method).mean for method in steps(tables)}
    fewest_first = sorted(means.items(), key=lambda item: item[1])
    budgets = ", ".join(f"{labels.method(method)} {labels.number(mean)}" for method, mean in fewest_first)
    return [f"Steps here, of all tasks and stages: {budgets}."]


def _undisclosed(tables: Tables) -> list[str]:
    return ["The paper tells neither steps nor learning rate nor optimiser nor the strengths of penalties."]


def _network(tables: Tables) -> str:
    """Return the hidden layers as most methods have them after the first task."""
    rows = tables.of(measure=measures.UNITS, after_task=1).measures
    units = rows[rows["stage"].isna()].groupby("layer")["value"].agg(lambda widths: widths.mode().iloc[0])
    widths, below = [f"{width:.0f}" for width in units], convolutions(tables)
    channels = f"convolutions of {' and '.join(widths[:below])} channels below " if below else ""
    return f"{channels}dense layers of {' and '.join(widths[below:])} units"


NOTES: dict[str, tuple[Callable[[Tables], list[str]], ...]] = {
    "awa": (_awa, _undisclosed, _budget),
    "cifar100": (_cifar100, _undisclosed, _budget),
    "cifar100_superclass": (_superclass, _budget),
}
