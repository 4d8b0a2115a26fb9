"""What a request changes: prepared data, chosen numbers; and how it shows which settings are in effect."""

import csv
import io
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from projects import ROOT

from den import suites
from den.cells import settings_of
from den.config import SettingsError
from den.ledger import Places
from den.ledger.settings import flat
from den.suites import Plan
from flows.cli import main
from flows.commands import effective, words
from flows.data import stream_files
from flows.pipeline.benchmark import refuse_other_data_elsewhere

WIDER = "data.streams.blobs.features=8"
COUNT = "data.streams.permuted_mnist.tasks=20"


def plan_of(*overrides: str) -> Plan:
    return suites.load(ROOT / "params.yaml", overrides)


def sources(plan: Plan, stream: str, name: str, suite: str = "quick") -> dict[str, str]:
    (cell,) = plan.cells(suite, [stream], [name], [1])
    return {key: source for key, _, source in effective.settings(plan, suite, cell)}


def test_every_setting_has_the_source_that_set_it() -> None:
    shown = sources(plan_of("training.batch_size=99"), "permuted_mnist", "ewc", "permuted-mnist")
    assert shown["method_params.samples"] == "per_stream.permuted_mnist"
    assert shown["method_params.strength"] == "methods.ewc"
    assert shown["training.batch_size"] == "--set"
    assert shown["training.steps"] == "set of the suite"
    assert shown["training.momentum"] == "default"
    assert sources(plan_of(), "mnist_variation", "den")["method_params.drift"].startswith("chosen, study ")
    assert sources(plan_of(), "mnist_variation", "den_dynamic")["method_params.drift"] == "chosen, as den"
    assert sources(plan_of(), "blobs", "den_constant_13")["method_params.units_per_expansion"].startswith("variants.")


def test_numbers_of_another_stream_have_its_name_as_their_source() -> None:
    plan = plan_of()
    numbers = plan.suite("quick").model_copy(update={"numbers": "permuted_mnist"})
    assert plan.sources(numbers, "awa", "ewc")["method_params.samples"] == "per_stream.permuted_mnist"
    assert plan.sources(numbers, "awa", "ewc")["training.batch_size"] == "per_stream.awa"


def test_every_key_and_value_is_that_of_a_measurement() -> None:
    plan = plan_of()
    (cell,) = plan.cells("quick", ["blobs"], ["den"], [0])
    shown = {key: value for key, value, _ in effective.settings(plan, "quick", cell)}
    for key, value in flat(settings_of(cell)):
        if key not in effective.COORDINATES:
            assert shown[key] == value


def test_settings_are_shown_and_nothing_runs(suite: object) -> None:
    before = sorted(Path().rglob("*"))
    answer = CliRunner().invoke(main, ["run", "--suite", "tiny", "--show"], catch_exceptions=False)
    assert answer.exit_code == 0
    assert "blobs · l2_strong" in answer.output
    assert "variants.l2_strong" in answer.output
    assert sorted(Path().rglob("*")) == before


def test_settings_are_rows_for_programs_too(suite: object) -> None:
    arguments = ["run", "--suite", "tiny", "--method", "l2_strong", "--show", "--format"]
    as_json, as_csv = (
        CliRunner().invoke(main, [*arguments, form], catch_exceptions=False).output for form in ("json", "csv")
    )
    rows = json.loads(as_json)
    assert {(row["stream"], row["method"]) for row in rows} == {("blobs", "l2_strong")}
    values = {row["setting"]: row["value"] for row in rows}
    assert values["training.steps"] is None
    assert isinstance(values["network.widths"], list)
    assert {row["from"] for row in rows} >= {"variants.l2_strong", "default"}
    read = list(csv.DictReader(io.StringIO(as_csv)))
    assert [row["value"] for row in read] == [words.value(row["value"]) for row in rows]


def test_a_form_of_settings_without_settings_is_refused(suite: object) -> None:
    answer = CliRunner().invoke(main, ["run", "--suite", "tiny", "--format", "json"])
    assert answer.exit_code == 2
    assert "--show" in answer.output


def test_chosen_numbers_can_be_left_out_and_the_request_says_so() -> None:
    plan = plan_of("chosen=none")
    assert not any("chosen" in source for source in sources(plan, "mnist_variation", "den").values())
    assert sources(plan, "permuted_mnist", "ewc")["method_params.samples"] == "methods.ewc"
    assert sources(plan, "awa", "den")["training.batch_size"] == "per_stream.awa"
    with pytest.raises(SettingsError, match="chosen: none leaves"):
        plan_of("chosen=mine")


def test_other_data_have_a_folder_of_their_own(suite: object) -> None:
    prepared = {path: path.read_bytes() for path in Path("data").rglob("*") if path.is_file()}
    answer = CliRunner().invoke(main, ["prepare", "--stream", "blobs", "--set", WIDER], catch_exceptions=False)
    assert answer.exit_code == 0
    assert prepared == {path: path.read_bytes() for path in prepared}
    (folder,) = Path("data/other").iterdir()
    assert json.loads((folder / "blobs/manifest.json").read_text())["about"]["preparation"]["features"] == 8
    words = ["run", "--suite", "tiny", "--estimate", "--set", WIDER]
    assert "2 of 2 cells to run" in CliRunner().invoke(main, words, catch_exceptions=False).output


def test_the_data_of_params_yaml_stay_where_they_are() -> None:
    assert stream_files.places_of(plan_of(), Places()) == Places()
    assert stream_files.places_of(plan_of("data.streams.permuted_mnist.tasks=10"), Places()) == Places()
    folders = {stream_files.places_of(plan_of(COUNT, *more), Places()).data for more in ((), ("data.seeds=20",))}
    assert len(folders) == 2
    assert all(folder.parent == Path("data/other") for folder in folders)


def test_random_angles_and_more_tasks_are_asked_for_on_the_command_line() -> None:
    plan = plan_of(COUNT, "data.streams.rotated_mnist.angles=random")
    assert plan.data.preparation("permuted_mnist").model_dump()["tasks"] == 20
    assert plan.data.preparation("rotated_mnist").model_dump()["angles"] == "random"


@pytest.mark.parametrize("override", ["data.streams.nonesuch=3", "data.streams.blobs.nonesuch=3", "data.seeds=0"])
def test_wrong_data_are_refused_by_their_key(override: str) -> None:
    with pytest.raises(SettingsError, match=override.split("=")[0].replace(".", r"\.")):
        plan_of(override)


def test_other_machines_are_not_asked_for_other_data() -> None:
    refuse_other_data_elsewhere(plan_of(), "pool")
    refuse_other_data_elsewhere(plan_of(COUNT), "here")
    with pytest.raises(SettingsError, match="use --on here"):
        refuse_other_data_elsewhere(plan_of(COUNT), "pool")


def test_without_validation_data_a_stream_is_learned_and_no_search_begins() -> None:
    plan = plan_of("streams.blobs.validation_examples=0")
    (cell,) = plan.cells("quick", ["blobs"], ["l2"], [0])
    with pytest.raises(SettingsError, match="nothing to choose by"):
        suites.refuse(cell.model_copy(update={"evaluation": "validation"}))


@pytest.mark.parametrize("override", ["network.init=xavier", "network.widths=100,100", "training.epochs=many"])
def test_no_message_speaks_of_numbers_that_yaml_reads_as_text(override: str) -> None:
    key = override.partition("=")[0]
    with pytest.raises(SettingsError, match=f"^{re.escape(key)}") as error:
        plan_of(override).cells("quick")
    assert "YAML" not in str(error.value)


def test_a_number_without_a_point_is_a_number() -> None:
    (cell, *_) = plan_of("training.learning_rate=1e-5").cells("quick", ["blobs"], ["finetune"])
    assert cell.training.learning_rate == 1e-5
