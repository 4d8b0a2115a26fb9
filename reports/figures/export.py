"""Figures as files, and as SVG that takes the colours and letters of the page it stands in."""

import re
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

from reports.figures import style

OWN = {style.INK: "var(--ink)", style.FAINT: "var(--faint)", style.GRID: "var(--line)"}


def png(figure: Figure) -> bytes:
    """Return the figure as PNG on white."""
    return _saved(figure, format="png", facecolor="white")


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG without a background, the same bytes every time."""
    return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


def inline(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an SVG element for a page: ids under `name`, ink and lines in the page's colours.

    `description` is read aloud in place of the drawing.
    """
    text = svg(figure).decode()
    text = re.sub(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, own in OWN.items():
        text = text.replace(color, own)
    text = re.sub(r"font-family: [^;]*; ?", "", text)
    return re.sub(
        r'<svg(.*?) width="[^"]*" height="[^"]*"', rf'<svg role="img" aria-label="{description}"\1', text, count=1
    )


def _saved(figure: Figure, **options: Any) -> bytes:
    buffer = BytesIO()
    with style.house():
        figure.savefig(buffer, **options)
    return buffer.getvalue()
