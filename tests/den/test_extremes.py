"""Numbers at the ends of what is accepted: a method finishes, or says in our own words what to change."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from projects import ROOT
from small import PARAMS, TRAINING, build, cell, stream

from den import execution, harness, provenance, suites
from den.config import LARGEST, SMALLEST, Params, SettingsError, Training, read
from den.ledger import Places
from den.methods import METHODS
from den.training import Diverged

SHORT = TRAINING.model_copy(update={"epochs": 2})
LENGTHS = {"epochs", "steps", "joint_steps", "units_per_expansion"}  # only take longer, or more memory


def ends(kind: type[Params], base: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield every number of a block of settings at each end that it accepts, with its name."""
    numbers = [name for name, field in kind.model_fields.items() if {int, float} & kinds(field.annotation)]
    for name in sorted({*numbers} - LENGTHS):
        for end in (LARGEST, SMALLEST, int(LARGEST)):
            block = base | {name: end}
            try:
                read(kind, block, "")
            except SettingsError:
                continue
            yield f"{name}={end:g}", block


def kinds(annotation: Any) -> set[Any]:
    """Return the plain types that an annotation is made of."""
    inner = getattr(annotation, "__args__", ())
    return {annotation} | {kind for part in inner for kind in kinds(part)}


OF_METHODS = [
    pytest.param(method, block, SHORT, id=f"{method}-{title}")
    for method, kind in METHODS.items()
    for title, block in ends(kind.accepts, PARAMS.get(method, {}))
]
OF_TRAINING = [
    pytest.param(method, PARAMS.get(method, {}), read(Training, block, "training"), id=f"{method}-{title}")
    for method in ("l2", "ewc", "den", "den_official", "progressive")
    for title, block in ends(Training, SHORT.model_dump())
]


@pytest.mark.slow
@pytest.mark.parametrize(("method", "block", "training"), OF_METHODS + OF_TRAINING)
def test_a_number_at_its_end_is_used_or_refused_in_our_words(
    method: str, block: dict[str, Any], training: Training
) -> None:
    on = stream(tasks=2)
    learner = build(method, on, params=block, training=training)
    try:
        harness.run(learner, on, 0)
    except Diverged as failure:
        assert "lower training.learning_rate or the strengths" in str(failure)


HUGE = {  # a setting, and the key that its refusal names
    "methods.l2.strength=1e308": "methods.l2.strength: 1e.308 is too large",
    "methods.l2.strength=1e-300": "methods.l2.strength: 1e-300 is too small",
    "methods.l2.strength=.inf": "methods.l2.strength: inf is too large",
    "methods.l2.strength=.nan": "methods.l2.strength: .*finite number",
    "training.learning_rate=1e308": "training.learning_rate: 1e.308 is too large",
    "training.batch_size=10000000000": "training.batch_size: 10000000000 is too large",
    "training.epochs=10000000": "training.epochs: .*1000000, not 10000000",
    "training.steps=100000000": "training.steps: .*10000000, not 100000000",
    "training.momentum=1e300": "training.momentum: 1e.300 is too large",
    "network.widths=[1000000, 10]": "network.widths.0: .*100000, not 1000000",
    "network.widths=[100000, 100000]": "network.widths: .*10,000,000,000 weights between two layers",
    f"network.widths={[1] * 51}": "network.widths: .*at most 50 items",
    "network.convolutions=[{channels: 1000000}]": "network.convolutions.0.channels: .*10000",
    "network.convolutions=[{channels: 1, kernel: 100001}]": "network.convolutions.0.kernel: .*99",
    "streams.blobs.training_examples=10000000000": "streams.blobs.training_examples: 10000000000 is too large",
    "streams.blobs.tasks=1e300": "streams.blobs.tasks: 1e.300 is too large",
    "streams.mnist_variation.training_images=100000": "streams.mnist_variation.training_images: .*not 100000",
    "methods.den.units_per_expansion=1000000": "methods.den.units_per_expansion: .*10000",
    "methods.den.channels_per_expansion=0": "methods.den.channels_per_expansion: .*greater than 0",
    "methods.den.channels_per_expansion=10001": "methods.den.channels_per_expansion: .*10000",
    "methods.joint.steps=-1": "methods.joint.steps: .*greater than 0",
    "methods.den_finetune.joint_steps=100000000": "methods.den_finetune.joint_steps: .*10000000",
    "methods.progressive.column_width=1e9": "methods.progressive.column_width: .*less than or equal to 1",
}
ALL = ["l2", "den", "joint", "den_finetune", "progressive"]


@pytest.mark.parametrize("override", HUGE, ids=lambda text: text[:40])
def test_a_number_out_of_its_range_is_refused_by_its_key(override: str) -> None:
    with pytest.raises(SettingsError, match=HUGE[override]) as refusal:
        suites.load(ROOT / "params.yaml", [override]).cells("smoke", ["blobs", "mnist_variation"], ALL)
    assert len(str(refusal.value).splitlines()) == 1


@pytest.mark.parametrize("seeds", [10**9, 10_001])
def test_more_splits_than_anybody_prepares_are_refused(seeds: int, tmp_path: Path) -> None:
    text = (ROOT / "params.yaml").read_text(encoding="utf-8")
    (tmp_path / "params.yaml").write_text(text.replace("seeds: 10\n", f"seeds: {seeds}\n"))
    with pytest.raises(SettingsError, match=r"data\.seeds: .*10000"):
        suites.load(tmp_path / "params.yaml")


def test_a_network_beyond_this_machines_memory_is_refused_before_it_is_made(
    places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(provenance, "memory", lambda: 1_000)
    with pytest.raises(SettingsError, match=r"^network\.widths: \d+ weights take .* give smaller widths"):
        execution.execute(cell(), places)


@pytest.mark.parametrize(
    "failure", [MemoryError(), RuntimeError("DefaultCPUAllocator: can't allocate memory: 8 bytes")]
)
def test_memory_that_ends_in_a_stage_is_one_line(
    failure: Exception, places: Places, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise failure

    monkeypatch.setattr(METHODS["finetune"], "train", fail)
    with pytest.raises(execution.OutOfMemory, match=r"^task 1 · train: out of memory; make network\.widths"):
        execution.execute(cell(), places)


def test_torch_refuses_what_cannot_be_allocated_as_we_expect() -> None:
    with pytest.raises(RuntimeError, match="can't allocate memory") as failure:
        torch.empty(1 << 50)
    assert execution._lacks_memory(failure.value)
