"""Where a result comes from, and whether it comes again."""

import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain, zip_longest
from pathlib import Path
from typing import Any

import torch

from den import provenance
from den.config import SettingsError, read
from den.ledger import Places, Record, identities, read_record
from den.runs import Cell, identity
from den.streams import prepared
from den.training import device_of
from den.worker import Worker
from flows import lockfile
from reports import tables

SHOWN = 6  # digits of a hash
CLOCK = "seconds"  # the measure that no rerun repeats


@dataclass(frozen=True)
class Again:
    """How a rerun ended: the largest difference of a score, and how many scores and measures are not the same."""

    largest: float
    different: int
    compared: int

    @property
    def same(self) -> bool:
        return self.different == 0


def find(result: str, places: Places) -> Record:
    """Return the record that is meant: its file, or the beginning of an identity that it has or had.

    Raises SettingsError.
    """
    if Path(result).is_file():
        return read_record(Path(result))
    paths = sorted(places.results.rglob("*.json"))
    found = [path for path in paths if path.name.startswith(result)] or [path for path in paths if _had(path, result)]
    if len(found) == 1:
        return read_record(found[0])
    problem = f"{len(found)} records begin with it" if found else "there is no such record"
    raise SettingsError(f"{result}: {problem}; give a record's file, or enough of its name, as in {places.results}/")


def why(record: Record, places: Places) -> str:
    """Return in lines where a record comes from, and what differs from that now."""
    cell, origin = record["cell"], record["provenance"]
    about = {
        "result": f"{cell['stream']} · {tables.method(record)} · seed {cell['seed']}, on {cell['evaluation']} data",
        "identity": record["identity"],
        "commit": f"{origin['commit']}{', with uncommitted changes' if origin['dirty'] else ''}",
        "data": f"{origin['stream_hash']}, in dvc.lock {origin.get('data_version')}",
        "lock file": origin["lock_hash"],
        "versions": f"Python {origin['python']}, torch {origin['torch']}, CUDA {origin['cuda']}",
        "machine": f"{origin['device']}, {origin['host']}",
        "run": f"{origin['started']} to {origin['finished']}, Prefect flow run {origin.get('flow_run')}",
        "training": f"{record['train_seconds']:.1f} s",
        "settings": str({key: value for key, value in cell.items() if key.endswith(("params", "network", "training"))}),
    }
    changes = list(differences(record, places)) or ["nothing"]
    lines = [*about.items(), *(("carried", _carried(origin, step)) for step in origin.get("carried", []))]
    return "\n".join([*(f"{key:10} {value}" for key, value in lines), f"since then  {'; '.join(changes)}"])


def differences(record: Record, places: Places) -> Iterator[str]:
    """Yield what is not as it was when the record was made: what may change the number first."""
    cell, origin = read(Cell, record["cell"], "cell"), record["provenance"]
    now = provenance.provenance(device_of(cell.training))
    if (data := prepared.hash_of(places.data / cell.stream)) != origin["stream_hash"]:
        yield f"the prepared data is {data[:SHOWN]}, it was {origin['stream_hash'][:SHOWN]}"
    if origin.get("data_version") not in (None, version := lockfile.pinned(cell.stream)):
        yield f"dvc.lock pins the data as {version}, it was {origin['data_version']}"
    for name in ("torch", "cuda", "device", "host", "python"):
        if now[name] != origin[name]:
            yield f"{name} is {now[name]}, it was {origin[name]}"
    if now["lock_hash"] != origin["lock_hash"]:
        yield "requirements.txt has changed"
    if identity(cell, places) != record["identity"]:
        yield f"what the cell's identity covers has changed: {_changed(commit_of(record))}"


def rerun(record: Record, places: Places, announce: Callable[[str], None]) -> Again:
    """Run the record's cell anew, beside the ledger, and compare all that it finds with the record."""
    cell = read(Cell, record["cell"], "cell")
    with tempfile.TemporaryDirectory() as folder:
        beside = Places(places.data, Path(folder, "results"), Path(folder, "work"))
        with Worker(cell, beside) as worker:
            return compared(record, worker.finish(announce))


def compared(record: Record, other: Record) -> Again:
    """Return how far two records of a cell are from each other, times left out."""
    scores = [_gap(*pair) for pair in zip_longest(_scores(record), _scores(other))]
    rows = [one != another for one, another in zip_longest(_measures(record), _measures(other))]
    return Again(max(scores, default=0.0), sum(map(bool, scores)) + sum(rows), len(scores) + len(rows))


def changed_files(*commits: str | None) -> list[str] | None:
    """Return the library's files that differ between two commits, or one and the files here; None for one not here."""
    words = ("git", "-C", str(provenance.ROOT), "diff", "--name-only", *map(str, commits), "--", "den")
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    return None if done.returncode else done.stdout.split()


def commit_of(record: Record) -> str | None:
    """Return the commit whose code a record stands for: it was measured with it, or carried to it."""
    steps = [record["provenance"], *record["provenance"].get("carried", [])]
    return steps[-1]["commit"]


def _changed(commit: str | None) -> str:
    """Return in words which files of the library differ from a commit."""
    if (files := changed_files(commit)) is None:
        return f"commit {commit} is not here to compare with"
    return f"{', '.join(files)} since {str(commit)[:SHOWN]}" if files else "settings, data or versions, no code"


def _carried(origin: Mapping[str, Any], step: Mapping[str, Any]) -> str:
    """Return in words how a record was carried to other code than it was measured with."""
    return (
        f"measured at commit {origin['commit']}; carried to the code of commit {step['commit']}: "
        f"{step['compared']} cells compared bit for bit; its identity was {step['from']}"
    )


def _had(path: Path, beginning: str) -> bool:
    """Tell whether the record in a file had an identity that begins so before it was carried."""
    return any(one.startswith(beginning) for one in identities(read_record(path)))


def _gap(one: float | None, other: float | None) -> float:
    if one is None or other is None:
        return 0.0 if one is other else torch.inf
    return abs(one - other)


def _scores(record: Record) -> list[float | None]:
    return list(chain.from_iterable(chain.from_iterable(record["scores"][name]) for name in sorted(record["scores"])))


def _measures(record: Record) -> list[Mapping[str, Any]]:
    return [row for row in record["measures"] if row["measure"] != CLOCK]
