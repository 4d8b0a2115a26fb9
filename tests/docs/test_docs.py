"""What the documents promise: links lead somewhere, commands are commands, and the code in them works."""

import json
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import click
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from mlflow import MlflowClient
from projects import ROOT, den
from synthetic import results

from den import measures, metrics
from flows.cli import main
from reports import tables

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("data/*.md")])


def tokens(page: Path) -> Iterator[Token]:
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        yield token
        yield from token.children or ()


def code(page: Path, language: str) -> list[str]:
    return [token.content for token in tokens(page) if token.type == "fence" and token.info == language]


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get on the forges."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    found = [token.attrs.get("href") or token.attrs.get("src") for token in tokens(page) if token.attrs]
    return [str(link) for link in found if link and "://" not in str(link)]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{page.name}: {link}"
        assert not anchor or anchor in anchors(target), f"{page.name}: {link}"


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of every `den` command in a page's blocks of code."""
    for block in [token.content for token in tokens(page) if token.type == "fence" and token.info in ("", "console")]:
        lines = [line.removeprefix("$ ") for line in block.splitlines()]
        yield from (shlex.split(line, comments=True)[1:] for line in lines if line.startswith("den "))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_command_is_one(page: Path) -> None:
    for name, *words in commands(page):
        with click.Context(main) as context:
            command = main.get_command(context, name)
            assert command is not None, f"{page.name}: den {name}"
            command.make_context(name, words, parent=context)


def test_every_make_target_that_a_page_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"^make ([\w-]+)", "\n".join(code(page, "") + code(page, "console")), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{page.name}: make {target}"


def test_the_metric_of_the_how_to_is_a_metric() -> None:
    _, metric, _ = code(ROOT / "docs/how-to.md", "python")
    known = vars(metrics).copy()
    exec(metric, known)
    for result in results("blobs", 1, ("den", "l2"), 3):
        R = result.measurement.matrix("auroc")
        assert known["worst"](R) == R[-1].min()


def test_the_table_of_the_how_to_is_learned(capsys: pytest.CaptureFixture[str]) -> None:
    table, *_ = code(ROOT / "docs/how-to.md", "python")
    exec(table, {})
    scores = json.loads(capsys.readouterr().out)
    assert len(scores) == 3 and all(0.8 < score <= 1 for score in scores)


def test_the_figure_of_the_how_to_is_drawn() -> None:
    _, _, figure = code(ROOT / "docs/how-to.md", "python")
    known: dict[str, object] = {}
    exec(figure, known)
    assert callable(known["draw"])
    accepted = tables.read(ROOT / "reports/accepted/mnist-variation")
    assert known["draw"](accepted).axes[0].lines
    whole = tables.collect(results("blobs", 1, ("l2",), 3), "smoke")
    assert known["draw"](whole) is not None
    without = whole.measures[whole.measures["measure"] != measures.NONZERO]
    assert known["draw"](replace(whole, measures=without)) is None


@pytest.mark.slow
def test_the_method_of_the_tutorial_is_in_every_table_figure_test_and_in_mlflow(project: Path) -> None:
    method, registry = code(ROOT / "docs/tutorial.md", "python")
    assert len(method.splitlines()) <= 40
    (project / "den/methods/averaged.py").write_text(method)
    register(project / "den/methods/__init__.py", *registry.strip().splitlines()[::2])
    run = den(project, "run", "--suite", "smoke", "--method", "averaged", "--method", "finetune", "--method", "den")
    assert run.returncode == 0, run.stderr
    assert "Averaged" in run.stdout
    compared = den(project, "compare", "--suite", "smoke").stdout
    assert "Measured here: Fine-tuning, DEN, Averaged. Accepted (commits " in compared
    assert all(label in compared for label in ("Averaged", "EWC", "L2", "Joint", "Single-task"))
    assert (project / "reports/out/smoke/index.html").read_text().count("Averaged") > 5
    for figure in ("auroc_over_tasks", "auroc_over_capacity", "score_over_time"):
        assert "Averaged" in (project / f"reports/out/smoke/figures/blobs/{figure}.svg").read_text()
    client = MlflowClient(f"sqlite:///{project}/.mlflow/mlflow.db")
    experiments = [one.experiment_id for one in client.search_experiments()]
    assert client.search_runs(experiments, "tags.method = 'averaged'")
    shutil.copytree(ROOT / "tests", project / "tests")
    shutil.copy(ROOT / "pyproject.toml", project)
    contracts = [sys.executable, "-m", "pytest", "-q", "tests/test_methods.py", "-k", "averaged"]
    kept = subprocess.run(contracts, cwd=project, capture_output=True, text=True, check=False)
    assert kept.returncode == 0, kept.stdout
    assert int(re.search(r"(\d+) passed", kept.stdout)[1]) > 5


def register(path: Path, imported: str, line: str) -> None:
    """Put a method into the registry."""
    text = path.read_text().replace("from den.methods.base", f"{imported}\nfrom den.methods.base", 1)
    path.write_text(
        text.replace("METHODS: dict[str, type[Method]] = {", f"METHODS: dict[str, type[Method]] = {{\n{line}", 1)
    )
