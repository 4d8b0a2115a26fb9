"""What an estimator refuses: data that does not fit what it has learned."""

from typing import Any

import numpy as np
from torch import Tensor

from den.estimators import inputs
from den.estimators.learned import Learned


def classes_of(y: np.ndarray, classes: Any) -> np.ndarray:
    """Return the labels of a task, sorted. classes: the labels as they are given; None: those in y.

    Raises ValueError for a label that is not among `classes` or of another kind, or if there is a single class.
    """
    present = np.unique(y)
    if classes is not None:
        given = inputs.labels(classes, np.size(classes))
        refuse_unseen(y, given, "the argument classes")
        present = np.unique(given)
    if len(present) < 2:
        raise ValueError(f"all labels are {present[0]}, which is 1 class; give examples of two classes or more")
    return present


def refuse_unseen(y: np.ndarray, classes: np.ndarray, owner: str) -> None:
    """Raise ValueError for labels that are not among the classes, or of another kind. owner: of the classes."""
    refuse_other_kind(y, classes, owner)
    if len(unseen := np.setdiff1d(y, classes)):
        shown = ", ".join(map(str, unseen[:5].tolist()))
        raise ValueError(f"y has labels that {owner} does not: {shown}; it has {', '.join(map(str, classes.tolist()))}")


def refuse_other_kind(y: np.ndarray, classes: np.ndarray, owner: str) -> None:
    """Raise ValueError if labels are text and classes numbers, or the reverse: NumPy would compare both as text."""
    of_labels, of_classes = ("text" if labels.dtype.kind == "U" else "numbers" for labels in (y, classes))
    if of_labels != of_classes:
        raise ValueError(f"the labels are {of_labels}, and those of {owner} are {of_classes}; give labels of one kind")


def refuse_learned(network: Learned, classes: np.ndarray) -> None:
    """Raise ValueError if an earlier task has one of the classes, or classes of another kind."""
    for task, learned in enumerate(network.classes, start=1):
        refuse_other_kind(classes, learned, f"task {task}")
        if len(shared := np.intersect1d(learned, classes)):
            raise ValueError(
                f"partial_fit learns new classes, and task {task} has {shared[0]} already. A task is learned once, "
                "from all of its data: collect its batches first, or call learn for a new task with the same labels"
            )


def refuse_other_columns(network: Learned, names: tuple[str, ...] | None) -> None:
    """Raise ValueError if a data frame has other columns than the first task's, or another order of them."""
    if names is None or network.names is None or names == network.names:
        return
    unseen = [name for name in names if name not in network.names]
    missing = [name for name in network.names if name not in names]
    reason = (
        "unseen: " + ", ".join(unseen) if unseen else "missing: " + ", ".join(missing) if missing else "other order"
    )
    raise ValueError(f"The feature names should match those that were passed during fit; {reason[:200]}")


def refuse_other_shape(name: str, network: Learned, x: Tensor) -> None:
    """Raise ValueError if examples do not have the shape of the first task's. name: of the estimator."""
    shape = tuple(x.shape[1:])
    if shape == network.shape:
        return
    if len(shape) == len(network.shape) == 1:
        raise ValueError(f"X has {shape[0]} features, but {name} is expecting {network.shape[0]} features as input")
    raise ValueError(f"an example of X has the shape {shape}; {name} learned {network.shape}")
