"""A hook of MkDocs: the pages of the site that lie outside docs/, and the links from and to them."""

import posixpath
import re
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File, Files

ROOT = Path(__file__).parent.parent
OUTSIDE = {  # place in the repository: place in the site
    "README.md": "index.md",
    "CONTRIBUTING.md": "contributing.md",
    "CHANGELOG.md": "changelog.md",
    "data/README.md": "data.md",
}
LINK = re.compile(r"\]\((?!\w+:|#)([^)#\s]+)")


def on_files(files: Files, config: Any) -> Files:
    """Add the pages from outside docs/."""
    for path, page in OUTSIDE.items():
        text = (ROOT / path).read_text(encoding="utf-8")
        files.append(File.generated(config, page, content=relinked(text, path, page)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Lead links out of docs/ to the pages of the site."""
    place = page.file.src_uri
    return markdown if place in OUTSIDE.values() else relinked(markdown, f"docs/{place}", place)


def relinked(text: str, path: str, page: str) -> str:
    """Return the text of a file of the repository with its relative links as they are in the site."""

    def link(match: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(path), match[1]))
        place = OUTSIDE.get(target) or target.removeprefix("docs/")
        return f"]({posixpath.relpath(place, posixpath.dirname(page) or '.')}"

    return LINK.sub(link, text)
