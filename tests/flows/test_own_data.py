"""Own data: files as streams of the same bits, refusals that name the place, and results that outlive the file."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml
from PIL import Image

from den import searches, suites
from den.cells import Cell, cell_of, data_of, key_of, settings_of
from den.config import SettingsError, read
from den.execution import execute
from den.ledger import Ledger, Order, Places
from den.streams import STREAMS, own_data, prepared
from den.streams.own_data import Preparation
from den.streams.prepared import DataError
from flows.commands import listing
from flows.data import stream_files
from flows.data.own import naming, preparing
from flows.executors import cell_flow
from flows.runtime import estimates, progress

CSV = "width,height,label,task\n" + "".join(
    f"{row / 7},{-row * row},{'ab'[row % 2]}{task},{task}\n" for row in range(12) for task in (10, 9)
)


def settings(path: Path, **changes: Any) -> Preparation:
    return read(Preparation, {"file": str(path)} | changes, "data.streams.mine")


def prepare(path: Path, folder: Path, **changes: Any) -> prepared.Prepared:
    preparing.prepare("mine", settings(path, **changes), folder / "mine")
    return prepared.read(folder / "mine")


def written(folder: Path, content: str = CSV, name: str = "mine.csv") -> Path:
    path = folder / name
    path.write_text(content)
    return path


def test_csv_parquet_and_npz_make_streams_of_the_same_bits(tmp_path: Path) -> None:
    written(tmp_path)
    rows = [(row, task) for row in range(12) for task in (10, 9)]
    x = np.array([(row / 7, -row * row) for row, _ in rows])
    columns = {"label": [f"{'ab'[row % 2]}{task}" for row, task in rows], "task": [task for _, task in rows]}
    pd.DataFrame({"width": x[:, 0], "height": x[:, 1]} | columns).to_parquet(tmp_path / "mine.parquet")
    np.savez(tmp_path / "mine.npz", x=x, **columns)
    made = [prepare(tmp_path / f"mine.{kind}", tmp_path / kind) for kind in ("csv", "parquet", "npz")]
    assert len({one.hash for one in made}) == 1
    assert made[0].arrays["task_names"].tolist() == ["9", "10"], "whole numbers are sorted as numbers"
    assert np.array_equal(made[0].arrays["x"][:12], x[1::2].astype(np.float32))
    assert made[0].arrays["ends"].tolist() == [12, 24]


def images(folder: Path, pixels: np.ndarray) -> Path:
    """Write images (tasks, classes, images, height, width, 3) as files, FOLDER/TASK/CLASS/IMAGE."""
    for place in np.ndindex(pixels.shape[:3]):
        task, label, number = place
        path = folder / f"{task}" / f"{label}" / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels[place]).save(path)
    return folder


def test_a_folder_of_images_and_their_array_make_streams_of_the_same_bits(tmp_path: Path) -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (2, 2, 4, 5, 6, 3), dtype=np.uint8)
    task, label, _ = (index.ravel() for index in np.indices(pixels.shape[:3]))
    flat = pixels.reshape(-1, 5, 6, 3).transpose(0, 3, 1, 2)
    np.savez(tmp_path / "mine.npz", x=flat, label=label, task=task)
    of_folder = prepare(images(tmp_path / "pictures", pixels), tmp_path / "folder")
    assert of_folder.hash == prepare(tmp_path / "mine.npz", tmp_path / "npz").hash
    stream = own_data.build(own_data.Params(), of_folder.arrays, 0, "pictures")
    assert stream.shape == (3, 5, 6) and stream.tasks[0].train.deviation == 255.0


def test_lists_of_classes_make_tasks_and_leave_other_rows_out(tmp_path: Path) -> None:
    path = written(tmp_path)
    made = prepare(path, tmp_path / "lists", classes=[["b9", "a10"], ["b10", "a9"]])
    assert made.arrays["names"].tolist() == ["a10", "a9", "b10", "b9"] and made.arrays["ends"].tolist() == [12, 24]
    fewer = prepare(path, tmp_path / "fewer", classes=[["b9", "a10"]])
    assert fewer.arrays["x"].shape == (12, 2) and fewer.arrays["names"].tolist() == ["a10", "b9"]
    assert prepare(path, tmp_path / "two", classes=2).arrays["names"].tolist() == ["a10", "a9", "b10", "b9"]


ROWS = CSV.splitlines()
NAN = "\n".join([*ROWS[:4], "nan,2,a10,10", *ROWS[5:]])
PARTS = "\n".join(
    [f"{ROWS[0]},part", *(f"{row},{'test' if number % 3 == 0 else 'train'}" for number, row in enumerate(ROWS[1:]))]
)

REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "no header": ("", {}, r"mine\.csv, line 1: the header .* is missing"),
    "no row": (ROWS[0] + "\n", {}, r"mine\.csv: it has no row"),
    "no labels": (CSV.replace("label", "kind", 1), {}, r"column label with the labels is missing; it has width, h"),
    "no tasks": (CSV.replace("task", "when", 1), {}, r"column task with the tasks is missing; .* --classes 2"),
    "a column twice": (CSV.replace("height", "width", 1), {}, "column width is there twice"),
    "no features": ("label,task\na,1\nb,1\n", {}, "no column is left for features; it has label, task"),
    "leaves out what is not there": (CSV, {"leave_out": ["id"]}, "column id of leave_out is missing; it has width"),
    "a missing label": (CSV.replace("b9", "", 1), {}, r"mine\.csv, line 5, column label: the value is missing"),
    "a label that is nan": (CSV.replace("b9", "NaN", 1), {}, r"mine\.csv, line 5, column label: the value is missing"),
    "a missing task": (CSV.replace("a9,9", "a9,", 1), {}, r"mine\.csv, line 3, column task: the value is missing"),
    "no number": (CSV.replace("-4,", "four,", 1), {}, r"mine\.csv, line 6, column height: 'four' is not a number"),
    "a missing number": (CSV.replace("-4,", ",", 1), {}, r"mine\.csv, line 6, column height: the number is missing"),
    "nan": (NAN, {}, r"mine\.csv, line 5, column width: the number is missing or NaN"),
    "an infinite number": (CSV.replace("-4,", "1e39,", 1), {}, r"line 6, column height: .*1e\+39 is too large"),
    "a short row": (CSV + "1,2,a9\n", {}, r"mine\.csv, line 26: it has 3 values, and the header 4"),
    "a class in two tasks": (
        CSV.replace("a9", "a10"), {"exclusive": True},
        r"mine\.csv, line 3: class a10 is in the tasks 10 and 9; with exclusive",
    ),
    "a class in two lists": (CSV, {"classes": [["a9", "b9"], ["a9"]]}, "class a9 is in two lists"),
    "a class of no row": (CSV, {"classes": [["a9", "c"]]}, "class c of the lists is not there; it has a10, a9"),
    "classes that do not divide": (CSV, {"classes": 3}, "4 classes do not divide into tasks of 3; ask for 2, 4"),
    "another part": (PARTS.replace("test", "dev", 1), {}, r"line 2, column part: 'dev' is no part; write train"),
    "a task without test data": (
        PARTS.replace("9,9,test", "9,9,train"), {}, "task 9 has no test data; give it rows whose part is test",
    ),
    "a task without training data": (
        PARTS.replace("9,9,train", "9,9,test"), {}, "task 9 has no train data; give it rows whose part is train",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_a_table_that_makes_no_stream_is_refused_where_it_stands(case: str, tmp_path: Path) -> None:
    content, changes, message = REFUSED[case]
    with pytest.raises(DataError, match=message):
        prepare(written(tmp_path, content), tmp_path, **changes)
    assert not (tmp_path / "mine").exists()


def test_a_table_as_excel_saves_it_makes_the_same_stream(tmp_path: Path) -> None:
    plain = prepare(written(tmp_path), tmp_path / "plain")
    for name, content in (("marked", CSV), ("quoted", CSV.replace("width", '"width"', 1))):
        path = tmp_path / f"{name}.csv"
        path.write_text(content, encoding="utf-8-sig")
        assert prepare(path, tmp_path / name).hash == plain.hash
        assert prepare(path, tmp_path / f"{name} last", leave_out=["width"]).arrays["x"].shape == (24, 1)


@pytest.mark.parametrize(
    ("old", "new", "place"),
    [
        ("width", "Größe", "line 1: the header"),
        ("b9", "ä9", "line 5, column label: the text"),
        ("-4,", "vïer,", "line 6, column height: the text"),
    ],
)
def test_a_table_that_is_not_utf_8_is_refused_where_it_stands(old: str, new: str, place: str, tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(CSV.replace(old, new, 1), encoding="latin-1")
    with pytest.raises(DataError, match=rf"mine\.csv, {place} is not UTF-8; save the file as UTF-8"):
        prepare(path, tmp_path)


def test_a_task_of_one_class_is_refused_when_the_stream_is_opened(tmp_path: Path) -> None:
    made = prepare(written(tmp_path, CSV.replace("b9", "a9")), tmp_path)
    with pytest.raises(SettingsError, match="mine, task 9: its only class is a9"):
        own_data.build(own_data.Params(), made.arrays, 0, "mine")


ARRAYS: dict[str, tuple[dict[str, Any], str]] = {
    "no features": ({"x": None}, r"mine\.npz: array x with the features is missing; it has label, task"),
    "no table": ({"x": np.zeros((8, 2, 2))}, r"array x: it is float64 \(8, 2, 2\); give numbers"),
    "objects": ({"label": np.array([None] * 8)}, "array label: .*give numbers or text"),
    "too few labels": (
        {"label": np.zeros(7, int)},
        r"array label: it is int64 \(7,\); give integers or text, one per row",
    ),
    "a missing label": ({"label": np.array(["a", "b"] * 3 + ["a", ""])}, "row 8, array label: the value is missing"),
    "nan": ({"x": np.where(np.eye(8, 3), np.nan, 0)}, "row 1, feature 1: nan is not finite"),
}


@pytest.mark.parametrize("case", ARRAYS)
def test_arrays_that_make_no_stream_are_refused(case: str, tmp_path: Path) -> None:
    changes, message = ARRAYS[case]
    arrays = {"x": np.zeros((8, 3)), "label": np.arange(8) % 2, "task": np.zeros(8, int)} | changes
    np.savez(tmp_path / "mine.npz", **{name: array for name, array in arrays.items() if array is not None})
    with pytest.raises(DataError, match=message):
        prepare(tmp_path / "mine.npz", tmp_path)


def test_text_among_the_features_of_a_parquet_file_is_refused(tmp_path: Path) -> None:
    table = pd.DataFrame({"x": [1.0, 2.0], "note": ["a", "b"], "label": [0, 1], "task": [1, 1]})
    table.to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(DataError, match=r"mine\.parquet, column note: it is .*string, not numbers; leave it out"):
        prepare(tmp_path / "mine.parquet", tmp_path)
    table.assign(label=[0.5, 1.0]).drop(columns="note").to_parquet(tmp_path / "mine.parquet")
    with pytest.raises(DataError, match=r"column label: it is double; make integers or text of it"):
        prepare(tmp_path / "mine.parquet", tmp_path)


def test_images_of_unequal_shapes_and_in_wrong_places_are_refused(tmp_path: Path) -> None:
    folder = images(tmp_path / "mine", np.zeros((1, 2, 2, 5, 6, 3), np.uint8))
    Image.new("RGB", (6, 4)).save(folder / "0/1/001.png")
    with pytest.raises(DataError, match=r"0/1/001\.png: .*\(3, 4, 6\), and those of .*000\.png \(3, 5, 6\)"):
        prepare(folder, tmp_path / "out")
    Image.new("RGB", (6, 5)).save(folder / "stray.png")
    with pytest.raises(DataError, match=r"stray\.png: it lies in the wrong place; .*FOLDER/TASK/CLASS/IMAGE"):
        prepare(folder, tmp_path / "out")
    with pytest.raises(DataError, match="it holds no image; lay them out as FOLDER/TASK/CLASS/IMAGE"):
        prepare(tmp_path / "out", tmp_path / "more")


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mine.txt", "data come from .csv, .parquet, .npz or a folder"),
        ("gone.csv", "gone.csv is missing; mend its path"),
    ],
)
def test_a_file_of_another_kind_and_a_missing_one_are_refused(name: str, message: str, tmp_path: Path) -> None:
    written(tmp_path, name="mine.txt")
    with pytest.raises(DataError, match=message):
        prepare(tmp_path / name, tmp_path)


@pytest.mark.parametrize(
    ("file", "classes", "message"),
    [
        ("My Table.csv", None, "named 'My Table'.*rename the file"),
        ("data/blobs.csv", None, "blobs is a stream of the benchmark; rename the file"),
        ("mine.csv", "a b,", "--classes a b,: a task without classes"),
    ],
)
def test_names_and_lists_that_make_no_stream_are_refused(file: str, classes: str | None, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        naming.declared(file, classes)


# In a project


@pytest.fixture
def overrides(suite: tuple[Cell, ...], here: Path) -> tuple[str, ...]:
    """Return the overrides that declare own data in a project, with a file outside its data folder."""
    _, values = naming.declared(str(written(here)), None)
    return (*values, "network.widths=[6, 4]")


@pytest.fixture
def places(here: Path) -> Places:
    """Return the project's own places: the shared streams are for reading only."""
    return Places()


def cells(overrides: tuple[str, ...], **choices: Any) -> tuple[Cell, ...]:
    return suites.load(overrides=overrides).cells("mine", **choices)


def test_own_data_have_a_suite_of_their_name(overrides: tuple[str, ...]) -> None:
    assert {(cell.stream, cell.method) for cell in cells(overrides)} == {
        ("mine", method) for method in ("den", "ewc", "single_task", "finetune")
    }
    assert [cell.method for cell in cells(overrides, methods=["l2"], seeds=[4])] == ["l2"]


def test_the_list_of_streams_has_the_own_data_that_params_yaml_declares(
    overrides: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["data"]["streams"] = {"mine": {"file": "mine.csv"}}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    listing.print_names("streams")
    rows = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["mine", "own", "data,", "of", "mine.csv"] in rows
    assert {"mine", *STREAMS} <= {row[0] for row in rows if row}


def test_a_suite_of_other_streams_and_a_registered_stream_keep_their_names(
    here: Path, overrides: tuple[str, ...]
) -> None:
    with pytest.raises(SettingsError, match=r"data\.streams\.tiny: .*"):
        suites.load(overrides=['data.streams.tiny.file="tiny.csv"'])
    assert suites.load(overrides=["data.streams.blobs.features=3"]).data.own == ()
    with pytest.raises(SettingsError, match=r"data\.streams\.mime: 'mime' is unknown"):
        suites.load(overrides=["data.streams.mime.label=kind"])
    with pytest.raises(SettingsError, match=r"data\.streams\.mine\.lable: unknown key"):
        suites.load(overrides=[*overrides, "data.streams.mine.lable=kind"])


def test_a_changed_file_is_prepared_anew_and_changes_the_key(overrides: tuple[str, ...], places: Places) -> None:
    plan, (cell, *_) = suites.load(overrides=overrides), cells(overrides)
    stream_files.prepare_own_of([cell], plan, places)
    key, stamp = key_of(cell, places), (places.data / "mine" / prepared.MANIFEST).stat().st_mtime_ns
    stream_files.prepare_own_of([cell], plan, places)
    assert (places.data / "mine" / prepared.MANIFEST).stat().st_mtime_ns == stamp
    written(Path.cwd(), CSV.replace("-4,", "-5,", 1))
    stream_files.prepare_own_of([cell], plan, places)
    assert key_of(cell, places) != key
    other = cell.model_copy(update={"seed": 2})
    assert data_of(other, places) == data_of(cell, places) and key_of(other, places) != key_of(cell, places)


def test_a_cell_of_own_data_is_read_without_file_data_or_params(overrides: tuple[str, ...], places: Places) -> None:
    (cell,) = cells(overrides, methods=["finetune"], seeds=[1])
    stream_files.prepare_own_of([cell], suites.load(overrides=overrides), places)
    measurement = execute(cell.model_copy(update={"training": cell.training.model_copy(update={"epochs": 1})}), places)
    shutil.rmtree(places.data / "mine")
    Path("mine.csv").unlink()
    loaded = Ledger.of(places).load(measurement.id)
    assert settings_of(cell_of(loaded.settings)) == loaded.settings
    assert loaded.tasks == 2 and loaded.stream == "mine"


def test_a_worker_of_a_pool_takes_an_undeclared_stream_as_it_is_prepared_there(overrides: tuple[str, ...]) -> None:
    (cell,) = cells(overrides, methods=["finetune"], seeds=[1])
    request = cell.model_dump(mode="json"), Order().model_dump(mode="json")
    with pytest.raises(SettingsError, match="stream: 'mine' is unknown"):
        cell_flow.received(*request)
    stream_files.prepare_own_of([cell], suites.load(overrides=overrides), Places())
    Path("mine.csv").unlink()
    received, _, order = cell_flow.received(*request)
    assert received == cell and order.again
    with pytest.raises(SettingsError, match="stream: 'mine' is unknown"):
        stream_files.prepare(["mine"], suites.load(), Places(), force=True)
    (Places().data / "mine" / "x.npy").write_bytes(b"")
    with pytest.raises(DataError, match="mine"):
        cell_flow.received(*request)


@pytest.mark.parametrize("elsewhere", [0, 1])
def test_a_run_on_other_data_counts_the_tasks_that_are_prepared_for_it(
    elsewhere: int, overrides: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    """elsewhere: tasks of the same stream among the data of params.yaml, where it need not be prepared."""
    plan = suites.load(overrides=[*overrides, "data.seeds=3", "training.minimum_steps=1", "training.epochs=1"])
    places, (cell,) = stream_files.places_of(plan, Places()), plan.cells("mine", methods=["finetune"], seeds=[2])
    if elsewhere:
        prepare(Path("mine.csv"), Places().data, classes=[["a9", "b9"]])
    stream_files.prepare_own_of([cell], plan, places)
    watcher = progress.Lines()
    watcher.planned([cell], [], estimates.announce([cell], 1, 1, "mine", places), places)
    watcher.began(cell, 1, "train")
    watcher.ended(cell)
    assert "task 1 of 2 · train" in capsys.readouterr().err
    execute(cell, places)
    (sample,) = estimates.of_ledger(Ledger.of(places), places)
    assert sample.shape.tasks == 2


def test_a_typing_error_in_a_cell_is_no_own_data() -> None:
    with pytest.raises(SettingsError, match="stream: 'blob' is unknown; did you mean blobs"):
        read(Cell, {"stream": "blob", "method": "l2", "seed": 0}, "cell")


def test_a_searched_number_wins_over_those_of_all_own_data_and_they_over_those_of_methods(
    here: Path, overrides: tuple[str, ...]
) -> None:
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["methods"] = {"den": {"drift": 1.0, "drift_threshold": 1.0}}
    content["own_data"] = {"set": {"methods.den.drift": 2.0, "methods.den.drift_threshold": 2.0}}
    content["data"]["streams"] = {"mine": {"file": "mine.csv"}}
    content["chosen"] = {"mine": {"den": {"study": "0123456789abcdef", "numbers": {"drift_threshold": 3.0}}}}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    (cell,) = suites.load().cells("mine", methods=["den"], seeds=[1])
    assert (cell.method_params["drift"], cell.method_params["drift_threshold"]) == (2.0, 3.0)
    (other,) = suites.load().cells("tiny", streams=["blobs"], methods=["den"])
    assert other.method_params["drift"] == 1.0


def test_own_data_are_searched_in_a_space_of_their_own(here: Path, overrides: tuple[str, ...]) -> None:
    content = yaml.safe_load(Path("params.yaml").read_text())
    content["own_data"] = {"search": {"trials": 2, "spaces": {"l2": {"strength": {"low": 1.0, "high": 2.0}}}}}
    Path("params.yaml").write_text(yaml.safe_dump(content))
    (subject,) = searches.subjects(suites.load(overrides=overrides), "mine")
    assert subject.title == "mine · l2" and subject.cell({}).evaluation == "validation"
