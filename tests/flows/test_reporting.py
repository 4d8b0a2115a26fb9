"""`den results`: the same rows in every form."""

import io
import json

import pandas as pd
import pytest
from projects import ROOT

from flows.commands import row_text
from flows.pipeline import reporting
from reports import accepted_results
from reports.tables import COLUMNS


@pytest.fixture(autouse=True)
def in_the_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


def scores(form: str) -> str:
    """Return the accepted scores of a suite as `den results` prints them."""
    return row_text.of(reporting.scores("smoke", True), form)


def test_json_keeps_every_bit_that_csv_keeps() -> None:
    rows = json.loads(scores("json"))
    columns = dict(COLUMNS["scores"])
    text = pd.read_csv(io.StringIO(scores("csv")), dtype="string")
    assert [list(row) for row in rows] == [list(columns)] * len(text)
    assert [row["value"] for row in rows] == [float(value) for value in text["value"]]
    assert pd.DataFrame(rows).astype(columns).equals(text.astype(columns))


def test_json_has_no_nan(monkeypatch: pytest.MonkeyPatch) -> None:
    known = accepted_results.read_tables("smoke")
    known.scores.loc[0, "value"] = float("nan")
    monkeypatch.setattr(reporting.accepted_results, "read_tables", lambda suite: known)

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    rows = json.loads(scores("json"), parse_constant=refuse)
    assert rows[0]["value"] is None
