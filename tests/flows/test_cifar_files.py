"""CIFAR-100's published files: read without unpickling them, refused where they are laid out in any other way."""

import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from den.streams import STREAMS, draws
from den.streams.prepared import DataError
from flows.data import raw
from flows.data.raw import cifar, sources

RECONSTRUCT = b"numpy.core.multiarray\n_reconstruct\n"


@pytest.fixture
def mirror() -> Path:
    """Return a folder with real CIFAR-100, or skip."""
    root = Path(os.environ.get(raw.MIRROR, ""))
    if not (root / cifar.FOLDER / "train").exists():
        pytest.skip(f"set {raw.MIRROR} to a folder with {cifar.FOLDER}/train to test on real CIFAR-100")
    return root


def _labels(values: list[int]) -> bytes:
    """Return a list as Python 2 pickled it, some items at a time."""
    batches = [values[start : start + 4] for start in range(0, len(values), 4)]
    return b"]q\3" + b"".join(b"(" + b"".join(b"K" + bytes([value]) for value in batch) + b"e" for batch in batches)


def _array(pixels: bytes, made_by: bytes = RECONSTRUCT) -> bytes:
    """Return an array of rows of 3,072 bytes as Python 2 pickled it."""
    rows = (len(pixels) // 3_072).to_bytes(2, "little")
    kind = b"cnumpy\ndtype\nq\4U\2u1K\0K\1\x87R(K\3U\1|NNN" + b"J\xff\xff\xff\xff" * 2 + b"K\0tb"
    shape = b"(K\1M" + rows + b"M\0\x0c\x86"
    content = b"T" + len(pixels).to_bytes(4, "little") + pixels
    return b"c" + made_by + b"cnumpy\nndarray\nK\0\x85U\1b\x87R" + shape + kind + b"\x89" + content + b"tb"


def _file(fine: list[int], coarse: list[int], array: bytes) -> bytes:
    """Return a file laid out as the published ones."""
    names = b"U\tfilenamesq\2]q\3(U\x07oak.pngU\x07ape.pngeU\x0bbatch_labelU\x15training batch 1 of 1"
    labels = b"U\x0bfine_labels" + _labels(fine) + b"U\rcoarse_labels" + _labels(coarse)
    return b"\x80\2}q\1(" + names + labels + b"U\4data" + array + b"u."


def test_files_of_the_published_layout_are_read(tmp_path: Path) -> None:
    (tmp_path / cifar.FOLDER).mkdir()
    expected = []
    for part, count in (("train", 9), ("test", 4)):
        pixels = draws.octets(count * 3_072, part)
        fine, coarse = list(range(90, 90 + count)), list(range(count))
        content = _file(fine, coarse, _array(pixels.tobytes()))
        (tmp_path / cifar.FOLDER / part).write_bytes(content)
        expected.append((pixels.reshape(count, 3, 32, 32), fine, coarse))
    found = cifar.load(tmp_path)
    for name, parts in zip(("images", "fine", "coarse"), zip(*expected, strict=True), strict=True):
        assert found[name].dtype == np.uint8 and np.array_equal(found[name], np.concatenate(parts))


PIXELS = _array(bytes(2 * 3_072))


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (_file([1, 2], [3, 4], _array(bytes(2 * 3_072), b"os\nsystem\n")), "it has GLOBAL os system at byte"),
        (_file([1, 2], [3, 4], PIXELS).replace(b"\x89", b"\x88"), "it has NEWTRUE"),
        (_file([1, 2, 3], [3, 4, 5], PIXELS), "6144 bytes of pixels do not match its labels"),
        (_file([1, 2], [3], PIXELS), "do not match its labels"),
        (_file([1, 2], [3, 4], b"N"), "0 bytes of pixels"),
        (_file([1, 2], [3, 4], PIXELS)[:-40], "expected 6144 bytes"),
        (b"not a pickle", "unknown"),
        (b"", "exhausted"),
    ],
)
def test_any_other_file_is_refused(content: bytes, why: str, tmp_path: Path) -> None:
    (tmp_path / "train").write_bytes(content)
    with pytest.raises(DataError, match=rf"train has another layout than the published file: .*{why}"):
        cifar.walk(tmp_path / "train")


def test_a_machine_that_cannot_reach_cifar_is_told_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(raw.MIRROR, raising=False)
    monkeypatch.setattr(sources, "connection_fault", lambda url: "no route to host")
    with pytest.raises(DataError, match=r"published download: https.*: no route to host\W+put https.*into data/raw"):
        raw.fetch("cifar-100", tmp_path)


def test_checksums_are_those_that_torchvision_publishes() -> None:
    from torchvision.datasets import CIFAR100

    sums = [*CIFAR100.train_list, *CIFAR100.test_list, [CIFAR100.meta["filename"], CIFAR100.meta["md5"]]]
    assert {f"{CIFAR100.base_folder}/{name}": md5 for name, md5 in sums} == cifar.FILES
    assert (CIFAR100.url, CIFAR100.tgz_md5) == (cifar.URL, cifar.ARCHIVE)


def test_streams_of_real_cifar(mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    given = {"folder": sources.mirror}
    monkeypatch.setitem(raw.SETS, "cifar-100", replace(raw.SETS["cifar-100"], sources=given))
    raw.fetch("cifar-100", tmp_path)
    data = raw.load("cifar-100", tmp_path)
    assert data["images"].shape == (60_000, 3, 32, 32)
    assert data["fine"][:4].tolist() == [19, 29, 0, 11] and data["coarse"][:4].tolist() == [11, 15, 4, 14]
    assert data["fine"][50_000:50_003].tolist() == [49, 33, 72]
    assert data["images"].sum(dtype=np.int64) == 22_484_628_063
    for name, order, first in (
        ("cifar100", "classes", [98, 55, 70]),
        ("cifar100_superclass", "superclasses", [6, 9, 1]),
    ):
        module = STREAMS[name]
        arrays = module.prepare(module.Preparation(), data, 1)
        assert arrays[order][0, :3].tolist() == first, "the draws must agree between machines"
        assert arrays["orders"][0, 0, :3].tolist() == [35_963, 24_717, 28_412]
        stream = module.build(module.Params(), arrays, 0)
        assert stream.features == 3_072 and len(stream.tasks[0].train) == 400 * stream.tasks[0].outputs
