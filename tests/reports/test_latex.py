"""Tables in LaTeX: whole, escaped, and accepted by TeX."""

import re
import shutil
import subprocess
from pathlib import Path

import pandas as pd
import pytest
from click.testing import CliRunner
from synthetic import METHODS, results

from flows.cli import main
from reports import accepted_results, latex_tables, tables

HOSTILE = pd.DataFrame({"method": ["l2", "a_b%c&d"], "AUROC": [".5 ± .1", "<.001"], "50 % #{}$": ["−.1", "~^\\"]})
TEX = next(filter(shutil.which, ("tectonic", "pdflatex", "xelatex", "lualatex")), "")


def compiled(text: str, folder: Path) -> None:
    """Compile a document that holds these tables. Raises CalledProcessError if TeX refuses it."""
    packages = sorted(set(re.findall(r"^% (\\usepackage\{\w+\})$", text, re.MULTILINE)))
    lines = [r"\documentclass{article}", *packages, r"\begin{document}", text, r"\end{document}"]
    (folder / "tables.tex").write_text("\n".join(lines), encoding="utf-8")
    quiet = [] if TEX == "tectonic" else ["-interaction=nonstopmode", "-halt-on-error"]
    subprocess.run([TEX, *quiet, "tables.tex"], cwd=folder, check=True, capture_output=True, timeout=300)


def of_compare(monkeypatch: pytest.MonkeyPatch) -> str:
    """Return what `den compare --format latex` prints for a synthetic suite."""
    collected = tables.collect(results("mnist_variation", 3), "quick")
    monkeypatch.setattr(accepted_results, "read_tables", lambda suite: collected)
    command = ["compare", "--accepted", "--suite", "quick", "--format", "latex"]
    return CliRunner().invoke(main, command, catch_exceptions=False).output


def test_a_table_has_caption_label_package_and_its_best_in_bold(monkeypatch: pytest.MonkeyPatch) -> None:
    text = of_compare(monkeypatch)
    assert text.count(latex_tables.PACKAGE) == text.count(r"\begin{table}") == 2
    assert r"\caption{MNIST-Variation: average AUROC after 10 tasks, every method against DEN." in text
    assert set(re.findall(r"\\label\{(.*)\}", text)) == {"tab:mnist-variation-auroc", "tab:mnist-variation-accuracy"}
    bold = re.findall(r"^\\textbf\{(.*?)\} & \\textbf\{", text, re.MULTILINE)
    assert len(bold) == 2
    assert bold[0] == "Joint"
    assert len(re.findall(r" \\\\$", text, re.MULTILINE)) == 2 * (len(METHODS) + 2)


def test_nothing_that_tex_reads_otherwise_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    hostile = latex_tables.latex(HOSTILE, "100 % of a_b & {c} < 5", "tab:hostile")
    for text in (hostile, of_compare(monkeypatch)):
        body = re.sub(r"^%.*$|\$<\$|\$-\$|\$\\pm\$", "", text, flags=re.MULTILINE)
        assert not re.search("[<>±−’]", body)
        assert not re.search(r"(?<!\\)[%#$]", body)
        assert text.isascii()
    assert r"A b\%c\&d" in hostile
    assert r"$<$.001" in hostile
    assert r"100 \% of a\_b \& \{c\} $<$ 5" in hostile


@pytest.mark.slow
@pytest.mark.skipif(not TEX, reason="there is no TeX here: install tectonic or Debian's texlive-latex-recommended")
def test_tex_accepts_the_tables(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    compiled(f"{of_compare(monkeypatch)}\n{latex_tables.latex(HOSTILE, '100 % of a_b', 'tab:hostile')}", tmp_path)
    assert (tmp_path / "tables.pdf").exists()
