"""Settings as YAML: what we read is what DVC reads in the same text, and hostile text is refused in one line."""

import math
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner
from dvc.utils.serialize import ParseError, load_yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as draws
from projects import ROOT

from den import suites, yaml_files
from den.config import SettingsError
from den.yaml_files import FILE, OVERRIDE, Refused, parsed
from flows.cli import main

# One dialect for us and for DVC

READ = {
    "0100": 100,
    "1:30": "1:30",
    "12:30:45": "12:30:45",
    "on": "on",
    "yes": "yes",
    "n": "n",
    "1e-4": 0.0001,
    "1E5": 100000.0,
    "1.0e-5": 0.00001,
    "0o10": 8,
    "0x1F": 31,
    "1_000": 1000,
    "08": 8,
    "+.5": 0.5,
    ".inf": math.inf,
    "~": None,
    "": None,
    "True": True,
    "'0100'": "0100",
    "[on, 010, {off: no}]": ["on", 10, {"off": "no"}],
}
SCALARS = draws.text("0123456789.:-+_eEoxXbfaAnNuUlLtTrRuUsSyY~ '\"#", max_size=12) | draws.from_regex(
    r"[-+]?(0[xob]?)?[0-9_]{1,4}(\.[0-9_]{0,3})?([eE][-+]?[0-9]{1,3})?(:[0-9]{1,2}){0,2}", fullmatch=True
)


def dvcs(text: str, folder: Path) -> Any:
    """Return what DVC reads in a file of parameters."""
    path = folder / "params.yaml"
    path.write_text(text, encoding="utf-8")
    return load_yaml(str(path))


@pytest.mark.parametrize("text", READ)
def test_a_value_is_what_yaml_1_2_and_dvc_read(text: str, tmp_path: Path) -> None:
    ours = parsed(f"value: {text}", FILE)
    assert repr(ours) == repr({"value": READ[text]})
    assert repr(ours) == repr(dvcs(f"value: {text}", tmp_path))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=SCALARS)
@example(text="-_")
@example(text="._")
@example(text="=")
@example(text="2026-11-30")
def test_a_value_is_the_same_to_dvc_or_is_refused(text: str, tmp_path: Path) -> None:
    try:
        ours = parsed(f"value: {text}", FILE)
    except Refused:
        return
    assert repr(ours) == repr(dvcs(f"value: {text}", tmp_path))


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=draws.text("abn0123.:-,[]{}&*!|>'\"#%@? \n", max_size=40))
@example(text="x: &a {p: 1}\ny: {<<: *a, q: 2}")
@example(text="%YAML 1.1\n---\nx: on")
def test_a_whole_text_is_the_same_to_dvc_or_is_refused(text: str, tmp_path: Path) -> None:
    try:
        ours = parsed(text, FILE)
    except Refused:
        return
    assert repr(ours or {}) == repr(dvcs(text, tmp_path))


def test_our_own_file_is_the_same_to_dvc_and_in_yaml_1_1() -> None:
    """It was read as YAML 1.1 when the accepted results were measured: their settings, and so their keys, stay."""
    path = ROOT / "params.yaml"
    ours = yaml_files.read(path, ())
    assert repr(ours) == repr(load_yaml(str(path))) == repr(yaml.safe_load(path.read_text(encoding="utf-8")))


def test_a_suite_may_be_named_on(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text(
        "data: {seeds: 1}\nsuites:\n  on: {streams: [blobs], methods: [l2], seeds: [0]}\ntraining: {epochs: 1}"
    )
    assert suites.load(path).suites == ("on",)


UNREADABLE = {  # as a file, and what is said of it
    "true: 1": "line 1: the key true is not text to YAML; put it in quotes",
    "x: 1\n7: 1": "line 2: the key 7 is not text to YAML",
    "[x]: 1": "line 1: the key that is a block is not text",
    "x: 2026-11-30": "line 1: 2026-11-30 is a timestamp to YAML; for text, put it in quotes",
    "x: !!int ''": r"line 1: tags \(!\) are not read",
    "x: !y z": r"line 1: tags \(!\) are not read",
    "%YAML 1.1\n---\nx: on": "line 1: directives are not read",
    "x: &a [*a]": r"line 1: \*a has no anchor before it, or is inside it",
    "x: &a 1\ny: &a [*a]": r"line 2: \*a has no anchor before it, or is inside it",
    "x: *a": r"line 1: \*a has no anchor",
    "x: " + "9" * 5000: "line 1: a number of 5,000 characters",
    "x: -_": "a value cannot be read",
    "x: " + "[" * 3000 + "]" * 3000: "line 1: more than 20 blocks are inside one another",
    "x: " + "[" * 200_000: "more than 20 blocks",
    "- " * 5000 + "1": "more than 20 blocks",
    "x: '" + "y" * 1_000_000 + "'": "1,000,005 characters, and at most 1,000,000 are read",
    "x: \ud800": "surrogates not allowed",
    "x: {": "not YAML: .*line",
}


@pytest.mark.parametrize("text", UNREADABLE, ids=lambda text: repr(text[:20]))
def test_what_is_not_plain_is_refused_by_its_line(text: str) -> None:
    with pytest.raises(Refused, match=UNREADABLE[text]) as refusal:
        parsed(text, FILE)
    assert len(str(refusal.value).splitlines()) == 1


def laughs(levels: int, each: int) -> str:
    """Return a text of a few lines that stands for each ** levels values."""
    lines = ["a0: &a0 [lol]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * each)}]" for n in range(1, levels + 1)]
    return "\n".join(lines)


@pytest.mark.parametrize(("levels", "each"), [(9, 10), (40, 2), (500, 3)])
def test_a_text_that_grows_is_refused_before_it_does(levels: int, each: int) -> None:
    with pytest.raises(Refused, match="more than 100,000 values, aliases followed"):
        parsed(laughs(levels, each), FILE)


def test_aliases_and_merges_of_a_reasonable_size_are_read() -> None:
    assert len(parsed(laughs(3, 10), FILE)["a3"]) == 10


# Overrides, which a Prefect server takes from anybody

PLAN = suites.load(ROOT / "params.yaml")
KEYS = [
    *("training.epochs", "training.optimizer", "network.widths", "network.convolutions", "streams.blobs", "a.b"),
    *("streams.blobs.tasks", "methods.den", "methods.den.drift", "methods.joint.every_task", "methods"),
]
HOSTILE = [
    "training.epochs=&a [*a]",
    "training.epochs=&a 1",
    "training.epochs=*a",
    "training.epochs=!!bool x",
    "training.epochs=!!int ''",
    "training.epochs=!!python/object/apply:os.system [id]",
    "training.epochs=! 3",
    f"training.epochs={'9' * 5000}",
    f"training.epochs=0x{'f' * 5000}",
    f"training.epochs={'[' * 5000}{']' * 5000}",
    f"training.epochs={'[' * 100_000}",
    f"training.epochs={'{a: ' * 2000}",
    f"training.epochs={'? ' * 3000}",
    f"training.epochs=[{laughs(9, 10)}]",
    f"training.epochs={{{', '.join(laughs(9, 10).splitlines())}}}",
    f"network.widths=[{'1, ' * 3000}]",
    f"network{'.a' * 5000}=1",
    f"methods.den{'.a' * 5000}=1",
    f"{'a' * 100_000}=1",
    "training.epochs=2026-11-30",
    "training.epochs={1: 2}",
    "training.epochs={[1]: 2}",
    "training.epochs={a: 1, a: 2}",
    "training.epochs=%YAML 1.1",
    "training.epochs=\x00",
    "training.epochs=\x1b[2J",
    "training.epochs=\ud800",
    'training.optimizer="\\ud800"',
    "training.epochs=1\n---\n2",
    "training.learning_rate=1e999",
    "training.learning_rate=._",
    "training.epochs=-_",
    "streams.blobs=[abc]",
    "streams.blobs=[[a, b]]",
    "streams.blobs=null",
    "network.convolutions=[[channels, 3]]",
    "methods.den=[drift]",
    "\ud800=1",
    "training..epochs=1",
    "training.=1",
    ".training=1",
]


def cells(override: str) -> None:
    """Read an override, and make the cells of a suite with it."""
    replace(PLAN, overrides=yaml_files.overrides([override])).cells("smoke", methods=["den", "joint"], seeds=[0])


@pytest.mark.parametrize("override", HOSTILE, ids=lambda text: repr(text[:30]))
def test_a_hostile_override_is_refused_in_one_line(override: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        cells(override)
    (line,) = str(refusal.value).splitlines()
    assert len(line) < 400


@pytest.mark.parametrize("override", ["training.epochs=&a [*a]", f"training.epochs={'9' * 5000}"])
def test_a_hostile_override_ends_a_command_with_exit_code_2(override: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    words = ["run", "--suite", "smoke", "--estimate", "--set", override]
    answer = CliRunner().invoke(main, words, catch_exceptions=False)
    assert answer.exit_code == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith("den: --set training.epochs=")


@settings(max_examples=300, deadline=1000)  # milliseconds: the bound that is promised
@given(value=draws.text("0123456789abent.:-+_,[]{}&*!|>'\"#%@?~<= \n\t\\", max_size=60) | draws.text(max_size=20))
@example("&a [" * 400)
@example("[" * 10_000)
@example("{" * 10_000)
@example("- " * 5000)
@example("'" * 9999)
@example("a " * 5000)
def test_any_value_is_read_or_refused_in_a_second(value: str) -> None:
    try:
        key, _ = yaml_files.override(f"training.epochs={value}")
    except SettingsError as refusal:
        assert len(str(refusal).splitlines()) == 1
    else:
        assert key == "training.epochs"


@settings(max_examples=200, deadline=None)
@given(key=draws.sampled_from(KEYS), value=draws.text("01.-aen,[]{}: '\"~", max_size=15))
def test_any_override_makes_cells_or_is_refused(key: str, value: str) -> None:
    with suppress(SettingsError):
        cells(f"{key}={value}")


def test_too_many_overrides_are_refused() -> None:
    with pytest.raises(SettingsError, match="--set: 101 values, and at most 100 are read; use params.yaml"):
        suites.load(ROOT / "params.yaml", ["training.epochs=1"] * 101)


@given(draws.text(max_size=200))
def test_an_override_is_read_as_a_file_is(value: str) -> None:
    """What both read is the same; an override may hold less."""
    try:
        ours = parsed(value, OVERRIDE)
    except Refused:
        return
    assert repr(parsed(value, FILE)) == repr(ours)


def test_what_dvc_refuses_is_refused(tmp_path: Path) -> None:
    for text in ("x: {", "x: 1\nx: 2", "\tx: 1", "x: @y"):
        with pytest.raises(Refused):
            parsed(text, FILE)
        with pytest.raises(ParseError):
            dvcs(text, tmp_path)


def test_an_override_that_stands_twice_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"training\.epochs is repeated"):
        yaml_files.overrides(["training.epochs=1", "training.epochs=2"])
