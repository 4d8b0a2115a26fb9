"""Optuna studies, one per stream and method, stored as lines of JSON in reports/studies/."""

import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import optuna
from filelock import FileLock, Timeout
from optuna.pruners import BasePruner, NopPruner
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, TrialState

from den.config import SettingsError
from den.ledger import Places
from den.searches import Busy, Numbers, Subject

STUDIES = Path("reports/studies")
EXCESS = "capacity above the limit"


class Halving(BasePruner):
    """Successive halving among the trials within the capacity limit.

    Optuna's own counts every trial: networks that are too large score higher, and would end all others.
    """

    def __init__(self, first: int) -> None:
        self.first = first

    def prune(self, study: optuna.Study, trial: FrozenTrial) -> bool:
        """Return whether the trial is in the worse half of those that came to `first` tasks, twice as many, and so on.

        Source: Li et al. 2020, asynchronous successive halving, with a reduction factor of 2.
        """
        task = trial.last_step or 0
        if task % self.first or (task // self.first).bit_count() != 1:
            return False
        trials = (other for other in study.get_trials(deepcopy=False) if not other.user_attrs.get(EXCESS))
        scores = [other.intermediate_values[task] for other in trials if task in other.intermediate_values]
        better = sum(score > trial.intermediate_values[task] for score in scores)
        return better >= max(1, len(scores) // 2)


@dataclass(frozen=True)
class StudyResult:
    """The state of a study: the trials that have ended, those it lacks, and the best within the limit, or None."""

    subject: Subject
    identity: str
    trials: int
    lacking: int
    trial: FrozenTrial | None


def path_of(subject: Subject, places: Places) -> Path:
    """Return the file of a study, which need not exist yet."""
    folder = STUDIES / subject.stream / subject.method
    return folder / f"{subject.identity(places)}.jsonl"


@contextmanager
def opened(subject: Subject, places: Places) -> Iterator[optuna.Study]:
    """Yield the study, new if it does not exist, for this process alone; queue the trials of a dead process again.

    Raises Busy if another process has the study.
    """
    path = path_of(subject, places)
    with _locked(subject, places.work / "studies" / f"{path.stem}.lock"):
        _mend(path)
        study = read(path) if path.stat().st_size else _new(path)
        study.pruner = _pruner(subject.search.halve_after)
        if not study.trials:
            for numbers in candidates(subject, places):
                study.enqueue_trial(dict(numbers))
        _revive(study)
        yield study


def candidates(subject: Subject, places: Places) -> list[Numbers]:
    """Return the first numbers to try: the present ones, or the best of the study below, best first.

    Raises SettingsError if the study below is not finished.
    """
    if (below := subject.below) is None:
        return [subject.present()]
    path = path_of(below, places)
    study = read(path) if path.exists() else None
    missing = lacking(study, below) if study else below.budget
    if study is None or missing > 0:
        raise SettingsError(f"{below.title}: {missing} trials are missing; `den search` runs them first")
    return [trial.user_attrs["numbers"] for trial in _ranked(study)[: subject.budget]]


def read(path: Path) -> optuna.Study:
    """Return the study of a file, without writing to it. Raises SettingsError for a damaged file."""
    try:
        return optuna.load_study(study_name=path.stem, storage=_storage(path))
    except (ValueError, LookupError, TypeError, AttributeError) as error:
        raise SettingsError(f"{path} is damaged ({error}); restore it from git, or move it away") from None


def result_of(subject: Subject, places: Places) -> StudyResult:
    """Return the state of the study, without running a trial."""
    path = path_of(subject, places)
    if not path.exists():
        return StudyResult(subject, path.stem, 0, subject.budget, None)
    study = read(path)
    return StudyResult(subject, path.stem, ended(study), lacking(study, subject), best(study))


def best(study: optuna.Study) -> FrozenTrial | None:
    """Return the finished trial with the highest score within the capacity limit; the earliest in a tie."""
    return next(iter(_ranked(study)), None)


def lacking(study: optuna.Study, subject: Subject) -> int:
    """Return the number of trials to run; below zero if the study has more than its budget.

    A rung runs the best trials of the study below, which may have fewer within the capacity limit than the rung takes.
    """
    if subject.below:
        return len(study.get_trials(states=(TrialState.WAITING, TrialState.RUNNING)))
    return subject.budget - ended(study)


def ended(study: optuna.Study) -> int:
    """Return how much of its budget a study has spent: the number of different settings whose trial has ended.

    A trial that diverged or exceeded the capacity limit counts; a trial whose process died does not.
    """
    return len(_settings(trial for trial in _counted(study) if trial.state.is_finished()))


def _ranked(study: optuna.Study) -> list[FrozenTrial]:
    """Return the finished trials within the capacity limit, best first; earlier ones first in a tie."""
    complete = study.get_trials(states=(TrialState.COMPLETE,))
    return sorted((trial for trial in complete if not trial.user_attrs[EXCESS]), key=lambda trial: -trial.values[0])


def _pruner(halve_after: int | None) -> BasePruner:
    return Halving(halve_after) if halve_after else NopPruner()


def tried(study: optuna.Study) -> set[str]:
    """Return the different settings of trials that count, those that are running among them."""
    return _settings(_counted(study))


def _counted(study: optuna.Study) -> list[FrozenTrial]:
    trials = study.get_trials(deepcopy=False)
    return [trial for trial in trials if trial.state != TrialState.FAIL or "reason" in trial.user_attrs]


def _settings(trials: Iterable[FrozenTrial]) -> set[str]:
    return {key_of(trial.user_attrs["numbers"]) for trial in trials if "numbers" in trial.user_attrs}


def key_of(numbers: Mapping[str, float]) -> str:
    return json.dumps(numbers, sort_keys=True)


@contextmanager
def _locked(subject: Subject, path: Path) -> Iterator[None]:
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(path, timeout=0):
            yield
    except Timeout:
        raise Busy(
            f"{subject.title} is being searched by another process ({path} is locked); wait until it ends"
        ) from None


def _new(path: Path) -> optuna.Study:
    return optuna.create_study(storage=_storage(path), study_name=path.stem, direction="maximize")


def _mend(path: Path) -> None:
    """Create the file if it does not exist; remove the half-written line and the lock of a dead process."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.with_name(f"{path.name}.lock").unlink(missing_ok=True)
    with path.open("a+b") as file:
        file.seek(0)
        file.truncate(file.read().rfind(b"\n") + 1)


def _revive(study: optuna.Study) -> None:
    """Queue the trials of a dead process again with the same numbers; the broken ones do not count."""
    waiting = [trial.system_attrs["fixed_params"] for trial in study.get_trials(states=(TrialState.WAITING,))]
    for trial in study.get_trials(states=(TrialState.RUNNING,)):
        numbers = trial.system_attrs.get("fixed_params", {}) | trial.params
        if numbers not in waiting:  # a process that died right here has queued it already
            study.enqueue_trial(numbers)
        study.tell(trial.number, state=TrialState.FAIL)


def _storage(path: Path) -> JournalStorage:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return JournalStorage(JournalFileBackend(str(path), JournalFileOpenLock(str(path))))
