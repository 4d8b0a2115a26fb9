"""A cell: one stream, one method, one seed, with all settings; its key, its code and its stream."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import torch
from pydantic import Field, NonNegativeInt, ValidationInfo, field_validator

from den import harness, provenance, sources
from den.config import Network, Params, SettingsError, Training, completed, read, reduced
from den.ledger import Entry, Ledger, Origin, Places
from den.ledger.settings import Settings
from den.ledger.settings import key_of as key_of_settings
from den.methods import METHODS
from den.methods.base import Method, Problem
from den.paths import NAME
from den.streams import IMAGES, STREAMS, prepared
from den.tasks import Stream
from den.training import device_of

COPIES = 4  # of its weights that a network needs while Adam trains it: themselves, gradients and two moments
FLOAT = 4  # bytes


class Cell(Params):
    """All that decides a result but code, versions and machine. The blocks of stream and method are kept complete.

    variant: the name that these settings of the method go by; it decides nothing, and is no part of the key.
    """

    stream: str
    method: str
    variant: str = Field("", pattern=f"{NAME}|^$")
    seed: NonNegativeInt
    stream_params: dict[str, Any] = Field({}, validate_default=True)
    method_params: dict[str, Any] = Field({}, validate_default=True)
    network: Network = Network.model_validate({})
    training: Training = Training(epochs=10)
    evaluation: Literal["test", "validation"] = "test"

    @field_validator("stream", "method")
    @classmethod
    def known(cls, name: str, info: ValidationInfo) -> str:
        registry: Iterable[str] = STREAMS if info.field_name == "stream" else METHODS
        if name not in registry:
            raise SettingsError(f"{info.field_name}: {name!r} is unknown; there are {', '.join(registry)}")
        return name

    @field_validator("stream_params")
    @classmethod
    def complete_stream(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "stream" not in info.data:
            return given
        return read(STREAMS[info.data["stream"]].Params, given, "stream_params").model_dump(mode="json")

    @field_validator("method_params")
    @classmethod
    def complete_method(cls, given: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        if "method" not in info.data:
            return given
        return read(METHODS[info.data["method"]].accepts, given, "method_params").model_dump(mode="json")

    @property
    def name(self) -> str:
        return self.variant or self.method

    @property
    def title(self) -> str:
        return f"{self.stream} · {self.name} · seed {self.seed}"


def settings_of(cell: Cell) -> Settings:
    """Return the settings of a cell as a measurement keeps them: without its variant's name and what is as before."""
    values = reduced(cell)
    values["stream_params"] = reduced(_stream_params(cell))
    values["method_params"] = reduced(_method_params(cell))
    return {name: value for name, value in values.items() if name != "variant"}


def cell_of(settings: Settings, variant: str = "") -> Cell:
    """Return the cell of a measurement's settings. Raises SettingsError for what this code does not know."""
    whole = completed(Cell, settings) | {"variant": variant}
    if whole.get("stream") in STREAMS and whole.get("method") in METHODS:
        whole["stream_params"] = completed(STREAMS[whole["stream"]].Params, whole["stream_params"])
        whole["method_params"] = completed(METHODS[whole["method"]].accepts, whole["method_params"])
    return read(Cell, whole, "cell")


def key_of(cell: Cell, places: Places) -> str:
    """Return the cell's key: of its settings, device and variant left out, and the data it reads.

    Raises DataError if its stream is not prepared.
    """
    return key_of_settings(settings_of(cell), data_of(cell, places))


def data_of(cell: Cell, places: Places) -> str:
    """Return the hash of the data that the cell reads. Raises DataError for missing or damaged files."""
    folder = places.data / cell.stream
    try:
        return prepared.data_of(folder, cell.seed)
    except Exception:  # numpy reads a damaged table in many ways
        prepared.read(folder)  # raises DataError naming it
        raise


def modules_of(method: str, stream: str) -> tuple[str, ...]:
    """Return the modules that decide, with what they import, about the numbers of a method on a stream."""
    return METHODS[method].__module__, f"den.streams.{stream}", harness.__name__


def fingerprint(cell: Cell) -> str:
    """Return a hash of the code that the cell uses; it decides about reuse and resuming, and about no name."""
    return sources.digest(modules_of(cell.method, cell.stream))


def present_of(cell: Cell, elsewhere: bool = False) -> dict[str, str]:
    """Return what would measure the cell now, as fields of an entry: code, torch and this kind of machine.

    elsewhere: on any kind of machine. Raises SettingsError for a GPU that is not here.
    """
    present = {"fingerprint": fingerprint(cell), "torch": torch.__version__}
    if elsewhere:
        return present | {"device": "cuda" if cell.training.device == "cuda" else "cpu"}
    now = datetime.now(UTC)
    about = provenance.provenance(device_of(cell.training)) | {"run": None, "started": now, "ended": now}
    return present | {"bits": Origin(**about).bits}


def current(cell: Cell, ledger: Ledger, places: Places, present: dict[str, str]) -> Entry | None:
    """Return the newest current measurement of a cell; None if there is none.

    present: what would measure it, from `present_of`.
    """
    entries = ledger.entries(key=key_of(cell, places), **present)
    return entries[-1] if entries else None


def own(cell: Cell, ledger: Ledger, places: Places, run: str) -> Entry | None:
    """Return what a run has measured of a cell already, with today's code, on whatever machine."""
    entries = ledger.entries(key=key_of(cell, places), run=run, fingerprint=fingerprint(cell))
    return entries[-1] if entries else None


def refuse(cell: Cell) -> None:
    """Raise SettingsError for what the cell's method or its stream's examples cannot do with."""
    method = METHODS[cell.method]
    method.refuse(cell.network)
    if cell.training.optimizer_state == "keep" and not method.keeps_moments:
        keep = ", ".join(name for name, kind in METHODS.items() if kind.keeps_moments)
        raise SettingsError(f"training.optimizer_state: {cell.method} shares no lasting parameters; keep is for {keep}")
    if cell.evaluation == "validation" and cell.stream_params.get("validation_images") == 0:
        raise SettingsError(f"streams.{cell.stream}.validation_images: 0 leaves nothing to choose by; ask for some")
    if cell.network.convolutions and cell.stream not in IMAGES:
        raise SettingsError(f"network.convolutions: the examples of {cell.stream} are no images; leave it empty")


def untrained(cell: Cell, shape: Sequence[int], classes: int, tasks: int) -> Method:
    """Return the cell's method before its first stage, for a stream of these sizes; shape: of one example."""
    refuse(cell)
    kind = METHODS[cell.method]
    problem = Problem(tuple(shape), classes, tasks, cell.network, cell.training, cell.seed)
    _refuse_size(problem)
    return harness.untrained(kind, _method_params(cell), problem)


def _refuse_size(problem: Problem) -> None:
    """Raise SettingsError for a base network that cannot be trained in this machine's memory."""
    needed, there = COPIES * FLOAT * problem.base_weights, provenance.memory()
    if there is not None and needed > there and problem.device.type == "cpu":
        sizes = (
            f"{problem.base_weights:,} weights take {needed >> 30:,} GiB to train, and this machine has {there >> 30:,}"
        )
        raise SettingsError(f"network.widths: {sizes}; give smaller widths or channels")


def open_stream(cell: Cell, places: Places) -> Stream:
    """Return the cell's stream; on validation data it has no test data at all."""
    stream = prepared.open_stream(places.data, cell.stream, _stream_params(cell), cell.seed)
    return stream if cell.evaluation == "test" else harness.on_validation(stream)


def _stream_params(cell: Cell) -> Params:
    return read(STREAMS[cell.stream].Params, cell.stream_params, "stream_params")


def _method_params(cell: Cell) -> Params:
    return read(METHODS[cell.method].accepts, cell.method_params, "method_params")
