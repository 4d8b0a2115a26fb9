"""A cell: one stream, one method and one seed, with all settings; its key, its code and its stream."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, Literal

import torch
from pydantic import Field, NonNegativeInt, ValidationInfo, field_validator

from den import harness, provenance, sources
from den.config import Network, Params, SettingsError, Training, completed, read, reduced, refuse_unknown
from den.ledger import Entry, Ledger, Origin, Places
from den.ledger.settings import Settings
from den.ledger.settings import key_of as key_of_settings
from den.methods import METHODS
from den.methods.base import Method, Problem
from den.paths import NAME
from den.streams import IMAGES, STREAMS, module_of, own_data, prepared
from den.tasks import Stream
from den.training import device_of

COPIES = 4  # numbers in memory per weight while Adam trains it: the weight, its gradient and two moments
FLOAT = 4  # bytes per number


class Cell(Params):
    """Everything that determines a result except code, versions and machine.

    stream_params, method_params: complete blocks; validation fills in the defaults.
    variant: a name for these settings of the method. It affects neither the result nor the key.
    """

    stream: str = Field(pattern=NAME)
    method: str
    variant: str = Field("", pattern=f"{NAME}|^$")
    seed: NonNegativeInt
    stream_params: dict[str, Any] = Field({}, validate_default=True)
    method_params: dict[str, Any] = Field({}, validate_default=True)
    network: Network = Network.model_validate({})
    training: Training = Training(epochs=10)
    evaluation: Literal["test", "validation"] = "test"

    @field_validator("method")
    @classmethod
    def registered(cls, name: str) -> str:
        """Refuse a name that the registry does not have."""
        refuse_unknown(name, METHODS, "method")
        return name

    @field_validator("stream_params")
    @classmethod
    def complete_stream(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Check the stream's settings, and fill in its defaults; a stream of own data has settings already."""
        if "stream" not in info.data:
            return values
        if not values.keys() >= own_data.MARK:
            refuse_unknown(info.data["stream"], STREAMS, "stream")
        return read(module_of(info.data["stream"]).Params, values, "stream_params").model_dump(mode="json")

    @field_validator("method_params")
    @classmethod
    def complete_method(cls, values: dict[str, Any], info: ValidationInfo) -> dict[str, Any]:
        """Check the method's settings, and fill in its defaults."""
        if "method" not in info.data:
            return values
        return read(METHODS[info.data["method"]].accepts, values, "method_params").model_dump(mode="json")

    @property
    def name(self) -> str:
        """The variant's name, or else the method's."""
        return self.variant or self.method

    @property
    def title(self) -> str:
        """Stream, name and seed, for messages."""
        return f"{self.stream} · {self.name} · seed {self.seed}"


def settings_of(cell: Cell) -> Settings:
    """Return the settings that a measurement of the cell stores.

    The variant's name is left out, and so is every later setting at its "as before" value (`AsBefore`).
    """
    values = reduced(cell)
    values["stream_params"] = reduced(_stream_params(cell))
    values["method_params"] = reduced(_method_params(cell))
    return {name: value for name, value in values.items() if name != "variant"}


def cell_of(settings: Settings, variant: str = "") -> Cell:
    """Return the cell that a measurement's settings describe. Raises SettingsError if this code does not know them."""
    values = completed(Cell, settings) | {"variant": variant}
    if missing := [key for key in ("stream", "method", "stream_params", "method_params") if key not in values]:
        raise SettingsError(f"the settings lack {', '.join(missing)}: they are not those of a measurement")
    if values["method"] in METHODS:
        values["stream_params"] = completed(module_of(values["stream"]).Params, values["stream_params"])
        values["method_params"] = completed(METHODS[values["method"]].accepts, values["method_params"])
    return read(Cell, values, "cell")


def key_of(cell: Cell, places: Places) -> str:
    """Return the cell's key: a hash of its settings, without device and variant, and of the data it reads.

    Raises DataError if its stream is not prepared.
    """
    return key_of_settings(settings_of(cell), data_of(cell, places))


def data_of(cell: Cell, places: Places) -> str:
    """Return the hash of the data that the cell reads. Raises DataError for missing or damaged files."""
    folder = places.data / cell.stream
    try:
        return prepared.data_of(folder, cell.seed) if cell.stream in STREAMS else prepared.hash_of(folder)
    except Exception:  # numpy reads a damaged table in many ways
        prepared.read(folder)  # raises DataError naming it
        raise


def is_prepared(cell: Cell, places: Places) -> bool:
    """Return whether files of the cell's stream are there at all; they may be damaged, or lack the cell's seed."""
    return (places.data / cell.stream / prepared.MANIFEST).exists()


def modules_of(method: str, stream: str) -> tuple[str, ...]:
    """Return the modules that, with their imports, determine the numbers of a method on a stream."""
    return METHODS[method].__module__, module_of(stream).__name__, harness.__name__


def fingerprint(cell: Cell) -> str:
    """Return a hash of the code that the cell uses.

    It decides whether a measurement is reused and a checkpoint resumed. No name or path contains it.
    """
    return sources.digest(modules_of(cell.method, cell.stream))


def present_of(cell: Cell, elsewhere: bool = False) -> dict[str, str]:
    """Return the code, torch and kind of machine that would measure the cell now, as fields of an entry.

    elsewhere: accept any kind of machine. Raises SettingsError if the cell needs a GPU and torch sees none.
    """
    present = {"fingerprint": fingerprint(cell), "torch": torch.__version__}
    if elsewhere:
        return present | {"device": "cuda" if cell.training.device == "cuda" else "cpu"}
    now = datetime.now(UTC)
    about = provenance.provenance(device_of(cell.training)) | {"run": None, "started": now, "ended": now}
    return present | {"bits": Origin(**about).bits}


def current(cell: Cell, ledger: Ledger, places: Places, present: dict[str, str]) -> Entry | None:
    """Return the newest measurement of the cell under the present code, torch and machine; None if there is none.

    present: from `present_of`.
    """
    entries = ledger.entries(key=key_of(cell, places), **present)
    return entries[-1] if entries else None


def measured_in(cell: Cell, ledger: Ledger, places: Places, run: str) -> Entry | None:
    """Return the run's measurement of the cell with the present code, on any machine; None if there is none."""
    entries = ledger.entries(key=key_of(cell, places), run=run, fingerprint=fingerprint(cell))
    return entries[-1] if entries else None


def refuse(cell: Cell) -> None:
    """Raise SettingsError if the cell's method or its stream's examples do not work with the settings."""
    method = METHODS[cell.method]
    method.refuse(cell.network)
    if cell.training.optimizer_state == "keep" and not method.keeps_moments:
        keep = ", ".join(name for name, kind in METHODS.items() if kind.keeps_moments)
        raise SettingsError(f"training.optimizer_state: {cell.method} shares no lasting parameters; keep is for {keep}")
    for key in ("validation_images", "validation_examples"):
        if cell.evaluation == "validation" and cell.stream_params.get(key) == 0:
            raise SettingsError(f"streams.{cell.stream}.{key}: 0 leaves nothing to choose by; ask for some")
    if cell.network.convolutions and cell.stream in STREAMS and cell.stream not in IMAGES:
        raise _no_images(cell)


def untrained(cell: Cell, shape: Sequence[int], classes: int, tasks: int) -> Method:
    """Return the cell's method before its first stage.

    shape: of one example. classes, tasks: of the whole stream.
    Raises SettingsError if the method refuses the settings, or if the network does not fit in memory.
    """
    refuse(cell)
    if cell.network.convolutions and len(shape) == 1:
        raise _no_images(cell)
    kind = METHODS[cell.method]
    problem = Problem(tuple(shape), classes, tasks, cell.network, cell.training, cell.seed)
    _refuse_size(problem)
    return harness.untrained(kind, _method_params(cell), problem)


def _refuse_size(problem: Problem) -> None:
    """Raise SettingsError if the memory of this machine is too small to train the base network."""
    needed, memory = COPIES * FLOAT * problem.base_weights, provenance.memory()
    if memory is not None and needed > memory and problem.device.type == "cpu":
        sizes = f"take {needed >> 30:,} GiB to train, and this machine has {memory >> 30:,}"
        raise SettingsError(
            f"network.widths: {problem.base_weights:,} weights {sizes}; give smaller widths or channels"
        )


def open_stream(cell: Cell, places: Places) -> Stream:
    """Return the cell's stream. With evaluation "validation" it has no test data at all.

    Raises DataError for missing or corrupt files, SettingsError if the settings ask for more than is prepared.
    """
    params = _stream_params(cell)
    if isinstance(params, own_data.Params):
        stored = prepared.read(places.data / cell.stream).arrays
        stream = own_data.build(params, stored, cell.seed, cell.stream)
    else:
        stream = prepared.open_stream(places.data, cell.stream, params, cell.seed)
    return stream if cell.evaluation == "test" else harness.on_validation(stream)


def tasks_of(cell: Cell, places: Places) -> int:
    """Return the number of the cell's tasks. Raises SettingsError if only its data know it, and they are not here."""
    count = cell.stream_params["tasks"]
    return own_data.tasks_in(places.data / cell.stream) if count is None else int(count)


def _no_images(cell: Cell) -> SettingsError:
    return SettingsError(f"network.convolutions: the examples of {cell.stream} are not images; leave it empty")


def _stream_params(cell: Cell) -> Params:
    return read(module_of(cell.stream).Params, cell.stream_params, "stream_params")


def _method_params(cell: Cell) -> Params:
    return read(METHODS[cell.method].accepts, cell.method_params, "method_params")
