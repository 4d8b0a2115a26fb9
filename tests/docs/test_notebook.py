"""The notebook of the documents: its cells run in order, and its outputs are those of its cells."""

import base64
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from projects import ROOT

from docs.notebook import DIGITS, code_cells, run

PNG = b"\x89PNG\r\n\x1a\n"


def read(path: Path) -> dict[str, Any]:
    notebook: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return notebook


def printed(notebook: dict[str, Any]) -> str:
    """Return what all cells printed."""
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    return "".join(line for output in outputs for line in output.get("text", []))


def figures(notebook: dict[str, Any]) -> list[bytes]:
    """Return the embedded figures."""
    outputs = [output for cell in code_cells(notebook) for output in cell["outputs"]]
    return [base64.b64decode(output["data"]["image/png"]) for output in outputs if "data" in output]


def refuse_other_results(notebook: dict[str, Any]) -> None:
    """Assert what the notebook shows: two figures, and DEN that forgets less and grows."""
    assert [cell["execution_count"] for cell in code_cells(notebook)] == [1, 2, 3, 4]
    assert len(figures(notebook)) == 2 and all(figure.startswith(PNG) for figure in figures(notebook))
    den, tuned = re.findall(r"mean accuracy ([\d.]+), capacity ([\d.]+)", printed(notebook))
    assert float(den[0]) > 0.85 > float(tuned[0])
    assert 1 < float(den[1]) < 3 and float(tuned[1]) == 1


def test_the_notebook_in_the_repository_has_its_outputs() -> None:
    notebook = read(DIGITS)
    assert (notebook["nbformat"], notebook["nbformat_minor"]) == (4, 5)
    identifiers = [cell["id"] for cell in notebook["cells"]]
    assert len(set(identifiers)) == len(identifiers)
    refuse_other_results(notebook)


def test_a_cell_sees_earlier_ones_and_its_outputs_are_embedded() -> None:
    sources = [
        "x = 1\n",
        "print(x + 1)\n",
        "import matplotlib.pyplot as plt\n\nplt.plot([x, 2])\nplt.show()\n",
    ]
    cells = [{"cell_type": "code", "source": source.splitlines(keepends=True)} for source in sources]
    notebook: dict[str, Any] = {"cells": [{"cell_type": "markdown", "source": ["text"]}, *cells]}
    run(notebook)
    assert printed(notebook) == "2\n"
    assert [len(cell["outputs"]) for cell in code_cells(notebook)] == [0, 1, 1]
    assert figures(notebook)[0].startswith(PNG)


@pytest.mark.slow
def test_all_cells_run_in_order(tmp_path: Path) -> None:
    path = tmp_path / "digits.ipynb"
    shutil.copy(DIGITS, path)
    command = [sys.executable, "-W", "error", "-m", "docs.notebook", str(path)]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    again = read(path)
    refuse_other_results(again)
    without = [[cell["source"] for cell in notebook["cells"]] for notebook in (read(DIGITS), again)]
    assert without[0] == without[1]
