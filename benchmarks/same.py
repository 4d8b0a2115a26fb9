"""Whether two commits come to the same numbers, to the last bit: python benchmarks/same.py OLD [NEW]

Short cells of every method and stream run with the code of both commits, each in a checkout, a process and one thread
of its own, on the same data and under the settings that OLD has. Scores, measures and all that was learned are compared
exactly, seconds left out; exits with 1 where anything differs. NEW is what is checked out here, as it is committed.

With --carry, and where all cells are the same, the records that OLD's code made get the identity that they have under
NEW's code (benchmarks/carrying.py). `--only` compares fewer cells, and carries nothing.
"""

import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import partial
from io import BytesIO
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Self
from zipfile import ZipFile

import carrying
import click

from den.worker import ONE_THREAD

ROOT = Path(__file__).resolve().parent.parent
SIDE = Path(__file__).with_name("same_side.py")
CLOCK = "seconds"  # the measure that no two runs share
NAMED = 3  # of what differs, so many are named
SEED = 1

Settings = Mapping[str, Any]
Answer = Mapping[str, Any]
Numbers = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """Cells that are compared: methods of a suite on a stream, by name or pattern; by default the suite's own.

    set: settings as `--set` has them.
    """

    name: str
    suite: str
    stream: str
    methods: Sequence[str] = ()
    set: Sequence[str] = ()


def short(stream: str, images: int, steps: int = 20) -> tuple[str, ...]:
    """Return settings for three tasks of a stream with little data, `images` as it counts them, and few steps.

    Networks and batches stay as large as in the records, and evaluation takes one block that is full and one that is
    not, where the stream has as many: how a product is computed, and so its last bit, depends on its size.
    """
    sizes = {"tasks": 3, "training_images": images, "validation_images": 10, "test_images": images}
    lengths = (f"training.steps={steps}", *(f"methods.{one}.training.steps={steps}" for one in ("den", "den_plus")))
    return (*(f"streams.{stream}.{key}={value}" for key, value in sizes.items()), *lengths)


def each(methods: Sequence[str], **numbers: float) -> tuple[str, ...]:
    """Return settings that give every one of the methods these numbers."""
    return tuple(f"methods.{method}.{key}={value}" for method in methods for key, value in numbers.items())


DENS = ("den", "den_plus", "den_finetune", "den_no_stamp", "den_dynamic", "den_constant", "den_with_quirks")
LIVELY = (  # with these a tiny network keeps some of its new units, drops others, and splits some old ones
    *each(DENS, drift=1.5, drift_threshold=0.4, sparsity=0.05, head_sparsity=0.4, group_sparsity=2.0),
    *each(("den_official",), sparsity=0.00025, head_sparsity=0.002, group_sparsity=0.012, drift_threshold=0.12),
    *each((*DENS, "den_official"), units_per_expansion=6),
)
HOT = (*each(("den", "den_with_quirks"), drift=10.0, drift_threshold=0.2), *each(("den_official",), drift=0.1))
BASELINES = ("finetune", "l2", "ewc")

GROUPS = (
    Group("tiny", "smoke", "blobs", ("*",)),
    Group("lively", "smoke", "blobs", ("den*", "dnn_selective", "plus_*", "minus_*"), LIVELY),
    Group("one head", "smoke", "blobs", (*BASELINES, "joint"), ("network.heads=one",)),
    Group("sgd", "smoke", "blobs", (*BASELINES, "den"), ("training.optimizer=sgd", "training.learning_rate=0.1")),
    Group("decay", "smoke", "blobs", ("finetune", "den"), ("training.schedule=decay",)),
    Group("constant", "smoke", "blobs", ("finetune", "den"), ("training.schedule=constant",)),
    Group("he", "smoke", "blobs", ("finetune", "den", "progressive"), ("network.init=he",)),
    Group("deep", "smoke", "blobs", (*BASELINES, "den", "progressive"), ("network.widths=[16, 12, 8]",)),
    Group("online", "smoke", "blobs", ("ewc",), ("methods.ewc.mode=online", "methods.ewc.decay=0.9")),
    Group("every task", "smoke", "blobs", ("joint",), ("methods.joint.every_task=true",)),
    Group("full", "mnist-variation", "mnist_variation", (), short("mnist_variation", 120)),
    Group("ablation", "ablation", "mnist_variation", (), short("mnist_variation", 120)),
    Group("full", "permuted-mnist", "permuted_mnist", (), short("permuted_mnist", 1200)),
    Group("differences", "differences", "permuted_mnist", (), (*short("permuted_mnist", 1200), *HOT)),
    Group("full", "awa", "awa", (), short("awa", 30)),
    Group("full", "cifar100-superclass", "cifar100_superclass", (), short("cifar100_superclass", 100)),
    Group("full", "cifar100-quick", "cifar100", (), short("cifar100", 100)),
    Group("full", "quick", "split_mnist", ("finetune", "den"), short("split_mnist", 600)),
    Group("full", "quick", "rotated_mnist", ("finetune", "den"), short("rotated_mnist", 1200)),
)


@click.command()
@click.argument("old")
@click.argument("new", default="HEAD")
@click.option("--only", metavar="PATTERN", help="Only cells whose title matches, such as '*ewc*'; carries nothing.")
@click.option("--carry", is_flag=True, help="Give the records of OLD's code their identity under NEW's.")
def main(old: str, new: str, only: str | None, carry: bool) -> None:
    """Say of every cell whether the commits OLD and NEW come to the same; carry records over where all do."""
    if carry:
        refuse_to_carry(new, only)
    with TemporaryDirectory() as folder, sides(Path(folder).resolve(), old, new) as (before, after):
        cells = {title: cell for title, cell in planned(before).items() if fnmatch(title, only or "*")}
        data = streams(before, Path(folder), cells.values())
        same = [told(title, *(run(side, cell, data) for side in (before, after))) for title, cell in cells.items()]
        click.echo(f"{sum(same)} of {len(same)} cells are the same")
        if carry and all(same):
            note = {"commit": commit(new), "compared": len(same)}
            ask = [partial(side.ask, "identify", data=data) for side in (before, after)]
            click.echo("\n".join(carrying.carry(ROOT, *ask, list(cells.values()), note)))
    sys.exit(0 if all(same) else 1)


def refuse_to_carry(new: str, only: str | None) -> None:
    """Raise UsageError where not all is compared, or where what is compared is not what runs here."""
    if only:
        raise click.UsageError("--carry needs all cells to be compared, --only leaves some out")
    if git("status", "--porcelain", "--", "den") or commit(new) != commit("HEAD"):
        raise click.UsageError(f"records are carried to the code that is here: commit den/, and check out {new}")


class Side:
    """The code of a commit in a process of its own, which answers questions; leaving the context ends it."""

    def __init__(self, name: str, checkout: Path) -> None:
        self.name, self.checkout = name, checkout

    def __enter__(self) -> Self:
        known = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(self.checkout)}
        command = [sys.executable, str(SIDE)]
        pipe = subprocess.PIPE
        self._child = subprocess.Popen(command, cwd=self.checkout, env=known, stdin=pipe, stdout=pipe, text=True)
        if (library := self._answer().get("library")) != str(self.checkout):
            raise RuntimeError(f"{self.name}: the library is that of {library}, not that of {self.checkout}")
        return self

    def __exit__(self, *error: object) -> None:
        self._child.kill()
        self._child.communicate()

    def ask(self, what: str, **about: Any) -> Answer:
        """Return the answer to a question of same_side.py, or why there is none: {"failed": reason}."""
        self._child.stdin.write(json.dumps({"do": what} | about) + "\n")
        self._child.stdin.flush()
        return self._answer()

    def need(self, what: str, **about: Any) -> Answer:
        """Return the answer to a question. Raises RuntimeError where there is none."""
        if reason := (answer := self.ask(what, **about)).get("failed"):
            raise RuntimeError(f"{self.name}: {reason}")
        return answer

    def _answer(self) -> Answer:
        line = self._child.stdout.readline()
        return json.loads(line) if line else {"failed": f"the process ended with code {self._child.wait()}"}


@contextmanager
def sides(folder: Path, old: str, new: str) -> Iterator[tuple[Side, Side]]:
    """Have both commits checked out below the folder, ready to answer; the tree that is here is not touched."""
    before, after = (Side(name, checked_out(name, folder / role)) for name, role in ((old, "old"), (new, "new")))
    with before, after:
        yield before, after


def checked_out(name: str, folder: Path) -> Path:
    """Write the files of a commit into a folder, beside them the raw data that is here; returns the folder."""
    with ZipFile(BytesIO(git("archive", "--format=zip", commit(name)))) as archive:
        archive.extractall(folder)
    if (raw := ROOT / "data/raw").exists():
        (folder / "data/raw").symlink_to(raw)
    return folder


def planned(side: Side) -> dict[str, Settings]:
    """Return the settings of all cells that the side's code knows, complete, by their titles; say what it does not."""
    found = {}
    for group in GROUPS:
        about = {"suite": group.suite, "stream": group.stream, "methods": group.methods, "overrides": group.set}
        answer = side.ask("cells", seed=SEED, **about)
        if reason := answer.get("failed"):
            click.echo(f"{group.name} · {group.stream}: not compared, {side.name} has no such cells ({reason})")
        for cell in answer.get("cells", ()):
            found[f"{group.name} · {group.stream} · {cell['variant'] or cell['method']}"] = cell
    return found


def streams(side: Side, folder: Path, cells: Iterable[Settings]) -> str:
    """Return a folder with all that the cells need: the streams prepared here, and those that are not, made anew."""
    data = folder / "streams"
    data.mkdir()
    for name in sorted({cell["stream"] for cell in cells}):
        if (here := ROOT / "data/streams" / name).exists():
            (data / name).symlink_to(here)
        else:
            side.need("prepare", stream=name, data=str(data))
    return str(data)


def run(side: Side, cell: Settings, data: str) -> Answer:
    """Return what a cell finds on one side, or why it fails there."""
    answer = side.ask("run", cell=cell, data=data)
    return {"failed": f"{side.name} fails: {reason}"} if (reason := answer.get("failed")) else answer


def told(title: str, old: Answer, new: Answer) -> bool:
    """Print whether both sides of a cell are the same, and return it."""
    found = list(differences(old, new))
    click.echo(f"{title}: {'; '.join(found) or 'same'}")
    return not found


def differences(old: Answer, new: Answer) -> Iterator[str]:
    """Yield in words what two sides of a cell do not have in common."""
    if failures := [side["failed"] for side in (old, new) if "failed" in side]:
        yield from failures
        return
    for kind in (scores, measures, learned):
        yield from apart(kind.__name__, kind(old), kind(new))


def apart(what: str, old: Numbers, new: Numbers) -> Iterator[str]:
    """Yield in words what differs between two sets of numbers, or only their order. NaN is NaN, and 0.0 is not -0.0."""
    keys = dict.fromkeys([*old, *new])
    other = [key for key in keys if repr(old.get(key)) != repr(new.get(key))]
    if other:
        gaps = [abs(old[key] - new[key]) for key in other if is_number(old.get(key)) and is_number(new.get(key))]
        largest = f", by up to {max(gaps):.2g}" if gaps else ""
        names = ", ".join(other[:NAMED]) + (", ..." if len(other) > NAMED else "")
        yield f"{what}: {len(other)} of {len(keys)} differ{largest} ({names})"
    elif list(old) != list(new):
        yield f"{what}: in another order"


def scores(answer: Answer) -> Numbers:
    """Return every score under its name and place, tasks from 1."""
    return {
        f"{name} {after}/{task}": value
        for name, matrix in answer["scores"].items()
        for after, row in enumerate(matrix, start=1)
        for task, value in enumerate(row, start=1)
    }


def measures(answer: Answer) -> Numbers:
    """Return every measure but seconds under its name and place."""
    found: dict[str, Any] = {}
    for row in answer["measures"]:
        if row["measure"] != CLOCK:
            place = " ".join(str(row[key]) for key in ("task", "stage", "layer", "measure") if row[key] is not None)
            found[next(name for name in numbered(place) if name not in found)] = row["value"]
    return found


def learned(answer: Answer) -> Numbers:
    """Return the digest of every tensor of the final state, the state's other values, and the stages that led there."""
    return {**answer["tensors"], "values": answer["values"], "stages": answer["done"]}


def numbered(name: str) -> Iterator[str]:
    """Yield names for things of one name."""
    yield name
    yield from (f"{name} #{again}" for again in count(2))


def is_number(value: Any) -> bool:
    """Tell whether a difference from the value can be taken."""
    return isinstance(value, int | float) and math.isfinite(value)


def commit(name: str) -> str:
    """Return a commit in full. Raises UsageError for a name that is none."""
    try:
        return git("rev-parse", "--verify", f"{name}^{{commit}}").decode().strip()
    except subprocess.CalledProcessError:
        raise click.UsageError(f"{name} is no commit here") from None


def git(*words: str) -> bytes:
    """Return what a command of git says of the project."""
    return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, check=True).stdout


if __name__ == "__main__":
    main()
