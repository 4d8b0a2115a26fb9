"""Streams: the same bytes for ever, splits that do not meet, and refusals that name the key."""

import json
import os
from pathlib import Path

import animals
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from den import config, streams
from den.streams import blobs, draws, mnist_variation, pixels, prepared, rotated_mnist, rotation
from den.streams.lazy import Lazy
from den.streams.prepared import DataError
from den.tasks import Stream, Task

# Streams of other raw sets have test files of their own.
STREAMS = {name: module for name, module in streams.STREAMS.items() if module.RAW in (None, "mnist", "awa")}
SIDE = 6
SEEDS = 2
SMALL = {
    "mnist_variation": {"training_images": 30, "validation_images": 20, "test_images": 40},
    "permuted_mnist": {"training_images": 300, "validation_images": 200, "test_images": 400},
    "rotated_mnist": {"training_images": 300, "validation_images": 200, "test_images": 400},
    "split_mnist": {"training_images": 30, "validation_images": 20, "test_images": 40},
    "awa": {"tasks": 10, "components": 12},
    "blobs": {},
}
IMAGES = [name for name in STREAMS if STREAMS[name].RAW == "mnist"]


@pytest.fixture(scope="module")
def raw() -> dict[str, np.ndarray]:
    """Return small images that are told apart by their content, laid out as MNIST is."""
    count = pixels.TRAINING + 1_000
    images = draws.octets(count * SIDE * SIDE, "test images").reshape(count, SIDE, SIDE)
    labels = (draws.octets(count, "test labels") % pixels.CLASSES).astype(np.uint8)
    return {"images": images, "labels": labels}


@pytest.fixture(scope="module")
def folder(raw: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with every stream prepared in it."""
    folder = tmp_path_factory.mktemp("streams")
    for name in STREAMS:
        _prepare(name, raw, folder)
    return folder


def _prepare(name: str, raw: dict[str, np.ndarray], folder: Path) -> prepared.Prepared:
    arrays = animals.raw() if STREAMS[name].RAW == "awa" else raw
    return prepared.prepare(name, STREAMS[name].Preparation(), arrays, SEEDS, folder)


def _open(folder: Path, name: str, seed: int = 0, **changes: object) -> Stream:
    params = config.read(STREAMS[name].Params, {**SMALL.get(name, {}), **changes}, f"streams.{name}")
    return prepared.open_stream(folder, name, params, seed)


# every stream


@pytest.mark.parametrize("name", STREAMS)
def test_preparing_twice_gives_the_same_bytes(name: str, raw: dict, folder: Path, tmp_path: Path) -> None:
    assert _prepare(name, raw, tmp_path).hash == prepared.read(folder / name).hash
    for file in (folder / name).iterdir():
        assert file.read_bytes() == (tmp_path / name / file.name).read_bytes()


@pytest.mark.parametrize("name", STREAMS)
def test_tasks_fit_the_stream(name: str, folder: Path) -> None:
    stream = _open(folder, name)
    assert stream.name == name and stream.classes == 10
    assert len(stream) == len(stream.tests) == len([*stream])
    for number, (task, test) in enumerate(zip(stream, stream.tests, strict=True)):
        assert task.id == number
        for split in (task.train, task.validation, test):
            assert split.x.shape == (len(split), stream.features)
            assert split.y.dtype == torch.uint8 and split.y.shape == (len(split), task.outputs)
            assert split.y.max() == 1 and set(split.y.sum(dim=1).tolist()) <= {0, 1}


@pytest.mark.parametrize("name", STREAMS)
def test_a_task_has_no_test_split(name: str, folder: Path) -> None:
    assert set(vars(_open(folder, name).tasks[0])) == {"id", "train", "validation"}


@pytest.mark.parametrize("name", STREAMS)
def test_the_splits_of_a_task_do_not_meet(name: str, folder: Path) -> None:
    stream = _open(folder, name)
    task, test = stream.tasks[0], stream.tests[0]
    seen = [{bytes(row) for row in split.x.numpy()} for split in (task.train, task.validation, test)]
    assert [len(rows) for rows in seen] == [len(task.train), len(task.validation), len(test)]
    assert len(set.union(*seen)) == sum(len(rows) for rows in seen)


@pytest.mark.parametrize("name", STREAMS)
def test_a_stream_is_the_same_at_every_opening_and_another_for_another_seed(name: str, folder: Path) -> None:
    first, again, other = (_open(folder, name, seed).tasks[1].train for seed in (0, 0, 1))
    assert torch.equal(first.x, again.x) and torch.equal(first.y, again.y)
    assert not torch.equal(first.x, other.x)


@pytest.mark.parametrize("name", STREAMS)
def test_training_examples_are_not_sorted_by_class(name: str, folder: Path) -> None:
    labels = _open(folder, name).tasks[0].train.y[:, 0].tolist()
    assert labels not in (sorted(labels), sorted(labels, reverse=True))


@pytest.mark.parametrize("name", STREAMS)
def test_a_seed_that_is_not_prepared_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(config.SettingsError, match=r"seeds: 2 requested.*0 to 1; add `--set data\.seeds=NUMBER`"):
        _open(folder, name, seed=SEEDS)


@pytest.mark.parametrize("name", STREAMS)
def test_too_many_tasks_are_refused(name: str, folder: Path) -> None:
    with pytest.raises(config.SettingsError, match=rf"streams\.{name}\.tasks: "):
        _open(folder, name, tasks=12)


@pytest.mark.parametrize("name", STREAMS)
def test_fewer_tasks_are_the_first_ones(name: str, folder: Path) -> None:
    few, all_of_them = _open(folder, name, tasks=2), _open(folder, name)
    assert len(few) == 2
    assert torch.equal(few.tests[1].x, all_of_them.tests[1].x)


@pytest.mark.parametrize("name", IMAGES)
def test_padding_and_normalisation(name: str, folder: Path) -> None:
    plain, padded = _open(folder, name), _open(folder, name, padding=1, normalisation="standard")
    assert padded.features == (SIDE + 2) ** 2
    inner, outer = plain.tests[0], padded.tests[0]
    assert torch.equal(inner.x.sum(dim=1), outer.x.sum(dim=1)), "padding adds zeros and takes nothing away"
    assert inner.inputs(slice(None)).max() <= 1
    assert outer.inputs(slice(None)).min() == pytest.approx(-0.1307 / 0.3081)


@pytest.mark.parametrize("name", ["permuted_mnist", "rotated_mnist"])
def test_more_images_than_there_are_is_refused(name: str, folder: Path) -> None:
    with pytest.raises(config.SettingsError, match=rf"streams\.{name}\.training_images"):
        _open(folder, name, training_images=pixels.TRAINING)
    with pytest.raises(config.SettingsError, match=rf"streams\.{name}\.test_images: 5000 requested, 1000 prepared"):
        _open(folder, name, test_images=5_000)


@pytest.mark.parametrize("name", [*IMAGES, "awa"])
@pytest.mark.parametrize("padding", [0, 1])
def test_validation_images_may_be_none(name: str, padding: int, folder: Path) -> None:
    about = {} if name == "awa" else {"padding": padding}
    some, none = _open(folder, name, **about), _open(folder, name, validation_images=0, **about)
    for task, same in zip(none, some, strict=True):
        assert task.validation.x.shape == (0, none.features)
        assert task.validation.y.shape == (0, task.outputs)
        assert torch.equal(task.train.x, same.train.x) and torch.equal(task.train.y, same.train.y)


@pytest.mark.parametrize(("name", "every"), [("rotated_mnist", pixels.TRAINING), ("split_mnist", None)])
def test_without_validation_images_all_can_be_learned_from(name: str, every: int | None, folder: Path) -> None:
    stream = _open(folder, name, training_images=every, validation_images=0)
    tasks = stream.tasks[:1] if every else stream
    assert sum(len(task.train) for task in tasks) == pixels.TRAINING
    assert len({bytes(row) for task in tasks for row in task.train.x.numpy()}) == pixels.TRAINING


# the streams one by one


def test_mnist_variation_draws_the_same_number_of_every_class() -> None:
    labels = np.arange(70_000, dtype=np.uint8) % 10
    raw = {"amat_images": np.zeros((70_000, 1, 1), np.uint8), "amat_labels": labels}
    splits = mnist_variation.prepare(mnist_variation.Preparation(), raw, 2)["splits"]
    assert splits.shape == (2, 10, 6_200) and not np.array_equal(*splits)
    for table in splits:
        assert len(np.unique(table)) == table.size, "no image twice"
        assert (labels[table] == np.arange(10)[:, None]).all()


def test_mnist_variation_takes_what_a_small_class_has(folder: Path) -> None:
    arrays = prepared.read(folder / "mnist_variation").arrays
    assert arrays["splits"].min() == mnist_variation.ABSENT, "the small raw set has fewer than 6,200 images a class"
    stream = _open(folder, "mnist_variation", training_images=1_000, validation_images=200, test_images=5_000)
    assert len(stream.tasks[0].train) == 10_000
    assert len(stream.tests[0]) == (arrays["splits"][0] != mnist_variation.ABSENT).sum() - 12_000


def test_mnist_variation_tasks_share_their_images(folder: Path) -> None:
    stream = _open(folder, "mnist_variation")
    first, last = stream.tasks[0], stream.tasks[9]
    assert first.train.x is last.train.x and first.validation.x is last.validation.x
    together = torch.cat([task.train.y for task in stream], dim=1)
    assert together.sum(dim=0).tolist() == [30] * 10 and (together.sum(dim=1) == 1).all()


def test_mnist_variation_background_is_noisy_up_to_its_level() -> None:
    blank = np.zeros((400, 28, 28), np.uint8)
    varied = mnist_variation.vary(blank, 0.9)
    assert varied.max() == 229 and abs(varied.mean() - 0.9 * 127.5) < 1
    assert not mnist_variation.vary(blank, 0.0).any()


def test_mnist_variation_prefers_the_original_files(raw: dict, tmp_path: Path) -> None:
    both = {**raw, "amat_images": raw["images"][:20_000], "amat_labels": raw["labels"][:20_000]}
    made = _prepare("mnist_variation", both, tmp_path)
    assert np.array_equal(made.arrays["images"], both["amat_images"])
    assert ".amat" in made.about["source"]


def test_every_permuted_task_holds_the_same_pixels_in_another_order(folder: Path) -> None:
    stream = _open(folder, "permuted_mnist")
    plain = np.sort(_open(folder, "rotated_mnist").tests[0].x.numpy(), axis=1)
    tests = [split.x.numpy() for split in stream.tests]
    assert all(np.array_equal(np.sort(x, axis=1), plain) for x in tests)
    assert len({x.tobytes() for x in tests}) == 10
    original = _open(folder, "rotated_mnist").tests[0].x.numpy()
    assert not any(np.array_equal(x, original) for x in tests), "the first task is permuted too"


def test_stored_permutations_are_bijections(folder: Path) -> None:
    permutations = prepared.read(folder / "permuted_mnist").arrays["permutations"]
    assert permutations.shape == (SEEDS, 10, 1_024)
    assert (np.sort(permutations, axis=2) == np.arange(1_024)).all()
    assert len(np.unique(permutations.reshape(-1, 1_024), axis=0)) == SEEDS * 10


def test_split_tasks_tell_their_two_classes_apart(folder: Path, raw: dict) -> None:
    stream = _open(folder, "split_mnist", training_images=None, test_images=None)
    assert [task.outputs for task in stream] == [2] * 5
    for number, test in enumerate(stream.tests):
        expected = raw["labels"][pixels.TRAINING :]
        counts = [(expected == label).sum() for label in (2 * number, 2 * number + 1)]
        assert test.y.sum(dim=0).tolist() == counts
    assert sum(len(task.train) + len(task.validation) for task in stream) == pixels.TRAINING


def test_split_training_images_are_counted_per_class(folder: Path) -> None:
    task = _open(folder, "split_mnist").tasks[3]
    assert task.train.y.sum(dim=0).tolist() == [30, 30] and task.validation.y.sum(dim=0).tolist() == [20, 20]
    with pytest.raises(config.SettingsError, match=r"streams\.split_mnist\.training_images: 9000 requested"):
        _open(folder, "split_mnist", training_images=9_000)


def test_rotated_tasks_turn_by_their_angles(raw: dict) -> None:
    preparation = rotated_mnist.Preparation(angles=(0.0, 90.0, 180.0))
    few = {name: array[-1_000:] for name, array in raw.items()}
    arrays = rotated_mnist.prepare(preparation, few, 1)
    for quarters, task in enumerate((1, 2, 3)):
        assert np.array_equal(arrays[f"images_{task}"], np.rot90(few["images"], quarters, axes=(1, 2)))


@pytest.fixture(scope="module")
def random_angles(raw: dict[str, np.ndarray], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with Rotated MNIST prepared for angles drawn by each seed."""
    folder = tmp_path_factory.mktemp("random")
    prepared.prepare("rotated_mnist", rotated_mnist.Preparation(angles="random"), raw, SEEDS, folder)
    return folder


@pytest.mark.parametrize("padding", [0, 1])
def test_random_angles_turn_every_split_of_a_task_by_its_seeds_own(
    random_angles: Path, raw: dict, padding: int
) -> None:
    arrays = prepared.read(random_angles / "rotated_mnist").arrays
    few = SMALL["rotated_mnist"] | {"tasks": 3, "padding": padding}
    for seed in range(SEEDS):
        stream = _open(random_angles, "rotated_mnist", seed, **few)
        params = config.read(rotated_mnist.Params, few, "streams.rotated_mnist")
        rows = rotated_mnist.standard.rows("rotated_mnist", params, arrays, seed)
        for task, test, angle in zip(stream, stream.tests, arrays["angles"][seed], strict=False):
            whole = rotation.rotate(raw["images"], np.array([angle]))
            for split, chosen in ((task.train, "train"), (task.validation, "validation"), (test, "test")):
                assert torch.equal(split.x, pixels.flat(whole, rows[chosen], params))
                assert np.array_equal(split.y.numpy().argmax(axis=1), raw["labels"][rows[chosen]])


def test_a_seed_draws_its_angles_from_half_a_turn_and_draws_them_again(
    random_angles: Path, raw: dict, tmp_path: Path
) -> None:
    angles = prepared.read(random_angles / "rotated_mnist").arrays["angles"]
    assert angles.shape == (SEEDS, 100) and angles.min() >= 0 and angles.max() < rotation.TURN // 2
    assert abs(angles.mean() / rotation.TURN - 0.25) < 0.05 and len(np.unique(angles)) > 190
    assert rotated_mnist.drawn(0)[:3].tolist() == [31512, 17131, 29802]
    more = prepared.prepare("rotated_mnist", rotated_mnist.Preparation(angles="random"), raw, SEEDS + 1, tmp_path)
    assert np.array_equal(more.arrays["angles"][:SEEDS], angles)
    assert [prepared.data_of(tmp_path / "rotated_mnist", seed) for seed in range(SEEDS)] == [
        prepared.data_of(random_angles / "rotated_mnist", seed) for seed in range(SEEDS)
    ]


def test_a_seeds_data_covers_its_angles_and_no_others(random_angles: Path, tmp_path: Path) -> None:
    made = prepared.read(random_angles / "rotated_mnist")
    other = np.array(made.arrays["angles"])
    other[0, 0] += 1
    prepared.write(tmp_path / "rotated_mnist", {**made.arrays, "angles": other}, made.about)
    before, after = (
        [prepared.data_of(folder / "rotated_mnist", seed) for seed in range(SEEDS)]
        for folder in (random_angles, tmp_path)
    )
    assert before[0] != after[0] and before[1] == after[1]


def test_images_of_random_angles_are_turned_once(random_angles: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    turned: list[int] = []
    rotate = rotation.rotate
    monkeypatch.setattr(rotation, "rotate", lambda images, angles: turned.append(len(images)) or rotate(images, angles))
    stream = _open(random_angles, "rotated_mnist")
    assert turned == []
    for _ in range(2):
        assert stream.tests[1].x is stream.tests[1].x and stream.tasks[1].train.x is stream.tasks[1].train.x
    assert sorted(turned) == [200, 300, 400]


def test_more_tasks_than_angles_are_refused(random_angles: Path) -> None:
    assert len(_open(random_angles, "rotated_mnist", tasks=100)) == 100
    with pytest.raises(config.SettingsError, match=r"streams\.rotated_mnist\.tasks: 101 requested, 100 prepared"):
        _open(random_angles, "rotated_mnist", tasks=101)


def test_angles_that_are_none_are_refused() -> None:
    for angles in ([], "any", [361.0]):
        with pytest.raises(config.SettingsError, match=r"data\.streams\.rotated_mnist\.angles"):
            config.read(rotated_mnist.Preparation, {"angles": angles}, "data.streams.rotated_mnist")


def test_blobs_use_the_whole_byte_and_refuse_more_than_there_are(folder: Path) -> None:
    x = _open(folder, "blobs").tasks[0].train
    assert x.inputs(slice(None)).std() == pytest.approx(1.0, abs=0.1)
    with pytest.raises(config.SettingsError, match=r"streams\.blobs: training_examples.*251 requested, 200 prepared"):
        _open(folder, "blobs", training_examples=101)


# draws and rotation


def test_draws_never_change() -> None:
    assert draws.words(2, "here", 7).tolist() == [2584137779232490655, 8679612405856584907]
    assert draws.permutation(8, "here", 7).tolist() == [0, 1, 7, 5, 2, 4, 3, 6]
    assert draws.octets(5, "here", 7).tolist() == [159, 196, 209, 109, 158]


def test_blobs_never_change() -> None:
    arrays = blobs.prepare(blobs.Preparation(classes=2, examples=3, features=4), {}, 1)
    assert arrays["x"].tolist() == [
        [[160, 143, 114, 107], [133, 33, 116, 38], [92, 113, 132, 179]],
        [[144, 140, 106, 66], [110, 102, 150, 196], [138, 154, 136, 47]],
    ]


@given(st.integers(1, 300), st.integers(0, 5))
def test_permutations_are_bijections(count: int, seed: int) -> None:
    assert np.array_equal(np.sort(draws.permutation(count, "any", seed)), np.arange(count))


@pytest.mark.parametrize("side", [5, 6, 28])
def test_quarter_turns_are_exact(side: int) -> None:
    images = draws.octets(3 * side * side, "turns").reshape(3, side, side)
    for quarters in range(-4, 5):
        angle = np.array([rotation.from_degrees(90 * quarters)])
        assert np.array_equal(rotation.rotate(images, angle), np.rot90(images, quarters, axes=(1, 2)))


def test_each_image_turns_by_its_own_angle() -> None:
    images = draws.octets(1_500 * 25, "own").reshape(1_500, 5, 5)
    angles = draws.words(1_500, "angles").astype(np.int64) % rotation.TURN
    turned = rotation.rotate(images, angles)
    for place in (0, 999, 1_000, 1_499):
        assert np.array_equal(turned[place], rotation.rotate(images[place : place + 1], angles[place : place + 1])[0])


def test_a_turn_there_and_back_nearly_restores_a_smooth_image() -> None:
    rows, columns = np.mgrid[:28, :28] - 13.5
    smooth = (255 * np.exp(-((rows - 2) ** 2 + (columns + 3) ** 2) / 30)).astype(np.uint8)[None]
    back = rotation.rotate(rotation.rotate(smooth, np.array([9_000])), np.array([rotation.TURN - 9_000]))
    assert np.abs(back.astype(int) - smooth).max() <= 8


def test_no_angle_is_so_near_a_tie_that_machines_could_round_it_differently() -> None:
    exact = np.cos(2 * np.pi * np.arange(rotation.TURN) / rotation.TURN) * (1 << rotation.SCALE)
    assert np.abs(exact - np.floor(exact) - 0.5).min() > 1e-7


# lazy sequences


def test_lazy_items_are_made_when_asked_for() -> None:
    made: list[int] = []
    items = Lazy(3, lambda index: made.append(index) or index * 10)
    assert len(items) == 3 and made == []
    assert items[-1] == 20 and items[1:] == [10, 20] and [*items] == [0, 10, 20]
    assert made == [2, 1, 2, 0, 1, 2]
    with pytest.raises(IndexError):
        items[3]


def test_a_permuted_stream_holds_no_copies(folder: Path) -> None:
    tasks = _open(folder, "permuted_mnist").tasks
    assert isinstance(tasks, Lazy) and isinstance(tasks[0], Task)
    assert tasks[0].train.x is not tasks[0].train.x


# files


def test_arrays_are_read_only_and_mapped(folder: Path) -> None:
    arrays = prepared.read(folder / "blobs").arrays
    assert isinstance(arrays["x"], np.memmap) and not arrays["x"].flags.writeable


def test_one_flipped_byte_is_caught_though_size_and_time_are_kept(raw: dict, tmp_path: Path) -> None:
    _prepare("blobs", raw, tmp_path)
    path = tmp_path / "blobs" / "x.npy"
    times = (path.stat().st_atime_ns, path.stat().st_mtime_ns)
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=times)
    with pytest.raises(DataError, match=r"x\.npy is corrupt.*`den prepare --force`"):
        prepared.read(tmp_path / "blobs")


def test_missing_and_broken_files_are_named(raw: dict, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"manifest\.json is missing.*`den prepare`"):
        prepared.read(tmp_path / "blobs")
    _prepare("blobs", raw, tmp_path)
    (tmp_path / "blobs" / "x.npy").unlink()
    with pytest.raises(DataError, match=r"x\.npy is missing.*`den prepare --force`"):
        prepared.read(tmp_path / "blobs")
    (tmp_path / "blobs" / "manifest.json").write_text('{"files": 3}')
    with pytest.raises(DataError, match=r"manifest\.json is corrupt"):
        prepared.read(tmp_path / "blobs")


def test_preparing_again_replaces_the_whole_and_leaves_nothing_else(raw: dict, tmp_path: Path) -> None:
    _prepare("blobs", raw, tmp_path)
    (tmp_path / "blobs" / "x.npy").write_bytes(b"broken")
    (tmp_path / "blobs" / "stray.npy").write_bytes(b"stray")
    _prepare("blobs", raw, tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["blobs"]
    assert sorted(path.name for path in (tmp_path / "blobs").iterdir()) == ["manifest.json", "orders.npy", "x.npy"]


def test_a_failed_write_keeps_what_was_there(raw: dict, tmp_path: Path) -> None:
    before = _prepare("blobs", raw, tmp_path).hash
    with pytest.raises(ValueError, match="Object arrays"):
        prepared.write(tmp_path / "blobs", {"x": np.array([{}])}, {})
    assert prepared.read(tmp_path / "blobs").hash == before
    assert [path.name for path in tmp_path.iterdir()] == ["blobs"]


def test_the_manifest_says_what_was_prepared(folder: Path) -> None:
    about = json.loads((folder / "mnist_variation" / "manifest.json").read_text())["about"]
    assert about["stream"] == "mnist_variation" and about["seeds"] == SEEDS and about["preparation"] == {"noise": 0.9}
    assert "rotated" in about["source"]


def test_the_hash_changes_with_the_preparation(folder: Path, tmp_path: Path) -> None:
    other = prepared.prepare("blobs", blobs.Preparation(examples=201), {}, SEEDS, tmp_path)
    assert other.hash != prepared.read(folder / "blobs").hash
