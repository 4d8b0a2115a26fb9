"""The answer with which page, report and run begin: the numbers of `den compare`, for every question of a suite."""

import math
import re

import pytest
from hypothesis import given
from hypothesis import strategies as draws
from projects import ACCEPTED_SUITES, ROOT
from synthetic import ABLATION, DIFFERENCES, METHODS, result, results, with_scores

from reports import accepted_results, labels, tables, text_tables
from reports.analysis import answers, inference
from reports.analysis.answers import Question
from reports.analysis.comparison import against_rival, differences_to
from reports.page import components
from reports.stream_results import StreamResults

CLOSE = draws.floats(-0.02, 0.02)


def grid(seeds: int = 3, methods: tuple[str, ...] = METHODS) -> StreamResults:
    """Return the results of a synthetic run."""
    return tables.collect(results("mnist_variation", seeds, methods), "quick").of()


def texts(stream: StreamResults) -> list[str]:
    """Return the sentences of the answer to what a suite asks of a stream."""
    return [sentence.text for sentence in answers.answer(against_rival(stream.without_departures))]


def rows_of(stream: StreamResults) -> dict[str, dict[str, str]]:
    """Return the rows of the table of `den compare` in the main score, by method."""
    rows = against_rival(stream).tables[0].set_index("method").drop(index=labels.MAJORITY, errors="ignore")
    return rows.to_dict("index")


def agree(stream: StreamResults) -> None:
    """Check that the answer names every method that it compares with the difference and the p of the table."""
    text, rows = " ".join(texts(stream)), rows_of(stream)
    for method, row in rows.items():
        if not row["difference"] or (answers.question(stream) == Question.PARTS and not answers.is_part(method)):
            continue
        p = f", p {row['p'].replace('<', '< ') if row['p'].startswith('<') else '= ' + row['p']}" if row["p"] else ""
        assert f"{labels.method(method)} {row['difference']}{p}" in text


@pytest.mark.parametrize("seeds", [1, 3])
@pytest.mark.parametrize("methods", [METHODS, ABLATION])
def test_the_answer_has_the_numbers_of_the_comparison(methods: tuple[str, ...], seeds: int) -> None:
    agree(grid(seeds, methods))


@pytest.mark.slow
@pytest.mark.parametrize("suite", ACCEPTED_SUITES)
def test_the_answer_of_an_accepted_suite_has_the_numbers_of_the_comparison(
    suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for stream in accepted_results.read_tables(suite).per_stream:
        if answers.question(stream) == Question.DEPARTURES:
            rows = rows_of(stream)
            official = rows["den_official"]["difference"]
            assert official in texts(stream)[0]
        else:
            agree(stream)
        for table in against_rival(stream).tables:
            assert not [text for text in table["difference"] if re.search(r"[+−]\.0+( |$)", text)]


def test_every_method_stands_on_the_side_of_its_p() -> None:
    stream = grid()
    (text,) = texts(stream)
    sides = re.split("better than|level with|behind", text)[1:]
    words = re.findall("better than|level with|behind", text)
    for method, difference in against_rival(stream).main.items():
        (side,) = [word for word, part in zip(words, sides, strict=True) if f"{labels.method(method)} " in part]
        clear = difference.adjusted < inference.LEVEL
        assert side == ("level with" if not clear else "better than" if difference.over.mean < 0 else "behind")


def test_a_method_that_is_ahead_is_named_also_without_a_test() -> None:
    (text,) = texts(grid(1))
    assert "with too few seeds for a test it is above" in text
    assert re.search(r"below Joint \+\.\d+\.$", text)
    assert " p " not in text


def test_den_alone_and_no_den_have_an_answer() -> None:
    assert "no other method" in texts(grid(2, ("den",)))[0]
    (text,) = texts(grid(3, ("l2", "single_task")))
    assert text.startswith("After 10 tasks Single-task has ")


def test_equal_scores_are_level() -> None:
    alike = [with_scores(result("blobs", name, seed), lambda score: 0.5) for name in ("den", "l2") for seed in (1, 2)]
    assert "level with L2 0, p = 1.000." in texts(tables.collect(alike, "smoke").of())[0]


@pytest.mark.parametrize(
    ("methods", "question"),
    [(METHODS, Question.METHODS), (ABLATION, Question.PARTS), (DIFFERENCES, Question.DEPARTURES)],
)
def test_a_suite_asks_one_question_which_follows_from_its_methods(methods: tuple[str, ...], question: Question) -> None:
    assert answers.question(grid(1, methods).without_departures) == question


def test_departures_are_answered_with_the_numbers_of_their_table() -> None:
    stream = grid(3, DIFFERENCES)
    between, added, mended = texts(stream.without_departures)
    rows = components.differences(against_rival(stream)).set_index("departure")
    assert "the released code with all its departures" in between
    for side, text in (("added", added), ("mended", mended)):
        counted = sum(p != "" and float(p.removeprefix("<")) >= inference.LEVEL for p in rows[f"p, {side}"])
        assert (f"level with {counted} of {len(rows)}" in text) == (counted > 0)


def test_departures_on_one_seed_are_not_called_level() -> None:
    _, added, mended = texts(grid(1, DIFFERENCES).without_departures)
    count = sum(method.startswith("plus_") for method in DIFFERENCES)
    assert f"untested, with too few seeds, with {count} of {count} (differences of ." in added
    assert "level with" not in added + mended


def test_plus_minus_is_the_same_in_every_table() -> None:
    stream = grid()
    summary = text_tables.summary(stream).set_index("method")
    for table in against_rival(stream).tables:
        label = table.columns[1]
        assert table.set_index("method")[label].to_dict() == summary[label].to_dict()
    rows = stream.summary.set_index("method")
    assert summary["AUROC"]["l2"] == labels.with_error(rows["auroc"]["l2"], rows["auroc_error"]["l2"])


def test_p_of_a_pair_is_the_same_whatever_else_a_table_shows() -> None:
    stream = grid(3, DIFFERENCES)
    family = differences_to(stream, "den")
    assert len(family) == len(DIFFERENCES) - 1
    for part in (stream, stream.without_departures, stream.among(["den", "den_official"])):
        assert against_rival(part).main["den_official"] == family["den_official"]
    rows = components.differences(against_rival(stream)).set_index("departure")
    assert rows.loc["all inputs", "p, added"] == labels.probability(family["plus_all_inputs"].adjusted)


@given(CLOSE, draws.floats(0, 0.01))
def test_different_numbers_of_a_difference_read_differently(mean: float, reach: float) -> None:
    text = labels.difference(mean, mean - reach, mean + reach)
    if text == "0":
        assert abs(mean) + reach < 2 * labels.SMALLEST
        return
    numbers = [float(number.replace("−", "-")) for number in re.findall(r"[+−]\d*\.\d+", text)]
    for number, exact in zip(numbers, (mean, mean - reach, mean + reach), strict=True):
        assert number == pytest.approx(exact, abs=0.0005)
        assert number != 0 or abs(exact) < 1e-5
    assert len(set(numbers)) == 3 or reach < 1e-5


def test_a_difference_has_three_digits_where_they_suffice() -> None:
    assert labels.difference(-0.0123, -0.02, -0.0051) == "−.012 (−.020, −.005)"
    assert labels.difference(0.00012, 0.00005, 0.00019) == "+.00012 (+.00005, +.00019)"
    assert labels.difference(0.004, math.nan, math.nan) == "+.004"
    assert labels.difference(0, 0, 0) == "0"
    assert labels.difference(math.nan, math.nan, math.nan) == ""


@given(draws.floats(0, 1))
def test_a_printed_p_is_on_the_side_of_the_level_that_p_is_on(p: float) -> None:
    assert (float(labels.probability(p).removeprefix("<")) < inference.LEVEL) == (p < inference.LEVEL)


def test_a_table_explains_the_labels_that_it_has_and_no_other() -> None:
    notes = grid(1, ("den", "l2", "l2_published", "progressive_small")).label_notes
    assert "L2 (paper’s AUROC): " in notes
    assert "Progressive (small): " in notes
    assert "EWC" not in notes
    assert "Majority: " in notes


def test_forgetting_is_shown_of_both_scores() -> None:
    columns = set(text_tables.summary(grid(1)))
    assert {"AUROC forgetting", "accuracy forgetting"} <= columns
    assert {"AUROC backward transfer", "accuracy backward transfer"} <= set(components.kept(grid(1)))
