"""Published numbers of the streams: those of the DEN paper, of its released code, and of later papers."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path

import pandas as pd

PUBLISHED = Path(__file__).parent / "published"
PAPER = "Yoon et al. 2018"
WHOLE = "finetune"
"The method that trains the whole network; times of selective retraining are relative to it."
SELECTS = "dnn_selective"
"The method that measures what selective retraining costs."
PARTIAL = ("den_constant", "den_dynamic")
"How the names of DEN without some of its parts begin."

Numbers = Mapping[str, Mapping[str, float]]
"A number by quantity and method."


def numbers(name: str, stream: str, source: str = PAPER) -> pd.DataFrame:
    """Return the numbers of published/<name>.csv for a stream, from one source, or from all if it is empty."""
    frame = _file(name)
    rows = frame[(frame["stream"] == stream) & (frame["source"] == (source or frame["source"]))]
    return rows.reset_index(drop=True)


@cache
def main_score(stream: str) -> str:
    """Return the score that the numbers published for a stream are in; AUROC if there are none."""
    scores = pd.concat([_file("final"), _file("later")]).drop_duplicates("stream").set_index("stream")["score"]
    return str(scores.get(stream, "auroc"))


def finals(stream: str) -> pd.DataFrame:
    """Return the paper's average AUROC after the last task, per method: value and read_from; ablations included."""
    rows = pd.concat([numbers("final", stream), numbers("ablation", stream)])
    return rows.drop_duplicates("method").set_index("method")[["value", "read_from"]]


def later(stream: str) -> pd.DataFrame:
    """Return the numbers of later papers for a stream: per method its score, value and capacity, which may be nan."""
    return numbers("later", stream, source="")


def points(stream: str) -> pd.DataFrame:
    """Return all published points of a stream: method, capacity and value."""
    return pd.concat([numbers("capacity", stream), later(stream).dropna(subset="capacity")])


def retraining(stream: str) -> Numbers:
    """Return "auroc" by method, and "seconds" relative to training the whole network; empty if not published."""
    rows = numbers("selective", stream)
    by_measure = {measure: part.set_index("method")["value"] for measure, part in rows.groupby("measure")}
    if not by_measure:
        return {"auroc": {}, "seconds": {}}
    seconds = by_measure["seconds"]
    return {"auroc": dict(by_measure["auroc"]), "seconds": dict(seconds / seconds[WHOLE])}


def selected(stream: str, layer: int) -> Mapping[str, float]:
    """Return the number of units that a task selects in a hidden layer, by method; empty if not published."""
    rows = numbers("selective", stream)
    rows = rows[(rows["measure"] == "selected units") & (rows["layer"] == layer)]
    return dict(rows.set_index("method")["value"])


def ablation(stream: str) -> Numbers:
    """Return "value" (AUROC) and "capacity" of DEN and of each of its variants; empty if not published."""
    variants = numbers("ablation", stream).set_index("method")
    den = numbers("capacity", stream).set_index("method").loc[lambda rows: rows.index == "den"]
    return {column: {**variants[column], **den[column]} for column in ("value", "capacity")}


@cache
def _file(name: str) -> pd.DataFrame:
    return pd.read_csv(PUBLISHED / f"{name}.csv")
