"""The ledger: files that are whole and true are found, all others are named and left out."""

import gzip
import json
import logging
import os
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import pytest
import synthetic
from synthetic import result

from den.config import AsBefore
from den.ledger import Answer, Asked, Begun, Columns, Ended, Ledger, LedgerError, Machine, Measurement, Planned, sealed
from den.ledger.settings import key_of, series_of

Content = dict[str, Any]


@pytest.fixture
def ledger(tmp_path: Path) -> Ledger:
    return Ledger(tmp_path / "ledger", tmp_path / "index.sqlite")


def anew(ledger: Ledger) -> Ledger:
    """Return the ledger as another process opens it."""
    return Ledger(ledger.folder, ledger.folder.parent / "other.sqlite")


def measurement(method: str = "den", seed: int = 1, **origin: Any) -> Measurement:
    return result("mnist_variation", method, seed, **origin).measurement


def file_of(ledger: Ledger, id: str) -> Path:
    (path,) = ledger.folder.rglob(f"{id}.*")
    return path


def begun(id: str = "20261129-020000-aaaaaa", suite: str = "quick", **about: Any) -> Begun:
    content = {
        "id": id,
        "asked": Asked(suite=suite),
        "cells": (
            Planned(key="0" * 16, stream="mnist_variation", name="den", seed=1, fingerprint="f" * 64),
            Planned(key="1" * 16, stream="mnist_variation", name="ewc", seed=1, fingerprint="f" * 64),
        ),
        "started": datetime.fromisoformat("2026-11-29T02:00:00+00:00"),
        "trigger": "hand",
        "process": "host/1/1",
        "machine": Machine(system="Linux x86_64"),
        "load": None,
        "slots": 2,
        "torch": "2.14.1",
        "commit": None,
        "dirty": None,
    }
    return Begun(**content | about)


def ended(id: str = "20261129-020000-aaaaaa", answers: tuple[Answer, ...] = ()) -> Ended:
    moment = datetime.fromisoformat("2026-11-29T02:10:00+00:00")
    return Ended(id=id, ended=moment, answers=answers, failures={}, verdict="new")


# What is added is found


def test_what_is_added_is_read_back_the_same(ledger: Ledger) -> None:
    first = measurement()
    id = ledger.add(first)
    assert id == first.id
    assert ledger.load(id) == anew(ledger).load(id) == first
    (entry,) = ledger.entries()
    assert (entry.id, entry.key, entry.digest) == (id, first.key, first.digest)
    assert entry.values == first.values()
    assert entry.totals == first.totals
    assert entry.train_seconds == first.train_seconds
    assert key_of(ledger.settings([entry.series])[entry.series] | {"seed": entry.seed}, first.data) == first.key


def test_the_same_content_twice_is_one_file(ledger: Ledger) -> None:
    assert ledger.add(measurement()) == ledger.add(measurement())
    assert len(ledger.entries()) == 1


def test_a_measurement_is_found_by_key_run_and_the_beginning_of_its_id(ledger: Ledger) -> None:
    den, ewc = measurement("den", run="one-run"), measurement("ewc", run="two-run")
    for one in (den, ewc):
        ledger.add(one)
    assert [entry.id for entry in ledger.entries(key=den.key)] == [den.id]
    assert [entry.id for entry in ledger.entries(run="two-run")] == [ewc.id]
    assert [entry.id for entry in ledger.entries(prefix=ewc.id[:6])] == [ewc.id]
    assert ledger.entries(prefix="nonesuch") == []


def test_a_measurement_is_found_by_its_identity_of_version_0_5_0(ledger: Ledger) -> None:
    record = {
        "identity": "aaaa000011112222",
        "stream_hash": "0" * 64,
        "carried": [{"identity": "bbbb000011112222", "commit": None, "compared": 258}],
    }
    old = measurement(record=record)
    ledger.add(old)
    for beginning in ("aaaa0", "bbbb0"):
        assert [entry.id for entry in ledger.entries(prefix=beginning)] == [old.id]


def test_entries_come_in_order_of_time(ledger: Ledger) -> None:
    days = ["2026-11-03", "2026-10-01", "2025-12-31", "2026-11-02"]
    for day in days:
        ledger.add(measurement(started=f"{day}T01:00:00+00:00", ended=f"{day}T02:00:00+00:00"))
    assert [entry.ended[:10] for entry in ledger.entries()] == sorted(days)
    assert [entry.ended[:10] for entry in ledger.entries(since="2026-11-01")] == ["2026-11-02", "2026-11-03"]
    assert {path.parent.relative_to(ledger.folder).as_posix() for path in ledger.folder.rglob("*.gz")} == {
        "2026/11", "2026/10", "2025/12"
    }  # fmt: skip


def test_times_of_day_are_filed_in_utc(ledger: Ledger) -> None:
    id = ledger.add(measurement(started="2026-12-01T00:30:00+02:00", ended="2026-12-01T00:40:00+02:00"))
    assert file_of(ledger, id).parent.name == "11"
    assert anew(ledger).faults() == {}


def test_a_run_is_begun_and_ended(ledger: Ledger) -> None:
    ledger.begin(begun())
    assert ledger.run("20261129-020000-aaaaaa").ended is None
    answers = tuple(Answer(title=cell.title, measurement="a" * 16, how="measured") for cell in begun().cells)
    ledger.end(ended(answers=answers[:1]))
    assert not ledger.runs("quick")[0].whole
    whole = ended("20261129-030000-aaaaaa", answers)
    ledger.begin(begun("20261129-030000-aaaaaa"))
    ledger.end(whole)
    run = anew(ledger).run("20261129-030000-aaaaaa")
    assert run.whole
    assert run.measured == ("a" * 16, "a" * 16)
    assert ledger.runs("smoke") == []


def test_nothing_is_ever_overwritten(ledger: Ledger) -> None:
    ledger.begin(begun())
    ledger.begin(begun(suite="smoke"))
    assert ledger.run("20261129-020000-aaaaaa").suite == "quick"


def test_of_several_ends_the_newest_counts_and_all_are_kept(ledger: Ledger) -> None:
    ledger.begin(begun())
    failed = ended().model_copy(update={"failures": {"a": "b"}, "verdict": "failed"})
    whole = ended().model_copy(update={"ended": failed.ended + timedelta(days=9), "verdict": "same bits"})
    for end in (failed, whole):
        ledger.end(end)
    assert ledger.run(failed.id).ended == anew(ledger).run(failed.id).ended == whole
    assert len(list(ledger.folder.rglob("*.ended-*"))) == 2
    other = Ledger(ledger.folder.parent / "other", ledger.folder.parent / "third.sqlite")
    ledger.export(ledger.folder.parent / "all.xz")
    other.take(ledger.folder.parent / "all.xz")
    assert other.run(failed.id).ended == whole


def test_a_missing_id_is_refused(ledger: Ledger) -> None:
    for question in (ledger.load, ledger.run):
        with pytest.raises(LedgerError, match="has no .* nonesuch"):
            question("nonesuch")


# Digests


def test_the_digest_leaves_times_out_and_nothing_else() -> None:
    one = measurement()
    columns = one.measures
    slower = [
        value * 2 if name == "seconds" and value is not None else value
        for name, value in zip(columns.measure, columns.value, strict=True)
    ]
    assert changed(one, measures=columns.model_copy(update={"value": tuple(slower)})).digest == one.digest
    other = [value + 1 if name == "units" and value else value for name, value in zip(columns.measure, columns.value)]  # noqa: B905
    assert changed(one, measures=columns.model_copy(update={"value": tuple(other)})).digest != one.digest
    assert synthetic.with_scores(result("mnist_variation", "den", 1), lambda x: x / 2).measurement.digest != one.digest


def changed(given: Measurement, measures: Columns) -> Measurement:
    return given.model_copy(update={"measures": measures})


def test_the_kind_of_machine_is_processor_torch_and_what_it_uses() -> None:
    kind = measurement().origin.bits
    machine = synthetic.ORIGIN["machine"]
    assert kind
    assert measurement(machine=machine | {"cores": 64}).origin.bits == kind
    assert measurement(machine=machine | {"cores": 64}).origin.time != measurement().origin.time
    for change in ({"processor": "Other"}, {"capability": "DEFAULT"}, {"variables": {"MKL_CBWR": "AVX2"}}):
        assert measurement(machine=machine | change).origin.bits not in (kind, "")
    assert measurement(torch="2.15.0").origin.bits != kind
    assert measurement(machine={"system": "Linux x86_64"}).origin.bits == ""


# Spoiled files


def reseal(change: Callable[[Content], None]) -> Callable[[bytes], bytes]:
    """Return what changes a file's content and gives it a checksum that fits."""

    def spoil(data: bytes) -> bytes:
        content = json.loads(gzip.decompress(data).decode().partition(" ")[2])
        change(content)
        body = json.dumps(content, sort_keys=True, separators=(",", ":"))
        return gzip.compress(f"{sealed.checksum(body)} {body}\n".encode())

    return spoil


def edit(old: str, new: str) -> Callable[[bytes], bytes]:
    """Return what replaces text and leaves the checksum."""

    def spoil(data: bytes) -> bytes:
        text = gzip.decompress(data).decode()
        assert old in text
        return gzip.compress(text.replace(old, new, 1).encode())

    return spoil


def put(*path: Any, value: Any) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        block = content
        for part in path[:-1]:
            block = block[part]
        block[path[-1]] = value

    return change


def drop(*path: str) -> Callable[[Content], None]:
    def change(content: Content) -> None:
        block = content
        for part in path[:-1]:
            block = block[part]
        del block[path[-1]]

    return change


def text_with(body: str) -> Callable[[bytes], bytes]:
    return lambda data: gzip.compress(f"{sealed.checksum(body)} {body}\n".encode())


SPOILED: dict[str, Callable[[bytes], bytes]] = {
    "empty": lambda data: b"",
    "cut short": lambda data: data[: len(data) // 2],
    "a byte flipped": lambda data: data[:60] + bytes([data[60] ^ 1]) + data[61:],
    "not compressed": lambda data: gzip.decompress(data),
    "a score edited": edit('"auroc":[[', '"auroc":[[0.5,'),
    "another method's name": edit('"method":"den"', '"method":"ewc"'),
    "a commit edited": edit('"commit":"8c5c', '"commit":"9c5c'),
    "no object": text_with("[]"),
    "no JSON": text_with("{"),
    "a key twice": text_with('{"version":2,"version":2}'),
    "NaN": text_with('{"version":NaN}'),
    "resealed: a score of 17": reseal(put("scores", "auroc", 0, 0, value=17.0)),
    "resealed: a negative score": reseal(put("scores", "auroc", 0, 0, value=-0.1)),
    "resealed: a score as text": reseal(put("scores", "auroc", 0, 0, value="0.9")),
    "resealed: a score before its task": reseal(put("scores", "auroc", 0, 5, value=0.9)),
    "resealed: a row too short": reseal(put("scores", "auroc", 3, value=[0.9])),
    "resealed: no scores": reseal(put("scores", value={})),
    "resealed: another method": reseal(put("settings", "method", value="ewc")),
    "resealed: another seed": reseal(put("settings", "seed", value=2)),
    "resealed: other data": reseal(put("data", value="0" * 64)),
    "resealed: an unknown field": reseal(put("extra", value=1)),
    "resealed: a field missing": reseal(drop("origin", "torch")),
    "resealed: another version": reseal(put("version", value=3)),
    "resealed: a negative capacity": reseal(put("measures", "value", 2, value=-5.0)),
    "a number beyond all numbers": text_with('{"version":1e999}'),
    "resealed: no score at all": reseal(put("scores", "auroc", value=[[None] * 10] * 10)),
    "resealed: columns of different lengths": reseal(put("measures", "task", value=[1])),
    "resealed: a task of no stream": reseal(put("measures", "task", 0, value=99)),
    "resealed: time without a zone": reseal(put("origin", "started", value="2026-11-28T02:00:00")),
    "resealed: under another's name": reseal(put("origin", "load", value=5.0)),
}


@pytest.mark.parametrize("how", SPOILED)
def test_a_spoiled_file_is_named_and_left_out_and_all_else_goes_on(
    how: str, ledger: Ledger, caplog: pytest.LogCaptureFixture
) -> None:
    spoiled, sound = measurement("den"), measurement("ewc")
    for one in (spoiled, sound):
        ledger.add(one)
    path = file_of(ledger, spoiled.id)
    path.write_bytes(SPOILED[how](path.read_bytes()))
    with caplog.at_level(logging.WARNING):
        other = anew(ledger)
    assert [entry.id for entry in other.entries()] == [sound.id]
    assert list(other.faults()) == [str(path)]
    assert str(path) in caplog.text
    with pytest.raises(LedgerError):
        other.load(spoiled.id)
    with pytest.raises(LedgerError, match=path.name):
        ledger.load(spoiled.id)
    ledger.refresh()
    assert [entry.id for entry in ledger.entries()] == [sound.id]


def test_a_file_in_the_wrong_place_is_left_out(ledger: Ledger) -> None:
    path = file_of(ledger, ledger.add(measurement()))
    (ledger.folder / "2020/01").mkdir(parents=True)
    path.rename(ledger.folder / "2020/01" / path.name)
    ledger.refresh()
    assert ledger.entries() == []
    assert "belongs under 2026/11" in next(iter(ledger.faults().values()))


def test_a_mended_file_is_found_again(ledger: Ledger) -> None:
    path = file_of(ledger, ledger.add(measurement()))
    whole = path.read_bytes()
    path.write_bytes(whole[:-9])
    ledger.refresh()
    assert ledger.entries() == []
    path.write_bytes(whole)
    ledger.refresh()
    assert len(ledger.entries()) == 1
    assert ledger.faults() == {}


def test_check_reads_every_file_even_one_that_looks_unchanged(ledger: Ledger) -> None:
    path = file_of(ledger, ledger.add(measurement()))
    status = path.stat()
    data = bytearray(path.read_bytes())
    data[60] ^= 1
    path.write_bytes(bytes(data))
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    ledger.refresh()
    assert ledger.faults() == {}
    assert list(ledger.check()) == [str(path)]


def test_a_half_written_file_is_no_file(ledger: Ledger) -> None:
    ledger.add(measurement())
    month = ledger.folder / "2026/11"
    (month / ".abc.measurement.json.gz.tmp").write_bytes(b"half")
    ledger.refresh()
    assert ledger.faults() == {}
    assert len(ledger.entries()) == 1


@pytest.mark.parametrize("spoil", ["garbage", "empty", "truncated", "missing", "old"])
def test_a_spoiled_index_is_made_anew(spoil: str, ledger: Ledger, tmp_path: Path) -> None:
    ledger.add(measurement())
    ledger.begin(begun())
    index = tmp_path / "index.sqlite"
    if spoil == "missing":
        index.unlink()
    elif spoil == "old":
        import sqlite3

        connection = sqlite3.connect(index)
        connection.execute("PRAGMA user_version = 999")
        connection.close()
    else:
        data = index.read_bytes()
        index.write_bytes({"garbage": b"x" * len(data), "empty": b"", "truncated": data[: len(data) // 2]}[spoil])
    again = Ledger(ledger.folder, index)
    assert len(again.entries()) == 1
    assert len(again.runs()) == 1
    assert len(ledger.entries()) == 1


def test_an_index_of_another_folder_is_not_taken_for_this_ones(ledger: Ledger, tmp_path: Path) -> None:
    ledger.add(measurement())
    assert Ledger(tmp_path / "empty", tmp_path / "index.sqlite").entries() == []
    assert len(Ledger(ledger.folder, tmp_path / "index.sqlite").entries()) == 1


# Later versions


class Later(Measurement):
    """A measurement with a field that was added later."""

    mood: Annotated[str, AsBefore("calm")] = "calm"


def test_a_field_that_is_added_later_changes_no_id() -> None:
    line = sealed.seal(measurement())
    later = sealed.read_as(Later, line)
    assert sealed.seal(later) == line
    assert later.id == measurement().id
    assert sealed.seal(later.model_copy(update={"mood": "wild"})) != line


def test_what_a_newer_version_has_written_is_named_as_such(ledger: Ledger) -> None:
    ledger.add(Later.model_validate(dict(measurement()) | {"mood": "wild"}))
    (fault,) = ledger.faults().values()
    assert fault == "mood: unknown here; a newer version of the code has written it"


# Export and import


def test_an_export_holds_everything_and_imports_once(ledger: Ledger, tmp_path: Path) -> None:
    ids = {ledger.add(measurement(seed=seed)) for seed in range(3)}
    ledger.begin(begun())
    assert ledger.export(tmp_path / "all.xz") == 4
    other = Ledger(tmp_path / "other", tmp_path / "other.sqlite")
    assert other.take(tmp_path / "all.xz")[:2] == (4, 0)
    assert other.take(tmp_path / "all.xz")[:2] == (0, 4)
    assert {entry.id for entry in other.entries()} == ids
    assert [run.id for run in other.runs()] == [run.id for run in ledger.runs()]
    assert sorted(path.name for path in other.folder.rglob("*.gz")) == sorted(
        path.name for path in ledger.folder.rglob("*.gz")
    )


def test_an_export_of_a_run_holds_what_answers_it(ledger: Ledger, tmp_path: Path) -> None:
    own, reused, stranger = (
        ledger.add(measurement(method, run=run))
        for method, run in (("den", "20261129-020000-aaaaaa"), ("ewc", "other-run"), ("l2", "other-run"))
    )
    ledger.begin(begun())
    answers = (
        ("mnist_variation · den · seed 1", own, "measured"),
        ("mnist_variation · ewc · seed 1", reused, "reused"),
    )
    ledger.end(ended(answers=tuple(Answer(title=t, measurement=m, how=h) for t, m, h in answers)))  # type: ignore[arg-type]
    ledger.export(tmp_path / "run.xz", "20261129-020000-aaaaaa")
    other = Ledger(tmp_path / "other", tmp_path / "other.sqlite")
    other.take(tmp_path / "run.xz")
    assert {entry.id for entry in other.entries()} == {own, reused}
    assert stranger not in {entry.id for entry in other.entries()}
    assert [run.id for run in other.runs()] == ["20261129-020000-aaaaaa"]


def test_a_damaged_line_of_an_export_is_named_and_the_rest_taken(ledger: Ledger, tmp_path: Path) -> None:
    for seed in range(3):
        ledger.add(measurement(seed=seed))
    ledger.export(tmp_path / "all.xz")
    from den.ledger.store import archive, unarchived

    lines = unarchived(tmp_path / "all.xz")
    lines[1] = lines[1].replace('"method":"den"', '"method":"ewc"')
    (tmp_path / "all.xz").write_bytes(archive(lines))
    taken = Ledger(tmp_path / "other", tmp_path / "other.sqlite").take(tmp_path / "all.xz")
    assert taken.added == 2
    assert "line 2: its checksum" in taken.faults[0]


def test_no_text_parts_a_line_of_an_export(ledger: Ledger, tmp_path: Path) -> None:
    ledger.begin(begun())
    ledger.end(ended().model_copy(update={"failures": {"cell": "one\u2028two\x85three\nfour"}}))
    ledger.export(tmp_path / "all.xz")
    other = Ledger(tmp_path / "other", tmp_path / "other.sqlite")
    assert other.take(tmp_path / "all.xz")[:2] == (2, 0)
    assert other.runs() == ledger.runs()


@pytest.mark.parametrize("content", [b"", b"no export", gzip.compress(b"x", mtime=0)])
def test_another_file_is_no_export(content: bytes, ledger: Ledger, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(content)
    with pytest.raises(LedgerError, match="is not an export of a ledger"):
        ledger.take(tmp_path / "file")


# Several at once


def test_threads_that_add_at_once_lose_nothing(ledger: Ledger) -> None:
    def add(method: str) -> None:
        own = Ledger(ledger.folder, ledger.folder.parent / "index.sqlite")
        for seed in range(8):
            own.add(measurement(method, seed))

    threads = [threading.Thread(target=add, args=(method,)) for method in ("den", "ewc", "l2")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(ledger.entries()) == len(anew(ledger).entries()) == 24


# Keys


def test_keys_leave_the_device_out_and_series_the_seed() -> None:
    settings = measurement().settings
    on_gpu = settings | {"training": settings["training"] | {"device": "cuda"}}
    assert key_of(settings, "0" * 64) == key_of(on_gpu, "0" * 64)
    assert series_of(settings) == series_of(on_gpu | {"seed": 7})
    assert key_of(settings, "0" * 64) != key_of(settings | {"seed": 7}, "0" * 64)
    assert key_of(settings, "0" * 64) != key_of(settings, "1" * 64)
