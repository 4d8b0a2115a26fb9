"""The command `den` of an installation leads to the command line."""

import sys
import tomllib
from importlib.util import find_spec

import pytest
from packaging.requirements import Requirement
from projects import ROOT

from flows import entry


def test_it_is_the_command_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys, "argv", ["den", "--version"])
    with pytest.raises(SystemExit) as ending:
        entry.main()
    assert ending.value.code == 0
    assert capsys.readouterr().out.startswith("den")


@pytest.mark.parametrize("name", entry.NEEDED)
def test_a_missing_package_is_named_in_one_line(
    name: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(entry, "find_spec", lambda module: None if module == name else find_spec(module))
    with pytest.raises(SystemExit) as ending:
        entry.main()
    assert ending.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_what_it_needs_is_in_the_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["scripts"]["den"] == "flows.entry:main"
    assert set(entry.NEEDED) <= {Requirement(line).name for line in project["optional-dependencies"]["pipeline"]}
