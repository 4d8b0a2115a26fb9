"""What a shell completes, asked as a shell asks: through the environment of a `den` that loads nothing heavy."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from projects import HEAVY, ROOT
from synthetic import result

from den import suites
from den.ledger import Ledger, Places
from den.methods import METHODS
from den.streams import STREAMS

ASK = """
import sys
from flows.cli import main
try:
    main(prog_name="den")
finally:
    print(*sys.modules, file=sys.stderr)
"""


def asked(words: str, **about: str) -> subprocess.CompletedProcess[str]:
    known = os.environ | {"PYTHONPATH": str(ROOT)} | about
    return subprocess.run([sys.executable, "-c", ASK, *words.split()], env=known, capture_output=True, text=True)


def completed(line: str) -> list[str]:
    """Return what bash is told to complete the last word of a line to; a word that is not begun ends in a space."""
    about = {"_DEN_COMPLETE": "bash_complete", "COMP_WORDS": line, "COMP_CWORD": str(len(line.split(" ")) - 1)}
    answer = asked("", **about)
    assert not HEAVY & set(answer.stderr.split())
    assert answer.returncode == 0 and "Traceback" not in answer.stderr
    return answer.stdout.split()


def plain(names: list[str]) -> list[str]:
    return [f"plain,{name}" for name in sorted(names)]


def test_suites_streams_methods_and_variants_are_all_that_there_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    plan = suites.load()
    assert completed("den run --suite ") == plain(list(plan.suites))
    assert completed("den status --suite d") == plain([name for name in plan.suites if name.startswith("d")])
    assert completed("den prepare --stream ") == plain(list(STREAMS))
    assert completed("den run --method ") == plain([*METHODS, *plan.file.variants])


def test_a_result_is_completed_to_the_ids_that_begin_so(here: Path) -> None:
    assert completed("den why ") == []
    ledger = Ledger.of(Places())
    ids = sorted(ledger.add(result("blobs", "den", seed).measurement) for seed in range(3))
    assert completed("den rerun ") == plain(ids)
    assert completed(f"den why {ids[0][:8]}") == plain(ids[:1])
    Path(".den/index.sqlite").write_bytes(b"garbage")
    assert completed("den why ") == []


@pytest.mark.parametrize("content", [None, b"suites: [", b"[]", b"suites: 3", b"\xff"])
def test_a_params_file_that_is_none_leaves_what_the_library_has(content: bytes | None, here: Path) -> None:
    if content is not None:
        Path("params.yaml").write_bytes(content)
    assert completed("den run --suite nonesuch") == []
    assert completed("den run --method ") == plain(list(METHODS))


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_of_a_shell_is_one_that_it_takes(shell: str) -> None:
    answer = asked(f"completion {shell}")
    assert "_DEN_COMPLETE" in answer.stdout
    if shutil.which(shell):
        subprocess.run([shell, "-n"], input=answer.stdout, text=True, check=True)
