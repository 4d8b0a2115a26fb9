"""The report in a real browser, without a network: it draws all it has, asks for nothing, and can be read anywhere."""

import base64
from collections.abc import Iterator
from pathlib import Path

import pytest
from browsers import DESK, PHONE, requested, show, started
from selenium import webdriver
from synthetic import ORIGIN, result

from reports import tables
from reports.page import report

pytestmark = pytest.mark.slow

DRAWN = """
return [...document.querySelectorAll('figure')].map(figure => {
    const drawing = figure.querySelector('svg, img'), box = drawing.getBoundingClientRect();
    const marks = [...drawing.querySelectorAll('path, use')].filter(mark => mark.getBoundingClientRect().width > 0);
    return [box.width, box.height, drawing.tagName === 'IMG' ? drawing.naturalWidth : marks.length];
});
"""
# The contrast of every element that has text of its own, over the first ground behind it that is not see-through.
CONTRASTS = """
const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
function parts(color) {
    canvas.clearRect(0, 0, 1, 1);
    canvas.fillStyle = color;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data];
}
function ground(element) {
    const here = parts(getComputedStyle(element).backgroundColor), share = here[3] / 255;
    if (share === 1) return here;
    const behind = element.parentElement ? ground(element.parentElement) : [255, 255, 255, 255];
    return behind.map((part, index) => share * here[index] + (1 - share) * part);
}
function luminance(color) {
    const linear = color.slice(0, 3).map(part => part / 255).map(
        part => part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2];
}
function contrast(element) {
    const style = getComputedStyle(element), color = element.closest('svg') ? style.fill : style.color;
    const pair = [parts(color), ground(element)].map(luminance).sort((one, other) => other - one);
    return (pair[0] + 0.05) / (pair[1] + 0.05);
}
const told = [...document.body.querySelectorAll('*')].filter(element =>
    [...element.childNodes].some(node => node.nodeType === Node.TEXT_NODE && node.textContent.trim()));
return told.map(element => [contrast(element), element.outerHTML.slice(0, 120)]);
"""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Return the address of a report with long names in it: of a method, and of a processor."""
    methods = ("finetune", "l2", "ewc", "single_task", "joint", "den", "den_constant_13")
    machine = ORIGIN["machine"] | {"processor": "Intel(R) Xeon(R) Platinum 8581C CPU @ 2.30GHz (6/207/2)"}
    measured = [result("mnist_variation", method, seed, machine=machine) for method in methods for seed in (1, 2)]
    return report.write(tables.collect(measured, "quick"), tmp_path_factory.mktemp("out")).as_uri()


@pytest.fixture(scope="module")
def browser(tmp_path_factory: pytest.TempPathFactory) -> Iterator[webdriver.Chrome]:
    """Start a browser with a profile of its own, found on this machine and never downloaded."""
    with started(tmp_path_factory.mktemp("profile")) as driver:
        yield driver


def test_nothing_is_complained_of_and_no_request_leaves_the_page(browser: webdriver.Chrome, address: str) -> None:
    browser.get_log("performance")
    show(browser, address)
    assert browser.get_log("browser") == []
    urls = requested(browser)
    assert address in urls
    assert {url for url in urls if not url.startswith("data:")} == {address}


@pytest.mark.parametrize("width", [PHONE, DESK])
def test_every_figure_is_drawn(browser: webdriver.Chrome, address: str, width: int) -> None:
    show(browser, address, width)
    drawn = browser.execute_script(DRAWN)
    assert len(drawn) >= 7
    assert all(wide > 200 and high > 50 and marks for wide, high, marks in drawn)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_can_be_read_in_light_and_in_dark(browser: webdriver.Chrome, address: str, scheme: str) -> None:
    show(browser, address, scheme=scheme)
    contrasts = browser.execute_script(CONTRASTS)
    assert len(contrasts) > 100
    assert [text for contrast, text in contrasts if contrast < 4.5] == []


def test_light_and_dark_are_two_pages(browser: webdriver.Chrome, address: str) -> None:
    grounds = set()
    for scheme in ("light", "dark"):
        show(browser, address, scheme=scheme)
        grounds.add(browser.execute_script("return getComputedStyle(document.body).backgroundColor"))
    assert len(grounds) == 2


def test_nothing_stands_out_of_a_phone(browser: webdriver.Chrome, address: str) -> None:
    show(browser, address, PHONE)
    page_width, window_width = browser.execute_script(
        "const page = document.documentElement; return [page.scrollWidth, innerWidth]"
    )
    assert page_width <= window_width == PHONE


def test_it_prints_with_no_column_cut_off(browser: webdriver.Chrome, address: str) -> None:
    show(browser, address)
    assert base64.b64decode(browser.print_page()).startswith(b"%PDF")
    sheet = {"width": 690, "height": 1000, "deviceScaleFactor": 1, "mobile": False}
    browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", sheet)
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "print"})
    assert browser.execute_script("return document.documentElement.scrollWidth <= innerWidth")
    browser.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": ""})


def test_a_page_is_small(address: str) -> None:
    assert Path(address.removeprefix("file://")).stat().st_size < 5_000_000
