"""Why two measurements may differ: what is named, in which order, and what is not."""

import subprocess
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import small
from projects import IDENTITY
from synthetic import ORIGIN, result

from den import provenance
from den.cells import fingerprint
from den.execution import execute
from den.ledger import Machine, Measurement, Places
from den.ledger.measurement import Carried, Record
from flows.judging import differences
from flows.judging.differences import Change

MEASURED = result("blobs", "den", 1, tasks=3).measurement


def changed(given: Measurement = MEASURED, **origin: Any) -> Measurement:
    """Return a measurement of another origin."""
    if "machine" in origin:
        origin["machine"] = Machine(**ORIGIN["machine"] | origin["machine"])
    return given.model_copy(update={"origin": given.origin.model_copy(update=origin)})


def kinds(old: Measurement, new: Measurement) -> list[str]:
    return [change.kind for change in differences.changes(old, new)]


def test_what_is_the_same_is_not_named() -> None:
    assert kinds(MEASURED, MEASURED) == []
    assert kinds(MEASURED, changed(run="another", load=9.0, machine={"cores": 64, "memory": 1})) == []
    assert kinds(MEASURED, changed(commit="0" * 40)) == []  # the fingerprint is the same


def test_the_machine_comes_first_and_code_last() -> None:
    other = changed(machine={"capability": "NO AVX"}, torch="9.9", numpy="1.0", fingerprint="0" * 64, commit="0" * 40)
    training = MEASURED.settings["training"] | {"epochs": 1}
    other = other.model_copy(update={"settings": MEASURED.settings | {"training": training}, "data": "0" * 64})
    assert kinds(MEASURED, other) == ["processor", "data", "torch", "versions", "settings", "code"]
    texts = [change.text for change in differences.changes(MEASURED, other)]
    assert texts[0] == "CPU capability is NO AVX, it was AVX512"
    assert texts[4] == "training.epochs is 1, it was 8"


@pytest.mark.parametrize(
    ("machine", "text"),
    [
        ({"processor": "Intel Xeon"}, "processor is Intel Xeon, it was AMD EPYC"),
        ({"variables": {"MKL_CBWR": "AVX2"}}, "variables is MKL_CBWR=AVX2, it was none"),
        ({"gpu": "H200"}, "GPU is H200, it was none"),
    ],
)
def test_every_field_of_the_machine_that_decides_about_bits_is_named(machine: dict[str, Any], text: str) -> None:
    other = changed(machine=machine)
    assert list(differences.changes(MEASURED, other)) == [Change("processor", text)]
    assert MEASURED.origin.bits != other.origin.bits


def test_a_processor_that_was_not_recorded_may_be_the_reason() -> None:
    unknown = changed(machine={"processor": None, "capability": None, "variables": None})
    (change,) = differences.changes(unknown, MEASURED)
    assert change == Change("processor", "processor is AMD EPYC, AVX512, it was not recorded")
    assert kinds(unknown, unknown) == []


def test_the_likeliest_reason_is_the_processor_then_torch_code_and_data() -> None:
    several = [Change(kind, kind) for kind in ("settings", "data", "code", "torch", "processor")]
    for end in range(len(several), 1, -1):
        assert differences.likeliest(several[:end]) == several[end - 1].kind
    assert differences.likeliest([]) == "none is recorded"


@pytest.fixture
def commits(here: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return two commits of a repository, between which three files differ, two of them of the library."""
    monkeypatch.setattr(provenance, "ROOT", here)
    subprocess.run(["git", "init", "--quiet"], check=True)
    return [commit(here, content) for content in ("one", "two")]


def commit(folder: Path, content: str) -> str:
    """Write the library's files and one beside them, and commit them; return the commit."""
    for name in ("den/penalties.py", "den/unused.py", "README.md"):
        write(folder / name, content)
    for words in (["add", "--all"], [*IDENTITY, "commit", "--quiet", "--message", content]):
        subprocess.run(["git", *words], check=True)
    return subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=True).stdout.strip()


def write(path: Path, content: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)


def test_changed_code_is_named_by_the_files_that_the_cell_uses(commits: list[str]) -> None:
    old, new = (changed(commit=one, fingerprint=str(at) * 64) for at, one in enumerate(commits))
    (change,) = differences.changes(old, new)
    assert change.text == f"den/penalties.py changed since {commits[0][:8]}, now {commits[1][:8]}"


def test_uncommitted_changes_are_named_and_new_files_too(commits: list[str], here: Path) -> None:
    write(here / "den/unused.py", "three")
    write(here / "den/added.py", "new")
    old, new = changed(commit=commits[1]), changed(commit=commits[1], fingerprint="0" * 64, dirty=True)
    (change,) = differences.changes(old, new)
    assert change.text == f"den/added.py, den/unused.py changed since {commits[1][:8]}, with uncommitted changes"
    (before,) = differences.changes(new, old)
    assert before.text == f"the earlier code had uncommitted changes over {commits[1][:8]}"


def test_commits_that_git_has_not_are_named(commits: list[str]) -> None:
    old, new = changed(commit="0" * 40, fingerprint=None), changed(commit=commits[0])
    (change,) = differences.changes(old, new)
    assert change.text == f"the code of 00000000 and {commits[0][:8]} cannot be compared, git lacks one of them"


def test_a_carried_measurement_stands_for_the_code_it_was_carried_to(commits: list[str]) -> None:
    steps = (Carried(identity="0" * 16, commit=commits[1], compared=3),)
    record = Record(identity="1" * 16, stream_hash="0" * 64, carried=steps)
    old = changed(commit=commits[0], fingerprint=None, record=record)
    assert differences.commit_of(old.origin) == commits[1]
    assert kinds(old, changed(commit=commits[1])) == []
    assert kinds(old, changed(commit=commits[0])) == ["code"]


def test_nothing_has_changed_since_just_now(places: Places) -> None:
    measured = execute(small.cell(), places)
    assert list(differences.since(measured, places)) == []
    present = differences.present(measured, places)
    assert present.origin.fingerprint == fingerprint(small.cell())
    assert (present.data, present.origin.bits) == (measured.data, measured.origin.bits)


def test_data_that_is_not_here_is_not_compared(places: Places, tmp_path: Path) -> None:
    measured = execute(small.cell(), places)
    assert list(differences.since(measured, Places(data=tmp_path / "none"))) == []
    others = measured.model_copy(update={"data": "0" * 64})
    assert [text[:8] for text in differences.since(others, places)] == ["data is "]


def test_settings_that_this_code_does_not_know_are_said_to_be_so(places: Places) -> None:
    unknown = MEASURED.model_copy(update={"settings": MEASURED.settings | {"method": "forgotten"}})
    (text,) = differences.since(unknown, places)
    assert text.startswith("this version of the code cannot run it: cell.method: ")


def test_many_files_are_counted() -> None:
    names = [f"den/{at}.py" for at in range(9)]
    for shown, more in pairwise(range(differences.NAMED, 10)):
        text = differences._listed(names[:more])
        assert text.count("den/") == differences.NAMED
        assert text.endswith(f"and {more - differences.NAMED} more file{'s' * (shown > differences.NAMED)}")
