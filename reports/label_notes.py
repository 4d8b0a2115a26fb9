"""What labels mean that do not explain themselves, for a note below a table that has them."""

from collections.abc import Collection

from reports import labels

PAPERS = "with numbers by which it reaches about the paper’s AUROC on validation data, though others do better"
NOTES = {
    "l2_published": PAPERS,
    "l2_published_permuted": PAPERS,
    "ewc_published": PAPERS,
    "ewc_published_permuted": PAPERS,
    "progressive_small": "the best trial of its search with at most twice the weights of the base network",
    "dnn_l1": "fine-tuning under an L1 penalty",
    "dnn_selective": "selective retraining alone",
    "den_constant_13": "13 new units in every layer for each task, without splits",
    "den_constant_20": "20 new units in every layer for each task, without splits",
    "den_dynamic": "DEN without splits",
    "den_no_stamp": "old tasks are answered by the whole present network",
    "den_euclidean": "DEN with the optimiser steps and searched numbers of version 0.5.0",
    "den_plus": "DEN that starts with the units that the first task needs, with two departures of the released code",
    "den_official": "DEN with all departures of the authors’ released code",
    "den_finetune": "DEN, whose final network is then trained on all tasks together",
    "single_task": "a network of its own for each task",
    "joint": "one network trained on all tasks together",
    labels.MAJORITY: "the most frequent class as the answer to every example; built-in streams at default settings",
}


def of(methods: Collection[str], fixed_capacity: float = 1.0) -> str:
    """Return what the labels of these methods mean; empty if all explain themselves.

    fixed_capacity: the largest capacity of methods whose hidden layers do not grow.
    """
    labels_of: dict[str, list[str]] = {}
    for name, meaning in NOTES.items():
        if name in methods:
            labels_of.setdefault(meaning, []).append(labels.method(name))
    sentences = [f"{labels.listed(names)}: {meaning}." for meaning, names in labels_of.items()]
    if fixed_capacity >= 1.005:
        sentences.append(
            f"A network that does not grow has a capacity of {fixed_capacity:.2f}, because each task adds a head; the "
            "base network has one."
        )
    return " ".join(sentences)
