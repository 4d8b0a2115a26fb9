"""Two commits are compared to the last bit, each with its own code."""

import json
import math
import subprocess
import sys
from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from projects import ROOT
from small import cell

from benchmarks.equivalence import same, same_side
from den.methods import METHODS
from den.streams import prepared
from den.suites import load

FORMER = "77d068f628910ddf6b009da32142ff7a200e00c1"  # the last commit with the interfaces of version 0.5.0


def answer_of(data: Path) -> dict[str, Any]:
    item = {"cell": cell("den").model_dump(mode="json"), "data": str(data)}
    answer: dict[str, Any] = json.loads(json.dumps(same_side.answer("run", item)))
    return answer


@pytest.fixture(scope="module")
def answer(blobs_folder: Path) -> dict[str, Any]:
    """Return what one side answers to a small cell."""
    return answer_of(blobs_folder)


def test_a_cell_comes_to_the_same_twice(answer: dict[str, Any], blobs_folder: Path) -> None:
    again = answer_of(blobs_folder)
    assert again["result"]["measures"] != answer["result"]["measures"], "the clock is among them"
    assert list(same.differences(answer, again)) == []


def score(result: dict[str, Any]) -> None:
    result["scores"]["auroc"][2][0] = math.nextafter(result["scores"]["auroc"][2][0], 2)


def measure(result: dict[str, Any]) -> None:
    next(row for row in result["measures"] if row["measure"] == "drift")["value"] += 0.25


def absent(result: dict[str, Any]) -> None:
    result["measures"] = [row for row in result["measures"] if row["measure"] != "capacity"]


def reordered(result: dict[str, Any]) -> None:
    result["measures"].reverse()


def tensor(result: dict[str, Any]) -> None:
    result["tensors"]["heads.0.weight"] = same_side.digest(torch.zeros(1))


def value(result: dict[str, Any]) -> None:
    result["values"]["stamps"][0][0] += 1


PLANTED = {
    score: "(auroc 3/1)",
    measure: "differ, by up to 0.25 (2 split and duplication 1 drift)",
    absent: "(1 capacity, 2 capacity, 3 capacity)",
    reordered: "in another order",
    tensor: "differ (heads.0.weight)",
    value: "differ (value stamps)",
}


@pytest.mark.parametrize("plant", PLANTED, ids=lambda plant: plant.__name__)
def test_a_planted_difference_is_named(plant: Callable[..., None], answer: dict[str, Any]) -> None:
    other = deepcopy(answer)
    plant(other["result"])
    (difference,) = same.differences(answer, other)
    assert PLANTED[plant] in difference


def test_what_only_the_new_commit_has_is_named_and_no_difference(answer: dict[str, Any]) -> None:
    other = deepcopy(answer)
    other["result"]["scores"]["novel"] = [[0.5]]
    other["result"]["measures"].append({"task": 1, "stage": None, "layer": None, "measure": "size", "value": 1.0})
    other["result"]["values"]["more"] = [0, 0]
    assert list(same.differences(answer, other)) == []
    assert same.names(other["result"]) - same.names(answer["result"]) == {"novel", "size", "value more"}
    assert list(same.differences(other, answer)) != []


def test_one_bit_of_a_tensor_gives_another_digest() -> None:
    weight = torch.randn(3, 4)
    other = weight.clone()
    other.view(torch.int32)[1, 2] ^= 1
    assert same_side.digest(weight) == same_side.digest(weight.t().contiguous().t()) != same_side.digest(other)
    assert same_side.digest(weight) != same_side.digest(weight.reshape(4, 3))


@pytest.mark.parametrize(
    ("old", "new", "equal"), [(math.nan, math.nan, True), (0.0, -0.0, False), (math.nan, 1.0, False)]
)
def test_nan_is_nan_and_zero_has_a_sign(old: float, new: float, equal: bool) -> None:
    sides = ({"result": {"scores": {"a": [[one]]}, "measures": [], "tensors": {}, "values": {}, "done": []}}
             for one in (old, new))  # fmt: skip
    assert (not list(same.differences(*sides))) is equal


def test_a_cell_that_fails_is_never_the_same(answer: dict[str, Any]) -> None:
    broken = {"failed": "ValueError"}
    assert list(same.differences(broken, answer)) == ["OLD fails: ValueError"]
    assert list(same.differences(broken, broken)) == ["OLD fails: ValueError", "NEW fails: ValueError"]


@pytest.mark.slow
def test_every_method_and_variant_is_compared(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    groups = yaml.safe_load(same.CELLS.read_text())
    answers = [same_side.answer("plan", same.question(**group)) for group in groups]
    assert [answer["failed"] for answer in answers if "failed" in answer] == []
    cells = [cell for answer in answers for cell in answer["result"]]
    assert {cell["method"] for cell in cells} == set(METHODS)
    assert {cell["variant"] for cell in cells} == {"", *load().file.variants}
    assert {cell["stream"] for cell in cells} >= {"mnist_variation", "permuted_mnist", "split_mnist"}


@pytest.mark.slow
@pytest.mark.parametrize(("old", "ends", "cells"), [("HEAD", "[2c]", 2), (FORMER, "c", 1)])  # L2 is solved since then
def test_a_commit_is_the_same_as_itself_and_as_the_one_before_the_ledger(
    old: str, ends: str, cells: int, tmp_path: Path
) -> None:
    known = subprocess.run(["git", "-C", str(ROOT), "cat-file", "-e", old], capture_output=True, check=False)
    if known.returncode:
        pytest.skip(f"commit {old} is not in this clone's history")
    data = load(ROOT / "params.yaml").data
    prepared.prepare("blobs", data.preparation("blobs"), {}, data.seeds, tmp_path)
    script = [
        sys.executable,
        str(ROOT / "benchmarks/equivalence/same.py"),
        old,
        "--data",
        str(tmp_path),
        "--only",
        f"one head*{ends}",
    ]
    done = subprocess.run(script, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{cells} of {cells} cells are the same" in done.stdout
