"""params.yaml: what is wrong in it is refused before anything runs, by its key."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from projects import ROOT

from den import yaml_files
from den.cells import Cell
from den.config import Convolution, Network, SettingsError, read
from den.methods import METHODS
from den.params_file import Suite
from den.streams import IMAGES, STREAMS
from den.suites import load

PLAIN: dict[str, Any] = {
    "data": {"seeds": 2, "streams": {"blobs": {"features": 8}}},
    "suites": {
        "one": {"streams": ["blobs"], "methods": ["finetune", "den"], "seeds": [0, 1]},
        "two": {"streams": ["blobs"], "methods": ["ewc"], "seeds": [0], "set": {"training.epochs": 3}},
    },
    "training": {"epochs": 5},
    "network": {"widths": [8, 6]},
    "streams": {"blobs": {"tasks": 3}},
    "methods": {"ewc": {"strength": 5.0}},
    "per_stream": {"blobs": {"training.batch_size": 16}},
}


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    """Return a writer of params files: the plain one, with one dotted key changed."""

    def writer(key: str = "", value: Any = None) -> Path:
        content = yaml.safe_load(yaml.safe_dump(PLAIN))
        block, names = content, key.split(".", 3 if key.startswith("suites") else 2)
        for name in names[:-1]:
            block = block.setdefault(name, {})
        if key:
            block[names[-1]] = value
        (tmp_path / "params.yaml").write_text(yaml.safe_dump(content))
        return tmp_path / "params.yaml"

    return writer


def test_the_projects_own_file_is_sound() -> None:
    plan = load(ROOT / "params.yaml")
    for suite in plan.suites:
        assert plan.cells(suite)


def test_a_suite_is_a_grid(write: Callable[..., Path]) -> None:
    cells = load(write()).cells()
    assert [(cell.method, cell.seed) for cell in cells] == [("finetune", 0), ("finetune", 1), ("den", 0), ("den", 1)]
    assert {cell.stream_params["tasks"] for cell in cells} == {3}


def test_the_grid_can_be_cut_from_outside(write: Callable[..., Path]) -> None:
    plan = load(write())
    cells = plan.cells("one", streams=["split_mnist"], methods=["l2"], seeds=[4])
    assert [(cell.stream, cell.method, cell.seed) for cell in cells] == [("split_mnist", "l2", 4)]


def test_nearer_settings_win(write: Callable[..., Path]) -> None:
    path = write("methods.ewc", {"strength": 7.0, "training": {"learning_rate": 0.5, "epochs": 4}})
    training = load(path).cells("two")[0].training
    assert (training.learning_rate, training.epochs, training.batch_size) == (0.5, 3, 16)
    cells = load(path, ["training.epochs=9", "methods.ewc.strength=2.0", "training.batch_size=32"]).cells("two")
    assert (cells[0].training.epochs, cells[0].training.batch_size) == (9, 32)
    assert cells[0].method_params["strength"] == 2.0
    assert load(path).cells("one")[0].training.learning_rate == 1e-3


def test_the_length_of_training_is_what_was_set_last(write: Callable[..., Path]) -> None:
    path = write("suites.one.set", {"training.steps": 7, "methods.den.training.steps": 9})
    assert {(cell.method, cell.training.steps, cell.training.epochs) for cell in load(path).cells("one")} == {
        ("finetune", 7, None),
        ("den", 9, None),
    }
    for cell in load(path, ["training.epochs=2"]).cells("one"):
        assert (cell.training.steps, cell.training.epochs) == (None, 2)


def test_making_cells_changes_no_plan(write: Callable[..., Path]) -> None:
    plan = load(write(), ["methods.ewc.strength=2.0"])
    assert plan.cells("two") == plan.cells("two")


# Variants, and numbers that a search chose

STUDY = "0123456789abcdef"
DEN = {"study": STUDY, "numbers": {"units_per_expansion": 4, "drift": 9.0, "training.learning_rate": 0.25}}


def test_a_variant_is_its_method_in_other_settings_and_under_another_name(write: Callable[..., Path]) -> None:
    numbers = {"units_per_expansion": 13, "training.epochs": 7}
    plan = load(write("variants", {"den_13": {"method": "den", "set": numbers}, "den_same": {"method": "den"}}))
    plain, other, same = plan.cells("one", methods=["den", "den_13", "den_same"], seeds=[0])
    assert (plain.name, other.name, same.name) == ("den", "den_13", "den_same")
    assert other.title == "blobs · den_13 · seed 0"
    assert (other.method, other.method_params["units_per_expansion"], other.training.epochs) == ("den", 13, 7)
    assert same == plain.model_copy(update={"variant": "den_same"})


def test_a_variant_may_change_its_stream_and_no_other(write: Callable[..., Path]) -> None:
    variant = {"method": "ewc", "set": {"strength": 3.0, "streams.blobs.tasks": 2}}
    plan = load(write("variants", {"ewc_short": variant}))
    changed, plain = plan.cells(methods=["ewc_short"])[0], plan.cells(methods=["ewc"])[0]
    assert (changed.stream_params["tasks"], changed.method_params["strength"]) == (2, 3.0)
    assert plain.stream_params["tasks"] != 2


def test_a_pattern_stands_for_the_variants_and_methods_it_matches(write: Callable[..., Path]) -> None:
    variants = {f"ewc_{strength}": {"method": "ewc", "set": {"strength": float(strength)}} for strength in (3, 4)}
    plan = load(write("variants", variants))
    assert [cell.name for cell in plan.cells(methods=["l2", "ewc_*"], seeds=[0])] == ["l2", "ewc_3", "ewc_4"]
    with pytest.raises(SettingsError, match=r"none_\*"):
        plan.cells(methods=["none_*"])


def test_a_suite_may_name_variants(write: Callable[..., Path]) -> None:
    path = write("variants", {"ewc_3": {"method": "ewc", "set": {"strength": 3.0}}})
    content = yaml.safe_load(path.read_text())
    content["suites"]["two"]["methods"] = ["ewc", "ewc_3"]
    path.write_text(yaml.safe_dump(content))
    assert [cell.method_params["strength"] for cell in load(path).cells("two")] == [5.0, 3.0]
    assert [cell.training.epochs for cell in load(path).cells("two")] == [3, 3]


LAYERS: dict[str, dict[str, Any]] = {
    "methods": {"den": {"drift": 1.0, "training": {"learning_rate": 0.1, "batch_size": 1}}},
    "per_stream": {"blobs": {"methods.den.drift": 2.0, "training.learning_rate": 0.2}},
    "chosen": {"blobs": {"den": {"study": STUDY, "numbers": {"drift": 3.0, "training.learning_rate": 0.3}}}},
    "suites": {"methods.den.drift": 4.0, "training.learning_rate": 0.4},
    "variants": {"other": {"method": "den", "set": {"drift": 5.0, "training.learning_rate": 0.5}}},
    "overrides": {},
}


@pytest.mark.parametrize("layers", range(1, len(LAYERS) + 1))
def test_each_layer_of_settings_wins_over_those_before(layers: int, write: Callable[..., Path]) -> None:
    path = write("variants", {"other": {"method": "den"}})
    content = yaml.safe_load(path.read_text())
    for block in list(LAYERS)[:layers]:
        if block == "suites":
            content["suites"]["one"]["set"] = LAYERS[block]
        elif block != "overrides":
            content[block] = LAYERS[block]
    path.write_text(yaml.safe_dump(content))
    overrides = ["methods.den.drift=6.0", "training.learning_rate=0.6"] if layers == len(LAYERS) else []
    (cell,) = load(path, overrides).cells("one", methods=["other"], seeds=[0])
    assert cell.method_params["drift"] == layers
    assert cell.training.learning_rate == pytest.approx(layers / 10)


def test_chosen_numbers_are_those_of_one_stream(write: Callable[..., Path]) -> None:
    plan = load(write("chosen", {"split_mnist": {"den": DEN}}))
    there, here = plan.cells("one", streams=["split_mnist", "blobs"], methods=["den"], seeds=[0])
    assert (there.method_params["drift"], there.training.learning_rate) == (9.0, 0.25)
    assert (here.method_params["drift"], here.training.learning_rate) != (9.0, 0.25)


def test_a_method_can_have_the_numbers_chosen_for_another(write: Callable[..., Path]) -> None:
    plan = load(write("chosen", {"blobs": {"den": DEN, "den_constant": {"of": "den"}, "l2": {"of": "den"}}}))
    constant, l2 = plan.cells("one", methods=["den_constant", "l2"], seeds=[0])
    assert constant.method_params["units_per_expansion"] == 4
    assert l2.training.learning_rate == 0.25


def test_a_suite_can_take_the_numbers_of_another_stream(write: Callable[..., Path]) -> None:
    content = yaml.safe_load(write("chosen", {"split_mnist": {"den": DEN}}).read_text())
    content["chosen"]["blobs"] = {"l2": {"study": "0" * 16, "numbers": {"training.epochs": 7}}}
    content["per_stream"] = {
        "split_mnist": {"methods.l2.strength": 3.0, "training.batch_size": 99},
        "blobs": {"methods.l2.strength": 4.0, "training.batch_size": 16},
    }
    content["suites"]["one"] |= {"methods": ["den", "l2"], "numbers": "split_mnist"}
    path = write()
    path.write_text(yaml.safe_dump(content))
    den, l2 = load(path).cells("one", seeds=[0])
    assert (den.method_params["drift"], den.training.learning_rate) == (9.0, 0.25)
    assert (l2.method_params["strength"], l2.training.epochs) == (3.0, 5)
    assert {cell.training.batch_size for cell in (den, l2)} == {16}  # a setting of the stream, not of a method


def test_every_chosen_number_of_the_project_is_in_effect() -> None:
    plan = load(ROOT / "params.yaml")
    for stream, entries in plan.file.chosen.items():
        for method in entries:
            suite = Suite(streams=(stream,), methods=(method,), seeds=(0,))
            cell = plan.cell(suite, stream, method, 0).model_dump(mode="json")
            block = cell["method_params"] | {f"training.{key}": value for key, value in cell["training"].items()}
            numbers = plan.file.numbers(stream, method)
            assert numbers and {key: block[key] for key in numbers} == dict(numbers)


def test_a_number_of_a_stream_is_checked_though_a_chosen_one_replaces_it(write: Callable[..., Path]) -> None:
    path = write("chosen", {"blobs": {"den": {"study": STUDY, "numbers": {"drift": 3.0}}}})
    own = {"per_stream": {"blobs": {"methods.den.drift": "garbage"}}}
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | own))
    with pytest.raises(SettingsError, match=r"methods\.den\.drift"):
        load(path)


BAD = {
    "chosen.nonesuch": ({}, r"chosen\.nonesuch: .*blobs"),
    "chosen.blobs": ({"nonesuch": DEN}, r"chosen\.blobs\.nonesuch: .*finetune"),
    "chosen.blobs.l2": (DEN, r"chosen\.blobs\.l2: methods\.l2\.drift: unknown key; allowed here: .*strength"),
    "chosen.blobs.den": ({}, r"chosen\.blobs\.den.*either study and numbers"),
    "chosen.split_mnist": ({"den": {"of": "l2"}}, r"chosen\.split_mnist\.den\.of: 'l2' is unknown; there are none"),
    "chosen.rotated_mnist": ({"den": {**DEN, "of": "l2"}}, "either study and numbers"),
    "chosen.permuted_mnist": ({"den": {"study": STUDY}}, "either study and numbers"),
    "chosen.mnist_variation": ({"den": {**DEN, "study": "today"}}, r"den\.study"),
    "answers.nonesuch": ("den", r"answers\.nonesuch: .*blobs"),
    "answers.blobs": ("nonesuch", r"answers\.blobs: 'nonesuch' is unknown; .*finetune"),
    "variants.den": ({"method": "den"}, r"variants\.den: a method has this name"),
    "variants.other": ({"method": "nonesuch"}, r"variants\.other\.method: 'nonesuch' is unknown; .*finetune"),
    "variants.more": ({"method": "l2", "set": {"drift": 1}}, r"variants\.more: methods\.l2\.drift: unknown key"),
    "variants.Some name": ({"method": "l2"}, r"variants\.Some name"),
    "nonesuch": (1, r"params\.yaml\.nonesuch: unknown key; allowed here: .*suites"),
    "data.seeds": (0, r"data\.seeds.*greater than 0"),
    "data.nonesuch": (1, r"data\.nonesuch: unknown key; allowed here: seeds, streams"),
    "data.streams.nonesuch": ({}, r"data\.streams\.nonesuch.*blobs"),
    "data.streams.blobs": ({"feature": 3}, r"data\.streams\.blobs\.feature: unknown key; allowed here: .*features"),
    "suites": ({}, "suites"),
    "suites./elsewhere": ({"streams": ["blobs"], "methods": ["den"], "seeds": [0]}, r"suites\./elsewhere"),
    "suites.one.seeds": ("all", r"suites\.one\.seeds"),
    "suites.one.nonesuch": (1, r"suites\.one\.nonesuch: unknown key"),
    "suites.one.streams": (["nonesuch"], "nonesuch.*blobs"),
    "suites.one.methods": (["nonesuch"], "nonesuch.*finetune"),
    "suites.one.set": ({"training.epoch": 1}, r"training\.epoch: unknown key; allowed here: .*epochs"),
    "suites.two.set": ({"nonesuch.key": 1}, r"nonesuch\.key: cannot be set; keys begin with training"),
    "training.epoch": (1, r"training\.epoch: unknown key; allowed here: .*epochs"),
    "training.epochs": ("many", r"training\.epochs: .*integer"),
    "training.steps": (5, "either epochs or steps"),
    "training.learning_rate": ("1:30", r"training\.learning_rate: .*valid number, not '1:30'"),
    "training.batch_size": (2.5, r"training\.batch_size"),
    "training.optimizer": ("adamw", r"training\.optimizer: .*'adam' or 'sgd'"),
    "training.device": ("tpu", r"training\.device: .*'cpu'"),
    "network.convolutions": ([{"channels": 3, "kernel": 4}], r"network\.convolutions\.0\.kernel: .*odd"),
    "network.widths": ([8, 0], r"network\.widths\.1: .*greater than 0"),
    "network.heads": ("two", r"network\.heads: .*'per_task' or 'one'"),
    "network.init": ("zeros", r"network\.init: .*'glorot'"),
    "streams.nonesuch": ({}, r"streams\.nonesuch.*blobs"),
    "streams.blobs": ({"task": 1}, r"streams\.blobs\.task: unknown key; allowed here: .*tasks"),
    "streams.blobs.tasks": (True, r"streams\.blobs\.tasks"),
    "suites.one.numbers": ("nonesuch", r"suites\.one\.numbers: 'nonesuch' is unknown; there are .*blobs"),
    "methods.nonesuch": ({}, r"methods\.nonesuch.*finetune"),
    "methods.den": ({"sigma": 1.0}, r"methods\.den\.sigma: unknown key; allowed here: .*drift_threshold"),
    "methods.ewc.strength": (-1.0, r"methods\.ewc\.strength: .*greater than or equal to 0"),
    "methods.ewc.decay": (float("nan"), r"methods\.ewc\.decay"),
    "methods.ewc.training": (5, r"methods\.ewc\.training"),
    "per_stream.nonesuch": ({}, r"per_stream\.nonesuch.*blobs"),
    "per_stream.blobs": ({"network.width": [3]}, r"network\.width: unknown key; allowed here: .*widths"),
}


@pytest.mark.parametrize("key", BAD)
def test_bad_files_are_refused_by_key(key: str, write: Callable[..., Path]) -> None:
    value, said = BAD[key]
    with pytest.raises(SettingsError, match=said):
        load(write(key, value))


BAD_OVERRIDES = {
    "training.epoch=3": r"training\.epoch: unknown key",
    "training.epochs": "key.path=value",
    "=3": "key.path=value",
    "training.epochs=": "either epochs or steps",
    "training.epochs=[3": "training.epochs",
    "training.learning_rate=1:30": r"training\.learning_rate: .*valid number, not '1:30'",
    "training.learning_rate=.inf": r"training\.learning_rate",
    "training=3": "cannot be set",
    "suites.one.seeds=[3]": "cannot be set; keys begin with",
    "network.convolutions=[{channels: 20}, {}]": r"network\.convolutions\.1\.channels: missing",
    "network.convolutions=[{chanels: 3}]": r"network\.convolutions\.0\.chanels: unknown key; allowed here: channels, ",
    "network.convolutions.0.channels=3": r"network\.convolutions: .* valid array",
    "network.widths.0=3": "widths is a value, .*, not a block",
    "methods.den=3": r"methods\.den",
    "methods.nonesuch.strength=3": r"methods\.nonesuch.*finetune",
    "streams.nonesuch.tasks=3": r"streams\.nonesuch.*blobs",
    "streams.blobs=3": r"streams\.blobs",
    "streams.blobs.tasks=no": r"streams\.blobs\.tasks",
    "methods.ewc.mode=offline": r"methods\.ewc\.mode: .*'separate' or 'online'",
    "methods.ewc.training.epoch=3": r"training\.epoch: unknown key",
}


@pytest.mark.parametrize("override", BAD_OVERRIDES)
def test_bad_overrides_are_refused_by_key(override: str, write: Callable[..., Path]) -> None:
    with pytest.raises(SettingsError, match=BAD_OVERRIDES[override]):
        load(write(), [override]).cells()


@pytest.mark.parametrize(
    ("chosen", "said"),
    [
        ({"suite": "nonesuch"}, "nonesuch.*one, two"),
        ({"streams": ["nonesuch"]}, "nonesuch.*blobs"),
        ({"methods": ["nonesuch"]}, "nonesuch.*finetune"),
        ({"suite": "one", "methods": ["ewc", "one"]}, "'one' is unknown"),
        ({"seeds": [-1]}, "seed"),
    ],
)
def test_bad_choices_are_refused(chosen: dict[str, Any], said: str, write: Callable[..., Path]) -> None:
    with pytest.raises(SettingsError, match=said):
        load(write()).cells(**chosen)


REPEATS = {
    "streams": ["blobs", "blobs"],
    "methods": ["den", "l2", "den"],
    "seeds": [0, 1, 1],
    "accepted_seeds": [2, 2],
}


@pytest.mark.parametrize("block", REPEATS)
def test_what_stands_twice_in_a_suite_is_refused(block: str, write: Callable[..., Path]) -> None:
    (repeated,) = {name for name in REPEATS[block] if REPEATS[block].count(name) > 1}
    with pytest.raises(SettingsError, match=rf"suites\.one\.{block}: .*{repeated} is repeated; name each once"):
        load(write(f"suites.one.{block}", REPEATS[block]))


@pytest.mark.parametrize("block", ["streams", "methods", "seeds"])
def test_what_is_chosen_twice_is_refused(block: str, write: Callable[..., Path]) -> None:
    (repeated,) = {name for name in REPEATS[block] if REPEATS[block].count(name) > 1}
    with pytest.raises(SettingsError, match=rf"{block.removesuffix('s')}.*: {repeated} is repeated; name each once"):
        load(write()).cells("one", **{block: REPEATS[block]})


def test_a_method_that_two_patterns_match_is_one(write: Callable[..., Path]) -> None:
    variants = {f"ewc_{strength}": {"method": "ewc", "set": {"strength": float(strength)}} for strength in (3, 4)}
    plan = load(write("variants", variants))
    cells = plan.cells("one", methods=["ewc_*", "ewc_3", "*_4"], seeds=[0])
    assert [cell.name for cell in cells] == ["ewc_3", "ewc_4"]


def rewritten(path: Path, *lines: str) -> Path:
    """Put lines at the end of a params file."""
    path.write_text(path.read_text() + "".join(f"{line}\n" for line in lines))
    return path


SUITE = "{streams: [blobs], methods: [l2], seeds: [0]}"
TWICE = {  # lines that are put at the end of a file, the repeated key, and in which of all lines it stands
    "at the top": (["suites:", f"  three: {SUITE}"], "suites", (None, 1)),
    "among suites": (["variants:", "  a: {method: l2}", "  b: {method: l2}", "  a: {method: ewc}"], "a", (2, 4)),
    "on one line": (["variants: {a: {method: l2, method: ewc}}"], "method", (1, 1)),
    "in quotes": (["variants:", "  a: {method: l2}", '  "a": {method: ewc}'], "a", (2, 3)),
}


@pytest.mark.parametrize("place", TWICE)
def test_a_key_that_stands_twice_is_refused_by_both_its_lines(place: str, write: Callable[..., Path]) -> None:
    lines, key, (first, second) = TWICE[place]
    before = write().read_text().splitlines()
    first_line = before.index(f"{key}:") + 1 if first is None else len(before) + first
    said = f"the key {key} is in line {first_line} and again in line {len(before) + second};"
    with pytest.raises(SettingsError, match=said):
        load(rewritten(write(), *lines))


def test_a_suite_that_stands_twice_is_refused(write: Callable[..., Path]) -> None:
    text = write().read_text()
    path = write()
    path.write_text(text.replace("suites:\n", f"suites:\n  two: {SUITE}\n"))
    lines = path.read_text().splitlines()
    first, second = (at for at, line in enumerate(lines, start=1) if line.startswith("  two:"))
    with pytest.raises(SettingsError, match=f"the key two is in line {first} and again in line {second};"):
        load(path)


def test_a_key_that_stands_twice_in_an_override_is_refused(write: Callable[..., Path]) -> None:
    override = "network.convolutions=[{channels: 3, kernel: 5, channels: 4}]"
    with pytest.raises(SettingsError, match=r"^--set network\.convolutions=.*: the key channels is in line 1 and"):
        load(write(), [override])


def test_a_merged_block_may_set_keys_again(tmp_path: Path) -> None:
    text = "base: &base {x: 1, y: 1}\ndeep: {inner: &inner {<<: *base, x: 2}}\nlast: {<<: *inner, y: 3}\n"
    (tmp_path / "merged.yaml").write_text(text)
    merged = yaml_files.read(tmp_path / "merged.yaml", ())
    assert merged == yaml.safe_load(text)
    assert merged["last"] == {"x": 2, "y": 3}


@pytest.mark.parametrize("text", ["", "[]", "a: [", "just words"])
def test_what_is_no_mapping_is_refused(text: str, tmp_path: Path) -> None:
    (tmp_path / "params.yaml").write_text(text)
    with pytest.raises(SettingsError, match=r"params\.yaml"):
        load(tmp_path / "params.yaml")


def test_a_missing_file_says_where_to_go(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="project's folder"):
        load(tmp_path / "params.yaml")


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("method", METHODS)
def test_every_method_goes_with_every_stream(stream: str, method: str, write: Callable[..., Path]) -> None:
    assert load(write()).cells("one", [stream], [method], [0])[0].title == f"{stream} · {method} · seed 0"


def test_convolutions_are_set_as_a_list(write: Callable[..., Path]) -> None:
    plan = load(write(), ["network.convolutions=[{channels: 20}, {channels: 50, kernel: 3, pooling: 1}]"])
    (cell,) = plan.cells("one", streams=["cifar100"], methods=["den"], seeds=[0])
    assert cell.network == Network(
        convolutions=(Convolution(channels=20), Convolution(channels=50, kernel=3, pooling=1)), widths=(8, 6)
    )
    assert read(Cell, cell.model_dump(mode="json"), "cell") == cell


def test_streams_have_networks_of_their_own(write: Callable[..., Path]) -> None:
    path = write("per_stream.cifar100", {"network.convolutions": [{"channels": 20}], "network.widths": [9]})
    flat, images = load(path).cells("one", streams=["blobs", "cifar100"], methods=["den"], seeds=[0])
    assert flat.network == Network(widths=(8, 6))
    assert images.network == Network(convolutions=(Convolution(channels=20),), widths=(9,))


@pytest.mark.parametrize("stream", STREAMS)
@pytest.mark.parametrize("method", ["den", "den_official"])
def test_convolutions_are_refused_where_nothing_can_be_done_with_them(
    stream: str, method: str, write: Callable[..., Path]
) -> None:
    plan = load(write(), ["network.convolutions=[{channels: 20}]"])
    if stream in IMAGES and method == "den":
        assert plan.cells("one", [stream], [method])
    else:
        with pytest.raises(SettingsError, match=r"^network\.convolutions: "):
            plan.cells("one", [stream], [method])


def test_a_network_that_a_method_cannot_use_is_refused_for_that_method_alone() -> None:
    plan = load(ROOT / "params.yaml", ["network.heads=one"])
    assert plan.cells("smoke", methods=["finetune"])[0].network.heads == "one"
    with pytest.raises(SettingsError, match=r"network\.heads: Den needs per_task"):
        plan.cells("smoke", methods=["den"])
