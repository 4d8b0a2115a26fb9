"""Animals with Attributes: what its features become, which images they learn from, and where they are had from."""

import os
import zipfile
from dataclasses import replace
from pathlib import Path

import animals
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays_of

from den import config
from den.streams import STREAMS, awa, draws, prepared
from den.streams.prepared import DataError
from den.tasks import Examples, Stream
from flows.data import raw
from flows.data.raw import awa as published
from flows.data.raw import sources

SEEDS = 2
REAL = "6b914f6fc74014dd88e70ed512fff704b6ad11d59ac82eb0c849f5d1c576f632"  # of two seeds
CHANGES = {"tasks": animals.CLASSES, "components": 12}


@pytest.fixture(scope="module")
def made() -> dict[str, np.ndarray]:
    """Return the prepared arrays of the small raw set."""
    return awa.prepare(awa.Preparation(), animals.raw(), SEEDS)


@pytest.fixture
def resnet(monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """Return the two files of AwA2's features, as published but for three animals, four images, five features."""
    monkeypatch.setattr(published, "SHAPE", (4, 5))
    monkeypatch.setattr(published, "CLASSES", 3)
    rows = "".join(f"{row}.25 0.000000 1.5 2 0.125\n" for row in range(4))
    return {published.FEATURES: rows, published.LABELS: "1\n3\n2\n2\n"}


def _open(made: dict[str, np.ndarray], seed: int = 0, **changes: object) -> Stream:
    return awa.build(config.read(awa.Params, CHANGES | changes, "streams.awa"), made, seed)


def _parts(stream: Stream, task: int = 0) -> dict[str, Examples]:
    return {"train": stream.tasks[task].train, "validation": stream.tasks[task].validation, "test": stream.tests[task]}


def _put(folder: Path, files: dict[str, str]) -> None:
    for file, text in files.items():
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).write_text(text)


def _spoiled(made: dict[str, np.ndarray], columns: slice, seed: int = 0) -> dict[str, np.ndarray]:
    """Return the arrays with the features turned about in the images of these columns of the table of splits."""
    features = made["features"].copy()
    rows = made["splits"][seed][:, columns].ravel()
    features[rows] = features[rows][:, ::-1]
    return {**made, "features": features}


# features

ROWS = arrays_of.arrays(np.float32, (5, 7), elements=st.floats(0, 1000, width=32))


@given(ROWS)
def test_squares_of_features_are_parts_of_a_whole(block: np.ndarray) -> None:
    block[:, 0] += 1
    parts = (awa.hellinger(block) / awa.WHOLE) ** 2
    assert np.allclose(parts, block / block.sum(axis=1, dtype=np.float64, keepdims=True), atol=2e-5)
    assert np.allclose(parts.sum(axis=1), 1, atol=2e-4)


@given(ROWS, st.sampled_from([2.0, 4.0, 64.0]))
def test_the_scale_of_a_row_does_not_matter(block: np.ndarray, factor: float) -> None:
    block = np.rint(block)
    assert np.array_equal(awa.hellinger(block), awa.hellinger(block * factor))


def test_features_never_change() -> None:
    block = np.array([[1, 2, 3, 4], [0, 0, 0, 0], [0, 9, 0, 0]], np.uint16)
    expected = [[20724, 29308, 35895, 41448], [0, 0, 0, 0], [0, 65535, 0, 0]]
    assert awa.hellinger(block).tolist() == expected
    assert awa.hellinger(block.astype(np.float32) / 16).tolist() == expected


@pytest.mark.parametrize("bad", [-1e-6, float("nan"), float("inf")])
def test_features_that_are_no_parts_are_refused(bad: float) -> None:
    with pytest.raises(ValueError, match="finite and not negative"):
        awa.hellinger(np.array([[1.0, bad]], np.float32))


def test_blocks_are_normalised_each_by_itself(made: dict[str, np.ndarray]) -> None:
    given_raw = animals.raw()
    assert made["features"].shape == (930, 40) and made["features"].dtype == np.uint16
    assert np.array_equal(made["features"][:, :24], awa.hellinger(given_raw["counts"]))
    assert np.array_equal(made["features"][:, 24:], awa.hellinger(given_raw["parts"]))


def test_the_source_names_the_features() -> None:
    assert awa.source(animals.raw()) == "Animals with Attributes 1: features counts, parts of 930 images"
    resnet101 = {"resnet101": np.zeros((2, 2)), "labels": np.zeros(2)}
    assert awa.source(resnet101) == "Animals with Attributes 2: features resnet101 of 2 images"


# splits


def test_every_class_gives_thirty_images_to_each_split(made: dict[str, np.ndarray]) -> None:
    assert made["splits"].shape == (SEEDS, animals.CLASSES, 90) and made["splits"].dtype == np.int32
    for table in made["splits"]:
        assert len(np.unique(table)) == table.size, "no image twice"
        assert (made["labels"][table] == np.arange(animals.CLASSES)[:, None]).all()
    assert not np.array_equal(*made["splits"])


def test_all_tasks_have_the_same_images_and_one_class_each(made: dict[str, np.ndarray]) -> None:
    stream = _open(made)
    assert stream.shape == (12,) and stream.classes == len(stream) == animals.CLASSES
    for part, split in _parts(stream).items():
        assert split.x.dtype == torch.float32 and split.x.shape == (300, 12)
        targets = torch.cat([_parts(stream, task)[part].y for task in range(len(stream))], dim=1)
        assert targets.sum(dim=0).tolist() == [30] * 10 and (targets.sum(dim=1) == 1).all()
        assert _parts(stream, 7)[part].x is split.x
        assert torch.equal(split.inputs(slice(None)), split.x)


def test_fewer_images_are_counted_per_class(made: dict[str, np.ndarray]) -> None:
    stream = _open(made, training_images=5, validation_images=3, test_images=2)
    assert [len(split) for split in _parts(stream).values()] == [50, 30, 20]
    assert all(split.y.sum() == len(split) / 10 for split in _parts(stream, 4).values())


def test_seeds_draw_other_images_and_the_same_ones_again(made: dict[str, np.ndarray]) -> None:
    first, again, other = (_open(made, seed).tasks[0].train for seed in (0, 0, 1))
    assert torch.equal(first.x, again.x) and torch.equal(first.y, again.y) and not torch.equal(first.x, other.x)


def test_a_class_with_too_few_images_is_named() -> None:
    few = {name: array[:-40] for name, array in animals.raw().items()}
    with pytest.raises(ValueError, match=r"class \d has \d+ images, and 90 are needed"):
        awa.prepare(awa.Preparation(), few, 1)


# components


def test_only_training_images_shape_the_components(made: dict[str, np.ndarray]) -> None:
    before, after = _parts(_open(made)), _parts(_open(_spoiled(made, slice(30, 90))))
    assert torch.equal(before["train"].x, after["train"].x), "bit for bit"
    assert not torch.equal(before["validation"].x, after["validation"].x)
    assert not torch.equal(before["test"].x, after["test"].x)


def test_training_images_shape_the_components_of_all(made: dict[str, np.ndarray]) -> None:
    before, after = _parts(_open(made)), _parts(_open(_spoiled(made, slice(0, 15))))
    assert not any(torch.allclose(before[part].x, after[part].x) for part in before)


def test_training_images_left_out_shape_nothing(made: dict[str, np.ndarray]) -> None:
    before = _open(made, training_images=20)
    after = _open(_spoiled(made, slice(20, 30)), training_images=20)
    assert torch.equal(before.tasks[0].train.x, after.tasks[0].train.x)


@pytest.mark.parametrize("shape", [(40, 12), (12, 40)], ids=["tall", "wide"])
def test_components_are_those_of_a_singular_value_decomposition(shape: tuple[int, int]) -> None:
    x = torch.from_numpy(draws.octets(480, "components").reshape(shape).astype(np.float64))
    found = awa.fit(x, 6)
    _, values, axes = torch.linalg.svd(x - x.mean(dim=0), full_matrices=False)
    assert torch.allclose(found.axes.T @ axes[:6].T, torch.diag((found.axes.T * axes[:6]).sum(dim=1)), atol=1e-9)
    assert torch.allclose((found.axes.T * axes[:6]).sum(dim=1).abs(), torch.ones(6, dtype=x.dtype))
    assert torch.allclose(found.of(x).square().sum(dim=0).double(), (values[:6] * found.scale) ** 2)
    assert found.of(x).square().mean() == pytest.approx(1)
    assert (found.axes.max(dim=0).values == found.axes.abs().max(dim=0).values).all(), "the largest number is positive"


def test_training_features_are_centred_and_of_unit_mean_square(made: dict[str, np.ndarray]) -> None:
    x = _open(made).tasks[0].train.x
    assert x.square().mean() == pytest.approx(1) and x.mean(dim=0).abs().max() < 1e-5
    spread = x.std(dim=0)
    assert (spread[:-1] >= spread[1:]).all() and spread[0] > spread[-1]


def test_fewer_components_are_the_first_ones(made: dict[str, np.ndarray]) -> None:
    few, many = (_open(made, components=count).tests[0].x for count in (4, 12))
    ratio = few[0, 0] / many[0, 0]
    assert torch.allclose(few, many[:, :4] * ratio, rtol=1e-4, atol=1e-5)


def test_an_opened_stream_computes_nothing_until_asked_and_then_once(
    made: dict[str, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    fitted: list[int] = []
    monkeypatch.setattr(awa, "fit", lambda x, count, fit=awa.fit: fitted.append(count) or fit(x, count))
    stream = _open(made)
    assert len(stream) == len(stream.tests) == 10 and stream.features == 12 and fitted == []
    assert len(_parts(stream)) == len(_parts(stream, 3)) and fitted == [12]


# refusals


LEAST = {"training_images": 1, "validation_images": 0, "test_images": 1, "tasks": 1}


@pytest.mark.parametrize(("key", "value"), [(key, value) for key, least in LEAST.items() for value in (least - 1, 51)])
def test_counts_beyond_the_protocol_are_refused(key: str, value: int) -> None:
    with pytest.raises(config.SettingsError, match=rf"streams\.awa\.{key}"):
        config.read(awa.Params, {key: value}, "streams.awa")


def test_more_components_than_there_can_be_are_refused(made: dict[str, np.ndarray]) -> None:
    with pytest.raises(
        config.SettingsError, match=r"streams\.awa\.components: 20 requested, 20 training images have at"
    ):
        _open(made, training_images=2, components=20)
    with pytest.raises(config.SettingsError, match=r"streams\.awa\.components: 41 requested.*at most 40"):
        _open(made, components=41)
    with pytest.raises(config.SettingsError, match=r"streams\.awa\.components"):
        config.read(awa.Params, {"components": 0}, "streams.awa")


def test_more_components_than_the_images_span_are_refused(made: dict[str, np.ndarray]) -> None:
    flat = {**made, "features": made["features"] * (np.arange(40) < 5).astype(np.uint16)}
    with pytest.raises(config.SettingsError, match=r"streams\.awa\.components: 12 requested, the training images span"):
        _open(flat).tests[0]


# the raw set


def test_published_features_are_preferred_and_read(tmp_path: Path, resnet: dict[str, str]) -> None:
    _put(tmp_path, resnet | {"awa/awa1-bow-92.npz": "not the right bytes"})
    raw.fetch("awa", tmp_path)
    found = raw.load("awa", tmp_path)
    assert [*found] == ["resnet101", "labels"] and found["labels"].tolist() == [0, 2, 1, 1]
    assert found["resnet101"].shape == (4, 5) and found["resnet101"][3].tolist() == [3.25, 0, 1.5, 2, 0.125]


def test_published_features_come_from_the_mirror(
    tmp_path: Path, resnet: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    _put(tmp_path / "mirror", resnet)
    monkeypatch.setenv(raw.MIRROR, str(tmp_path / "mirror"))
    raw.fetch("awa", tmp_path / "raw")
    assert len(raw.load("awa", tmp_path / "raw")["labels"]) == 4


@pytest.mark.parametrize(
    ("old", "new", "file"),
    [
        ("0.000000", "-0.000001", "AwA2-features"),
        ("0.000000", "nan", "AwA2-features"),
        ("0.000000", "", "AwA2-features"),
        ("0.000000", "word", "AwA2-features"),
        ("3.25 0.000000 1.5 2 0.125\n", "", "AwA2-features"),
        ("1\n3", "0\n3", "AwA2-labels"),
        ("1\n3", "1\n4", "AwA2-labels"),
        ("1\n3", "1.5\n3", "AwA2-labels"),
        ("1\n3", "1", "AwA2-labels"),
    ],
)
def test_what_is_not_the_published_file_is_refused(
    old: str, new: str, file: str, tmp_path: Path, resnet: dict[str, str]
) -> None:
    _put(tmp_path, {name: text.replace(old, new) for name, text in resnet.items()})
    with pytest.raises(DataError, match=rf"{file}\.txt is not the published file.*or remove it"):
        raw.load("awa", tmp_path)


def test_the_published_archive_is_unpacked(
    tmp_path: Path, resnet: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    with zipfile.ZipFile(tmp_path / "AwA2-features.zip", "w") as archive:
        for file, text in {**resnet, "Animals_with_Attributes2/README.txt": "words"}.items():
            archive.writestr(file, text)
    monkeypatch.delenv(raw.MIRROR, raising=False)
    monkeypatch.setattr(published, "URL", (tmp_path / "AwA2-features.zip").as_uri())
    raw.fetch("awa", tmp_path / "raw")
    found = [path.relative_to(tmp_path / "raw").as_posix() for path in (tmp_path / "raw").rglob("*") if path.is_file()]
    assert sorted(found) == sorted(resnet)


def test_an_archive_without_the_files_is_passed_over(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with zipfile.ZipFile(tmp_path / "other.zip", "w") as archive:
        archive.writestr("other.txt", "words")
    monkeypatch.setattr(published, "URL", (tmp_path / "other.zip").as_uri())
    with pytest.raises(raw.SourceError, match="it has no Animals"):
        published.download([*published.RESNET], tmp_path)


def test_where_nothing_is_to_be_had_the_error_says_what_to_put_where(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(raw.MIRROR, raising=False)
    monkeypatch.setattr(sources, "connection_fault", lambda url: "no answer within 5 seconds")
    with pytest.raises(DataError) as failure:
        raw.fetch("awa", tmp_path)
    assert str(failure.value).count("is not set") == 1, "what goes for both editions is said once"
    for words in (
        "the folder named by DEN_DATA_MIRROR: the environment variable DEN_DATA_MIRROR is not set",
        "the published download: https://cvml.ista.ac.at/AwA2/AwA2-features.zip: no answer within 5 seconds",
        "put https://cvml.ista.ac.at/AwA2/AwA2-features.zip, unpacked, or awa/awa1-bow-92.npz into data/raw",
    ):
        assert words in str(failure.value)
    assert not [*tmp_path.iterdir()]


def test_the_stream_of_real_features(tmp_path: Path) -> None:
    root = Path(os.environ.get(raw.MIRROR, "nowhere"))
    if not (root / "awa").is_dir():
        pytest.skip(f"set {raw.MIRROR} to a folder with awa/awa1-bow-92.npz to test on real features")
    only = replace(raw.SETS["awa"], editions=raw.SETS["awa"].editions[1:])
    sources.fetch("awa", only, tmp_path)
    given_raw = sources.load(only, tmp_path)
    opened = prepared.prepare("awa", STREAMS["awa"].Preparation(), given_raw, 2, tmp_path)
    assert opened.arrays["features"].shape == (4_600, 8_252)
    assert opened.hash == REAL, "the bytes must agree between machines"
    stream = prepared.open_stream(tmp_path, "awa", awa.Params(), 1)
    assert stream.shape == (500,) and stream.classes == len(stream) == 50
    assert [len(split) for split in _parts(stream, 49).values()] == [1_500, 1_500, 1_500]
    assert stream.tasks[0].train.x.square().mean() == pytest.approx(1)
