"""Default numbers are judged on small tables: what is named is wrong beyond noise, and what is wrong is named."""

import math
from concurrent.futures import ThreadPoolExecutor

import pytest
import torch
from click.testing import CliRunner, Result
from hypothesis import given, settings
from hypothesis import strategies as st

from benchmarks.reliability import defaults, small_tables
from benchmarks.reliability.defaults import Outcome, Outcomes, Run
from den.config import SettingsError

NOISE = (0.004, -0.006, 0.002, 0.001, -0.003)
same_or_not = pytest.mark.parametrize("noise", [NOISE, (0.0,) * 5], ids=["noise", "the same on all seeds"])


def outcomes(capacity: float = 1.0, **gaps: tuple[float, ...]) -> Outcomes:
    """Return outcomes of five seeds: fine-tuning's, and those of methods by their gaps to it."""
    base = {seed: Outcome(0.8 + 0.01 * seed, 0.7, 1.0, 1.0) for seed in range(1, 6)}
    others = {
        method: {seed: Outcome(base[seed].auroc + gap, 0.7, capacity, 1.0) for seed, gap in enumerate(own, start=1)}
        for method, own in gaps.items()
    }
    return {"finetune": base, **others}


def shifted(by: float, noise: tuple[float, ...] = NOISE) -> tuple[float, ...]:
    return tuple(by + value for value in noise)


@same_or_not
def test_a_method_behind_by_more_than_noise_is_named_and_no_other(noise: tuple[float, ...]) -> None:
    three = outcomes(ewc=shifted(-0.05, noise), l2=shifted(0.05, noise), joint=shifted(0.0, noise))
    assert [fault.split(" is behind")[0] for fault in defaults.faults(three, "auroc")] == ["EWC"]
    assert list(defaults.faults(three, "accuracy")) == []


def test_one_seed_says_nothing_of_noise() -> None:
    first = {method: {1: seeds[1]} for method, seeds in outcomes(ewc=shifted(-0.5)).items()}
    assert list(defaults.faults(first, "auroc")) == []


@settings(deadline=None)
@given(gap=st.floats(-0.02, 0.0))
def test_more_methods_take_more_to_be_behind(gap: float) -> None:
    alone = list(defaults.faults(outcomes(ewc=shifted(gap)), "auroc"))
    among = list(defaults.faults(outcomes(ewc=shifted(gap), l2=shifted(0.0), joint=shifted(0.0)), "auroc"))
    assert bool(alone) or not among


@pytest.mark.parametrize(("method", "capacity", "named"), [("den", 2.01, 1), ("den", 2.0, 0), ("progressive", 5.0, 0)])
def test_a_den_that_grows_beyond_twice_the_base_is_named(method: str, capacity: float, named: int) -> None:
    faults = list(defaults.faults(outcomes(capacity, **{method: shifted(0.0)}), "auroc"))
    assert len(faults) == named and all("2.01 times the base" in fault for fault in faults)


def test_a_method_that_breaks_off_is_named_and_leaves_its_other_seeds() -> None:
    broken = outcomes(den=shifted(0.0))
    broken["den"][3] = Outcome(math.nan, math.nan, math.nan, 1.0, "the loss is nan at step 7")
    assert list(defaults.faults(broken, "auroc")) == ["DEN breaks off on 1 of 5 seeds: the loss is nan at step 7"]
    assert "| .8290 ± " in defaults.table(broken, "auroc").splitlines()[-1]


def test_what_is_set_changes_that_alone() -> None:
    assert defaults.settings([]) == {name: {} for name in defaults.KINDS}
    assert defaults.settings(["den.drift=0.4"]) == defaults.settings([]) | {"den": {"drift": 0.4}}


def test_a_pattern_sets_all_that_it_matches() -> None:
    changed = [name for name, params in defaults.settings(["den*.drift=0.4"]).items() if params == {"drift": 0.4}]
    assert changed == [name for name in defaults.KINDS if name.startswith("den")]


@pytest.mark.parametrize(
    ("override", "named"),
    [
        ("den.nothing=1", "den.nothing"),
        ("nothing=1", "'nothing' is unknown"),
        ("den=1", "'' is unknown"),
        ("finetune.drift=1", "finetune.drift"),
        ("den.epochs=ten", "DEN.epochs"),
    ],
)
def test_settings_that_are_none_are_refused(override: str, named: str) -> None:
    with pytest.raises(SettingsError, match=named):
        defaults.settings([override])


@pytest.mark.parametrize(
    ("data", "tasks", "outputs"),
    [
        ("digits", 5, 2),
        ("permuted_digits", 5, 10),
        ("wine", 3, 1),
        ("iris", 3, 1),
        ("diabetes", 4, 1),
        ("breast_cancer", 2, 1),
    ],
)
def test_tables_make_tasks(data: str, tasks: int, outputs: int) -> None:
    stream, held = (defaults.stream_of(Run(data, "finetune", 1, kept, defaults.settings([]))) for kept in (False, True))
    assert len(stream) == tasks and {task.outputs for task in stream} == {outputs}
    for task, test, validation in zip(stream, stream.tests, held.tests, strict=True):
        assert torch.equal(validation.x, task.validation.x) and not torch.equal(test.x, task.validation.x)
        present = small_tables.labels(task.train)
        assert set(present) == set(range(max(outputs, 2)))


def test_permuted_digits_are_the_same_pixels_in_another_order() -> None:
    first, *others = small_tables.permuted_digits(1).tasks
    for task in others:
        assert not torch.equal(task.train.x, first.train.x) and torch.equal(task.train.y, first.train.y)
        assert torch.equal(task.train.x.sort(dim=1).values, first.train.x.sort(dim=1).values)


def script(monkeypatch: pytest.MonkeyPatch, *words: str) -> Result:
    """Run the script on wine and two seeds, in this process."""
    monkeypatch.setattr(defaults, "processes", ThreadPoolExecutor)
    few = ("--data", "wine", "--seeds", "2", "--methods", "l2", "--set", "*.minimum_steps=40")
    return CliRunner().invoke(defaults.main, [*few, *words])


def test_the_exit_code_says_whether_anything_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    sound, spoiled = script(monkeypatch), script(monkeypatch, "--set", "l2.weight_decay=1.0e+6")
    assert (sound.exit_code, spoiled.exit_code) == (0, 1)
    assert all(label in sound.output for label in ("wine, 2 seeds, test data", "Fine-tuning", "L2", "nothing is wrong"))
    assert "wine: L2 is behind fine-tuning" in spoiled.output
    refused = script(monkeypatch, "--set", "l2.strength=-1")
    assert refused.exit_code == 2 and "L2.strength" in refused.output
