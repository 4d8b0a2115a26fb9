"""The site of accepted suites: its board and history, and in a real browser what a reader does with it."""

import shutil
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urldefrag

import pytest
from browsers import PHONE, requested, show, started
from projects import ROOT
from selenium import webdriver
from selenium.webdriver.common.by import By
from selenium.webdriver.common.keys import Keys
from selenium.webdriver.support.select import Select
from synthetic import DIFFERENCES, results

from den.config import SettingsError
from reports import accepted_results, tables
from reports.accepted_results import ACCEPTED
from reports.analysis import inference
from reports.site import board, history, pages

SUITES = ("first-numbers", "cifar100-quick", "smoke")
VISIBLE = """
return [...document.querySelectorAll(".board tbody tr:not([hidden])")].map(row => [...row.cells].map(cell =>
    cell.dataset.value === undefined ? cell.textContent.trim() : Number(cell.dataset.value)));
"""


class Links(HTMLParser):
    """The addresses and ids of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.addresses: set[str] = set()
        self.ids: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note where a link leads, and the id of an element."""
        values = dict(attrs)
        if tag == "a" and (address := values.get("href")):
            self.addresses.add(address)
        if id := values.get("id"):
            self.ids.add(id)


def test_short_suites_and_those_named_after_another_are_variants() -> None:
    suites = ("mnist-variation", "mnist-variation-h200", "quick", "smoke", "awa-quick", "differences", "first-numbers")
    variants = [suite for suite in suites if board.is_variant(suite, suites)]
    assert variants == ["mnist-variation-h200", "quick", "smoke", "awa-quick"]


def test_a_row_of_the_board_has_the_interval_of_its_seeds_and_no_departure_has_one() -> None:
    stream = tables.collect(results("mnist_variation", 3, DIFFERENCES), "differences").of()
    rows = {row.method: row for row in board.rows_of("differences", stream, ["differences"])}
    assert set(rows) == {"den", "den_official"}
    averages = list(stream.averages["den"].values())
    assert rows["den"].average == inference.interval(averages)
    assert rows["den"].average.low < rows["den"].average.mean < rows["den"].average.high
    assert rows["den"].capacity == pytest.approx(sum(stream.capacities["den"].values()) / 3)


def test_a_method_with_one_seed_has_no_interval() -> None:
    stream = tables.collect(results("mnist_variation", 1), "quick").of()
    assert {row.interval for row in board.rows_of("quick", stream, ["quick"])} == {""}


def test_the_history_counts_every_cell_at_its_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    cells = results("blobs", 2, ("den", "l2"), 3)
    accepted_results.write(cells, "smoke")
    (row,) = history.measured("smoke")
    assert (row.cells, row.first, row.last, row.commit) == (len(cells), "2026-11-28", "2026-11-28", "8c5ce2b")
    assert history.accepted("smoke") == []


def test_a_folder_with_other_files_is_refused(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").touch()
    with pytest.raises(SettingsError, match="new or empty"):
        next(pages.write(tmp_path))
    with pytest.raises(SettingsError, match="is a file"):
        next(pages.write(tmp_path / "thesis.tex"))
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_site_needs_something_accepted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(SettingsError, match="den accept"):
        next(pages.write(tmp_path / "site"))


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the site of three accepted suites, in a place with a space and a letter beyond ASCII in its name."""
    place = tmp_path_factory.mktemp("my pages é")
    for suite in SUITES:
        shutil.copytree(ROOT / ACCEPTED / suite, place / ACCEPTED / suite)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(place)
        written = [page.resolve() for page in pages.write(Path("site"))]
    assert written[-1] == place / "site/index.html"
    assert len(written) == len(SUITES) + 2
    return place / "site"


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Start a browser with a profile of its own."""
    with started(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


@pytest.fixture
def opened(browser: webdriver.Chrome, site: Path) -> webdriver.Chrome:
    """Return the browser at the board."""
    show(browser, (site / "index.html").as_uri())
    return browser


@pytest.mark.slow
@pytest.mark.parametrize(("head", "column"), [("Method", 1), ("Average", 4), ("95 % interval", 5), ("Capacity", 6)])
def test_a_click_sorts_by_a_column_and_another_turns_the_order(
    opened: webdriver.Chrome, head: str, column: int
) -> None:
    opened.find_element(By.NAME, "variants").click()
    button = next(button for button in opened.find_elements(By.CSS_SELECTOR, "th button") if button.text == head)
    for press, order in ((button.click, "ascending"), (lambda: button.send_keys(Keys.ENTER), "descending")):
        press()
        sorts = [th.get_attribute("aria-sort") for th in opened.find_elements(By.CSS_SELECTOR, ".board thead th")]
        assert sorts == [order if place == column else "none" for place in range(8)]
        values = [row[column] for row in opened.execute_script(VISIBLE)]
        present = [value for value in values if value is not None]
        key = str.lower if column == 1 else float
        assert present == sorted(present, key=key, reverse=order == "descending")
        assert values[: len(present)] == present  # one seed has no interval, and comes last


@pytest.mark.slow
def test_filters_leave_the_rows_that_match(opened: webdriver.Chrome) -> None:
    assert {row[2] for row in opened.execute_script(VISIBLE)} == {"first-numbers"}
    opened.find_element(By.NAME, "variants").click()
    assert {row[2] for row in opened.execute_script(VISIBLE)} == set(SUITES)
    total = len(opened.execute_script(VISIBLE))
    assert opened.find_element(By.TAG_NAME, "output").text == f"{total} of {total} rows"
    Select(opened.find_element(By.NAME, "method")).select_by_visible_text("DEN")
    assert {(row[1], row[2]) for row in opened.execute_script(VISIBLE)} == {("DEN", suite) for suite in SUITES}
    Select(opened.find_element(By.NAME, "stream")).select_by_visible_text("CIFAR-100")
    assert [row[:3] for row in opened.execute_script(VISIBLE)] == [["CIFAR-100", "DEN", "cifar100-quick"]]
    opened.find_element(By.NAME, "words").send_keys("smoke", Keys.ENTER)
    assert opened.execute_script(VISIBLE) == []
    assert opened.find_element(By.TAG_NAME, "output").text == f"0 of {total} rows"


@pytest.mark.slow
def test_every_link_leads_somewhere_and_no_request_leaves_the_site(browser: webdriver.Chrome, site: Path) -> None:
    browser.get_log("performance")
    seen: dict[Path, Links] = {}
    waiting, fragments = [site / "index.html"], set()
    while waiting:
        page = waiting.pop()
        show(browser, page.as_uri())
        assert browser.get_log("browser") == [], page
        seen[page] = Links(page.read_text())
        for address in seen[page].addresses:
            place, fragment = urldefrag(address)
            assert ":" not in place
            assert not place.startswith("/")
            target = (page.parent / unquote(place)).resolve() if place else page
            assert target.is_relative_to(site)
            assert target.is_file(), address
            fragments |= {(target, unquote(fragment))} if fragment else set()
            if target.suffix == ".html" and target not in {*seen, *waiting}:
                waiting.append(target)
    assert {page.relative_to(site).as_posix() for page in seen} == {
        "index.html",
        "history.html",
        *(f"suites/{suite}/index.html" for suite in SUITES),
    }
    assert [(page, id) for page, id in fragments if id not in seen[page].ids] == []
    assert {url for url in requested(browser) if not url.startswith("data:")} == {page.as_uri() for page in seen}


@pytest.mark.slow
def test_a_reader_clicks_from_the_board_to_a_figure_and_back(opened: webdriver.Chrome) -> None:
    opened.find_element(By.LINK_TEXT, "first-numbers").click()
    opened.find_element(By.CSS_SELECTOR, ".contents summary").click()
    opened.find_element(By.CSS_SELECTOR, ".contents a[href='#figure-2']").click()
    assert opened.execute_script("return document.querySelector(':target b').textContent") == "Figure 2"
    opened.find_element(By.LINK_TEXT, "DEN Bench").click()
    assert opened.title == "DEN Bench: Accepted results"
    opened.find_element(By.LINK_TEXT, "History").click()
    assert opened.find_element(By.TAG_NAME, "h1").text == "History of accepted results"


@pytest.mark.slow
@pytest.mark.parametrize("page", ["index.html", "history.html"])
def test_nothing_of_the_site_stands_out_of_a_phone(browser: webdriver.Chrome, site: Path, page: str) -> None:
    show(browser, (site / page).as_uri(), PHONE)
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
