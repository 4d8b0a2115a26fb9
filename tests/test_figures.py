"""What figures, heat maps and tables show of synthetic records, with its error, and that it can be seen."""

import pytest
from matplotlib.colors import to_rgb
from records import ABLATION, METHODS, records

from reports import printed, style, tables
from reports.growth import growth
from reports.heat import STRONGEST, heat_maps
from reports.studies import studies


def grid(seeds: int = 1, methods: tuple[str, ...] = METHODS) -> tables.Tables:
    """Return the tables of a synthetic run of one stream."""
    return tables.collect(records("mnist_variation", seeds, methods), "quick")


@pytest.mark.parametrize("ground", ["#ffffff", "#14171b"])
def test_every_method_stands_out_from_a_light_and_a_dark_page(ground: str) -> None:
    colors = {style.look(method)["color"] for method in (*style.LOOKS, "homemade")}
    assert min(contrast(color, ground) for color in colors) >= 3


def contrast(one: str, other: str) -> float:
    """Return the contrast of two colours as the Web Content Accessibility Guidelines have it."""
    light, dark = sorted((luminance(color) for color in (one, other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def luminance(color: str) -> float:
    linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in to_rgb(color)]
    return sum(weight * part for weight, part in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def test_growth_is_what_is_kept_and_split_and_the_network_has_got_wider_by() -> None:
    found = growth(grid(2))
    assert list(found.index.unique("method")) == ["den"]
    assert found.loc[("den", 1, 3), ("kept", "mean")] == 8
    assert (found.loc[("den", 2), ("added", "mean")] == 7).all()
    assert not growth(grid(1))["units", "sem"].notna().any()
    assert growth(grid(1, ("l2", "ewc"))).empty


def test_heat_maps_go_from_the_lowest_score_to_the_highest() -> None:
    maps = heat_maps(grid(2))
    squares = [square for rows in maps.methods.values() for row in rows.values() for square in row if square.score]
    assert {(square.score == maps.low, square.score == maps.high) for square in squares} >= {
        (True, False),
        (False, True),
    }
    assert (min(square.heat for square in squares), max(square.heat for square in squares)) == (0, STRONGEST)
    assert all(square.error for square in squares)
    assert [*maps.methods["joint"]] == [10]
    one_seed = heat_maps(grid(1)).methods["den"][1]
    assert (one_seed[0].error, one_seed[1].score) == ("", "")


def test_with_several_seeds_whatever_is_measured_has_a_standard_error() -> None:
    results = printed.results(grid(2))[["AUROC", "accuracy", "capacity", "seconds"]]
    assert results.map(lambda text: "±" in text).all(axis=None)
    for table in studies(grid(2, ABLATION)):
        measured = table.rows.drop(columns=["method", "task"], errors="ignore")
        own = measured[[column for column in measured if not column.startswith("paper")]]
        assert own.map(lambda text: not text or "±" in text).all(axis=None), table.title
