"""Streams of arrays and of torch's data sets: blocks of rows, parts that are given or drawn, and any method on them."""

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import learn
from torch.utils.data import Dataset, TensorDataset

from den import Stream, sources
from den.cells import modules_of
from den.config import Network, SettingsError, Training
from den.methods import METHODS
from den.streams import STREAMS, arrays
from den.streams.arrays import PARTS, Shares
from den.tasks import Examples


def table(each: int = 12, tasks: int = 3, classes: int = 2) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return features that tell all rows apart, labels and tasks, in mixed order."""
    generator = np.random.default_rng(0)
    task = generator.permutation(np.repeat(np.arange(tasks), each * classes))
    label = np.empty_like(task)
    for number in range(tasks):
        label[task == number] = classes * number + np.arange(each * classes) % classes
    return np.arange(len(task) * 4, dtype=np.float64).reshape(-1, 4), label, task


def parts(stream: Stream) -> list[tuple[Examples, Examples, Examples]]:
    return [(task.train, task.validation, test) for task, test in zip(stream, stream.tests, strict=True)]


def rows(examples: Examples) -> set[int]:
    return {int(value) // 4 for value in examples.x[:, 0].tolist()}


@settings(deadline=None, max_examples=20)
@given(seed=st.integers(0, 99), shares=st.tuples(st.floats(0.1, 0.4), st.floats(0.1, 0.4)))
def test_the_parts_of_a_task_share_out_its_rows(seed: int, shares: tuple[float, float]) -> None:
    x, label, task = table()
    stream = Stream.from_arrays(x, label, task, seed=seed, shares=Shares(*shares))
    for number, split in enumerate(parts(stream)):
        drawn = [rows(examples) for examples in split]
        assert set.union(*drawn) == set(np.flatnonzero(task == number)) and sum(map(len, drawn)) == 24
        for examples, share in zip(split[1:], shares, strict=True):
            assert examples.y.sum(dim=0).tolist() == [max(1, round(12 * share))] * 2


def test_a_seed_draws_the_same_rows_again_and_another_seed_others() -> None:
    first, again, other = (Stream.from_arrays(*table(), seed=seed) for seed in (1, 1, 2))
    assert torch.equal(first.tasks[1].train.x, again.tasks[1].train.x)
    assert rows(first.tests[1]) != rows(other.tests[1])


def test_given_parts_are_kept_and_missing_validation_is_drawn_from_training() -> None:
    x, label, task = table()
    part = np.where(np.arange(len(x)) % 3 == 0, "test", "train")
    for number, (train, validation, test) in enumerate(parts(Stream.from_arrays(x, label, task, part))):
        assert rows(test) == set(np.flatnonzero((task == number) & (part == "test")))
        assert rows(train) | rows(validation) == set(np.flatnonzero((task == number) & (part == "train")))
        assert len(validation)


def test_features_are_standardised_by_the_first_task_and_images_of_bytes_are_scaled() -> None:
    seen = Stream.from_arrays(*table()).tasks[0].train.inputs(slice(None))
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(4), rtol=0, atol=1e-5)
    _, label, task = table()
    images = np.full((len(label), 3, 5, 4), 255, np.uint8)
    stream = Stream.from_arrays(images, label, task)
    assert stream.shape == (3, 5, 4) and stream.tasks[0].train.x.dtype == torch.uint8
    assert torch.equal(stream.tests[0].inputs(slice(0, 1)), torch.ones(1, 3, 5, 4))


def test_tasks_may_share_classes_and_differ_in_their_number() -> None:
    x, label, task = table(classes=3)
    label = np.where(task == 0, label % 2, label % 3)
    stream = Stream.from_arrays(x, label, task)
    assert [task.outputs for task in stream] == [2, 3, 3] and stream.classes == 3


@pytest.mark.parametrize("kind", METHODS)
def test_every_method_learns_tasks_of_unequal_sizes(kind: str) -> None:
    x, label, task = table(classes=3)
    stream = Stream.from_arrays(x, np.where(task == 0, label % 2, label), task)
    about: dict[str, Any] = {"network": Network(widths=(6, 5)), "training": Training(steps=3, batch_size=8)}
    _, result = learn(kind, stream, **about)
    assert not np.isnan(np.array(result.scores["auroc"])[2]).any()


BAD: dict[str, tuple[dict[str, Any], str]] = {
    "no table": ({"x": np.zeros(72)}, r"x is float64 \(72,\); give numbers"),
    "no number": ({"x": np.full((72, 2), np.nan)}, r"not finite as float32 at \(0, 0\)"),
    "labels of other length": ({"labels": np.zeros(3, int)}, "labels is int64 .*give 72 integers or strings"),
    "labels with fractions": ({"labels": np.zeros(72)}, "labels is float64"),
    "tasks of other length": ({"task": np.zeros(3, int)}, "task is int64"),
    "another part": ({"part": np.full(72, "dev")}, "part is .*give train, validation, test"),
    "one class": ({"labels": np.zeros(72, int)}, "task 0: its only class is 0"),
    "no test data": ({"part": np.full(72, "train")}, "task 0: its test data hold 0 classes"),
}


@pytest.mark.parametrize("case", BAD)
def test_what_makes_no_stream_is_refused(case: str) -> None:
    changed, message = BAD[case]
    x, label, task = table()
    arguments = {"x": x, "labels": label, "task": task} | changed
    with pytest.raises((ValueError, SettingsError), match=message):
        Stream.from_arrays(**arguments)


def test_a_class_without_training_data_is_named() -> None:
    x, label, task = table()
    part = np.where(np.arange(len(x)) % 3 == 0, "test", "train")
    part[label == 3] = "test"
    with pytest.raises(SettingsError, match="task 1: class 3 has no training data"):
        Stream.from_arrays(x, label, task, part)


def datasets(x: np.ndarray, label: np.ndarray, task: np.ndarray) -> list[Dataset[Any]]:
    return [
        TensorDataset(torch.from_numpy(x[task == number]), torch.from_numpy(label[task == number]))
        for number in range(3)
    ]


def test_data_sets_give_the_same_stream_as_their_arrays() -> None:
    x, label, task = table()
    tested = np.arange(len(x)) % 3 == 0
    part = np.where(tested, PARTS[2], PARTS[0])
    train, test = (datasets(x[rows], label[rows], task[rows]) for rows in (~tested, tested))
    pairs = zip(parts(Stream.from_datasets(train, test)), parts(Stream.from_arrays(x, label, task, part)), strict=True)
    for left, right in pairs:
        assert [rows(examples) for examples in left][2] == [rows(examples) for examples in right][2]
        assert rows(left[0]) | rows(left[1]) == rows(right[0]) | rows(right[1])


def test_unequal_numbers_of_data_sets_and_unequal_shapes_are_refused() -> None:
    sets = datasets(*table())
    with pytest.raises(ValueError, match="3 for train, 2 for test; give one data set per task"):
        Stream.from_datasets(sets, sets[:2])
    narrow = TensorDataset(torch.zeros(4, 3), torch.zeros(4, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"unequal shapes: \(3,\), \(4,\)"):
        Stream.from_datasets([*sets[:2], narrow], sets)


@pytest.mark.parametrize("stream", STREAMS)
def test_measurements_of_the_benchmarks_streams_outlive_changes_of_arrays(stream: str) -> None:
    assert arrays.__name__ not in sources.closure(modules_of("den", stream))
    assert arrays.__name__ in sources.closure(modules_of("den", "mine"))
