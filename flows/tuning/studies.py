"""An Optuna study for each stream and method, kept as lines of JSON in reports/studies/."""

import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from filelock import FileLock, Timeout
from optuna.samplers import TPESampler
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState

from den import measures, metrics
from den.cells import Cell
from den.config import SettingsError
from den.ledger import Measurement, Places
from den.searches import Busy, Range, Space, Subject
from den.training import Diverged
from den.worker import CellFailed

Learn = Callable[[Cell], Measurement]

STUDIES = Path("reports/studies")
EXCESS = "capacity above the limit"
DRAWS = 100
ADVICE = "lower training.learning_rate"  # ends what Diverged says, on this side of a worker's line too


class TooLarge(RuntimeError):
    """A network has outgrown its limit, and none shrinks again; `excess` is by how much."""

    def __init__(self, capacity: float, limit: float, task: int) -> None:
        self.excess = capacity - limit
        super().__init__(f"capacity {capacity:.2f} after task {task}, above the limit of {limit:g}")


@dataclass(frozen=True)
class Found:
    """What a study has come to; `trial` is the best one within the capacity limit, or None."""

    subject: Subject
    identity: str
    trials: int
    trial: FrozenTrial | None


def path_of(subject: Subject, places: Places) -> Path:
    """Return where a study lies, or will."""
    folder = STUDIES / subject.stream / subject.method
    return folder / f"{subject.identity(places)}.jsonl"


@contextmanager
def opened(subject: Subject, places: Places) -> Iterator[optuna.Study]:
    """Yield the study, begun if there is none, for this process alone; trials of a dead process wait to be rerun.

    Raises Busy if another process has it.
    """
    path = path_of(subject, places)
    with _locked(subject, places.work / "studies" / f"{path.stem}.lock"):
        _mend(path)
        study = read(path) if path.stat().st_size else _new(path)
        if not study.trials:
            study.enqueue_trial(subject.present())
        _revive(study)
        yield study


def read(path: Path) -> optuna.Study:
    """Return the study of a file; reading writes nothing. Raises SettingsError for a damaged file."""
    try:
        return optuna.load_study(study_name=path.stem, storage=_storage(path))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is damaged ({error}); restore it from git, or move it away") from None


def found(subject: Subject, places: Places) -> Found:
    """Return what the study has come to so far."""
    path = path_of(subject, places)
    if not path.exists():
        return Found(subject, path.stem, 0, None)
    study = read(path)
    return Found(subject, path.stem, spent(study), best(study))


def spent(study: optuna.Study) -> int:
    """Return how much of its budget a study has spent: the different settings that were tried or are being tried.

    One that diverged or outgrew the limit counts, with its reason; one whose process died does not.
    """
    return len(_tried(study))


def best(study: optuna.Study) -> FrozenTrial | None:
    """Return the finished trial with the highest score within the capacity limit, the earliest of equals."""
    done = [trial for trial in study.get_trials(states=(TrialState.COMPLETE,)) if not trial.user_attrs[EXCESS]]
    return max(done, key=lambda trial: trial.values[0], default=None)


def ask(study: optuna.Study, subject: Subject) -> Trial:
    """Return the next trial, its numbers drawn and tried by no other; for one thread at a time.

    The draw depends on the seed, the number of trials and their scores, not on how often the search was interrupted.
    Raises SettingsError if the space has no other numbers.
    """
    tried = _tried(study)
    for draw in range(DRAWS):
        words = np.random.SeedSequence([subject.search.seed, len(tried), draw]).generate_state(1)
        study.sampler = TPESampler(seed=int(words[0]), multivariate=True)
        trial = study.ask()
        numbers = suggest(trial, subject.space)
        if _key(numbers) not in tried:
            trial.set_user_attr("numbers", numbers)
            return trial
        study.tell(trial, state=TrialState.FAIL)
    space = f"search.{subject.stream}.spaces.{subject.method}"
    raise SettingsError(f"{space}: too small for {subject.search.trials} different trials")


def suggest(trial: Trial, space: Space) -> dict[str, float]:
    """Return the numbers to try: two significant digits, so that they can be read."""
    return {key: _number(trial, key, one) for key, one in space.items()}


def attempt(study: optuna.Study, subject: Subject, trial: Trial, learn: Learn) -> None:
    """Run one trial and report to the study; one that breaks off, its process dead, is left to be rerun."""
    try:
        measurement = learn(subject.cell(trial.user_attrs["numbers"]))
    except TooLarge as failure:
        _keep_excess(trial, failure.excess)
        _give_up(study, trial, failure, TrialState.PRUNED)
    except (CellFailed, Diverged) as failure:
        if ADVICE not in str(failure):
            raise
        _give_up(study, trial, failure, TrialState.FAIL)
    else:
        _tell(study, trial, outcome(measurement), subject.limit)


def outcome(measurement: Measurement) -> dict[str, Any]:
    """Return what a study keeps of a trial's measurement."""
    R = measurement.matrix("auroc")
    return {
        "auroc": metrics.average(R),
        "forgetting": metrics.forgetting(R),
        "capacity": measurement.totals[measures.CAPACITY],
        "seconds": measurement.train_seconds,
        "cell": measurement.key,
    }


def _tell(study: optuna.Study, trial: Trial, told: Mapping[str, Any], limit: float) -> None:
    if math.isnan(told["auroc"]):
        raise CellFailed(f"trial {trial.number + 1} has no validation AUROC: a task's validation split is of one class")
    for name, value in told.items():
        trial.set_user_attr(name, value)
    _keep_excess(trial, max(0.0, told["capacity"] - limit))
    study.tell(trial, told["auroc"])


def _give_up(study: optuna.Study, trial: Trial, failure: Exception, state: TrialState) -> None:
    trial.set_user_attr("reason", str(failure))
    study.tell(trial, state=state)


def _keep_excess(trial: Trial, excess: float) -> None:
    trial.set_user_attr(EXCESS, excess)
    trial.set_constraint(EXCESS, excess)


def _tried(study: optuna.Study) -> set[str]:
    """Return the different settings that count."""
    told = [(trial.state, trial.user_attrs) for trial in study.get_trials(deepcopy=False)]
    counted = [attrs for state, attrs in told if state != TrialState.FAIL or "reason" in attrs]
    return {_key(attrs["numbers"]) for attrs in counted if "numbers" in attrs}


def _key(numbers: Mapping[str, float]) -> str:
    return json.dumps(numbers, sort_keys=True)


def _number(trial: Trial, key: str, one: Range) -> float:
    if one.integer:
        return trial.suggest_int(key, int(one.low), int(one.high), log=one.log)
    return float(f"{trial.suggest_float(key, one.low, one.high, log=one.log):.2g}")


@contextmanager
def _locked(subject: Subject, path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout:
        raise Busy(f"{subject.title} is being searched by another process ({path} is locked); wait for it") from None


def _new(path: Path) -> optuna.Study:
    return optuna.create_study(storage=_storage(path), study_name=path.stem, direction="maximize")


def _mend(path: Path) -> None:
    """Make the file if there is none; remove what a dead process left: half a line, and the lock of its writing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _revive(study: optuna.Study) -> None:
    """Have the trials of a dead process run again with the same numbers; they do not count."""
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=(TrialState.WAITING,))]
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        numbers = trial.system_attrs.get("fixed_params", {}) | trial.params
        if numbers not in waiting:  # if it died while reviving, one of the two is there already
            study.enqueue_trial(numbers)
        study.tell(trial.number, state=TrialState.FAIL)


def _storage(path: Path) -> JournalStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
