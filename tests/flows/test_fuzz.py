"""Two hundred ways to spoil params.yaml: each is refused by its key, before anything is written."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from projects import ROOT

from den import searches, suites
from den.config import SettingsError
from flows.commands import run

pytestmark = pytest.mark.slow

SOUND: dict[str, Any] = yaml.safe_load((ROOT / "params.yaml").read_text())
NAMES = {("suites",), ("variants",)}  # whose keys are free, and whose values are not
STRANGE = st.sampled_from(["garbage", {"garbage": 1}, ["garbage"], float("nan"), float("inf"), -1.5, -3, True, ""])
Path_ = tuple[Any, ...]


def leaves(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of everything that is no block; a list counts as one."""
    if isinstance(value, dict) and value:
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    else:
        yield path


def blocks(value: Any, path: Path_ = ()) -> Iterator[Path_]:
    """Yield the path of every block."""
    if isinstance(value, dict):
        yield path
        for key, inner in value.items():
            yield from blocks(inner, (*path, key))


def spoiled(path: Path_, value: Any) -> dict[str, Any]:
    content = copy.deepcopy(SOUND)
    block = content
    for key in path[:-1]:
        block = block[key]
    block[path[-1]] = value
    return content


def refusal(content: dict[str, Any], file: Path) -> str | None:
    """Return what a benchmark, or a search, says to a file; None where it has nothing against it."""
    file.write_text(yaml.safe_dump(content, sort_keys=False))
    try:
        run.run(run.Request("nonesuch", (), (), None, (), None, "here"))
    except SettingsError as error:
        if "suite 'nonesuch' is unknown" not in str(error):
            return str(error)
    try:
        plan = suites.load(overrides=["data.streams.mine.file=mine.csv"])
        for stream in [*SOUND["search"], "mine"]:
            searches.subjects(plan, stream)
    except SettingsError as error:
        return str(error)
    return None


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(list(blocks(SOUND))), name=st.from_regex(r"zz[a-z]{1,5}", fullmatch=True), value=STRANGE)
def test_a_key_that_nothing_answers_to_is_refused(here: Path, path: Path_, name: str, value: Any) -> None:
    said = refusal(spoiled((*path, name), value), here / "params.yaml")
    assert said is not None, (path, name, value)
    assert name in said
    assert [found.name for found in here.iterdir()] == ["params.yaml"]


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(list(leaves(SOUND))), value=st.sampled_from([{"garbage": 1}, "garbage", [{}]]))
def test_a_value_of_the_wrong_kind_is_refused(here: Path, path: Path_, value: Any) -> None:
    said = refusal(spoiled(path, value), here / "params.yaml")
    assert said is not None, (path, value)
    assert str(path[-1]).split(".")[-1] in said
    assert [found.name for found in here.iterdir()] == ["params.yaml"]
