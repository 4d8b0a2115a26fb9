"""Generate the reference pages from the code: `python -m docs.reference` writes docs/reference/*.md.

`python -m docs.reference --check` writes nothing and fails if a page is not current.
"""

import inspect
import json
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import click

from den import measures, searches, yaml_files
from den.config import Convolution, Network, Params, Training
from den.methods import METHODS
from den.params_file import Chosen, Data, File, OwnData, Suite, Variant
from den.streams import STREAMS, own_data
from docs import api, meanings
from flows.cli import main

FOLDER = Path(__file__).parent / "reference"
PARAMS_FILE = Path(__file__).parent.parent / "params.yaml"
WIDTH = 100  # columns of the help texts
LONGEST = 100  # characters of a default that is shown

BLOCKS = {
    "data": "What `den prepare` makes: the number of seeds, and per stream the settings that change its files.",
    "suites": "Named grids of streams, methods and seeds. `den run --suite NAME` runs one.",
    "variants": "Methods under another name, with settings of their own.",
    "training": "How a stage is trained. A method's own block may have a `training` block, which wins for that method.",
    "network": "The base network, with which every method starts.",
    "streams": "Per stream: the settings that are chosen when its files are opened.",
    "methods": "Per method: its own settings.",
    "answers": "Which method stands for DEN on a stream, chosen on validation data; `den` where none is named.",
    "chosen": "Numbers that a search chose, per stream and method. `den search --write` writes them.",
    "per_stream": "Per stream: dotted keys that override the blocks above, as `--set` does.",
    "own_data": "What every stream of own data has: its suite, its settings and its search.",
    "search": "Per stream: the budget and the spaces of `den search`.",
}

OF_STREAMS = {  # settings that mean the same in every stream
    "tasks": "Number of tasks.",
    "training_images": "Images to learn from.",
    "validation_images": "Images to choose settings by.",
    "test_images": "Images to report scores on.",
    "training_examples": "Examples to learn from.",
    "validation_examples": "Examples to choose settings by.",
    "test_examples": "Examples to report scores on.",
    "padding": "Pixels of zeros on each side of an image.",
    "normalisation": "unit: pixels scaled to [0, 1]. standard: mean and deviation of MNIST's pixels removed.",
    "classes_per_task": "Classes that a task separates.",
    "order": "Order of the superclasses: drawn by the seed, or published with APD (Yoon et al. 2020).",
    "components": "Principal components of the features that a network receives.",
    "noise": "Brightest background, relative to the brightest digit.",
    "angles": "Angle of each task in degrees, counter-clockwise; random: drawn by seed, from 0 to 180.",
    "features": "Values of an example.",
    "classes": "Number of classes.",
    "examples": "Examples per class.",
}

ORDER = """Later layers override earlier ones:

1. the blocks `training`, `network`, `streams` and `methods`;
2. the method's own `training` block;
3. `own_data.set`, for a stream of own data;
4. `per_stream`, for the stream;
5. `chosen`, for the stream and method;
6. the suite's `set`;
7. the variant's `set`;
8. `--set KEY=VALUE` of the command line.
"""


def commands_page() -> str:
    """Return the help of every command as a page."""
    sections = (f"## {name}\n\n```text\n{text}\n```\n" for name, text in _helps("den", main, None))
    introduction = "Every command, as `--help` prints it. Generated from the command line's own help.\n"
    return "\n".join(["# Commands\n", introduction, *sections])


def _helps(name: str, command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    """Yield the full name and the help of a command, and of all commands below it."""
    settings = {**command.context_settings, "terminal_width": WIDTH, "max_content_width": WIDTH}
    context = click.Context(command, parent=parent, info_name=name.split()[-1], **settings)
    yield name, command.get_help(context)
    if isinstance(command, click.Group):
        for word in command.list_commands(context):
            below = command.get_command(context, word)
            assert below is not None
            yield from _helps(f"{name} {word}", below, context)


def settings_page() -> str:
    """Return every setting of params.yaml as a page."""
    file = yaml_files.read(PARAMS_FILE, File.model_fields)
    blocks = [f"| [`{name}`](#{name}) | {meaning} |" for name, meaning in BLOCKS.items()]
    return "\n".join(
        [
            "# Settings",
            "",
            "Every key of `params.yaml`, the only configuration file. Generated from the models that check it.",
            "`den run` refuses an unknown key, a wrong type and an impossible value before anything runs.",
            "",
            "| block | meaning |",
            "| --- | --- |",
            *blocks,
            "",
            ORDER,
            *_section("data", Data),
            *(line for name in STREAMS for line in _named("data.streams", name, STREAMS[name].Preparation, file)),
            *_table("A stream of own data, under a name of its own in `data.streams`:", own_data.Preparation, {}),
            *_section("suites", Suite),
            *_section("variants", Variant),
            *_section("training", Training, file["training"]),
            *_section("network", Network, file["network"]),
            *_table("Each entry of `network.convolutions`:", Convolution, {}),
            *_heading("streams"),
            *(line for name in STREAMS for line in _named("streams", name, STREAMS[name].Params, file)),
            *_table("A stream of own data, under its name in `streams`:", own_data.Params, {}),
            *_heading("methods"),
            *(line for name in METHODS for line in _named("methods", name, METHODS[name].accepts, file)),
            *_heading("answers"),
            *_section("chosen", Chosen),
            *_heading("per_stream"),
            *_section("own_data", OwnData),
            *_section("search", searches.Search),
            *_table("Each rung of `rungs`:", searches.Rung, {}),
            *_table("Each number of a space:", searches.Range, {}),
        ]
    )


def _heading(block: str) -> list[str]:
    return [f"## {block}", "", BLOCKS[block], ""]


def _section(block: str, kind: type[Params], values: Mapping[str, Any] | None = None) -> list[str]:
    return [f"## {block}", "", *_table(None, kind, values or {})]


def _named(block: str, name: str, kind: type[Params], file: Mapping[str, Any]) -> list[str]:
    """Return the table of one stream or method below a block."""
    values: Any = file
    for part in block.split("."):
        values = values.get(part, {})
    if not kind.model_fields:
        return []
    heading = [f"### {block}.{name}", ""]
    if block == "methods" and name != "den" and kind is METHODS["den"].accepts and name not in values:
        return [*heading, "The keys and defaults of [`methods.den`](#methodsden).", ""]
    return [*heading, *_table(None, kind, values.get(name) or {})]


def _table(title: str | None, kind: type[Params], values: Mapping[str, Any]) -> list[str]:
    """Return a table of the fields of a model; `values` are those of params.yaml."""
    texts = OF_STREAMS | meanings.of_fields(kind)
    header = ("key", "values", "default", "`params.yaml`", "meaning")
    rows = [
        (
            f"`{name}`",
            _kind(field),
            _literal(field["default"]) if "default" in field else "required",
            _literal(values[name]) if name in values else "",
            texts.get(name, ""),
        )
        for name, field in kind.model_json_schema()["properties"].items()
    ]
    filled = [column for column in range(len(header)) if any(row[column] for row in rows)]
    lines = [" | ".join(row[column] for column in filled) for row in (header, ["---"] * len(header), *rows)]
    about = title or inspect.cleandoc(kind.__doc__ or "")
    return [*textwrap.wrap(" ".join(about.split()), 118), "", *(f"| {line} |" for line in lines), ""]


def _kind(field: Mapping[str, Any]) -> str:
    """Return in words what values a field of a JSON schema takes."""
    if "anyOf" in field:
        return " or ".join(_kind(alternative) for alternative in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if "const" in field:
        return f"`{field['const']}`"
    if "$ref" in field:
        return f"a block ({field['$ref'].rpartition('/')[2]})"
    if field.get("type") == "array":
        return f"list of {_kind(field.get('items', {}))}"
    names = {"integer": "integer", "number": "number", "string": "text", "boolean": "true, false"}
    name = {**names, "null": "`null`", "object": "mapping"}.get(field.get("type", ""), "anything")
    return f"{name}{_bounds(field)}"


def _bounds(field: Mapping[str, Any]) -> str:
    signs = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤", "exclusiveMaximum": "<"}
    bounds = [f"{sign} {field[key]:,g}" for key, sign in signs.items() if key in field]
    return f" {' and '.join(bounds)}" if bounds else ""


def _literal(value: Any) -> str:
    text = json.dumps(value)
    return f"`{text}`" if len(text) <= LONGEST else f"a list of {len(value)}"


def measures_page() -> str:
    """Return stages and measures as a page."""
    stages = (f"| `{name}` | {meaning} |" for name, meaning in measures.STAGES.items())
    rows = (
        f"| `{name}` | {definition.unit} | {'layer' if definition.per_layer else 'network'} | {definition.meaning} |"
        for name, definition in measures.MEASURES.items()
    )
    return "\n".join(
        [
            "# Stages and measures",
            "",
            "What methods report, in measurements, in `measures.csv` and in MLflow. Generated from `den/measures.py`.",
            "",
            "| stage | what it does |",
            "| --- | --- |",
            *stages,
            "",
            "| measure | unit | per | meaning |",
            "| --- | --- | --- | --- |",
            *rows,
            "",
        ]
    )


PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "settings.md": settings_page,
    "measures.md": measures_page,
    "api.md": api.page,
}


def stale() -> list[str]:
    """Return the pages that differ from what the code has now."""
    return [name for name, page in PAGES.items() if (FOLDER / name).read_text(encoding="utf-8") != page()]


if __name__ == "__main__":
    if "--check" in sys.argv:
        sys.exit(f"not current: {', '.join(names)}" if (names := stale()) else 0)
    for name, page in PAGES.items():
        (FOLDER / name).write_text(page(), encoding="utf-8")
        sys.stdout.write(f"{FOLDER / name}\n")
