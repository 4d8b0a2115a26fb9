"""Cells: their keys, their settings in full and in brief, their code, and what is refused."""

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal

import pytest
import small
from small import CONVOLUTIONAL, TRAINING, cell

from den import config, sources
from den.cells import Cell, cell_of, data_of, fingerprint, key_of, refuse, settings_of, untrained
from den.config import AsBefore, SettingsError, completed, read, reduced
from den.ledger import Places
from den.methods import METHODS
from den.streams import STREAMS, prepared

# Keys

CHANGES: dict[str, dict[str, Any]] = {
    "seed": {"seed": 1},
    "method": {"method": "l2"},
    "evaluation": {"evaluation": "validation"},
    "stream_params": {"stream_params": small.SIZES | {"training_examples": 29}},
    "method_params": {"method_params": {"weight_decay": 0.1}},
    **{
        f"network.{key} {number}": {"network": small.NETWORK.model_copy(update={key: value})}
        for key, values in {
            "widths": [(8, 7)],
            "init": ["he", "torch"],
            "heads": ["one"],
            "bias": [False],
            "convolutions": [CONVOLUTIONAL.convolutions],
        }.items()
        for number, value in enumerate(values)
    },
    **{
        f"training.{key}": {"training": TRAINING.model_copy(update={key: value})}
        for key, value in {
            "optimizer": "sgd",
            "learning_rate": 0.02,
            "schedule": "constant",
            "batch_size": 21,
            "epochs": 7,
        }.items()
    },
    "training.steps": {"training": TRAINING.model_copy(update={"epochs": None, "steps": 36})},
}


@pytest.mark.parametrize("key", CHANGES)
def test_every_setting_changes_the_key_of(key: str, places: Places) -> None:
    assert key_of(cell(**CHANGES[key]), places) != key_of(cell(), places)


def test_settings_written_out_are_settings_left_out(places: Places) -> None:
    whole = cell(method_params={"weight_decay": 0.0}, stream_params=small.SIZES)
    assert key_of(whole, places) == key_of(cell(), places)


def test_places_do_not_change_the_key_of(places: Places, tmp_path: Path) -> None:
    shutil.copytree(places.data, tmp_path / "data")
    elsewhere = Places(tmp_path / "data", tmp_path / "other", tmp_path / "index", tmp_path / "more")
    assert key_of(cell(), elsewhere) == key_of(cell(), places)


def test_device_and_name_do_not_change_the_key(places: Places) -> None:
    keys = {
        key_of(cell(training=TRAINING.model_copy(update={"device": device}), variant=name), places)
        for device in ("auto", "cpu", "cuda")
        for name in ("", "other")
    }
    assert len(keys) == 1


def test_the_streams_bytes_change_the_key_of(places: Places, tmp_path: Path) -> None:
    other = small.PREPARATION.model_copy(update={"features": 47})
    prepared.prepare("blobs", other, {}, 2, tmp_path / "data")
    assert key_of(cell(), replace(places, data=tmp_path / "data")) != key_of(cell(), places)


def test_seeds_that_are_prepared_later_change_no_key(places: Places, tmp_path: Path) -> None:
    prepared.prepare("blobs", small.PREPARATION, {}, 5, tmp_path / "data")
    more = replace(places, data=tmp_path / "data")
    assert [key_of(cell(seed=seed), more) for seed in (0, 1)] == [key_of(cell(seed=seed), places) for seed in (0, 1)]
    assert data_of(cell(seed=0), places) != data_of(cell(seed=1), places)


@pytest.mark.parametrize("name", STREAMS)
def test_the_tables_of_seeds_are_those_that_differ_in_number(name: str) -> None:
    folder = Path("data/streams", name)
    if not (folder / prepared.MANIFEST).exists():
        pytest.skip(f"{name} is not prepared here")
    stream = prepared.read(folder)
    tables = STREAMS[name].SEEDED & stream.arrays.keys()
    assert {array for array in tables if len(stream.arrays[array]) == stream.about["seeds"]} == tables != set()


def test_code_changes_no_key_but_the_fingerprint_of_those_who_use_it(monkeypatch: pytest.MonkeyPatch) -> None:
    before = {method: fingerprint(cell(method)) for method in METHODS}
    meaning = sources._meaning
    monkeypatch.setattr(sources, "_meaning", lambda name: meaning(name) + ("!" if name == "den.methods.ewc" else ""))
    assert {method for method in METHODS if fingerprint(cell(method)) != before[method]} == {"ewc"}


# Settings that are added later


class Inner(config.Params):
    """A block with a later setting."""

    size: int = 3
    shape: Annotated[Literal["round", "square"], AsBefore("round")] = "square"


class Outer(config.Params):
    """Blocks inside a block."""

    inner: Inner = Inner()
    rows: tuple[Inner, ...] = ()
    loss: Annotated[str, AsBefore("logistic")] = "softmax"


def test_a_later_setting_is_left_out_as_before_and_put_back_whatever_the_default() -> None:
    before = Outer(inner=Inner(shape="round"), rows=(Inner(size=1, shape="round"),), loss="logistic")
    assert reduced(before) == {"inner": {"size": 3}, "rows": [{"size": 1}]}
    now = reduced(Outer())
    assert now["loss"] == "softmax"
    assert now["inner"]["shape"] == "square"
    back = completed(Outer, {"inner": {"size": 3}})
    assert read(Outer, back, "outer") == Outer(inner=Inner(shape="round"), loss="logistic")


@pytest.mark.parametrize("method", METHODS)
def test_settings_lead_back_to_their_cell(method: str) -> None:
    assert cell_of(settings_of(cell(method, variant="named")), "named") == cell(method, variant="named")


@pytest.mark.parametrize("missing", ["stream", "method", "stream_params", "method_params"])
def test_settings_without_one_of_their_blocks_lead_to_no_cell(missing: str) -> None:
    settings = settings_of(cell())
    del settings[missing]
    with pytest.raises(SettingsError, match=rf"the settings lack {missing}: "):
        cell_of(settings)


# Cells


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"stream": "nonesuch"}, "stream.*nonesuch.*blobs"),
        ({"method": "nonesuch"}, "method.*nonesuch.*finetune"),
        ({"seed": -1}, "seed"),
        ({"seed": 1.5}, "seed"),
        ({"seeds": 1}, "seeds: unknown key; allowed here: .*seed"),
        ({"method_params": {"decay": 1}}, r"method_params\.decay: unknown key; allowed here: weight_decay"),
        ({"stream_params": {"tasks": 0}}, r"stream_params\.tasks"),
        ({"training": {"epochs": 1, "steps": 1}}, "epochs or steps"),
        ({"training": {"epochs": 1, "learning_rate": "1e-5"}}, r"training\.learning_rate.*not '1e-5'"),
        ({"network": {"widths": []}}, r"network\.widths"),
    ],
)
def test_bad_cells_are_refused_by_key(change: dict[str, Any], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read(Cell, cell().model_dump(mode="json") | change, "cell")


@pytest.mark.parametrize("stream", [name for name in STREAMS if name != "blobs"])
def test_a_cell_on_validation_data_that_is_not_there_is_refused(stream: str) -> None:
    about = {"stream": stream, "method": "finetune", "seed": 0, "stream_params": {"validation_images": 0}}
    refuse(Cell(**about))
    with pytest.raises(SettingsError, match=rf"^streams\.{stream}\.validation_images: 0 leaves nothing"):
        untrained(Cell(**about, evaluation="validation"), (5,), 10, 2)
