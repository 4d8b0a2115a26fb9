"""Writes the best numbers of finished studies into the block `chosen` of params.yaml; comments stay."""

from collections.abc import Mapping, Sequence
from io import StringIO
from pathlib import Path

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap
from ruamel.yaml.nodes import ScalarNode
from ruamel.yaml.representer import RoundTripRepresenter
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from den import files, searches, suites
from flows.places import here
from flows.tuning import studies
from flows.tuning.studies import StudyResult

PARAMS = Path("params.yaml")


def write(streams: Sequence[str], methods: Sequence[str], trials: int | None) -> list[str]:
    """Write the best numbers of finished studies, by default of all streams with a study; return a line per study.

    A study with fewer or more trials than its budget is left out: its best trial would not compare with the others.
    """
    places = here()
    plan = suites.load(PARAMS)
    names = streams or sorted(path.name for path in studies.STUDIES.glob("*"))
    ends = [
        studies.result_of(subject, places)
        for stream in names
        for subject in searches.subjects(plan, stream, methods, trials)
    ]
    ready = [end for end in ends if _ready(end)]
    if ready:
        files.write(PARAMS, with_chosen(PARAMS.read_text(encoding="utf-8"), ready))
    return list(map(_line, ends)) or ["reports/studies has no study; `den search --stream NAME` runs one"]


def with_chosen(text: str, ends: Sequence[StudyResult]) -> str:
    """Return the text of params.yaml with the best numbers of these studies; everything else stays."""
    content = _yaml().load(text)
    for end in ends:
        assert end.trial is not None
        block = _block(_block(content, "chosen"), end.subject.stream)
        block[end.subject.method] = _chosen(end.identity, end.trial.user_attrs["numbers"])
    written = StringIO()
    _yaml().dump(content, written)
    return written.getvalue()


def _ready(end: StudyResult) -> bool:
    return not end.lacking and end.trial is not None


def _line(end: StudyResult) -> str:
    budget = end.subject.budget
    if _ready(end):
        return f"{end.subject.title}: study {end.identity} written to {PARAMS}"
    if not end.lacking:
        return f"{end.subject.title}: left out, no trial is within the capacity limit; raise the limit or the trials"
    return f"{end.subject.title}: left out, it has {end.trials} different trials, not {budget}"


def _chosen(identity: str, numbers: Mapping[str, float]) -> CommentedMap:
    """Return the entry of a method, with its numbers on one line."""
    inner = CommentedMap(numbers)
    inner.fa.set_flow_style()
    return CommentedMap(study=SingleQuotedScalarString(identity), numbers=inner)


def _block(content: CommentedMap, key: str) -> CommentedMap:
    """Return a block of the file, new if it does not exist, with one entry per line."""
    if key not in content:
        content[key] = CommentedMap()
    block: CommentedMap = content[key]
    block.fa.set_block_style()
    return block


class Representer(RoundTripRepresenter):
    """Represents values of params.yaml; a class of its own, since ruamel registers for a class and not for a file."""


def _pointed(dumper: RoundTripRepresenter, value: float) -> ScalarNode:
    """Represent a number with a point, 3.0e-06: readers of YAML 1.1 take 3e-06 for text."""
    text = repr(value)
    return dumper.represent_scalar("tag:yaml.org,2002:float", text if "." in text else text.replace("e", ".0e", 1))


def _yaml() -> YAML:
    yaml = YAML()
    yaml.Representer = Representer
    yaml.width = 4096
    yaml.preserve_quotes = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(float, _pointed)
    yaml.representer.add_representer(
        type(None), lambda dumper, _: dumper.represent_scalar("tag:yaml.org,2002:null", "null")
    )
    return yaml
