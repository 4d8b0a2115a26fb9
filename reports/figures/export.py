"""Figures as PNG, SVG and PDF, and as SVG that takes colours and fonts from the page around it."""

import re
from io import BytesIO
from typing import Any

from matplotlib.figure import Figure

from reports.figures import looks, style

PAGE_COLORS = {
    looks.INK: "var(--ink)", looks.FAINT: "var(--faint)", looks.GRID: "var(--line)", "#ffffff": "var(--paper)",
}  # fmt: skip


def png(figure: Figure) -> bytes:
    """Return the figure as PNG on white."""
    return _saved(figure, format="png", facecolor="white")


def svg(figure: Figure) -> bytes:
    """Return the figure as SVG without a background, the same bytes every time."""
    return _saved(figure, format="svg", metadata={"Date": None, "Creator": None})


def pdf(figure: Figure) -> bytes:
    """Return the figure as PDF without a background, the same bytes every time."""
    return _saved(figure, format="pdf", metadata={"CreationDate": None, "Creator": None, "Producer": None})


def inline(drawing: bytes, name: str, description: str) -> str:
    """Return what `svg` returned as an SVG element for a page: ids begin with `name`, colours and fonts are the page's.

    Screen readers read `description` instead of the drawing.
    """
    text = re.sub(r"^.*?(?=<svg)|<metadata>.*?</metadata>|<style.*?</style>", "", drawing.decode(), flags=re.DOTALL)
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
    figure.set_layout_engine(None)  # arranged once: every format has the same positions
    return buffer.getvalue()
