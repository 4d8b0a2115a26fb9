"""Run the cells of a notebook and embed what they print and draw.

    python -m docs.notebook                     # docs/notebooks/digits.ipynb
    python -m docs.notebook some/other.ipynb

Cells run in order, in one namespace, as in Jupyter. Only printed text and the figures of pyplot are embedded.
"""

import argparse
import base64
import io
import json
import warnings
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import matplotlib as mpl

from den.files import write

DIGITS = Path(__file__).parent / "notebooks/digits.ipynb"
DPI = 100


def code_cells(notebook: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the cells of code, in order."""
    return [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]


def run(notebook: dict[str, Any]) -> None:
    """Run all cells of code, and put their outputs into the notebook."""
    mpl.use("agg")
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for number, cell in enumerate(code_cells(notebook), start=1):
        cell["execution_count"] = number
        cell["outputs"] = outputs("".join(cell["source"]), namespace)


def outputs(source: str, namespace: dict[str, Any]) -> list[dict[str, Any]]:
    """Run a cell and return its outputs, as nbformat 4 has them."""
    with redirect_stdout(io.StringIO()) as printed, warnings.catch_warnings():
        warnings.filterwarnings("ignore", "FigureCanvasAgg is non-interactive")  # pyplot.show; `drawn` shows figures
        exec(source, namespace)
    text = printed.getvalue().splitlines(keepends=True)
    streams = [{"name": "stdout", "output_type": "stream", "text": text}] if text else []
    return streams + drawn()


def drawn() -> list[dict[str, Any]]:
    """Return the open figures of pyplot as outputs, and close them."""
    from matplotlib import pyplot

    images = []
    for number in pyplot.get_fignums():
        file = io.BytesIO()
        pyplot.figure(number).savefig(file, format="png", dpi=DPI, metadata={"Software": None})
        images.append(base64.b64encode(file.getvalue()).decode())
    pyplot.close("all")
    return [{"data": {"image/png": image}, "metadata": {}, "output_type": "display_data"} for image in images]


def main() -> None:
    """Run the notebook that the command line names, in place."""
    parser = argparse.ArgumentParser(
        prog="python -m docs.notebook", description="Run a notebook and embed its outputs."
    )
    parser.add_argument("path", nargs="?", type=Path, default=DIGITS, help="the notebook; by default that of digits")
    path = parser.parse_args().path
    notebook = json.loads(path.read_text(encoding="utf-8"))
    run(notebook)
    write(path, json.dumps(notebook, indent=1, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
