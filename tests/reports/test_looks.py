"""How methods look in figures: told apart by every reader, from each other and from the page."""

from itertools import combinations

import pytest
from colors import SIMULATED, ciede2000, difference
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from projects import ACCEPTED_SUITES, ROOT

from reports import accepted_results
from reports.figures import FIGURES, PER_GROUP, groups, looks, style

FARTHEST = 10
"The least CIEDE2000 between the colours of two methods of a figure."
NEUTRAL = {looks.INK, looks.FAINT, looks.GRID, "#ffffff"}
SHARMA = {
    ((50, 2.6772, -79.7751), (50, 0, -82.7485)): 2.0425,
    ((50, 2.5, 0), (73, 25, -18)): 27.1492,
    ((22.7233, 20.0904, -46.6940), (23.0331, 14.9730, -42.5619)): 2.0373,
    ((60.2574, -34.0099, 36.2677), (60.4626, -34.1751, 39.4387)): 1.2644,
    ((50, 0, 0), (50, -1, 2)): 2.3669,
    ((50, 2.49, -0.001), (50, -2.49, 0.0011)): 7.2195,
}
"Pairs of colours and their CIEDE2000 in the supplement of Sharma, Wu & Dalal 2005."


def closest(colors: set[str]) -> float:
    """Return the smallest difference of any two colours to any eye; infinite for fewer than two."""
    pairs = combinations(sorted(colors), 2)
    return min((difference(*pair, eye) for pair in pairs for eye in SIMULATED), default=float("inf"))


@pytest.mark.parametrize(("pair", "expected"), SHARMA.items())
def test_differences_of_colours_are_those_of_the_published_ones(pair: tuple, expected: float) -> None:
    assert ciede2000(*pair) == pytest.approx(expected, abs=1e-4)


def test_simulated_eyes_leave_white_and_grey_as_they_are() -> None:
    assert all(difference(grey, grey) == 0 and closest({grey, "#ffffff"}) > 0 for grey in ("#000000", "#808080"))
    assert difference("#c00000", "#008000", "deuteranopia") < difference("#c00000", "#008000") / 2


@pytest.mark.parametrize("suite", ACCEPTED_SUITES)
def test_any_two_methods_that_are_drawn_together_are_told_apart_by_colour(
    suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for results in accepted_results.read_tables(suite).per_stream:
        for methods in groups.of(results.without_departures):
            assert closest({looks.look(method)["color"] for method in methods}) >= FARTHEST


@pytest.mark.slow
@pytest.mark.parametrize("suite", ACCEPTED_SUITES)
def test_any_two_colours_of_a_drawn_figure_are_told_apart(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    for results in accepted_results.read_tables(suite).per_stream:
        few = results.without_departures
        parts = groups.of(few)
        for name, draw in FIGURES.items():
            for methods in parts if name in PER_GROUP else [few.methods]:
                figure = draw(few.among(methods))
                assert figure is None or closest(drawn(figure)) >= FARTHEST, (name, methods)


def drawn(figure: Figure) -> set[str]:
    """Return the colours of lines, markers and bars, without those of the page."""
    parts = [part for axes in figure.axes for part in (*axes.lines, *axes.patches)]
    colors = [part.get_color() if hasattr(part, "get_color") else part.get_facecolor() for part in parts]
    return {to_hex(color) for color in colors if color != "none"} - NEUTRAL - {"#000000"}


@pytest.mark.slow
@pytest.mark.parametrize("suite", ACCEPTED_SUITES)
def test_no_panel_has_more_than_six_curves_and_all_methods_are_drawn(
    suite: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    for results in accepted_results.read_tables(suite).per_stream:
        few = results.without_departures
        parts = groups.of(few)
        assert {method for part in parts for method in part} == set(few.methods)
        for name in PER_GROUP:
            for methods in parts:
                for axes in FIGURES[name](few.among(methods)).axes:
                    curves = [line for line in axes.lines if len(line.get_xdata()) > 2]
                    assert len(curves) <= groups.MOST, (name, methods)
                    styles = {(line.get_color(), str(line._dash_pattern), line.get_marker()) for line in curves}
                    assert len(styles) == len(curves)


def test_no_text_is_smaller_than_a_paper_prints() -> None:
    assert style.FONT >= 8
    texts = ("font.size", "legend.fontsize", "figure.labelsize", "axes.labelsize", "axes.titlesize")
    assert {style.HOUSE[name] for name in (*texts, "xtick.labelsize", "ytick.labelsize")} == {style.FONT}


def test_a_method_looks_the_same_everywhere_and_like_no_other() -> None:
    pairs = [(looks.look(method)["color"], looks.look(method)["marker"]) for method in looks.LOOKS]
    assert len(set(pairs)) == len(pairs)
    assert looks.look("homemade") == looks.look("homemade")


@pytest.mark.parametrize("ground", ["#ffffff", "#14171b"])
def test_every_method_stands_out_from_a_light_and_a_dark_page(ground: str) -> None:
    colors = {looks.look(method)["color"] for method in (*looks.LOOKS, "homemade")}
    assert min(contrast(color, ground) for color in colors) >= 3


def contrast(color: str, ground: str) -> float:
    """Return the contrast of two colours as the Web Content Accessibility Guidelines define it."""
    light, dark = sorted((luminance(color), luminance(ground)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))
