"""What the shell completes: suites, streams and methods, as params.yaml has them, and identities of results.

It answers while somebody types: it reads the file itself and loads nothing of the library.
"""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from click import Context, Parameter
from click.shell_completion import CompletionItem, get_completion_class

PARAMS = Path("params.yaml")
RESULTS = Path("results")


def script(program: Any, shell: str) -> str:
    """Return what a shell has to source to complete the words of `den`."""
    kind = get_completion_class(shell)
    assert kind is not None, shell
    return kind(program, {}, "den", "_DEN_COMPLETE").source()


def suites(context: Context, parameter: Parameter, beginning: str) -> list[str]:
    """Return the suites that begin so."""
    return _beginning(_block(_params(), "suites"), beginning)


def streams(context: Context, parameter: Parameter, beginning: str) -> list[str]:
    """Return the streams that begin so."""
    return _beginning(_block(_params(), "streams"), beginning)


def methods(context: Context, parameter: Parameter, beginning: str) -> list[str]:
    """Return the methods and variants that begin so: those that the file has settings for, or a suite runs."""
    params = _params()
    named = [
        name for suite in _block(params, "suites").values() for name in suite.get("methods", ()) if "*" not in name
    ]
    return _beginning([*_block(params, "methods"), *_block(params, "variants"), *named], beginning)


def results(context: Context, parameter: Parameter, beginning: str) -> list[CompletionItem]:
    """Return the identities of records that begin so, or else let the shell complete a file."""
    found = _beginning((path.stem for path in RESULTS.glob("*/*/*.json")), beginning)
    return [CompletionItem(one) for one in found] or [CompletionItem(beginning, type="file")]


def _params() -> Any:
    """Return what params.yaml has, or nothing where it cannot be read: a shell is no place to say so."""
    import yaml

    try:
        return yaml.safe_load(PARAMS.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, yaml.YAMLError):
        return None


def _block(content: Any, key: str) -> Mapping[str, Any]:
    block = content.get(key) if isinstance(content, dict) else None
    return block if isinstance(block, dict) else {}


def _beginning(names: Iterable[str], beginning: str) -> list[str]:
    return sorted({name for name in names if name.startswith(beginning)})
