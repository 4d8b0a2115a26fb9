"""The search: honest about its data and its budget, resumable, and what it chose is what params.yaml has."""

import inspect
import json
import math
import sqlite3
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import small
import yaml
from click.testing import CliRunner
from optuna.trial import TrialState
from projects import ROOT, den
from ruamel.yaml import YAML
from synthetic import result

from den import measures, searches, suites, yaml_files
from den.cells import Cell
from den.config import SettingsError, read
from den.execution import execute
from den.ledger import Columns, Ledger, Measurement, Places
from den.params_file import File
from den.searches import Busy, Range, Subject
from den.streams import prepared
from den.suites import Plan
from den.training import Diverged
from den.worker import CellFailed, Step
from flows.cli import main
from flows.tuning import chosen_numbers, studies
from flows.tuning import trials as study_trials

pytestmark = pytest.mark.usefixtures("here")  # where studies are kept

RATE = {"training.learning_rate": {"low": 1e-3, "high": 3e-2}}
STRENGTH = {"strength": {"low": 0.01, "high": 10.0}}
TRAINED, VALIDATED = small.SIZES["training_examples"], small.SIZES["validation_examples"]
TEST = slice(TRAINED + VALIDATED, None)
VALIDATION = slice(TRAINED, TRAINED + VALIDATED)


def content(**search: Any) -> dict[str, Any]:
    """Return a params file with small blobs and this search block."""
    block = {"trials": 2, "spaces": {"l2": RATE | STRENGTH}} | search
    return {
        "data": {"seeds": 2},
        "suites": {"tiny": {"streams": ["blobs"], "methods": ["l2"], "seeds": [0]}},
        "training": {"batch_size": 20, "epochs": 6, "learning_rate": 0.01},
        "network": {"widths": [8, 6]},
        "streams": {"blobs": small.SIZES},
        "search": {"blobs": block},
    }


def plan_of(**search: Any) -> Plan:
    return Plan(read(File, content(**search), "params.yaml"), {})


def subject_of(method: str = "l2", **search: Any) -> Subject:
    (subject,) = searches.subjects(plan_of(**search), "blobs", [method])
    return subject


def made_up(cell: Cell, score: float | None = 0.8, capacity: float = 1.0) -> Measurement:
    """Return a measurement as a trial would leave it, without training."""
    taken = Columns(
        task=(1, 2),
        stage=(measures.TRAIN, None),
        layer=(None, None),
        measure=(measures.SECONDS, measures.CAPACITY),
        value=(1.0, capacity),
    )
    scores = {"auroc": ((0.9, None), (0.7, score))}
    measured = result(cell.stream, cell.method, cell.seed, tasks=2).measurement
    return measured.model_copy(update={"scores": scores, "measures": taken})


def by_rate(cell: Cell) -> Measurement:
    """Return a score that is best at one learning rate, in a network that is the larger the higher it is."""
    rate = cell.training.learning_rate
    return made_up(cell, 1 - abs(rate - 0.01), 1 + 100 * rate)


def conducted(subject: Subject, places: Places, learn: Callable[[Cell], Measurement]) -> list[Any]:
    """Return all trials of a study after its search; they run to their ends."""
    return followed(subject, places, lambda cell, follow: learn(cell))


def followed(subject: Subject, places: Places, learn: study_trials.Learn) -> list[Any]:
    """Return all trials of a study after its search; they may be stopped early."""
    with studies.opened(subject, places) as study:
        while studies.lacking(study, subject) > 0:
            study_trials.attempt(study, subject, study_trials.ask(study, subject), learn)
        return study.trials


def told(trials: list[Any]) -> list[tuple[Any, ...]]:
    """Return what the trials that count tried and came to."""
    return [(trial.user_attrs["numbers"], trial.value) for trial in trials if trial.state == TrialState.COMPLETE]


# The data that a search sees


def poisoned(places: Places, to: Path, part: slice, seeds_from: int) -> Places:
    """Return places whose blobs are noise in a part of split 0, and whose other splits take one point over and over."""
    source = prepared.read(places.data / "blobs")
    x, orders = np.array(source.arrays["x"]), np.array(source.arrays["orders"])
    noise = np.random.default_rng(1).integers(0, 256, x.shape).astype(np.uint8)
    for one, order in enumerate(orders[0]):
        x[one, order[part]] = noise[one, order[part]]
    orders[seeds_from:] = 0
    prepared.write(to / "data" / "blobs", {"x": x, "orders": orders}, source.about)
    return Places(to / "data", to / "ledger", to / "index.sqlite", to / "work")


def searched(places: Places) -> list[tuple[Any, ...]]:
    """Return the trials of a search, each of them measured in these places."""
    trials = told(conducted(subject_of(), places, partial(execute, places=places)))
    assert len(Ledger.of(places).entries()) == len(trials) == 2
    return trials


def test_a_search_sees_neither_test_data_nor_another_split(places: Places, tmp_path: Path) -> None:
    clean = searched(places)
    assert searched(poisoned(places, tmp_path / "test", TEST, 1)) == clean
    assert searched(poisoned(places, tmp_path / "validation", VALIDATION, 2)) != clean


def test_a_trial_offers_no_way_to_other_data() -> None:
    assert list(inspect.signature(Subject.cell).parameters) == ["self", "numbers"]
    assert not {"seed", "seeds", "evaluation"} & inspect.signature(searches.subjects).parameters.keys()
    cell = subject_of().cell({"strength": 2.0, "training.learning_rate": 0.02})
    assert (cell.seed, cell.evaluation) == (0, "validation")
    assert (cell.method_params["strength"], cell.training.learning_rate) == (2.0, 0.02)


# Budget and best


def erratic(cell: Cell) -> Measurement:
    """Diverge at every learning rate above 0.01."""
    if cell.training.learning_rate > 0.01:
        raise Diverged("task 1 · train: the loss is nan at step 3; lower training.learning_rate or the strengths")
    return by_rate(cell)


def test_every_method_has_the_same_budget(places: Places) -> None:
    for subject in searches.subjects(plan_of(trials=3, spaces=dict.fromkeys(("l2", "joint", "den"), RATE)), "blobs"):
        conducted(subject, places, erratic if subject.method == "l2" else by_rate)
        assert studies.result_of(subject, places).trials == 3


def test_a_trial_that_diverged_counts_and_says_why(places: Places) -> None:
    trials = conducted(subject_of(trials=6), places, erratic)
    failed = [trial for trial in trials if trial.state == TrialState.FAIL]
    assert len(trials) == 6
    assert failed
    assert len(failed) < 6
    assert all("the loss is nan" in trial.user_attrs["reason"] for trial in failed)


def test_the_first_trial_has_todays_numbers_and_ignores_what_was_chosen(places: Places) -> None:
    subject = subject_of()
    assert conducted(subject, places, by_rate)[0].user_attrs["numbers"] == subject.present()
    assert subject.present()["training.learning_rate"] == 0.01


def test_the_best_trial_is_within_the_capacity_limit(places: Places) -> None:
    subject = subject_of(trials=12, capacity={"l2": 1.8})
    trials = conducted(subject, places, by_rate)
    highest = max(trials, key=lambda trial: trial.value)
    best = studies.result_of(subject, places).trial
    assert highest.user_attrs["capacity"] > 1.8
    within = [trial for trial in trials if trial.user_attrs["capacity"] <= 1.8]
    assert best.value == max(trial.value for trial in within) < highest.value
    assert all((trial.constraints[studies.EXCESS] > 0) == (trial not in within) for trial in trials)


def test_a_trial_that_outgrew_the_limit_counts_and_is_told_apart(places: Places) -> None:
    def outgrown(cell: Cell) -> Measurement:
        raise study_trials.TooLarge(2.5, 2.0, 3)

    trials = conducted(subject_of(trials=3), places, outgrown)
    assert [trial.state for trial in trials] == [TrialState.PRUNED] * 3
    assert trials[0].user_attrs["reason"] == "capacity 2.50 after task 3, above the limit of 2"
    assert trials[0].constraints == {studies.EXCESS: 0.5}
    assert studies.result_of(subject_of(trials=3), places).trial is None


def test_no_numbers_are_tried_twice(places: Places) -> None:
    epochs = {"training.epochs": {"low": 4, "high": 9, "integer": True}}
    trials = conducted(subject_of(trials=6, spaces={"l2": epochs}), places, made_up)
    assert sorted(numbers["training.epochs"] for numbers, _ in told(trials)) == [4, 5, 6, 7, 8, 9]


def test_a_space_with_fewer_settings_than_trials_is_refused(places: Places, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study_trials, "DRAWS", 5)
    epochs = {"training.epochs": {"low": 4, "high": 5, "integer": True}}
    with pytest.raises(SettingsError, match=r"search\.blobs\.spaces\.l2: too small for 3 different trials"):
        conducted(subject_of(trials=3, spaces={"l2": epochs}), places, made_up)


def test_a_score_that_is_no_number_ends_the_search(places: Places) -> None:
    with pytest.raises(CellFailed, match="no validation AUROC"):
        conducted(subject_of(), places, partial(made_up, score=None))


# Successive halving and rungs


def by_task(cell: Cell, follow: study_trials.Follow) -> Measurement:
    """Learn eight tasks at a score that is best at one learning rate, and report it after each but the last."""
    measured = by_rate(cell)
    score = 1 - abs(cell.training.learning_rate - 0.01)
    steps = [Step(task, "train") for task in range(1, 9)]
    study_trials.take(steps, lambda step: {"measures": [], "auroc": [score] * step.task}, follow)
    return measured


def stopped_after(trial: Any) -> int:
    """Return the number of tasks that a trial has learned."""
    return max(trial.intermediate_values)


def test_the_worse_half_stops_after_some_tasks_and_again_after_twice_as_many(places: Places) -> None:
    trials = followed(subject_of(trials=24, halve_after=2), places, by_task)
    assert len(trials) == 24
    assert {stopped_after(trial) for trial in trials} <= {2, 4, 7}
    for tasks in (2, 4):
        reached = [trial for trial in trials if stopped_after(trial) >= tasks]
        on = [trial for trial in reached if stopped_after(trial) > tasks]
        assert 1 <= len(on) < len(reached)
        assert max(reached, key=lambda trial: trial.intermediate_values[tasks]) in on
    halted = next(trial for trial in trials if trial.state == TrialState.PRUNED)
    assert "is among the worse half" in halted.user_attrs["reason"]
    assert studies.result_of(subject_of(trials=24, halve_after=2), places).trials == 24


def test_networks_above_the_limit_do_not_end_the_others(places: Places) -> None:
    sizes = iter(range(8))

    def large_ones_score_higher(cell: Cell, follow: study_trials.Follow) -> Measurement:
        large = next(sizes) < 4
        follow(2, {"measures": [], "auroc": [0.9 if large else 0.8, 0.9 if large else 0.8]})
        if large:
            raise study_trials.TooLarge(2.5, 2.0, 3)
        return by_rate(cell)

    trials = followed(subject_of(trials=8, halve_after=2), places, large_ones_score_higher)
    assert [trial.state for trial in trials] == [TrialState.PRUNED] * 4 + [TrialState.COMPLETE] * 4


def test_a_finished_trial_is_never_given_up(places: Places) -> None:
    """joint has its first scores after the last task, by when half of the trials would be hopeless."""

    def at_the_end(cell: Cell, follow: study_trials.Follow) -> Measurement:
        measured = by_rate(cell)
        grown = {"measure": measures.CAPACITY, "value": measured.totals[measures.CAPACITY]}
        results = [
            {"measures": [], "auroc": [math.nan]},
            {"measures": [grown], "auroc": [measured.values()["auroc"]["average"]]},
        ]
        steps = [Step(task, "evaluate") for task in (1, 2)]
        study_trials.take(steps, lambda step: results[step.task - 1], follow)
        return measured

    trials = followed(subject_of(trials=8, halve_after=1, capacity={"l2": 1.8}), places, at_the_end)
    assert [trial.state for trial in trials] == [TrialState.COMPLETE] * 8
    assert any(trial.constraints[studies.EXCESS] > 0 for trial in trials)


def test_a_method_without_scores_along_the_way_runs_in_full(places: Places) -> None:
    def silent(cell: Cell, follow: study_trials.Follow) -> Measurement:
        follow(2, {"measures": [], "auroc": [math.nan, math.nan]})
        return by_rate(cell)

    trials = followed(subject_of(trials=6, halve_after=1), places, silent)
    assert all(trial.state == TrialState.COMPLETE for trial in trials)


RUNGS = [{"best": 4, "set": {"training.epochs": 8}}, {"best": 2, "methods": ["l2"], "set": {"training.batch_size": 10}}]


def climb(subject: Subject, places: Places) -> None:
    if subject.below:
        climb(subject.below, places)
    conducted(subject, places, by_rate)


def test_a_rung_runs_the_best_of_the_one_below_with_its_settings(places: Places) -> None:
    top = subject_of(trials=8, rungs=RUNGS)
    middle = top.below
    climb(top, places)
    first, second, third = (told(conducted(subject, places, by_rate)) for subject in (middle.below, middle, top))
    best = sorted(first, key=lambda trial: -trial[1])
    assert (len(first), second, third) == (8, best[:4], best[:2])
    assert top.cell({}).training.epochs == 8
    assert (middle.below.cell({}).training.epochs, middle.cell({}).training.batch_size) == (6, 20)
    assert top.cell({}).training.batch_size == 10


def test_a_rung_begins_after_the_one_below(places: Places) -> None:
    with pytest.raises(SettingsError, match=r"blobs · l2 · rung 2: 2 trials are missing"):
        conducted(subject_of(rungs=RUNGS), places, by_rate)


def test_a_rung_takes_no_more_than_are_within_the_limit(places: Places) -> None:
    top = subject_of(trials=8, rungs=[{"best": 8, "set": {"training.epochs": 8}}], capacity={"l2": 1.8})
    climb(top, places)
    assert 0 < studies.result_of(top, places).trials < 8
    assert studies.result_of(top, places).lacking == 0


def test_a_rung_with_more_tasks_has_a_limit_of_its_own(places: Places) -> None:
    top = subject_of(rungs=[{"best": 2, "capacity": {"l2": 2.5}, "set": {}}], capacity={"l2": 1.8, "ewc": 1.1})
    assert (top.below.limit, top.limit) == (1.8, 2.5)
    assert replace(top, climbed=(*top.climbed, searches.Rung(best=1, set={}))).limit == 2.5
    assert replace(top, method="ewc").limit == 1.1
    same = subject_of(rungs=[{"best": 2, "set": {}}], capacity={"l2": 1.8})
    assert same.limit == 1.8
    assert same.below.identity(places) == top.below.identity(places)
    assert same.identity(places) != top.identity(places)


def test_a_setting_that_a_rung_replaces_is_checked_below_it() -> None:
    with pytest.raises(SettingsError, match=r"training\.epochs: .*integer"):
        searches.subjects(plan_of(set={"training.epochs": "many"}, rungs=RUNGS), "blobs")


def test_a_method_climbs_only_its_own_rungs() -> None:
    (ewc,) = searches.subjects(plan_of(spaces={"ewc": RATE}, rungs=RUNGS), "blobs")
    assert [rung.best for rung in ewc.climbed] == [4]


# Going on


class Killed:
    """Learns until the trial of a number, which is interrupted; keeps what it was asked."""

    def __init__(self, at: int, failure: BaseException) -> None:
        self.at, self.failure, self.asked = at, failure, []

    def __call__(self, cell: Cell) -> Measurement:
        self.asked.append((cell.training.learning_rate, cell.method_params["strength"]))
        if len(self.asked) == self.at:
            raise self.failure
        return by_rate(cell)


def test_an_interrupted_study_goes_on_as_if_nothing_had_happened(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = subject_of(trials=12)  # the sampler learns from the eleventh on
    whole = conducted(subject, places, by_rate)
    monkeypatch.setattr(studies, "STUDIES", Path("interrupted"))
    first, second = Killed(11, KeyboardInterrupt()), Killed(0, KeyboardInterrupt())
    with pytest.raises(KeyboardInterrupt):
        conducted(subject, places, first)
    assert told(conducted(subject, places, second)) == told(whole)
    assert second.asked[0] == first.asked[-1]
    assert len(second.asked) == 2


def test_a_trial_whose_process_died_is_run_again(places: Places) -> None:
    dead = Killed(2, CellFailed("task 1 · train: its process ended with code -9; see .den/work/logs"))
    with pytest.raises(CellFailed):
        conducted(subject_of(), places, dead)
    again = Killed(0, KeyboardInterrupt())
    assert len(told(conducted(subject_of(), places, again))) == 2
    assert again.asked == dead.asked[1:]


def test_a_study_that_is_finished_runs_nothing(places: Places) -> None:
    conducted(subject_of(), places, by_rate)
    again = Killed(1, AssertionError("ran again"))
    assert len(conducted(subject_of(), places, again)) == 2


def test_dying_while_trials_are_revived_makes_no_duplicate(places: Places) -> None:
    subject = subject_of(trials=3)
    with pytest.raises(KeyboardInterrupt):
        conducted(subject, places, Killed(2, KeyboardInterrupt()))
    with studies.opened(subject, places) as study:
        (waiting,) = study.get_trials(states=(TrialState.WAITING,))
        study.ask()  # and dies at once, before a number was drawn
    with studies.opened(subject, places) as study:
        assert [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=(TrialState.WAITING,))] == [
            waiting.system_attrs["fixed_params"]
        ]


def test_half_a_line_is_mended(places: Places) -> None:
    subject = subject_of()
    before = told(conducted(subject, places, by_rate))
    path = studies.path_of(subject, places)
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code":6,"wor')
    assert told(conducted(subject, places, by_rate)) == before
    assert path.read_bytes() == whole


def test_a_study_is_lines_of_json_and_reading_leaves_it_alone(places: Places) -> None:
    subject = subject_of()
    conducted(subject, places, by_rate)
    path = studies.path_of(subject, places)
    before = path.read_bytes()
    assert all(isinstance(json.loads(line), dict) for line in before.splitlines())
    studies.result_of(subject, places)
    assert path.read_bytes() == before
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_one_process_at_a_time_has_a_study(places: Places) -> None:
    with studies.opened(subject_of(), places), pytest.raises(Busy, match=r"blobs · l2 is being searched"):
        conducted(subject_of(), places, by_rate)


def test_a_study_keeps_what_its_trial_measured(places: Places) -> None:
    measured: list[Measurement] = []

    def learn(cell: Cell) -> Measurement:
        measured.append(execute(cell, places))
        return measured[-1]

    trials = conducted(subject_of(), places, learn)
    assert [trial.user_attrs["cell"] for trial in trials] == [one.key for one in measured]
    for trial, one in zip(trials, measured, strict=True):
        assert trial.value == trial.user_attrs["auroc"] == one.values()["auroc"]["average"]
        assert trial.user_attrs["forgetting"] == one.values()["auroc"]["forgetting"]
        assert trial.user_attrs["capacity"] == one.totals[measures.CAPACITY]
        assert trial.user_attrs["seconds"] == one.train_seconds > 0
        assert one.settings["evaluation"] == "validation"


def test_the_identity_of_a_study_is_that_of_all_it_holds_fixed(places: Places) -> None:
    known = subject_of().identity(places)
    assert subject_of(trials=9).identity(places) == known
    assert subject_of(seed=1).identity(places) != known
    assert subject_of(capacity={"l2": 2.0}).identity(places) != known
    assert subject_of(set={"training.batch_size": 10}).identity(places) != known
    assert subject_of(spaces={"l2": RATE}).identity(places) != known


@pytest.mark.parametrize(
    ("method", "known"), [("l2", "6b1878a6d5fc650b"), ("ewc", "6d00d5463510e3ca"), ("den", "abec2ecad705760a")]
)
def test_settings_that_are_added_later_change_no_study(method: str, known: str, places: Places) -> None:
    space = RATE | STRENGTH if method == "l2" else RATE
    assert subject_of(method, spaces={method: space}).identity(places) == known


# Refusals


@pytest.mark.parametrize("by", ["streams", "search"])
def test_a_search_without_validation_data_is_refused_before_it_begins(by: str) -> None:
    block = {"trials": 2, "spaces": {"l2": STRENGTH}}
    if by == "search":
        block["set"] = {"streams.split_mnist.validation_images": 0}
    given = {"streams": {"split_mnist": {"validation_images": 0}} if by == "streams" else {}}
    plan = Plan(read(File, content() | given | {"search": {"split_mnist": block}}, "params.yaml"), {})
    with pytest.raises(SettingsError, match=r"^streams\.split_mnist\.validation_images: 0 leaves nothing"):
        searches.subjects(plan, "split_mnist")


@pytest.mark.parametrize(
    ("search", "said"),
    [
        (
            {"spaces": {"l2": {"strenght": {"low": 1.0, "high": 2.0}}}},
            r"search\.blobs\.spaces\.l2\.strenght: .*allowed here",
        ),
        (
            {"spaces": {"l2": {"training.rate": {"low": 1.0, "high": 2.0}}}},
            r"search\.blobs\.spaces\.l2\.training\.rate: ",
        ),
        (
            {"spaces": {"l2": {"strength": {"low": -1.0, "high": 2.0, "log": False}}}},
            r"search\.blobs\.spaces\.l2\.strength: ",
        ),
        (
            {"spaces": {"l2": {"strength": {"low": 2.0, "high": 2.0}}}},
            r"search\.blobs\.spaces\.l2\.strength: .*must be below",
        ),
        (
            {"spaces": {"l2": {"strength": {"low": 0.0, "high": 2.0}}}},
            r"search\.blobs\.spaces\.l2\.strength: .*above zero",
        ),
        ({"spaces": {"l2": {"training.epochs": {"low": 1.5, "high": 3.0, "integer": True}}}}, "ends in integers"),
        ({"spaces": {"l2": {}}}, r"search\.blobs\.spaces: l2 is missing"),
        ({"spaces": {"ewc": RATE}}, r"search\.blobs\.spaces: l2 is missing"),
        ({"spaces": {"nonesuch": RATE}}, r"search\.blobs\.spaces\.nonesuch: .*there are finetune"),
        ({"capacity": {"nonesuch": 2.0}}, r"search\.blobs\.capacity\.nonesuch: "),
        ({"rungs": [{"best": 1, "capacity": {"l3": 2.0}, "set": {}}]}, r"search\.blobs\.rungs\.0\.capacity: "),
        (
            {"rungs": [{"best": 1, "methods": ["l2"], "capacity": {"ewc": 2.0}, "set": {}}]},
            r"search\.blobs\.rungs\.0\.capacity: 'ewc' is unknown; there are l2",
        ),
        (
            {"capacity": {"l2": 3.0}, "rungs": [{"best": 1, "capacity": {"l2": 2.0}, "set": {}}]},
            r"search\.blobs\.rungs\.0\.capacity\.l2: 2 is less than the limit before, 3",
        ),
        (
            {"rungs": [{"best": 1, "capacity": {"l2": 2.0}, "set": {}}]},
            r"search\.blobs\.rungs\.0\.capacity\.l2: there is no limit before this rung; .*: set a limit there, too",
        ),
        ({"trials": 0}, r"search\.blobs\.trials: "),
        ({"trails": 3}, r"search\.blobs\.trails: unknown key"),
    ],
)
def test_a_wrong_search_block_is_refused_with_its_key(search: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        searches.subjects(plan_of(**search), "blobs", ["l2"])


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "--stream NAME"),
        (["--stream", "nonesuch"], "there are mnist_variation"),
        (["--stream", "blobs", "--method", "nonesuch"], "there are finetune"),
        (["--stream", "blobs", "--method", "ewc"], "search.blobs.spaces: ewc is missing"),
        (["--stream", "blobs", "--trials", "0"], "--trials"),
    ],
)
def test_the_command_refuses_in_one_line(words: list[str], said: str, here: Path) -> None:
    (here / "params.yaml").write_text(yaml.safe_dump(content()))
    answer = CliRunner().invoke(main, ["search", *words])
    assert answer.exit_code == 2
    (line,) = answer.stderr.splitlines()
    assert line.startswith("den: ")
    assert said in line


def test_no_search_block_is_refused() -> None:
    plan = plan_of()
    with pytest.raises(SettingsError, match="no such block"):
        searches.subjects(replace(plan, file=plan.file.model_copy(update={"search": {}})), "blobs")


@pytest.mark.parametrize(("integer", "value", "inside"), [(False, 9.5, 3.0), (True, 2.4, 2), (False, 0.1, 1.0)])
def test_a_range_clips(integer: bool, value: float, inside: float) -> None:
    assert Range(low=1.0, high=3.0, integer=integer).clip(value) == inside


# Writing


def lines_without(text: str, block: str) -> list[str]:
    """Return the lines of a params file but for one block of the top level."""
    kept, inside = [], False
    for line in text.splitlines():
        inside = line.startswith(f"{block}:") or inside and (not line or line[0] == " ")
        kept += [] if inside else [line]
    return kept


def test_writing_leaves_the_rest_of_the_file_alone(places: Places) -> None:
    subject = subject_of()
    conducted(subject, places, by_rate)
    before = (ROOT / "params.yaml").read_text()
    after = chosen_numbers.with_chosen(before, [studies.result_of(subject, places)])
    assert lines_without(after, "chosen") == lines_without(before, "chosen")
    chosen = yaml.safe_load(after)["chosen"]
    assert chosen.pop("blobs").keys() == {"l2"}
    assert chosen == (yaml.safe_load(before).get("chosen") or {})


@pytest.mark.parametrize("value", [1e-5, 3.0e-4, 0.02, 1200.0, 1e16, 7])
def test_numbers_are_written_as_they_were_tried(value: float, places: Places) -> None:
    subject = subject_of()
    trials = conducted(subject, places, by_rate)
    trials[0].user_attrs["numbers"] = {"strength": value}
    end = studies.StudyResult(subject, "12e4567890123456", 2, 0, trials[0])
    text = chosen_numbers.with_chosen("suites: {} # none\n", [end])
    entry = yaml_files.parsed(text, yaml_files.FILE)["chosen"]["blobs"]["l2"]
    assert entry == {"study": "12e4567890123456", "numbers": {"strength": value}}
    assert type(entry["numbers"]["strength"]) is type(value)
    assert yaml.safe_load(text)["chosen"]["blobs"]["l2"] == entry  # to a reader of YAML 1.1, too
    assert chosen_numbers.with_chosen(text, [end]) == text


def test_other_writers_of_yaml_keep_their_numbers() -> None:
    chosen_numbers.with_chosen("suites: {} # none\n", [])
    written = StringIO()
    YAML().dump([3e-06], written)
    assert written.getvalue() == "- 3e-06\n"


def test_the_command_writes_finished_studies_alone(here: Path, blobs_folder: Path) -> None:
    places = Places(blobs_folder)
    spaces = {"l2": STRENGTH, "ewc": STRENGTH, "joint": RATE}
    (here / "params.yaml").write_text(
        "# ours\n" + yaml.safe_dump(content(spaces=spaces, capacity={"joint": 0.5}), sort_keys=False)
    )
    (here / "data").mkdir()
    (here / "data/streams").symlink_to(blobs_folder)
    for subject in searches.subjects(suites.load(), "blobs"):
        one_more = replace(subject, search=subject.search.model_copy(update={"trials": 3}))
        conducted(one_more if subject.method == "ewc" else subject, places, by_rate)
    answer = CliRunner().invoke(main, ["search", "--write"])
    written, more, none = answer.output.splitlines()
    assert "written" in written
    assert "it has 3 different trials, not 2" in more
    assert "no trial is within the capacity limit" in none
    text = (here / "params.yaml").read_text()
    assert text.startswith("# ours\n")
    assert list(yaml.safe_load(text)["chosen"]["blobs"]) == ["l2"]


def test_a_study_with_an_interrupted_trial_is_not_finished(places: Places) -> None:
    subject = subject_of()
    with studies.opened(subject, places) as study:
        study_trials.attempt(study, subject, study_trials.ask(study, subject), lambda cell, follow: by_rate(cell))
        study_trials.ask(study, subject)
        assert len(studies.tried(study)) == subject.budget == 2
        end = studies.result_of(subject, places)
    assert (end.trials, end.lacking) == (1, 1)


def test_writing_without_studies_says_so(here: Path) -> None:
    (here / "params.yaml").write_text(yaml.safe_dump(content()))
    assert "den search --stream" in CliRunner().invoke(main, ["search", "--write"]).output


def test_chosen_numbers_are_the_best_of_the_study_they_name() -> None:
    chosen = yaml.safe_load((ROOT / "params.yaml").read_text()).get("chosen") or {}
    own = [(stream, name, one) for stream, block in chosen.items() for name, one in block.items() if "study" in one]
    if not own:
        pytest.skip("params.yaml has no chosen numbers")
    budgets = {}
    for stream, method, entry in own:
        study = studies.read(ROOT / studies.STUDIES / stream / method / f"{entry['study']}.jsonl")
        best = studies.best(study)
        assert best is not None
        assert entry["numbers"] == best.user_attrs["numbers"]
        budgets.setdefault(stream, set()).add(studies.ended(study))
    assert all(len(trials) == 1 for trials in budgets.values())


def test_the_search_blocks_of_params_yaml_are_accepted() -> None:
    plan = suites.load(ROOT / "params.yaml")
    for stream in plan.file.search:
        assert searches.subjects(plan, stream)


# The flow


@pytest.mark.slow
def test_the_flow_searches_and_goes_on(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params.pop("chosen", None)
    smoke = params["suites"]["smoke"]["set"]
    wild = {"training.learning_rate": {"low": 1.0e-3, "high": 1.0e9}}
    search = {
        "trials": 3,
        "set": smoke,
        "spaces": {"l2": wild, "finetune": RATE, "ewc": RATE},
        "capacity": {"ewc": 0.5},
    }
    (project / "params.yaml").write_text(yaml.safe_dump(params | {"search": {"blobs": search}}))
    first = den(project, "search", "--stream", "blobs", "--slots", "2")
    assert first.returncode == 0, first.stderr
    for number in (1, 2, 3):
        assert f"finetune · trial {number} of 3: AUROC" in first.stderr
    assert "of 3: given up: task 1 · train: the loss is" in first.stderr
    assert "ewc · trial 3 of 3: given up: capacity 0.90 after task 1, above the limit of 0.5" in first.stderr
    assert "Traceback" not in first.stderr
    with sqlite3.connect(project / ".prefect/prefect.db") as connection:
        flows = dict(connection.execute("select name, state_type from flow_run").fetchall())
        stages = dict(connection.execute("select name, state_type from task_run").fetchall())
    assert flows["blobs"] == flows["finetune · trial 3"] == "COMPLETED"
    assert stages["task 3 · evaluation"] == "COMPLETED"
    trials = Ledger(project / ".den/search/ledger", project / ".den/search/index.sqlite").entries()
    assert {entry.evaluation for entry in trials} == {"validation"}
    assert sum(entry.method == "finetune" for entry in trials) == 3
    assert not (project / ".den/ledger").exists()
    again = den(project, "search", "--stream", "blobs")
    assert again.returncode == 0, again.stderr
    assert "trial" not in again.stderr
    assert again.stdout == first.stdout
