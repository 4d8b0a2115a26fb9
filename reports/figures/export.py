"""Figures as files, and as SVG that takes colours and fonts from the page around it."""

import re
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

from reports.figures import style

PAGE_COLORS = {style.INK: "var(--ink)", style.FAINT: "var(--faint)", style.GRID: "var(--line)"}


def png(figure: Figure) -> bytes:
    """Return the figure as PNG on white."""
    return _saved(figure, format="png", facecolor="white")


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG without a background, the same bytes every time."""
    return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


def inline(figure: Figure, name: str, description: str) -> str:
    """Return the figure as an SVG element for a page: ids begin with `name`, text and lines take the page's colours.

    Screen readers read `description` instead of the drawing.
    """
    text = svg(figure).decode()
    text = re.sub(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<style.*?</style>", "", text, flags=re.DOTALL)
    text = re.sub(r'(\bid="|href="#|url\(#)', rf"\g<1>{name}-", text)
    for color, page_color in PAGE_COLORS.items():
        text = text.replace(color, page_color)
    text = re.sub(r"font-family: [^;]*; ?", "", text)
    return re.sub(
        r'<svg(.*?) width="[^"]*" height="[^"]*"', rf'<svg role="img" aria-label="{description}"\1', text, count=1
    )


def _saved(figure: Figure, **options: Any) -> bytes:
    buffer = BytesIO()
    with style.house():
        figure.savefig(buffer, **options)
    return buffer.getvalue()
