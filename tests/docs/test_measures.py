"""One list of stages and measures: all that is reported stands in it."""

import pytest
from small import images, learn, stream

from den import measures
from den.methods import METHODS


@pytest.mark.parametrize("method", METHODS)
def test_a_method_reports_what_is_in_the_list(method: str) -> None:
    _, result = learn(method, stream())
    for row in result.measures:
        assert row["stage"] is None or row["stage"] in measures.STAGES
        assert measures.MEASURES[row["measure"]].per_layer == (row["layer"] is not None)


def test_convolutions_report_the_same() -> None:
    _, result = learn("den", images())
    assert {row["measure"] for row in result.measures} <= measures.MEASURES.keys()
