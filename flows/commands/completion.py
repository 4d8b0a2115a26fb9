"""Shell completion: suites and variants of params.yaml, streams, methods, and ids of measurements.

It runs at each press of Tab, so it reads files and imports nothing of the library.
"""

import ast
import sqlite3
from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path

from click import Command, Context, Parameter
from click.shell_completion import CompletionItem, get_completion_class

PARAMS = Path("params.yaml")
INDEX = Path(".den/index.sqlite")
MOST = 100  # ids that a shell receives
LIBRARY = Path(__file__).parents[2] / "den"


def script(program: Command, shell: str) -> str:
    """Return the script that a shell sources to complete the arguments of `den`."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    return kind(program, {}, "den", "_DEN_COMPLETE").source()


def suites(context: Context, parameter: Parameter, beginning: str) -> list[str]:
    """Return the suites that begin with `beginning`."""
    return _beginning(_block(_params(), "suites"), beginning)


def streams(context: Context, parameter: Parameter, beginning: str) -> list[str]:
    """Return the streams that begin with `beginning`."""
    of_data = _block(_block(_params(), "data"), "streams")
    return _beginning([*_registered("streams"), *of_data], beginning)


def methods(context: Context, parameter: Parameter, beginning: str) -> list[str]:
    """Return the methods and variants that begin with `beginning`."""
    return _beginning([*_registered("methods"), *_block(_params(), "variants")], beginning)


def results(context: Context, parameter: Parameter, beginning: str) -> list[CompletionItem]:
    """Return the ids of measurements in the index that begin with `beginning`."""
    if not INDEX.exists():
        return []
    try:
        with closing(sqlite3.connect(f"{INDEX.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "SELECT id FROM measurements WHERE substr(id, 1, ?) = ?", (len(beginning), beginning)
            )
            return [CompletionItem(id) for (id,) in rows.fetchmany(MOST)]
    except sqlite3.DatabaseError:
        return []


def _registered(package: str) -> list[str]:
    """Return the keys of the registry of a package of the library, from its source: importing it would load torch."""
    tree = ast.parse((LIBRARY / package / "__init__.py").read_text(encoding="utf-8"))
    registries = {
        statement.target.id: statement.value
        for statement in tree.body
        if isinstance(statement, ast.AnnAssign) and isinstance(statement.target, ast.Name)
    }
    registry = registries[package.upper()]
    keys = registry.keys if isinstance(registry, ast.Dict) else ()
    return [key.value for key in keys if isinstance(key, ast.Constant) and isinstance(key.value, str)]


def _params() -> object:
    """Return the content of params.yaml; None if it cannot be read, since completion cannot report errors."""
    from ruamel.yaml import YAML, YAMLError

    try:
        return YAML(typ="safe").load(PARAMS.read_text(encoding="utf-8"))
    except (OSError, ValueError, LookupError, YAMLError):
        return None


def _block(content: object, key: str) -> Mapping[str, object]:
    block = content.get(key) if isinstance(content, dict) else None
    return block if isinstance(block, dict) else {}


def _beginning(names: Iterable[str], beginning: str) -> list[str]:
    return sorted({name for name in names if name.startswith(beginning)})
