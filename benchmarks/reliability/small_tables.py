"""Seven small public tables as streams of tasks: five that scikit-learn ships, digits with permuted pixels, and MNIST.

breast_cancer, diabetes, iris and wine make a task per class, that class against the rest; the progress of diabetes is
cut into quarters. digits makes five tasks of two classes. permuted_digits makes five tasks of ten classes, each with a
permutation of the pixels. mnist has five tasks of two digits, of 100 training images per digit; `den prepare --stream
split_mnist` makes its files. Features are as the table has them.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import torch
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris, load_wine

from den.ledger import Places
from den.streams import draws, prepared, split_mnist, tables
from den.tasks import Examples, Stream, Task

Table = tuple[np.ndarray, np.ndarray]
PERMUTATIONS = 5


def of_table(name: str, table: Table, classes_per_task: int | None, seed: int) -> Stream:
    """Return the stream of features and labels as they are; the seed draws training, validation and test data."""
    params = tables.Params(classes_per_task=classes_per_task, standardise=False)
    return tables.build(params, *table, seed, name)


def quarters() -> Table:
    """Return the features of scikit-learn's diabetes, and the quarter of all patients that its progress is in."""
    features, progress = load_diabetes(return_X_y=True)
    return features, np.searchsorted(np.quantile(progress, (0.25, 0.5, 0.75)), progress)


def permuted_digits(seed: int) -> Stream:
    """Return digits, whose pixels have another order in each task; the first has their own."""
    whole = of_table("permuted_digits", load_digits(return_X_y=True), 10, seed)
    (task,), (test,) = whole.tasks, whole.tests
    orders = [
        torch.from_numpy(draws.permutation(64, "permuted digits", seed, number)) for number in range(PERMUTATIONS)
    ]
    orders[0] = torch.arange(64)

    def in_order(part: Examples, order: torch.Tensor) -> Examples:
        return replace(part, x=part.x[:, order])

    made = [Task(n, in_order(task.train, order), in_order(task.validation, order)) for n, order in enumerate(orders)]
    return replace(whole, tasks=made, tests=[in_order(test, order) for order in orders])


def mnist(seed: int) -> Stream:
    """Return MNIST, in pairs of digits, with few images. Raises DataError if split_mnist is not prepared."""
    params = split_mnist.Params(training_images=100, validation_images=100, test_images=500)
    return prepared.open_stream(Places().data, "split_mnist", params, seed)


DATA: Mapping[str, Callable[[int], Stream]] = {
    "digits": lambda seed: of_table("digits", load_digits(return_X_y=True), 2, seed),
    "permuted_digits": permuted_digits,
    "wine": lambda seed: of_table("wine", load_wine(return_X_y=True), None, seed),
    "iris": lambda seed: of_table("iris", load_iris(return_X_y=True), None, seed),
    "breast_cancer": lambda seed: of_table("breast_cancer", load_breast_cancer(return_X_y=True), None, seed),
    "diabetes": lambda seed: of_table("diabetes", quarters(), None, seed),
    "mnist": mnist,
}


def labels(examples: Examples) -> np.ndarray:
    """Return the class of each example among its task's: (examples,); of a single output, whether it is present."""
    y = examples.y
    return (y.argmax(dim=1) if y.shape[1] > 1 else y[:, 0]).numpy()
