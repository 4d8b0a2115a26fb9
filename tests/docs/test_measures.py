"""One list of stages and measures: all that is reported stands in it, and the documentation is made from it."""

import pytest
from projects import ROOT
from small import images, learn, stream

from den import measures
from den.methods import METHODS
from reports import reference


@pytest.mark.parametrize("method", METHODS)
def test_a_method_reports_what_is_in_the_list(method: str) -> None:
    _, result = learn(method, stream())
    for row in result.measures:
        assert row["stage"] is None or row["stage"] in measures.STAGES
        assert measures.MEASURES[row["measure"]].per_layer == (row["layer"] is not None)


def test_convolutions_report_the_same() -> None:
    _, result = learn("den", images())
    assert {row["measure"] for row in result.measures} <= measures.MEASURES.keys()


def test_the_documentation_is_current() -> None:
    page = (ROOT / "docs/measures.md").read_text(encoding="utf-8")
    assert page == reference.measures_page(), "`python -m reports.reference > docs/measures.md` writes it"
