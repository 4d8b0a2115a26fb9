"""The page of the Python API, from the estimators' own docstrings, signatures and defaults."""

import inspect
from collections.abc import Iterator
from dataclasses import fields

from den.estimators import ESTIMATORS, Estimator, GrowthWarning, NotFittedError, TaskReport
from docs import meanings

VERBS = ("learn", "fit", "partial_fit", "predict", "predict_proba", "decision_function", "score", "save", "load")
HABITS = ("get_params", "set_params", "check")
INTRODUCTION = """# Python API

The methods as estimators: `from den import DEN, EWC`. Generated from their docstrings.
[In a notebook](../how-to/notebook.md) has examples, and what the habits of scikit-learn mean for tasks.
"""


def page() -> str:
    """Return the page."""
    common = [parameter.name for parameter in fields(Estimator) if parameter.init]
    lines = [INTRODUCTION, "## Parameters of all estimators", "", *_text(Estimator), ""]
    lines += _table(Estimator, common, meanings.of_fields(Estimator))
    lines += ["## Learning and answering", "", *(line for name in VERBS for line in _function(name))]
    lines += ["## After learning", "", "| attribute | meaning |", "| --- | --- |", *_properties(), ""]
    lines += ["## Parameters as scikit-learn has them", "", *(line for name in HABITS for line in _function(name))]
    for kind in (TaskReport, NotFittedError, GrowthWarning):
        lines += [f"## {kind.__name__}", "", *_text(kind), ""]
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


def _function(name: str) -> Iterator[str]:
    """Yield the signature and docstring of a method of all estimators."""
    function = getattr(Estimator, name)
    signature = str(inspect.signature(function)).replace("(self, ", "(").replace("(self)", "()")
    yield from (f"### {name}", "", f"```python\n{name}{signature}\n```", "", *_text(function), "")


def _properties() -> Iterator[str]:
    for name, member in vars(Estimator).items():
        if isinstance(member, property):
            yield f"| `{name}` | {' '.join(_text(member))} |"
