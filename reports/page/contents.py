"""The list of contents of a page, made from its headings and the captions of its figures."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

from markupsafe import Markup

PLACE = "<!-- contents -->"
"Where a page has its list of contents."
HEADING = re.compile(r"<h([23])>(.*?)</h\1>", re.DOTALL)
ENTRY = re.compile(r'<h([23]) id="([^"]+)">(.*?)</h\1>|<figcaption id="([^"]+)">(.*?)</span>', re.DOTALL)
FIGURE = 4
"The level of a figure, below headings of levels 2 and 3."


@dataclass(frozen=True)
class Entry:
    """A line of the list: the id of its place on the page, its words, and the entries below it."""

    id: str
    words: Markup
    below: list["Entry"] = field(default_factory=list)


def anchored(page: str) -> str:
    """Return an HTML page whose headings of levels 2 and 3 have ids, which begin with that of the level above."""
    parent, used = "", set[str]()

    def heading(match: re.Match[str]) -> str:
        nonlocal parent
        level, words = match.groups()
        slug = re.sub(r"\W+", "-", _plain(words).lower()).strip("-")
        id = _unused(slug if level == "2" else f"{parent}-{slug}", used)
        parent = id if level == "2" else parent
        used.add(id)
        return f'<h{level} id="{id}">{words}</h{level}>'

    return HEADING.sub(heading, page)


def of_page(page: str) -> list[Entry]:
    """Return the headings of an anchored page, with lower headings and figures below them."""
    top = Entry("", Markup())
    path = {1: top}
    for level, entry in _entries(page):
        above = max(step for step in path if step < level)
        path[above].below.append(entry)
        path = {step: earlier for step, earlier in path.items() if step < level} | {level: entry}
    return top.below


def _entries(page: str) -> Iterator[tuple[int, Entry]]:
    """Yield the level of each heading and figure, and its entry."""
    for match in ENTRY.finditer(page):
        level, id, words, figure, caption = match.groups()
        if figure:
            yield FIGURE, Entry(figure, Markup(_plain(caption)))
        else:
            yield int(level), Entry(id, Markup(_plain(words)))


def _plain(html: str) -> str:
    return re.sub(r"<[^>]+>", "", html).strip()


def _unused(id: str, used: set[str]) -> str:
    return next(name for name in (id, *(f"{id}-{number}" for number in range(2, 1000))) if name not in used)
