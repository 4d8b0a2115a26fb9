"""The examples of own data: what the pages say of arrays and data sets is done."""

import json

import pytest
from documents import code
from projects import ROOT


def test_arrays_and_data_sets_of_the_how_to_are_learned(capsys: pytest.CaptureFixture[str]) -> None:
    arrays, datasets = code(ROOT / "docs/how-to/torch.md", "python")
    namespace: dict[str, object] = {}
    exec(arrays, namespace)
    scores = json.loads(capsys.readouterr().out)
    assert len(scores) == 5 and all(score > 0.8 for score in scores)
    exec(datasets, namespace)
    stream = namespace["stream"]
    assert [len(test) for test in stream.tests] == [50] * 5  # type: ignore[attr-defined]


def test_any_method_takes_five_lines() -> None:
    arrays, _ = code(ROOT / "docs/how-to/torch.md", "python")
    lines = arrays[arrays.index("stream = ") : arrays.index("print")].strip().splitlines()
    assert len(lines) == 5
