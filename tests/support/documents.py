"""The pages of the documents, and the code in them."""

from collections.abc import Iterator
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token
from projects import ROOT

PAGES = sorted([*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("data/*.md")])


def tokens(page: Path) -> Iterator[Token]:
    """Yield the Markdown tokens of a page, those inside others too."""
    for token in MarkdownIt("commonmark").enable("table").parse(page.read_text()):
        yield token
        yield from token.children or ()


def code(page: Path, language: str) -> list[str]:
    """Return the fenced blocks of a page in one language."""
    return [token.content for token in tokens(page) if token.type == "fence" and token.info == language]
