"""Whether two commits compute the same numbers, to the last bit: python -m benchmarks.equivalence.same OLD [NEW]

Short cells of every method and stream run with the code of both commits, each in a checkout, a process and one thread
of its own, on the streams prepared here and under OLD's settings. Scores, measures and everything learned are compared
exactly, seconds left out; exits with 1 if anything differs. NEW is by default what is committed here. What only NEW has
is named, and compared with nothing.
"""

import json
import os
import subprocess
import sys
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from fnmatch import fnmatch
from io import BytesIO
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from zipfile import ZipFile

import click
import yaml

from den.ledger.settings import flat
from den.measures import TIMES
from den.worker import ONE_THREAD

ROOT = Path(__file__).resolve().parents[2]
SIDE, CELLS = Path(__file__).with_name("same_side.py"), Path(__file__).with_name("same_cells.yaml")
NAMED = 3  # differing numbers that are named
SEED = 1

Answer = Mapping[str, Any]
"What same_side.py answers: a result, or why it failed."


@click.command()
@click.argument("old")
@click.argument("new", default="HEAD")
@click.option("--only", default="*", metavar="PATTERN", help="Only cells whose title matches, such as '*ewc*'.")
@click.option("--data", default=ROOT / "data/streams", metavar="FOLDER", help="Where the streams lie.")
def main(old: str, new: str, only: str, data: str | Path) -> None:
    """Report for every cell whether the commits OLD and NEW compute the same."""
    with TemporaryDirectory() as folder:
        sides = [checked_out(name, Path(folder, role).resolve()) for name, role in ((old, "old"), (new, "new"))]
        cells = {title: cell for title, cell in planned(sides[0]).items() if fnmatch(title, only)}
        jobs = [{"cell": cell, "data": str(Path(data).resolve())} for cell in cells.values()]
        same, added = 0, set[str]()
        for title, *answers in zip(cells, *(answers_from(side, "run", jobs) for side in sides), strict=True):
            gaps = list(differences(*answers))
            click.echo(f"{title}: {'; '.join(gaps) or 'same'}")
            same += not gaps
            before, after = (names(answer.get("result", {})) for answer in answers)
            added |= after - before if before else set()
    click.echo(f"{same} of {len(cells)} cells are the same")
    if added:
        click.echo(f"only NEW has {', '.join(sorted(added))}")
    sys.exit(0 if same == len(cells) else 1)


def checked_out(name: str, folder: Path) -> Path:
    """Write the files of a commit into a folder; return it. Raises UsageError for a name that is no commit."""
    done = subprocess.run(["git", "-C", str(ROOT), "archive", "--format=zip", name], capture_output=True, check=False)
    if done.returncode:
        raise click.UsageError(done.stderr.decode().strip())
    with ZipFile(BytesIO(done.stdout)) as archive:
        archive.extractall(folder)
    return folder


def answers_from(checkout: Path, do: str, items: Sequence[Any]) -> Iterator[Answer]:
    """Yield what a checkout's code answers to each item."""
    command = [sys.executable, str(SIDE)]
    environment = {**os.environ, **ONE_THREAD, "PYTHONPATH": str(checkout)}
    pipe = subprocess.PIPE
    with subprocess.Popen(command, cwd=checkout, env=environment, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        child.stdin.write(json.dumps({"do": do, "items": items}))
        child.stdin.close()
        for _ in items:
            line = child.stdout.readline()
            yield json.loads(line) if line else {"failed": f"its process ended with code {child.wait()}"}


def planned(checkout: Path) -> dict[str, Any]:
    """Return the complete settings of all cells by title; name the groups that the checkout's code does not have."""
    groups = yaml.safe_load(CELLS.read_text(encoding="utf-8"))
    cells = {}
    for group, answer in zip(
        groups, answers_from(checkout, "plan", [question(**group) for group in groups]), strict=True
    ):
        if "failed" in answer:
            click.echo(f"{group['name']} · {group['stream']}: not compared, {answer['failed']}")
        for cell in answer.get("result", ()):
            cells[f"{group['name']} · {group['stream']} · {cell['variant'] or cell['method']}"] = cell
    return cells


def question(name: str, set: Any = None, images: int = 0, **group: Any) -> dict[str, Any]:
    """Return what same_side.py plans for a group of same_cells.yaml."""
    sizes = {"tasks": 3, "training_images": images, "validation_images": 10, "test_images": images}
    short = {"streams": {group["stream"]: sizes}, "training": {"steps": 20}} if images else {}
    long = [f"methods.{name}.training.steps=20" for name in ("den", "den_plus") if images]  # of these suites set more
    settings = [f"{key}={json.dumps(value)}" for block in (short, set or {}) for key, value in flat(block)]
    return {"methods": (), "seed": SEED, **group, "set": [*settings, *long]}


def differences(old: Answer, new: Answer) -> Iterator[str]:
    """Yield in words where NEW is not as OLD, in what OLD has a name for. NaN is NaN, and 0.0 is not -0.0."""
    sides = {"OLD": old, "NEW": new}
    if failures := [f"{side} fails: {answer['failed']}" for side, answer in sides.items() if "failed" in answer]:
        yield from failures
        return
    named = names(old["result"])
    before, after = (dict(numbers(answer["result"], named)) for answer in (old, new))
    places = dict.fromkeys([*before, *after])
    other = [name for name in places if repr(before.get(name)) != repr(after.get(name))]
    pairs = [(before.get(name), after.get(name)) for name in other]
    gaps = [abs(a - b) for a, b in pairs if isinstance(a, int | float) and isinstance(b, int | float)]
    if other:
        listed = ", ".join(other[:NAMED]) + (", ..." if len(other) > NAMED else "")
        yield f"{len(other)} of {len(places)} differ{f', by up to {max(gaps):.2g}' if gaps else ''} ({listed})"
    elif list(before) != list(after):
        yield "in another order"


def names(result: Any) -> set[str]:
    """Return the names of a result's scores and measures but seconds, and of the values of its state."""
    measures = {row["measure"] for row in result.get("measures", ())} - set(TIMES)
    return {*result.get("scores", ()), *measures, *(f"value {name}" for name in result.get("values", ()))}


def numbers(result: Any, named: Container[str]) -> Iterable[tuple[str, Any]]:
    """Yield scores, measures and the state's values of these names, digests of learned tensors, and the stages."""
    for score, matrix in result["scores"].items():
        for after, row in enumerate(matrix if score in named else (), start=1):
            yield from ((f"{score} {after}/{task}", value) for task, value in enumerate(row, start=1))
    repeats: dict[str, int] = {}
    for row in (row for row in result["measures"] if row["measure"] in named):
        place = " ".join(str(row[key]) for key in ("task", "stage", "layer", "measure") if row[key] is not None)
        repeats[place] = repeats.get(place, 0) + 1
        yield f"{place} #{repeats[place]}" if repeats[place] > 1 else place, row["value"]
    values = ((f"value {name}", value) for name, value in result["values"].items())
    yield from ((name, value) for name, value in values if name in named)
    yield from (*result["tensors"].items(), ("stages", result["done"]))


if __name__ == "__main__":
    main()
