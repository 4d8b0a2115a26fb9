"""The examples of estimators for images and for a table of one's own: they run as they are printed."""

import pytest
from documents import code
from projects import ROOT

pytestmark = pytest.mark.slow


def test_the_images_of_the_how_to_are_learned(capsys: pytest.CaptureFixture[str]) -> None:
    (images,) = code(ROOT / "docs/how-to/images.md", "python")
    namespace: dict[str, object] = {}
    exec(images, namespace)
    first, second, last = capsys.readouterr().out.splitlines()
    assert float(first) > 0.9 and float(second) > 0.9
    assert len(namespace["model"].units_) == 2 and "(" in last  # type: ignore[attr-defined]


def test_a_table_is_learned_in_seven_lines(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (table,) = code(ROOT / "docs/how-to/your-own-data.md", "python")
    assert len([line for line in table.splitlines() if line]) == 7
    exec(table, {})
    score, capacity = map(float, capsys.readouterr().out.split())
    assert score > 0.8 and capacity >= 1
