"""Names say what a value is: the packages bind no filler names."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("den", "flows", "reports", "benchmarks")
FILLERS = frozenset({"found", "one", "known", "told", "said", "asked"})
SERIALIZED = {("den/ledger/run.py", "asked")}  # fields of the ledger, whose names stay

PLANTED = {
    "an argument": "def f(found): ...",
    "a keyword argument": "def f(*, found): ...",
    "further arguments": "def f(*found, **known): ...",
    "an argument of a lambda": "f = lambda found: found",
    "an assignment": "found = 1",
    "an assignment of several names": "x, (y, *found) = z",
    "an annotated assignment": "found: int = 1",
    "an augmented assignment": "found += 1",
    "a loop": "for i, found in x: ...",
    "a context": "with x as found: ...",
    "a comprehension": "x = [found for found in y]",
    "a walrus": "if found := x: ...",
    "an exception": "try: ...\nexcept ValueError as found: ...",
    "a pattern": "match x:\n    case [found]: ...",
    "the rest of a pattern": "match x:\n    case {**found}: ...",
    "an import": "from x import y as found",
    "a function": "def found(): ...",
    "a class": "class found: ...",
}


def bound(node: ast.AST) -> Iterator[str]:
    """Yield the names that a node itself binds."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name):
            yield name
        case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
            yield name
        case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
            yield name
        case ast.MatchMapping(rest=str(name)) | ast.alias(asname=str(name)):
            yield name


def fillers(source: str) -> list[tuple[int, str]]:
    """Return line and name of every filler that a source text binds."""
    nodes = ast.walk(ast.parse(source))
    return sorted((node.lineno, name) for node in nodes for name in bound(node) if name in FILLERS)


@pytest.mark.parametrize("package", PACKAGES)
def test_no_filler_name_is_bound(package: str) -> None:
    paths = sorted((ROOT / package).rglob("*.py"))
    assert paths, f"{package} has no modules"
    bindings = [
        f"{path.relative_to(ROOT)}:{line}: {name}"
        for path in paths
        for line, name in fillers(path.read_text(encoding="utf-8"))
        if (path.relative_to(ROOT).as_posix(), name) not in SERIALIZED
    ]
    assert not bindings, "name what the value is"


@pytest.mark.parametrize("source", PLANTED.values(), ids=PLANTED)
def test_a_planted_filler_is_found(source: str) -> None:
    assert "found" in {name for _, name in fillers(source)}


def test_the_use_of_a_name_is_no_binding() -> None:
    assert not fillers("print(found, x.known, f(asked=1), {'said': one})")


def test_every_exemption_is_needed() -> None:
    for path, name in SERIALIZED:
        assert name in {filler for _, filler in fillers((ROOT / path).read_text(encoding="utf-8"))}, path
