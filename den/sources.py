"""The code that a cell's result depends on: its modules in parsed form, so comments and docstrings do not count."""

import ast
import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

PACKAGE = "den"
REGISTRIES = frozenset({"den", "den.methods", "den.streams", "den.networks"})


def digest(modules: Iterable[str]) -> str:
    """Return a hash of the modules and of all modules of the library that they import, directly or not."""
    parts = (f"{module}\n{_meaning(module)}\n" for module in sorted(closure(modules)))
    return hashlib.sha256("".join(parts).encode()).hexdigest()


def closure(modules: Iterable[str]) -> frozenset[str]:
    """Return the modules and all modules of the library that they import, directly or not; registries are left out."""
    reached: set[str] = set()
    waiting = list(modules)
    while waiting:
        module = waiting.pop()
        if module not in reached and module not in REGISTRIES:
            reached.add(module)
            waiting.extend(_imports(module))
    return frozenset(reached)


@cache
def _imports(module: str) -> tuple[str, ...]:
    names = (name for node in ast.walk(_tree(module)) for name in _imported(node))
    return tuple(name for name in names if name.split(".")[0] == PACKAGE and _path(name))


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the names that may be modules: `from den import config` yields the package and its member."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


@cache
def _meaning(module: str) -> str:
    tree = _tree(module)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
            node.body = [line for line in node.body if not _is_text(line)]
    return str(_shape(tree))


def _shape(node: Any) -> Any:
    """Return a syntax tree as lists without empty fields: the same in every Python version, unlike ast.dump."""
    if isinstance(node, ast.AST):
        fields = ((name, _shape(value)) for name, value in ast.iter_fields(node))
        return [type(node).__name__, *((name, value) for name, value in fields if value not in ("None", []))]
    return [_shape(item) for item in node] if isinstance(node, list) else repr(node)


def _is_text(line: ast.stmt) -> bool:
    return isinstance(line, ast.Expr) and isinstance(line.value, ast.Constant) and isinstance(line.value.value, str)


def _tree(module: str) -> ast.Module:
    path = _path(module)
    if path is None:
        raise ValueError(f"{module} is not a module of the library")
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def _path(module: str) -> Path | None:
    """Return the file of a module; None if the name is not a module."""
    try:
        spec = find_spec(module)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec and spec.origin else None
