"""What a code fingerprint depends on: the code that a cell uses, not how it is commented."""

import ast
import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest
from projects import ROOT

from den import sources
from den.sources import closure, digest

DEN = "den.methods.den"
EDITS = {
    "a number": ("x = 1", "x = 2", True),
    "a name": ("def f(): return 1", "def g(): return 1", True),
    "an import": ("x = 1", "import math\nx = 1", True),
    "a comment": ("x = 1", "x = 1  # one", False),
    "blank lines": ("x = 1\ny = 2", "x = 1\n\n\ny = 2", False),
    "a module's docstring": ("x = 1", '"""Now with words."""\nx = 1', False),
    "a function's docstring": ("def f():\n return 1", 'def f():\n "Words."\n return 1', False),
    "an attribute's docstring": ("class A:\n x = 1", 'class A:\n x = 1\n "Words."', False),
    "quotes": ("x = 'a'", 'x = "a"', False),
}


@pytest.fixture
def forgetful() -> Iterator[None]:
    """Forget what was read of modules, before and after."""
    forget()
    yield
    forget()


def forget() -> None:
    sources._imports.cache_clear()
    sources._meaning.cache_clear()


def test_a_method_uses_what_it_imports_at_any_remove() -> None:
    used = closure([DEN])
    assert used >= {
        DEN,
        "den.methods.base",
        "den.networks.expandable",
        "den.networks.layers",
        "den.training",
        "den.penalties",
        "den.config",
    }
    assert not used & {"den.methods.ewc", "den.execution", "den.checkpoints", "den.metrics", "den.ledger", "den.suites"}
    assert not used & sources.REGISTRIES


def test_only_the_library_counts() -> None:
    assert all(module.startswith("den.") for module in closure([DEN, "den.streams.blobs", "den.harness"]))


def test_no_module_imports_relatively() -> None:
    for module in closure(["den.execution", "den.worker", "den.suites", "den.streams.blobs"]):
        imports = (node for node in ast.walk(sources._tree(module)) if isinstance(node, ast.ImportFrom))
        assert all(node.level == 0 for node in imports), module


@pytest.mark.parametrize("edit", EDITS)
def test_meaning_counts_and_looks_do_not(edit: str, forgetful: None, monkeypatch: pytest.MonkeyPatch) -> None:
    before, after, counts = EDITS[edit]
    digests = []
    for text in (before, after):
        forget()
        monkeypatch.setattr(sources, "_tree", lambda module, text=text: ast.parse(text))
        digests.append(digest([DEN]))
    assert (digests[0] != digests[1]) is counts


USED = {"den.penalties": True, "den.networks.layers": True, "den.methods.ewc": False}


@pytest.mark.parametrize(("module", "counts"), USED.items())
def test_a_used_module_counts_and_another_does_not(
    module: str, counts: bool, forgetful: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = digest([DEN])
    tree = sources._tree
    forget()

    def edited(name: str) -> ast.Module:
        found = tree(name)
        return ast.Module([*found.body, *ast.parse("extra = 1").body], []) if name == module else found

    monkeypatch.setattr(sources, "_tree", edited)
    assert (digest([DEN]) != before) is counts


def test_the_registries_do_not_count() -> None:
    assert digest([DEN, "den.methods"]) == digest([DEN])


def test_what_is_no_module_is_refused() -> None:
    with pytest.raises(ValueError, match=r"den\.nonesuch"):
        digest(["den.nonesuch"])


CODE = '''class A(B):
    """Words."""
    x: int = 1

    def f(self, *y) -> None:
        return f"{self.x!r:>3} {y}"
'''


def test_meaning_is_the_same_in_every_python(forgetful: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "_tree", lambda module: ast.parse(CODE))
    assert hashlib.sha256(sources._meaning(DEN).encode()).hexdigest()[:8] == "d0eddcce"


PULLED = """
import sys
from pathlib import Path
import den.preloaded
from den import cells, sources
from den.streams import STREAMS
before = sources.digest(["den.methods.den", "den.streams.blobs", "den.harness"])
path = Path(sys.argv[1], "den/training.py")
path.write_text(path.read_text() + "\\nADDED = 1\\n")
print(before == sources.digest(["den.methods.den", "den.streams.blobs", "den.harness"]))
"""


@pytest.mark.slow
def test_a_process_that_is_loaded_keeps_the_fingerprint_of_what_it_has_loaded(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "den", tmp_path / "den", ignore=shutil.ignore_patterns("__pycache__"))
    command = [sys.executable, "-c", PULLED, str(tmp_path)]
    answer = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "True"


def test_what_decides_about_bits_is_in_the_fingerprint() -> None:
    modules = sources.closure(["den.methods.den", "den.streams.blobs", "den.harness"])
    assert {"den.training", "den.harness", "den.penalties", "den.graphs", "den.scores", "den.tasks"} <= modules
    for name in ("set_up_torch", "untrained", "on_validation", "generator_for"):
        defined = [module for module in modules if f"def {name}(" in Path(find_spec(module).origin).read_text()]
        assert defined, name
