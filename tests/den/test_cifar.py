"""The streams of CIFAR-100: every class in one task, images in one split, and orders drawn by seed or published."""

from pathlib import Path

import numpy as np
import pytest
import torch

from den import config
from den.streams import STREAMS, cifar, cifar100_superclass, draws, prepared
from den.tasks import Examples, Stream

NAMES = ("cifar100", "cifar100_superclass")
SEEDS, SIDE = 2, 2
CLASSES_OF = {"cifar100": 10, "cifar100_superclass": 5}


@pytest.fixture(scope="module")
def images() -> dict[str, np.ndarray]:
    """Return small images that are told apart by their content, as many and as mixed as those of CIFAR-100."""
    count = cifar.TRAINING + 10_000
    pixels = draws.octets(count * 3 * SIDE * SIDE, "cifar test images").reshape(count, 3, SIDE, SIDE)
    parts = (np.arange(cifar.TRAINING), np.arange(10_000))
    fine = np.concatenate([part[draws.permutation(len(part), "mixed")] % cifar.CLASSES for part in parts])
    coarse = draws.permutation(cifar.CLASSES, "superclass")[fine] % 20
    return {"images": pixels, "fine": fine.astype(np.uint8), "coarse": coarse.astype(np.uint8)}


@pytest.fixture(scope="module")
def folder(images: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with both streams prepared in it."""
    folder = tmp_path_factory.mktemp("cifar")
    for name in NAMES:
        prepared.prepare(name, STREAMS[name].Preparation(), images, SEEDS, folder)
    return folder


@pytest.fixture(scope="module")
def owners(images: dict[str, np.ndarray]) -> dict[bytes, int]:
    """Return the row of every image, by its pixels."""
    return {bytes(image): row for row, image in enumerate(images["images"])}


def _open(folder: Path, name: str, seed: int = 0, **changes: object) -> Stream:
    params = config.read(STREAMS[name].Params, changes, f"streams.{name}")
    return prepared.open_stream(folder, name, params, seed)


def _rows(split: Examples, owners: dict[bytes, int]) -> list[int]:
    return [owners[bytes(image)] for image in split.x.numpy()]


def _classes(stream: Stream, images: dict[str, np.ndarray], owners: dict[bytes, int]) -> list[list[int]]:
    """Return for each task the class of each output, read off the images whose target it is."""
    return [
        [
            int(np.unique(images["fine"][_rows(Examples(test.x[answer > 0], test.y), owners)]).item())
            for answer in test.y.T
        ]
        for test in stream.tests
    ]


# both streams


@pytest.mark.parametrize("name", NAMES)
def test_examples_are_images_and_every_output_has_its_share(name: str, folder: Path) -> None:
    stream = _open(folder, name)
    each = CLASSES_OF[name]
    assert stream.name == name and stream.classes == 100 and stream.shape == (3, SIDE, SIDE)
    assert len(stream) == len(stream.tests) == 100 // each
    for task, test in zip(stream, stream.tests, strict=True):
        for split, share in ((task.train, 400), (task.validation, 100), (test, 100)):
            assert split.x.dtype == torch.uint8 and split.x.shape == (share * each, 3, SIDE, SIDE)
            assert split.y.dtype == torch.uint8 and split.y.sum(dim=0).tolist() == [share] * each
            assert (split.y.sum(dim=1) == 1).all(), "a task's images are those of its classes"
            assert split.inputs(slice(None)).max() <= 1


@pytest.mark.parametrize("name", NAMES)
def test_no_image_is_in_two_splits(name: str, folder: Path, owners: dict[bytes, int]) -> None:
    stream = _open(folder, name)
    learned = [_rows(task.train, owners) for task in stream]
    held_out = [_rows(task.validation, owners) for task in stream]
    tested = [_rows(test, owners) for test in stream.tests]
    assert max(map(max, learned + held_out)) < cifar.TRAINING <= min(map(min, tested))
    assert sorted(sum(learned + held_out + tested, [])) == list(range(60_000)), "and none is left out"


@pytest.mark.parametrize("name", NAMES)
def test_without_validation_images_all_can_be_learned_from(name: str, folder: Path, owners: dict[bytes, int]) -> None:
    stream = _open(folder, name, training_images=500, validation_images=0)
    assert sorted(sum((_rows(task.train, owners) for task in stream), [])) == list(range(cifar.TRAINING))
    for task in stream:
        assert task.validation.x.shape == (0, 3, SIDE, SIDE) and task.validation.y.shape == (0, task.outputs)


@pytest.mark.parametrize("name", NAMES)
def test_every_class_is_an_output_of_exactly_one_task(name: str, folder: Path, images: dict, owners: dict) -> None:
    assert sorted(sum(_classes(_open(folder, name), images, owners), [])) == list(range(100))


@pytest.mark.parametrize("name", NAMES)
def test_all_splits_of_a_task_answer_alike(name: str, folder: Path, images: dict, owners: dict) -> None:
    stream = _open(folder, name)
    task, classes = stream.tasks[3], _classes(stream, images, owners)[3]
    for split in (task.train, task.validation):
        expected = images["fine"][_rows(split, owners)][:, None] == np.array(classes)
        assert np.array_equal(split.y.numpy(), expected)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_draws_order_and_held_out_images_and_draws_them_again(
    name: str, folder: Path, images: dict, owners: dict
) -> None:
    first, again, other = (_open(folder, name, seed) for seed in (0, 0, 1))
    assert torch.equal(first.tasks[1].train.x, again.tasks[1].train.x)
    assert torch.equal(first.tasks[1].train.y, again.tasks[1].train.y)
    assert _classes(first, images, owners) != _classes(other, images, owners)
    held_out = [{row for task in stream for row in _rows(task.validation, owners)} for stream in (first, other)]
    assert held_out[0] != held_out[1]


@pytest.mark.parametrize("name", NAMES)
def test_training_images_are_not_sorted_by_class(name: str, folder: Path) -> None:
    labels = _open(folder, name).tasks[0].train.y.argmax(dim=1)
    assert (labels.diff() != 0).sum() > len(labels) / 2


@pytest.mark.parametrize("name", NAMES)
def test_fewer_images_are_the_first_ones(name: str, folder: Path, owners: dict[bytes, int]) -> None:
    few = _open(folder, name, training_images=3, validation_images=2, test_images=1, tasks=2)
    all_of_them = _open(folder, name)
    assert len(few) == 2 and len(few.tests[0]) == CLASSES_OF[name]
    assert set(_rows(few.tasks[1].train, owners)) < set(_rows(all_of_them.tasks[1].train, owners))
    assert set(_rows(few.tasks[1].validation, owners)) < set(_rows(all_of_them.tasks[1].validation, owners))


@pytest.mark.parametrize("name", NAMES)
def test_preparing_twice_gives_the_same_bytes(name: str, images: dict, folder: Path, tmp_path: Path) -> None:
    again = prepared.prepare(name, STREAMS[name].Preparation(), images, SEEDS, tmp_path)
    assert again.hash == prepared.read(folder / name).hash
    assert "CIFAR-100" in again.about["source"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"training_images": 401}, r"training_images and validation_images: 401 and 100 requested, 500 images"),
        ({"training_images": 501}, r"training_images: "),
        ({"validation_images": -1}, r"validation_images: "),
        ({"test_images": 101}, r"test_images: "),
        ({"tasks": 101}, r"tasks: "),
        ({"padding": 2}, r"padding: unknown key"),
    ],
)
def test_more_than_there_is_is_refused(name: str, changes: dict[str, int], message: str, folder: Path) -> None:
    with pytest.raises(config.SettingsError, match=rf"streams\.{name}\.{message}"):
        _open(folder, name, **changes)


@pytest.mark.parametrize("name", NAMES)
def test_a_seed_that_is_not_prepared_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(config.SettingsError, match=r"seeds: 2 requested.*0 to 1.*raise data\.seeds"):
        _open(folder, name, seed=SEEDS)


# one stream


def test_tasks_can_be_more_and_smaller(folder: Path, images: dict, owners: dict) -> None:
    pairs = _open(folder, "cifar100", tasks=50, classes_per_task=2)
    assert [task.outputs for task in pairs] == [2] * 50
    tens = _classes(_open(folder, "cifar100"), images, owners)
    assert sum(_classes(pairs, images, owners), []) == sum(tens, []), "the same classes in the same order"


def test_more_tasks_than_the_classes_are_enough_for_are_refused(folder: Path) -> None:
    with pytest.raises(
        config.SettingsError, match=r"streams\.cifar100\.tasks: 10 requested, 8 .*classes_per_task than 12"
    ):
        _open(folder, "cifar100", classes_per_task=12)


# the other


def test_a_superclass_task_holds_the_five_classes_of_one_superclass(folder: Path, images: dict, owners: dict) -> None:
    found = []
    for classes in _classes(_open(folder, "cifar100_superclass"), images, owners):
        (superclass,) = np.unique(images["coarse"][np.isin(images["fine"], classes)]).tolist()
        assert classes == np.unique(images["fine"][images["coarse"] == superclass]).tolist()
        found.append(superclass)
    assert sorted(found) == list(range(20)) != found


def test_a_published_order_is_the_same_for_every_seed(folder: Path, images: dict, owners: dict) -> None:
    streams = [_open(folder, "cifar100_superclass", seed, order="apd_b", tasks=5) for seed in range(SEEDS)]
    first, other = (_classes(stream, images, owners) for stream in streams)
    assert first == other
    assert [int(images["coarse"][images["fine"] == task[0]][0]) for task in first] == [15, 12, 5, 9, 7]


def test_published_orders_hold_every_superclass_once_and_can_be_asked_for() -> None:
    for name, order in cifar100_superclass.PUBLISHED.items():
        assert sorted(order) == list(range(20))
        assert cifar100_superclass.Params(order=name)
    assert len(set(cifar100_superclass.PUBLISHED.values())) == 5


def test_an_order_that_is_not_known_is_refused(folder: Path) -> None:
    with pytest.raises(config.SettingsError, match=r"\.cifar100_superclass\.order: .*'seed', 'apd_a'.* or 'apd_e'"):
        _open(folder, "cifar100_superclass", order="apd_f")
