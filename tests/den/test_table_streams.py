"""Streams of tables: splits by class, features standardised from the first task's training data, and nothing else."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from small import learn, most, same_state, without_times

from den.config import Network, SettingsError, Training
from den.streams import blobs, pixels, tables
from den.streams.tables import Params
from den.tasks import Examples, Stream, Task

GROUPS, RIVALS = Params(), Params(classes_per_task=None)
both_kinds = pytest.mark.parametrize("params", [GROUPS, RIVALS], ids=["groups", "against the rest"])
seeds = st.integers(0, 100)


def table(classes: int = 6, each: int = 20, features: int = 7, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return features of various means and deviations, float64, and the labels of classes that differ."""
    generator = np.random.default_rng(seed)
    labels = generator.permutation(np.repeat(np.arange(classes), each))
    centres = generator.normal(size=(classes, features))
    scales, offsets = 10.0 ** generator.uniform(-3, 3, features), generator.normal(scale=10.0, size=features)
    return (centres[labels] + generator.normal(size=(len(labels), features)) + offsets) * scales, labels


def everything(stream: Stream) -> list[Examples]:
    return [split for task, test in zip(stream, stream.tests, strict=True) for split in (*parts(task), test)]


def parts(task: Task) -> tuple[Examples, Examples]:
    return task.train, task.validation


def rows_of(x: np.ndarray, split: Examples) -> set[int]:
    """Return which examples of the table a split holds; its first feature tells them apart."""
    places = {float(value): row for row, value in enumerate(x[:, 0].astype(np.float32))}
    assert len(places) == len(x)
    return {places[value] for value in split.x[:, 0].tolist()}


def same(left: Examples, right: Examples) -> bool:
    pairs = (left.x, right.x), (left.y, right.y), (left.mean, right.mean), (left.deviation, right.deviation)
    return all(torch.equal(torch.as_tensor(a), torch.as_tensor(b)) for a, b in pairs)


# Standardising


@both_kinds
@settings(deadline=None)
@given(seed=seeds)
def test_the_first_task_is_seen_with_mean_0_and_deviation_1(params: Params, seed: int) -> None:
    seen = tables.build(params, *table(seed=seed), seed).tasks[0].train.inputs(slice(None)).double()
    torch.testing.assert_close(seen.mean(dim=0), torch.zeros(7).double(), rtol=0, atol=1e-4)
    torch.testing.assert_close(seen.std(dim=0, correction=0), torch.ones(7).double(), rtol=1e-4, atol=0)


def test_all_splits_of_all_tasks_share_the_scale_of_the_first() -> None:
    stream = tables.build(GROUPS, *table(), 0)
    mean, deviation = tables.standard(stream.tasks[0].train.x)
    assert mean.dtype == deviation.dtype == torch.float32
    for split in everything(stream):
        assert torch.equal(split.mean, mean) and torch.equal(split.deviation, deviation)
    assert not torch.allclose(tables.standard(stream.tasks[1].train.x)[0], mean)


@settings(deadline=None)
@given(seed=seeds)
def test_what_lies_outside_the_first_training_data_changes_nothing_it_is_seen_with(seed: int) -> None:
    x, labels = table(seed=seed)
    before = tables.build(GROUPS, x, labels, seed)
    others = sorted(set(range(len(x))) - rows_of(x, before.tasks[0].train))
    other = x.copy()
    other[others] = np.random.default_rng(seed).normal(1e3, 1e4, size=(len(others), x.shape[1]))
    after = tables.build(GROUPS, other, labels, seed)
    assert same(before.tasks[0].train, after.tasks[0].train)
    assert not same(before.tasks[0].validation, after.tasks[0].validation)
    for split in everything(after):
        assert torch.equal(split.mean, before.tasks[0].train.mean)
        assert torch.equal(split.deviation, before.tasks[0].train.deviation)


@settings(deadline=None)
@given(value=st.floats(-1e6, 1e6, width=32), examples=st.integers(1, 60))
def test_a_constant_feature_is_seen_as_zero(value: float, examples: int) -> None:
    x = torch.full((examples, 2), value)
    mean, deviation = tables.standard(x)
    assert torch.equal(deviation, torch.ones(2))
    assert torch.equal(Examples(x, torch.zeros(examples, 1), mean, deviation).inputs(slice(None)), torch.zeros_like(x))


def test_a_mean_far_from_zero_costs_no_deviation() -> None:
    x = torch.tensor([[4096.0], [4097.0], [4098.0]])
    mean, deviation = tables.standard(x.repeat(50_000, 1))
    assert mean.item() == 4097.0
    assert deviation.item() == pytest.approx((2 / 3) ** 0.5, rel=1e-6)


def test_features_stay_as_they_are_where_asked() -> None:
    x, labels = table()
    stream = tables.build(GROUPS.model_copy(update={"standardise": False}), x, labels, 0)
    for raw, scaled in zip(everything(stream), everything(tables.build(GROUPS, x, labels, 0)), strict=True):
        assert torch.equal(raw.x, scaled.x)
        assert torch.equal(raw.inputs(slice(None)), raw.x)


def test_images_keep_their_pixels_between_0_and_1() -> None:
    x = torch.arange(256, dtype=torch.uint8).reshape(1, -1)
    seen = pixels.examples(x, torch.zeros(1, 1), pixels.Look()).inputs(slice(None))
    assert torch.equal(seen, x.float() / 255.0)
    assert (seen.min(), seen.max()) == (0, 1)


# A scale a feature, in a split


@settings(deadline=None)
@given(chosen=st.sets(st.integers(0, 6), min_size=1), rows=st.lists(st.integers(0, 9), min_size=1))
def test_chosen_features_are_seen_as_before(chosen: set[int], rows: list[int]) -> None:
    split = tables.build(GROUPS, *table(), 0).tasks[0].train
    columns, examples = torch.tensor(sorted(chosen)), torch.tensor(rows)
    assert torch.equal(split.features(columns).inputs(examples), split.inputs(examples)[:, columns])


def test_a_split_on_a_device_is_there_as_a_whole() -> None:
    split = tables.build(GROUPS, *table(), 0).tasks[0].train.to(torch.device("meta"))
    assert {tensor.device.type for tensor in (split.x, split.y, split.mean, split.deviation)} == {"meta"}
    assert split.inputs(torch.arange(3, device="meta")).shape == (3, 7)


@pytest.mark.parametrize("kind", most)
def test_every_method_sees_what_it_would_see_of_numbers_standardised_before(kind: str) -> None:
    stream = tables.build(GROUPS, *table(), 0)

    def seen(split: Examples) -> Examples:
        return Examples(split.inputs(slice(None)), split.y, 0.0, 1.0)

    tasks = [Task(task.id, *map(seen, parts(task))) for task in stream]
    before = replace(stream, tasks=tasks, tests=[seen(test) for test in stream.tests])
    about = {"network": Network(widths=(8, 6)), "training": Training(steps=12, batch_size=8, learning_rate=0.01)}
    (method, result), (other, expected) = (learn(kind, on, **about) for on in (stream, before))
    assert same_state(method, other)
    assert without_times(result) == without_times(expected)


# Tasks and splits


@settings(deadline=None)
@given(seed=seeds, shares=st.tuples(st.floats(0.05, 0.4), st.floats(0.05, 0.4)))
def test_parts_share_out_every_class(seed: int, shares: tuple[float, float]) -> None:
    x, labels = table(each=20)
    params = Params(validation=shares[0], test=shares[1])
    stream = tables.build(params, x, labels, seed)
    rows = [rows_of(x, split) for split in everything(stream)]
    assert sum(map(len, rows)) == len(x) and set().union(*rows) == set(range(len(x)))
    sizes = [20 - round(shares[0] * 20) - round(shares[1] * 20), round(shares[0] * 20), round(shares[1] * 20)]
    for task, test in zip(stream, stream.tests, strict=True):
        for split, size in zip((*parts(task), test), sizes, strict=True):
            assert split.y.sum(dim=0).tolist() == [size, size]


def test_a_task_of_classes_holds_these_alone_and_has_an_output_for_each() -> None:
    x, labels = table()
    stream = tables.build(GROUPS, x, labels, 3)
    assert (len(stream), stream.classes, stream.shape) == (3, 6, (7,))
    for task, test in zip(stream, stream.tests, strict=True):
        for split in (*parts(task), test):
            owners = dict(zip(x[:, 0].astype(np.float32).tolist(), labels.tolist(), strict=True))
            classes = torch.tensor([owners[value] for value in split.x[:, 0].tolist()])
            assert torch.equal(split.y.argmax(dim=1) + 2 * task.id, classes)
            assert torch.equal(split.y.sum(dim=1), torch.ones(len(split)))


def test_a_class_against_the_rest_is_asked_of_all_examples() -> None:
    stream = tables.build(RIVALS, *table(), 3)
    assert (len(stream), stream.classes) == (6, 6)
    for part in range(3):
        splits = everything(stream)[part::3]
        assert all(split.x is splits[0].x for split in splits)  # in memory once, whatever the number of tasks
        assert torch.equal(sum(split.y for split in splits), torch.ones_like(splits[0].y))


@both_kinds
def test_a_split_depends_on_the_seed_alone(params: Params) -> None:
    x, labels = table()
    first, again, other = (everything(tables.build(params, x, labels, seed)) for seed in (1, 1, 2))
    assert all(map(same, first, again))
    assert not any(rows_of(x, left) == rows_of(x, right) for left, right in zip(first, other, strict=True))


def test_words_are_labels_too() -> None:
    x, labels = table(classes=4)
    words = np.array(["ant", "bee", "cat", "dog"])[labels]
    numbered, named = (everything(tables.build(GROUPS, x, labels, 0)) for labels in (labels, words))
    assert all(map(same, numbered, named))


# Refusals


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e39])
def test_features_that_are_not_finite_are_refused(value: float) -> None:
    x, labels = table()
    x[5, 3] = value
    with pytest.raises(ValueError, match="example 5, feature 3.*leave"):
        tables.build(GROUPS, x, labels, 0)


@pytest.mark.parametrize("shape", [(120,), (120, 0), (0, 7), (120, 7, 1)])
def test_features_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match=r"give numbers, \(examples, features\)"):
        tables.build(GROUPS, np.zeros(shape), table()[1], 0)


def test_features_that_are_no_numbers_are_refused() -> None:
    with pytest.raises(ValueError, match="give numbers"):
        tables.build(GROUPS, table()[0].astype(str), table()[1], 0)


@pytest.mark.parametrize(
    "change", [lambda labels: labels[1:], lambda labels: labels[:, None], lambda labels: labels / 2]
)
def test_labels_of_another_shape_or_kind_are_refused(change: object) -> None:
    x, labels = table()
    with pytest.raises(ValueError, match=r"integers or strings, one per example: \(120,\)"):
        tables.build(GROUPS, x, change(labels), 0)


def test_one_class_is_refused() -> None:
    with pytest.raises(ValueError, match="two classes or more"):
        tables.build(RIVALS, np.zeros((9, 2)), np.zeros(9, int), 0)


def test_classes_that_make_no_whole_number_of_tasks_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"mine.classes_per_task: 6 classes .* ask for 2, 3, 6 or null"):
        tables.build(Params(classes_per_task=4), *table(), 0, name="mine")


@both_kinds
def test_a_class_with_too_few_examples_is_refused(params: Params) -> None:
    x, labels = table(each=3)
    assert len(tables.build(Params(validation=0.3, test=0.3), x, labels, 0)) == 3
    rare = np.where(np.arange(len(labels)) == np.flatnonzero(labels == 2)[0], 3, labels)  # two of class 2 are left
    with pytest.raises(ValueError, match="class 2 has 2 examples: 2 for train, 0 for validation, 0 for test; .* add"):
        tables.build(params, x, rare, 0)


@pytest.mark.parametrize("values", [{"validation": 0.5, "test": 0.5}, {"test": 0.0}, {"classes_per_task": 1}])
def test_impossible_settings_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="|".join(values)):
        Params(**values)


def test_numbers_for_all_features_stay_plain_numbers() -> None:
    arrays = blobs.prepare(blobs.Preparation(features=8, classes=2, examples=30), {}, 1)
    sizes = {"tasks": 2, "training_examples": 10, "validation_examples": 10, "test_examples": 10}
    split = blobs.build(blobs.Params(**sizes), arrays, 0).tasks[0].train
    chosen = split.features(torch.tensor([1, 4])).to(torch.device("cpu"))
    assert (chosen.mean, chosen.deviation) == (blobs.MIDDLE, blobs.DEVIATION)
    assert torch.equal(split.inputs(slice(None)), (split.x.float() - blobs.MIDDLE) / blobs.DEVIATION)
