"""Estimators: the benchmark's own numbers, from arrays of one's own; what they keep, refuse and leave alone."""

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from small import same_tensors
from torch.utils.data import TensorDataset

import den
from den import harness
from den.checkpoints import Damaged
from den.config import Network, Training
from den.estimators import ESTIMATORS, Estimator, TaskReport, reports
from den.methods import METHODS
from den.methods.base import Problem
from den.streams import tables
from den.tasks import Stream
from den.training import Diverged

SMALL: dict[str, Any] = {"hidden": (8, 6), "epochs": 4, "batch_size": 16, "minimum_steps": 0, "learning_rate": 0.01}
NETWORK, TRAINING = Network(widths=(8, 6)), Training(epochs=4, batch_size=16, learning_rate=0.01)
TASKS = 3
TUNED = {("ewc", "strength"): 10.0}  # docs/decisions/0067
LEFT_OUT = {"joint": {"every_task", "steps"}}  # an estimator's task is always the last one so far
EXPECTED_FAILURES = {
    "check_fit_score_takes_y": "partial_fit learns a new task, and refuses the classes that fit has learned",
    "check_supervised_y_2d": "a column of labels is refused, not flattened under a warning",
}
OF_PROCESSORS = {
    "check_methods_sample_order_invariance": "on some processors the last bit of a float32 score depends on its row"
}
pytestmark = pytest.mark.filterwarnings("ignore::den.GrowthWarning")
OF_QUIRKS = {"check_estimators_pickle": "pickle cannot name a class of departures that is made on request; save can"}
FAST = ("ewc", "joint", "den")
every_method = pytest.mark.parametrize(
    "name", [pytest.param(name, marks=() if name in FAST else pytest.mark.slow) for name in ESTIMATORS]
)


def stream() -> Stream:
    """Return three tasks of two classes, of a random table."""
    generator = np.random.default_rng(0)
    y = np.repeat(np.arange(2 * TASKS), 30)
    return tables.build(tables.Params(), generator.normal(size=(6, 12))[y] + generator.normal(size=(len(y), 12)), y, 0)


def raw(task: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a task's training features before they are standardised, and its labels 2 task, 2 task + 1."""
    train = stream().tasks[task].train
    return train.x.numpy(), train.y.numpy().argmax(axis=1) + 2 * task


def small(name: str = "den", **params: Any) -> Estimator:
    """Return a small estimator; DEN-Finetune learns all three tasks."""
    number = {"tasks": TASKS} if name == "den_finetune" else {}
    return ESTIMATORS[name](**{**SMALL, **number, **params})


def trained(name: str = "den", tasks: int = TASKS, **params: Any) -> Estimator:
    """Return a small estimator that has learned some tasks."""
    model = small(name, **params)
    for task in range(tasks):
        model.learn(*raw(task))
    return model


def learned_by(model: Estimator) -> Any:
    assert model._learned is not None
    return model._learned.method


def answers(model: Estimator) -> list[np.ndarray]:
    """Return the scores of all tasks learned."""
    return [model.predict_proba(raw(0)[0], task) for task in range(1, model.tasks_ + 1)]


def same(these: list[np.ndarray], those: list[np.ndarray]) -> bool:
    return all(np.array_equal(*pair) for pair in zip(these, those, strict=True))


def test_every_method_is_an_estimator_with_its_own_parameters() -> None:
    assert ESTIMATORS.keys() <= METHODS.keys()  # a method of one's own may have none
    for name, kind in ESTIMATORS.items():
        accepted = METHODS[name].accepts
        defaults = {parameter.name: parameter.default for parameter in fields(kind)}
        assert accepted.model_fields.keys() - defaults.keys() == LEFT_OUT.get(name, set())
        assert kind.kind is METHODS[name] and getattr(den, kind.__name__) is kind
        for key, value in accepted().model_dump().items():
            if key not in LEFT_OUT.get(name, set()):
                assert defaults[key] == TUNED.get((name, key), value), (name, key)


@every_method
def test_an_estimator_has_the_bits_of_the_harness(name: str) -> None:
    data, model = stream(), trained(name)
    problem = Problem(data.shape, data.classes, len(data), NETWORK, TRAINING, seed=0)
    method = harness.untrained(METHODS[name], model.check().method, problem)
    result = harness.run(method, data, seed=0)
    assert same_tensors(method, learned_by(model))
    capacity = next(row["value"] for row in reversed(result.measures) if row["measure"] == "capacity")
    assert model.capacity_ == capacity
    for task, test in enumerate(data.tests):
        scores = harness.predict(method, test, task)
        expected = 2 * task + scores.argmax(dim=1).numpy()
        assert np.array_equal(model.predict(test.x.numpy(), task + 1), expected)
        share = (expected - 2 * task == test.y.argmax(dim=1).numpy()).mean()
        assert model.score(test.x, test.y.argmax(dim=1) + 2 * task, task + 1) == share


@every_method
def test_a_saved_network_answers_and_learns_on_with_the_same_bits(name: str, tmp_path: Path) -> None:
    model, kind = trained(name, tasks=2), ESTIMATORS[name]
    model.save(tmp_path / "net.safetensors")
    loaded = kind.load(tmp_path / "net.safetensors")
    assert same(answers(loaded), answers(model))
    assert (loaded.report_, repr(loaded)) == (model.report_, repr(model))
    assert [labels.tolist() for labels in loaded.task_classes_] == [[0, 1], [2, 3]]
    if kind.replays:
        with pytest.raises(ValueError, match="data of all tasks"):
            loaded.learn(*raw(2))
    else:
        assert same(answers(loaded.learn(*raw(2))), answers(model.learn(*raw(2))))


def test_a_file_of_another_class_or_with_another_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    trained("ewc", tasks=1).save(path)
    with pytest.raises(Damaged, match="the estimator EWC, not to the estimator DEN"):
        den.DEN.load(path)
    path.write_bytes(path.read_bytes()[:-1] + b"?")
    with pytest.raises(Damaged, match="not what was written"):
        den.EWC.load(path)


@pytest.mark.parametrize(
    "of",
    [
        lambda X, y: (X.tolist(), y.tolist()),
        lambda X, y: (pd.DataFrame(X), pd.Series(y)),
        lambda X, y: (torch.from_numpy(X), torch.from_numpy(y)),
        lambda X, y: (TensorDataset(torch.from_numpy(X), torch.from_numpy(y)),),
        lambda X, y: (X.astype(object), y.astype(float)),
        lambda X, y: (X.astype(np.float64)[::-1][::-1], y.astype(object)),
    ],
    ids=["lists", "data frame", "tensors", "data set", "objects", "strides"],
)
def test_any_container_gives_the_same_bits(of: Callable[..., tuple[Any, ...]]) -> None:
    X, y = raw(0)
    given = of(X, y)
    model = small("finetune").learn(*given)
    assert same(answers(model), answers(trained("finetune", tasks=1)))
    assert model.score(*given, task=1) == trained("finetune", tasks=1).score(X, y)
    assert np.array_equal(model.predict(given[0]), model.predict(X))


def test_labels_are_only_names() -> None:
    X, y = raw(0)
    strings = small("finetune").learn(X, np.array(["low", "up"])[y])
    assert same(answers(strings), answers(trained("finetune", tasks=1)))
    assert set(strings.predict(X)) == {"low", "up"} and strings.classes_.tolist() == ["low", "up"]


def test_images_are_read_by_convolutions_and_saved(tmp_path: Path) -> None:
    y = np.arange(40) % 2
    images = np.random.default_rng(0).integers(0, 255, (40, 3, 8, 8), np.uint8) // (1 + y[:, None, None, None])
    model = small(hidden=(6,), convolutions=[{"channels": 4, "kernel": 3}, den.Convolution(channels=4)], init="he")
    model.learn(images, y).learn(images[::-1].copy(), y)
    model.save(tmp_path / "net.safetensors")
    loaded = den.DEN.load(tmp_path / "net.safetensors")
    assert np.array_equal(loaded.predict_proba(images, 2), model.predict_proba(images, 2))
    assert len(model.units_) == 3
    with pytest.raises(ValueError, match=r"\(3, 7, 7\); DEN learned \(3, 8, 8\)"):
        model.predict(images[:, :, 1:, 1:])


def test_answers_are_consistent() -> None:
    model = trained()
    X, _ = raw(1)
    p = model.predict_proba(X, task=2)
    assert p.shape == (len(X), 2) and np.allclose(p.sum(axis=1), 1)
    assert np.array_equal(model.predict(X, task=2), np.array([2, 3])[p.argmax(axis=1)])
    assert np.array_equal(model.decision_function(X, task=2) > 0, p[:, 1] > p[:, 0])
    report = model.report_[-1]
    assert (model.capacity_, model.units_, model.tasks_) == (report.capacity, report.units, TASKS)
    assert report.units == tuple(
        w + n + s for w, n, s in zip(model.report_[-2].units, report.new_units, report.split_units, strict=True)
    )


def test_fit_starts_anew_and_gives_the_same_bits_every_time() -> None:
    model, fresh = trained(), small().fit(*raw(1))
    assert model.fit(*raw(1)).tasks_ == 1
    assert same(answers(model), answers(fresh))


def test_partial_fit_learns_tasks_of_new_classes_alone() -> None:
    model = small("ewc").partial_fit(*raw(0)).partial_fit(*raw(1), classes=[2, 3, 9])
    assert [labels.tolist() for labels in model.task_classes_] == [[0, 1], [2, 3, 9]]
    with pytest.raises(ValueError, match="collect its batches first, or call learn"):
        model.partial_fit(*raw(0))
    assert model.learn(*raw(0)).tasks_ == 3


def test_a_task_that_fails_leaves_the_estimator_as_it_was() -> None:
    model = trained("joint", tasks=2, standardise=False)
    before = answers(model)
    X, y = raw(2)
    with pytest.raises(Diverged):
        model.learn(1e20 * X, y)
    assert model.tasks_ == 2 and same(answers(model), before)
    assert same(answers(model.learn(X, y)), answers(trained("joint", standardise=False)))


X, Y = raw(0)
BAD = {
    "NaN": (np.where(np.arange(12) == 3, np.nan, X), Y, ValueError, "NaN"),
    "text": (np.full((4, 2), "a"), [0, 1, 0, 1], ValueError, "not numbers"),
    "one dimension": (X[0], Y[:12], ValueError, "Reshape your data"),
    "other features": (X[:, 1:], Y, ValueError, "11 features, but DEN is expecting 12"),
    "no examples": (X[:0], Y[:0], ValueError, "0 examples"),
    "labels missing": (X, None, ValueError, "requires y"),
    "labels too few": (X, Y[1:], ValueError, "35 labels"),
    "labels with fractions": (X, Y + 0.5, ValueError, "Unknown label type"),
    "labels of two types": (X, np.array(["a", *Y[1:]], dtype=object), ValueError, "Unknown label type: object"),
    "one class": (X, 0 * Y, ValueError, "1 class"),
    "a data set and labels": (TensorDataset(torch.from_numpy(X)), Y, ValueError, "leave y out"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_data_is_refused(case: str) -> None:
    features, labels, error, message = BAD[case]
    model = trained(tasks=1)
    with pytest.raises(error, match=message):
        model.learn(features, labels)
    assert model.tasks_ == 1


@pytest.mark.parametrize(("labels", "others"), [(Y, Y.astype(str)), (Y.astype(str), Y)])
def test_text_and_numbers_are_no_labels_of_one_task(labels: np.ndarray, others: np.ndarray) -> None:
    kinds = ["text" if column.dtype.kind == "U" else "numbers" for column in (labels, others)]
    with pytest.raises(ValueError, match=f"labels are {kinds[0]}, and those of the argument classes are {kinds[1]}"):
        small().learn(X, labels, classes=np.unique(others))
    model = small().learn(X, others)
    for call in (model.score, model.partial_fit):
        with pytest.raises(ValueError, match=f"labels are {kinds[0]}, and those of task 1 are {kinds[1]}"):
            call(X, labels)
    assert model.tasks_ == 1


def test_questions_that_have_no_answer_are_refused() -> None:
    model = trained(tasks=2)
    for call in (model.predict, model.predict_proba, model.decision_function):
        for task in (0, 3):
            with pytest.raises(ValueError, match=f"task {task} is unknown; tasks 1 to 2"):
                call(X, task)
    with pytest.raises(ValueError, match="labels that task 2 does not: 0, 1; it has 2, 3"):
        model.score(X, Y, task=2)
    named = small().learn(pd.DataFrame(X).add_prefix("x"), Y)
    assert named.feature_names_in_[3] == "x3"
    with pytest.raises(ValueError, match="feature names .* other order"):
        named.predict(pd.DataFrame(X).add_prefix("x").iloc[:, ::-1])
    with pytest.raises(ValueError, match="tasks=1 and has learned them"):
        small("den_finetune", tasks=1).fit(X, Y).learn(X, Y)


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"drift": -1.0}, "DEN.drift"),
        ({"hidden": ()}, "DEN.widths"),
        ({"epochs": 0}, "DEN.epochs"),
        ({"optimizer": "newton"}, "DEN.optimizer"),
        ({"threads": 0}, "DEN.threads: .*greater than 0, not 0"),
        ({"threads": 1.5}, "DEN.threads"),
        ({"seed": -1}, "DEN.seed: .*greater than or equal to 0, not -1"),
        ({"seed": "a"}, "DEN.seed: .*integer, not 'a'"),
    ],
)
def test_impossible_parameters_are_refused_when_a_task_comes(params: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        small(**params).learn(X, Y)


@pytest.mark.parametrize("threads", [0, 1.5, "all"])
def test_an_impossible_number_of_threads_is_refused_with_the_question(threads: Any) -> None:
    with pytest.raises(ValueError, match="DEN.threads"):
        trained(tasks=1).set_params(threads=threads).predict(X)


@pytest.mark.parametrize("tasks", [0, -1, 2.5, "two"])
def test_an_impossible_number_of_tasks_is_refused(tasks: Any) -> None:
    with pytest.raises(ValueError, match="DENFinetune.tasks"):
        small("den_finetune", tasks=tasks).fit(X, Y)


def test_parameters_hold_from_the_first_task_on() -> None:
    model = trained(tasks=1).set_params(drift=np.float32(0.5), hidden=np.array([8, 6]))
    with pytest.raises(ValueError, match="changed after its first task"):
        model.learn(X, Y)
    assert model.fit(X, Y).get_params()["drift"] == 0.5
    with pytest.raises(ValueError, match="DEN has no parameter 'driftt'; it has hidden"):
        model.set_params(driftt=1)


@pytest.mark.parametrize("installed", [pytest.param(True, marks=pytest.mark.slow), False])
def test_nothing_is_answered_before_a_task(installed: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    if not installed:
        monkeypatch.setitem(sys.modules, "sklearn.exceptions", None)
    model = small()
    for ask in (lambda: model.predict(X), lambda: model.score(X, Y), lambda: model.capacity_, lambda: model.save("x")):
        with pytest.raises(den.NotFittedError, match="this DEN has learned no task yet"):
            ask()
    assert not hasattr(model, "classes_")


def test_torch_is_left_as_it_was(capsys: pytest.CaptureFixture[str]) -> None:
    torch.set_num_threads(2)
    try:
        before = torch.get_rng_state()
        trained(tasks=2).predict(X)
        assert torch.get_num_threads() == 2 and torch.equal(torch.get_rng_state(), before)
    finally:
        torch.set_num_threads(1)
    assert capsys.readouterr() == ("", "")


def test_each_stage_is_printed_on_request(capsys: pytest.CaptureFixture[str]) -> None:
    trained(tasks=2, verbose=True)
    assert capsys.readouterr().out.splitlines()[:2] == ["task 1 · train", "task 2 · selective retraining"]


REPORT = TaskReport(1, (0, 1), 9, ("train",), 0.1, 9, 0.1, 0.1, (8, 6), 1.0)


@pytest.mark.parametrize(
    ("growth", "message"),
    [
        ({"new_units": (3, 3), "stages": ("dynamic expansion",)}, "all 3 new units"),
        ({"split_units": (8, 5)}, "split more than half"),
    ],
)
def test_growth_without_an_end_is_warned_of(growth: dict[str, Any], message: str) -> None:
    growing = replace(REPORT, **growth)
    with pytest.warns(den.GrowthWarning, match=message):
        reports.warn_of_growth([REPORT, growing, growing], (3, 3))
    reports.warn_of_growth([REPORT, growing], (3, 3))
    reports.warn_of_growth([REPORT, growing, REPORT], (3, 3))
    reports.warn_of_growth([REPORT, growing, growing], ())


def test_growth_is_compared_with_the_k_of_each_layer() -> None:
    x, y = np.random.default_rng(0).normal(size=(40, 3, 8, 8)), np.arange(40) % 2
    some = {"convolutions": [den.Convolution(channels=4)], "units_per_expansion": 3, "channels_per_expansion": 1}
    model = small(hidden=(6,), sparsity=0.0, group_sparsity=0.0, drift_threshold=1e3, **some)
    with pytest.warns(den.GrowthWarning, match="all 1 or 3 new units of each layer"):
        model.learn(x, y).learn(-x, y).learn(x[::-1].copy(), y)
    assert [report.new_units for report in model.report_[1:]] == [(1, 3)] * 2


def test_importing_den_loads_neither_torch_nor_numpy() -> None:
    code = "import sys, den; assert 'DEN' in dir(den); sys.exit(int('torch' in sys.modules or 'numpy' in sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
    assert set(den.__all__) == {
        "Convolution",
        "Estimator",
        "GrowthWarning",
        "NotFittedError",
        "Stream",
        "TaskReport",
    } | {kind.__name__ for kind in ESTIMATORS.values()}
    with pytest.raises(AttributeError, match="'den' has no attribute 'Dan'"):
        den.Dan  # noqa: B018


@pytest.mark.slow
@pytest.mark.parametrize("name", ESTIMATORS)
@pytest.mark.filterwarnings("ignore")
def test_the_checks_of_scikit_learn_pass(name: str) -> None:
    from sklearn.utils.estimator_checks import check_estimator

    number = {"tasks": TASKS} if name == "den_finetune" else {}
    model = ESTIMATORS[name](hidden=(32, 16), epochs=5, minimum_steps=60, learning_rate=0.01, **number)
    failures = EXPECTED_FAILURES | (OF_QUIRKS if name in ("den_official", "den_with_quirks") else {})
    checks = check_estimator(model, expected_failed_checks=failures | OF_PROCESSORS, on_skip=None)
    failed = {check["check_name"] for check in checks if check["status"] == "xfail"}
    assert failures.keys() <= failed <= (failures | OF_PROCESSORS).keys()


def test_scores_do_not_depend_on_the_order_of_examples() -> None:
    x, _ = raw(0)
    model, order = trained(tasks=1), np.random.default_rng(0).permutation(len(x))
    np.testing.assert_allclose(model.predict_proba(x)[order], model.predict_proba(x[order]), rtol=1e-5, atol=1e-7)


@pytest.mark.slow
def test_mypy_checks_the_code_of_a_user(tmp_path: Path) -> None:
    user = tmp_path / "user.py"
    user.write_text(
        "import numpy as np\n\nimport den\nfrom den import DEN, TaskReport\n\n"
        "model = DEN(hidden=(312, 128), seed=0, drift=0.2)\n"
        "model.learn(np.zeros((4, 2)), [0, 1, 0, 1]).learn(np.zeros((4, 2)), ['a', 'b', 'a', 'b'])\n"
        "reveal_type(model.predict(np.zeros((4, 2)), task=1))\n"
        "report: tuple[TaskReport, ...] = model.report_\n"
        "again: DEN = DEN.load('net.safetensors')\n"
        "stream: den.Stream = den.Stream.from_arrays(np.zeros((9, 2)), np.arange(9) % 2, task=[0] * 9)\n"
        "den.EWC(strength='much')\nden.DENN\n"
    )
    command = [
        sys.executable,
        "-m",
        "mypy",
        "--strict",
        "--follow-imports=silent",
        "--cache-dir",
        str(tmp_path),
        str(user),
    ]
    root = str(Path(den.__file__).parents[1])
    done = subprocess.run(command, cwd=tmp_path, env={"MYPYPATH": root}, capture_output=True, text=True, check=False)
    lines = [line.split("user.py:")[1] for line in done.stdout.splitlines() if "user.py:" in line]
    assert len(lines) == 3, done.stdout + done.stderr
    assert "ndarray" in lines[0]
    assert 'incompatible type "str"; expected "float"' in lines[1] and 'no attribute "DENN"' in lines[2]
