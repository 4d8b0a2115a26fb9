"""One list of stages and measures: all that is reported stands in it."""

import pytest
from small import images, learn, most, stream

from den import measures


@pytest.mark.parametrize("method", most)
def test_a_method_reports_what_is_in_the_list(method: str) -> None:
    _, result = learn(method, stream())
    for row in result.measures:
        assert row["stage"] is None or row["stage"] in measures.STAGES
        assert measures.MEASURES[row["measure"]].per_layer == (row["layer"] is not None)


def test_convolutions_report_the_same() -> None:
    _, result = learn("den", images())
    assert {row["measure"] for row in result.measures} <= measures.MEASURES.keys()
