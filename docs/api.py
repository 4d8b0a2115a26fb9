"""The page of the Python API, from the docstrings, signatures and defaults of estimators and streams."""

import ast
import inspect
from collections.abc import Callable, Iterator
from dataclasses import fields
from textwrap import dedent

from den.estimators import ESTIMATORS, Estimator, GrowthWarning, NotFittedError, TaskReport
from den.streams.arrays import Shares, Stream
from docs import meanings

VERBS = ("learn", "fit", "partial_fit", "predict", "predict_proba", "decision_function", "score", "save", "load")
HABITS = ("get_params", "set_params", "check")
STREAMS = ("from_arrays", "from_datasets")
INTRODUCTION = """# Python API

The methods as estimators: `from den import DEN, EWC`. [In a notebook](../how-to/notebook.md) has examples, and what
the habits of scikit-learn mean for tasks. [Streams of arrays and data sets](#stream) are for all methods of the
benchmark. Generated from the docstrings.
"""


def page() -> str:
    """Return the page."""
    common = [parameter.name for parameter in fields(Estimator) if parameter.init]
    lines = [INTRODUCTION, "## Parameters of all estimators", "", *_text(Estimator), ""]
    lines += _table(Estimator, common, meanings.of_fields(Estimator))
    lines += ["## Learning and answering", "", *(line for name in VERBS for line in _function(Estimator, name))]
    lines += ["## After learning", "", "| attribute | meaning |", "| --- | --- |", *_properties(), ""]
    lines += ["## Parameters as scikit-learn has them", ""]
    lines += [line for name in HABITS for line in _function(Estimator, name)]
    for kind in (TaskReport, NotFittedError, GrowthWarning):
        lines += [f"## {kind.__name__}", "", *_text(kind), ""]
    lines += ["## Stream", "", "```python\nfrom den import Stream\n```", "", *_text(Stream), ""]
    lines += ["[Arrays and torch data sets](../how-to/torch.md) has examples.", ""]
    lines += [line for name in STREAMS for line in _function(Stream, name)]
    lines += ["### Shares", "", *_text(Shares), "", "`from den.streams.arrays import Shares`", ""]
    for method, estimator in ESTIMATORS.items():
        own = [name for name in estimator().get_params() if name not in common]
        texts = meanings.of_fields(estimator.kind.accepts) | meanings.of_fields(estimator)
        lines += [f"## {estimator.__name__}", "", *_text(estimator), "", f"In the benchmark: `{method}`.", ""]
        lines += _table(estimator, own, texts)
    return "\n".join(lines)


def _text(described: object) -> list[str]:
    """Return the lines of a docstring."""
    return inspect.cleandoc(described.__doc__ or "").splitlines()


def _table(kind: type[Estimator], names: list[str], texts: dict[str, str]) -> list[str]:
    """Return a table of parameters; none without parameters."""
    defaults = kind().get_params()
    rows = (f"| `{name}` | {_default(defaults[name])} | {texts[name]} |" for name in names)
    return ["| parameter | default | meaning |", "| --- | --- | --- |", *rows, ""] if names else []


def _default(value: object) -> str:
    text = repr(value)
    return f"`{text}`" if len(text) <= 40 else "all"


def _function(owner: type, name: str) -> Iterator[str]:
    """Yield the signature and docstring of a method of a class."""
    function = getattr(owner, name)
    yield from (f"### {name}", "", f"```python\n{name}{_signature(function)}\n```", "", *_text(function), "")


def _signature(function: Callable[..., object]) -> str:
    """Return parameters and result as the source has them, without self or cls."""
    node = ast.parse(dedent(inspect.getsource(function))).body[0]
    assert isinstance(node, ast.FunctionDef) and node.returns
    del node.args.args[0]
    return f"({ast.unparse(node.args)}) -> {ast.unparse(node.returns)}"


def _properties() -> Iterator[str]:
    for name, member in vars(Estimator).items():
        if isinstance(member, property):
            yield f"| `{name}` | {' '.join(_text(member))} |"
