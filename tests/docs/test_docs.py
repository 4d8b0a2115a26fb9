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
from documents import PAGES, code, tokens
from mlflow import MlflowClient
from projects import ROOT, den
from synthetic import results

from den import measures, metrics
from den.ledger import Places
from den.methods import METHODS
from den.params_file import File
from docs import reference
from flows.cli import main
from reports import accepted_results, tables

WRITTEN = [page for page in PAGES if page.name != "CHANGELOG.md" and page.parent.name != "reference"]
OF_EXAMPLES = ("yours.py", "averaged.py")

ANSWERS = {
    "where is a new baseline added": ("new baseline", "`den/methods/`", "`den/methods/__init__.py`"),
    "where does a scheduled run leave its result": ("scheduled run", "`.den/ledger/`", "`reports/out/<suite>/`"),
    "what is a capacity of 1.47": ("capacity of 1.47 means", "1.47 times as many weights as the base network"),
    "which command compares two methods": ("`den compare --suite", "compares two methods"),
}


def place(page: Path) -> str:
    return str(page.relative_to(ROOT))


def anchors(page: Path) -> set[str]:
    """Return the anchors that a page's headings get on the forges."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    found = [token.attrs.get("href") or token.attrs.get("src") for token in tokens(page) if token.attrs]
    return [str(link) for link in found if link and "://" not in str(link)]


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{place(page)}: {link}"
        assert not anchor or anchor in anchors(target), f"{place(page)}: {link}"


def commands(page: Path) -> Iterator[list[str]]:
    """Yield the words of every `den` command in a page's blocks of code."""
    for block in [token.content for token in tokens(page) if token.type == "fence" and token.info in ("", "console")]:
        lines = [line.removeprefix("$ ") for line in block.splitlines()]
        yield from (shlex.split(line, comments=True)[1:] for line in lines if line.startswith("den "))


@pytest.mark.parametrize("page", PAGES, ids=place)
def test_every_command_is_one(page: Path) -> None:
    for name, *words in commands(page):
        with click.Context(main) as context:
            command = main.get_command(context, name)
            assert command is not None, f"{place(page)}: den {name}"
            command.make_context(name, words, parent=context)


def test_every_make_target_that_a_page_names_is_there() -> None:
    makefile = (ROOT / "Makefile").read_text()
    for page in PAGES:
        for target in re.findall(r"^make ([\w-]+)", "\n".join(code(page, "") + code(page, "console")), re.MULTILINE):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE), f"{place(page)}: make {target}"


def sentences(page: Path) -> list[str]:
    text = " ".join(page.read_text(encoding="utf-8").split())
    return re.split(r"(?<=[.?!)]) (?=[A-Z`*-])", text)


@pytest.mark.parametrize("question", ANSWERS)
@pytest.mark.parametrize("page", ["README.md", "docs/concepts.md"])
def test_a_question_of_newcomers_is_answered_in_one_sentence(page: str, question: str) -> None:
    answers = [words for words in sentences(ROOT / page) if all(part in words for part in ANSWERS[question])]
    assert len(answers) == 1, answers


def test_the_answers_to_newcomers_are_true() -> None:
    assert {f"{method.__module__.replace('.', '/')}.py" for method in METHODS.values()} <= {
        place(path) for path in ROOT.glob("den/methods/**/*.py")
    }
    assert Places().ledger == Path(".den/ledger")
    (answer,) = [words for words in sentences(ROOT / "README.md") if "compares two methods" in words]
    name, *words = shlex.split(re.search("`den (.*?)`", answer)[1])
    with click.Context(main) as context:
        asked = main.get_command(context, name).make_context(name, words, parent=context).params
    assert asked["suite"] == "mnist-variation" and asked["methods"] == ("den", "ewc")


def test_the_front_page_is_read_in_a_minute() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 150


@pytest.mark.parametrize("page", WRITTEN, ids=place)
def test_prose_has_lines_of_120_characters(page: Path) -> None:
    prose = re.sub(r"^ *```.*?^ *```$", "", page.read_text(encoding="utf-8"), flags=re.MULTILINE | re.DOTALL)
    assert not [line for line in prose.splitlines() if len(line) > 120 and not line.lstrip().startswith("|")]


@pytest.mark.parametrize("page", WRITTEN, ids=place)
def test_every_file_of_the_project_that_a_page_names_is_there(page: Path) -> None:
    named = re.findall(r"`((?:den|flows|reports|tests|benchmarks|docs)/[\w/.-]+\.\w+)`", page.read_text())
    needed = [name for name in named if not name.endswith(OF_EXAMPLES) and not name.startswith("reports/out/")]
    assert not [name for name in needed if not (ROOT / name).exists()]


def test_every_setting_has_a_meaning() -> None:
    rows = [line for line in reference.settings_page().splitlines() if line.startswith("|")]
    assert len(rows) > 200
    assert [line for line in rows if line.endswith("|  |")] == []


def test_the_generated_pages_are_current() -> None:
    check = [sys.executable, "-m", "docs.reference", "--check"]  # click keeps a help option that other tests have made
    checked = subprocess.run(check, cwd=ROOT, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, f"{checked.stderr}`python -m docs.reference` writes them"


def test_the_reference_of_settings_has_every_block() -> None:
    assert reference.BLOCKS.keys() == File.model_fields.keys()


def test_every_decision_is_listed_and_has_its_three_parts() -> None:
    pages = sorted((ROOT / "docs/decisions").glob("[0-9]*.md"))
    listed = [link for link in links(ROOT / "docs/decisions/README.md") if re.match(r"\d{4}-", link)]
    assert listed == [page.name for page in pages]
    assert [int(page.name[:4]) for page in pages] == list(range(1, len(pages) + 1))
    for page in pages:
        parts = re.findall(r"^#+ (.*)$", page.read_text(), flags=re.MULTILINE)
        assert parts[1:] == ["Context", "Decision", "Consequence"], page.name


def test_the_metric_of_the_how_to_is_a_metric() -> None:
    (metric,) = code(ROOT / "docs/how-to/metric.md", "python")
    known = vars(metrics).copy()
    exec(metric, known)
    for result in results("blobs", 1, ("den", "l2"), 3):
        R = result.measurement.matrix("auroc")
        assert known["worst"](R) == R[-1].min()


def test_the_table_of_the_how_to_is_learned(capsys: pytest.CaptureFixture[str]) -> None:
    (table,) = code(ROOT / "docs/how-to/table.md", "python")
    exec(table, {})
    scores = json.loads(capsys.readouterr().out)
    assert len(scores) == 3 and all(0.8 < score <= 1 for score in scores)


@pytest.mark.slow
def test_the_notebook_of_the_how_to_scores_what_it_learned(capsys: pytest.CaptureFixture[str]) -> None:
    (notebook,) = code(ROOT / "docs/how-to/notebook.md", "python")
    assert len([line for line in notebook.splitlines() if line]) <= 8
    exec(notebook, {})
    score, capacity = map(float, capsys.readouterr().out.split())
    assert score > 0.8 and 1 <= capacity < 2


def test_the_figure_of_the_how_to_is_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    (figure,) = code(ROOT / "docs/how-to/figure.md", "python")
    namespace: dict[str, object] = {}
    exec(figure, namespace)
    draw = namespace["draw"]
    assert callable(draw)
    accepted = accepted_results.read_tables("mnist-variation")
    assert draw(accepted.of()).axes[0].lines
    whole = tables.collect(results("blobs", 1, ("l2",), 3), "smoke").of()
    assert draw(whole) is not None
    without = whole.measures[whole.measures["measure"] != measures.NONZERO]
    assert draw(replace(whole, measures=without)) is None


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
    contracts = [sys.executable, "-m", "pytest", "-q", "tests/den/test_methods.py", "-k", "averaged"]
    kept = subprocess.run(contracts, cwd=project, capture_output=True, text=True, check=False)
    assert kept.returncode == 0, kept.stdout
    assert int(re.search(r"(\d+) passed", kept.stdout)[1]) > 5


def register(path: Path, imported: str, line: str) -> None:
    """Put a method into the registry."""
    text = path.read_text().replace("from den.methods.base", f"{imported}\nfrom den.methods.base", 1)
    path.write_text(
        text.replace("METHODS: dict[str, type[Method]] = {", f"METHODS: dict[str, type[Method]] = {{\n{line}", 1)
    )
